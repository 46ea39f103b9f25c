"""A part's command line: nothing to run it, or one of --check, --settings, --health, --version, --help.

A user meets it as `docker run IMAGE --check`. Only a run imports asyncio and the data plane, so that the health probe
and the rest answer at once.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from podparts import errors
from podparts.part import Part
from podparts.settings import Problem, SettingsError, declared, environment, load

_WORKER: Final = "--worker="  # from a supervisor to its workers; not for people
OPTIONS: Final = (
    ("--check", "check the environment, say every problem, and exit: 0 good, 2 not"),
    ("--settings", "list the settings (--settings=json for machines)"),
    ("--health", "ask the running part whether it is ready: exit 0 or 1 (--health=live, --health=started)"),
    ("--version", "say the version"),
    ("--help", "say this"),
)


def run(part: Part[Any], arguments: list[str] | None = None) -> NoReturn:
    """The whole of a part's `main`: does what the command line asks for and exits."""
    given = sys.argv[1:] if arguments is None else arguments
    environ = environment()
    if not given:
        _leave(_serve(part, environ))
    if given[0].startswith(_WORKER):
        _leave(_serve(part, environ, given[0].removeprefix(_WORKER)))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `IMAGE --settings | head` ends like any other command
    command = _COMMANDS.get(given[0])
    if command is None or len(given) > 1:
        _say(f"{' '.join(given)!r}: expected one of the options below; settings are environment variables", error=True)
        _say(usage(part), error=True)
        sys.exit(errors.BAD_SETTINGS)
    sys.exit(command(part, environ))


def _leave(code: int) -> NoReturn:
    """Exits without waiting for threads, of which one may hang in a system call. The log is not buffered."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve(part: Part[Any], environ: Mapping[str, str], seat: str | None = None) -> int:
    # As PID 1 a process ignores what it has no handler for, and importing takes a while in which one may be stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: sys.exit(errors.STOPPED))
    try:
        settings = load(part.settings, environ)
    except SettingsError as error:
        _log_problems(part, environ, error.problems)
        return errors.BAD_SETTINGS
    from podparts.service import serve_forever
    from podparts.workers import WorkerSeat

    return serve_forever(part, settings, None if seat is None else WorkerSeat.parse(seat))


def _log_problems(part: Part[Any], environ: Mapping[str, str], problems: tuple[Problem, ...]) -> None:
    from podparts.log import Log

    log = Log(part.name, format="text" if environ.get("LOG_FORMAT") == "text" else "json")
    for problem in problems:
        log.error("bad setting", variable=problem.variable, value=problem.value, expected=problem.expected)


def _check(part: Part[Any], environ: Mapping[str, str]) -> int:
    try:
        load(part.settings, environ)
    except SettingsError as error:
        _say(str(error), error=True)
        return errors.BAD_SETTINGS
    _say("settings are good")
    return errors.STOPPED


def _settings(part: Part[Any], environ: Mapping[str, str]) -> int:
    rows = [
        (one.variable, one.kind.name, _default_text(one.default, one.required), one.help)
        for one in declared(part.settings)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        _say("  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)))
    return errors.STOPPED


def _default_text(default: str | None, required: bool) -> str:
    return "required" if required else "unset" if default is None else default or '""'


def _settings_json(part: Part[Any], environ: Mapping[str, str]) -> int:
    from json import dumps

    from podparts.surface import settings_surface

    _say(dumps(settings_surface(part.settings), indent=2))
    return errors.STOPPED


def _health(question: str) -> "Command":
    def ask(part: Part[Any], environ: Mapping[str, str]) -> int:
        from podparts.probe import ask_admin

        good, said = ask_admin(part.settings, environ, question)
        _say(said, error=not good)
        return errors.STOPPED if good else errors.FAILED

    return ask


def _version(part: Part[Any], environ: Mapping[str, str]) -> int:
    _say(f"{part.name} {part.version}")
    return errors.STOPPED


def _help(part: Part[Any], environ: Mapping[str, str]) -> int:
    _say(usage(part))
    return errors.STOPPED


def usage(part: Part[Any]) -> str:
    lines = [
        f"{part.name}: {part.summary}",
        "",
        "Configured by environment variables alone; without an option it runs.",
        "",
    ]
    return "\n".join([*lines, *(f"  {option:<12}{help}" for option, help in OPTIONS)])


def _say(text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout)


Command = Callable[[Part[Any], Mapping[str, str]], int]

_COMMANDS: Final[dict[str, Command]] = {
    "--check": _check,
    "--settings": _settings,
    "--settings=json": _settings_json,
    "--health": _health("/readyz"),
    "--health=live": _health("/livez"),
    "--health=started": _health("/startupz"),
    "--version": _version,
    "--help": _help,
}
