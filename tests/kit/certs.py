"""Certificates by the openssl command line: an independent maker, so a mistake of ours cannot check itself.

An Authority signs server and client certificates with P-256 keys. What was issued once for the same subject is handed
out again, since a key costs 10 ms and a test run asks for many; `fresh=True` makes a new pair, for rotation.
"""

import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kit.need import need, program


@dataclass(frozen=True)
class Pair:
    """Paths of a PEM certificate and its key, and of the authority that signed it."""

    certificate: Path
    key: Path
    ca: Path

    @property
    def serial(self) -> str:
        """The serial number in upper-case hex, as `openssl x509 -serial` prints it."""
        return _openssl("x509", "-in", str(self.certificate), "-noout", "-serial").strip().removeprefix("serial=")


def _openssl(*arguments: str) -> str:
    done = subprocess.run([program("openssl"), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"openssl {' '.join(arguments)}\n{done.stderr}"
    return done.stdout


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _extensions(*lines: str) -> list[str]:
    return [word for line in lines for word in ("-addext", line)]


class Authority:
    """A certificate authority that lives in `directory`."""

    def __init__(self, directory: Path, name: str = "test authority") -> None:
        need("openssl")
        self.directory = directory
        self.certificate = directory / "ca.pem"
        self._key = directory / "ca.key"
        self._issued: dict[tuple[object, ...], Pair] = {}
        self._number = itertools.count()
        files = ["-keyout", str(self._key), "-out", str(self.certificate)]
        usage = _extensions("keyUsage=critical,keyCertSign,cRLSign")
        _openssl("req", "-x509", *_NEW_KEY, *files, "-days", "30", "-subj", f"/CN={name}", *usage)

    def server(self, *names: str, days: int = 10, fresh: bool = False) -> Pair:
        """A server certificate for host names and addresses; localhost when none is given."""
        names = names or ("localhost", "127.0.0.1", "::1")
        return self._issue(f"/CN={names[0]}", names, "serverAuth", days, fresh)

    def client(
        self, name: str, *, unit: str = "", alternatives: tuple[str, ...] = (), days: int = 10, fresh: bool = False
    ) -> Pair:
        """A client certificate; `unit` is its OU, `alternatives` are host names, addresses or URIs."""
        subject = (f"/OU={unit}" if unit else "") + f"/CN={name}"
        return self._issue(subject, alternatives, "clientAuth", days, fresh)

    def expired(self, *names: str) -> Pair:
        """A server certificate that was good in January 2020 only."""
        wanted = ("expired", names)
        if wanted not in self._issued:
            self._issued[wanted] = self._sign_for_past(names)
        return self._issued[wanted]

    def _issue(self, subject: str, names: tuple[str, ...], usage: str, days: int, fresh: bool) -> Pair:
        wanted = (subject, names, usage, days)
        if fresh or wanted not in self._issued:
            self._issued[wanted] = self._sign(subject, names, usage, days)
        return self._issued[wanted]

    def _sign(self, subject: str, names: tuple[str, ...], usage: str, days: int) -> Pair:
        stem = self.directory / f"{next(self._number):03}"
        pair = Pair(stem.with_suffix(".pem"), stem.with_suffix(".key"), self.certificate)
        files = ["-keyout", str(pair.key), "-out", str(pair.certificate)]
        by = ["-CA", str(self.certificate), "-CAkey", str(self._key)]
        lines = ["basicConstraints=critical,CA:FALSE", f"extendedKeyUsage={usage}"]
        if names:
            lines.append("subjectAltName=" + ",".join(_alternative(name) for name in names))
        _openssl("req", "-x509", *_NEW_KEY, *files, *by, "-days", str(days), "-subj", subject, *_extensions(*lines))
        return pair

    def _sign_for_past(self, names: tuple[str, ...]) -> Pair:
        stem = self.directory / f"{next(self._number):03}"
        pair = Pair(stem.with_suffix(".pem"), stem.with_suffix(".key"), self.certificate)
        request, config = stem.with_suffix(".csr"), stem.with_suffix(".cnf")
        alternatives = ",".join(_alternative(name) for name in names)
        config.write_text(_PAST_CONFIG.format(stem=stem, alternatives=alternatives))
        stem.with_suffix(".index").touch()
        _openssl("req", "-new", *_NEW_KEY, "-keyout", str(pair.key), "-out", str(request), "-subj", f"/CN={names[0]}")
        by = ["-cert", str(self.certificate), "-keyfile", str(self._key), "-startdate", "20200101000000Z"]
        files = ["-in", str(request), "-out", str(pair.certificate), "-enddate", "20200201000000Z"]
        _openssl("ca", "-batch", "-notext", "-config", str(config), *by, *files)
        return pair


# `openssl req -x509` knows no end before now; `openssl ca` does, but wants a database and this much of configuration.
_PAST_CONFIG = """
[ca]
default_ca = here
[here]
database = {stem}.index
new_certs_dir = {stem.parent}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = {alternatives}
"""


def _alternative(name: str) -> str:
    if "://" in name:
        return f"URI:{name}"
    kind = "IP" if ":" in name or name.replace(".", "").isdigit() else "DNS"
    return f"{kind}:{name}"
