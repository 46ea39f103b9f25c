"""A secret: never shown, compared in constant time, read again when its file changes.

Which variable or file it came from is known to `settings`; what it opens is known to the part.
"""

import os
import time
from typing import Final, cast

MASK: Final = "***"
_LARGEST = 64 * 1024
# A file written again within one tick of the kernel's clock keeps its time; so close to the last write, look again.
_CLOCK_TICK = 0.05


class Secret:
    """A secret that is never shown: `str()` and `repr()` give a mask. False when it was not set.

    When it came from a file, `text()` reads that file again once it has changed. A file that is gone, empty or
    unreadable for a while does not lose the last good value; `problem` then says what is wrong.
    """

    __slots__ = ("_path", "_seen", "_text", "problem")

    def __init__(self, text: str = "", path: str | None = None) -> None:
        self._text = text
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self.problem: str | None = None

    @classmethod
    def from_file(cls, path: str) -> "Secret":
        """Raises ValueError when the file cannot be read or holds nothing."""
        secret = cls(path=path)
        secret._refresh()
        if secret.problem:
            raise ValueError(f"expected a readable file that holds the secret: {secret.problem}")
        return secret

    def text(self) -> str:
        """The secret as it is now; empty when it was not set."""
        if self._path is not None:
            self._refresh()
        return self._text

    def matches(self, presented: str) -> bool:
        """Compares in a time that does not tell how much was right. A secret that was not set matches nothing."""
        from hmac import compare_digest  # imports hashlib, which most parts never need

        secret = self.text()
        return bool(secret) and compare_digest(secret.encode(), presented.encode("utf-8", "surrogatepass"))

    def _refresh(self) -> None:
        path = cast(str, self._path)
        try:
            status = os.stat(path)
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen == self._seen:
                return
            with open(path, "rb") as file:
                data = file.read(_LARGEST + 1)
            if len(data) > _LARGEST:
                raise ValueError(f"{path} holds more than {_LARGEST} bytes")
            text = data.decode().removesuffix("\n").removesuffix("\r")
            if not text:
                raise ValueError(f"{path} is empty")
        except (OSError, ValueError) as error:
            self.problem = str(error) if not isinstance(error, UnicodeDecodeError) else f"{path} is not UTF-8 text"
            return
        self._text, self.problem = text, None
        self._seen = seen if time.time() - status.st_mtime > _CLOCK_TICK else None

    def __bool__(self) -> bool:
        return bool(self._text)

    def __str__(self) -> str:
        return MASK if self._text else ""

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"
