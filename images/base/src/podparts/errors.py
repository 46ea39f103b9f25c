"""How a process ends: its exit codes, and the one failure that is told by a sentence instead of a traceback.

Knows nothing about services, sockets or logs.
"""

STOPPED = 0
"""Asked to stop: by a signal or by POST /quitquitquit."""

FAILED = 1
"""Crashed, or could not have what it cannot do without, such as its own port."""

BAD_SETTINGS = 2
"""The environment holds values that cannot be used; each of them was reported."""

EXIT_CODES = (
    (STOPPED, "asked to stop, by a signal or by POST /quitquitquit"),
    (FAILED, "crashed, or could not listen on its own address"),
    (BAD_SETTINGS, "the environment holds values that cannot be used; each one is reported"),
)


class StartError(Exception):
    """The part cannot do its work here and says why in one sentence, for the operator."""

    def __init__(self, reason: str, code: int = FAILED) -> None:
        super().__init__(reason)
        self.code = code
