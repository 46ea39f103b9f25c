"""Settings: declared once as the fields of a frozen dataclass, read from the environment, all problems told at once.

    @dataclass(frozen=True, kw_only=True)
    class Settings(CommonSettings):
        upstream: Address = setting("127.0.0.1:8080", help="Where the application listens.")
        token: Secret = setting(None, secret=True, help="What a client must present.")

    settings = load(Settings, environment())

The field's name in upper case is the variable. A default is the text that one would type, so that one parser serves
both and a table can show it. What the values mean is not known here.
"""

import os
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from inspect import get_annotations
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from podparts.names import is_service_link, service_link_advice, slips
from podparts.secret import MASK
from podparts.secret import Secret as Secret
from podparts.values import Address, Duration

_REQUIRED: Final = object()
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a field says about itself."""

    default: object
    help: str
    secret: bool
    aliases: tuple[str, ...]
    example: str | None


def setting(
    default: object = _REQUIRED,
    *,
    help: str,
    secret: bool = False,
    aliases: tuple[str, ...] = (),
    example: str | None = None,
) -> Any:
    """Declares a field. `default` is the text one would type, None for "unset"; without one the variable is required.

    `aliases` are other names for the same variable, for example those that a book or an older tool uses.
    """
    return field(metadata={"setting": Declaration(default, help, secret, aliases, example)})


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """What every part can be told."""

    admin_listen: Address = setting("0.0.0.0:9100", help="Where health, metrics and the other admin endpoints listen.")
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", help="The least level that is logged.")
    log_format: Literal["json", "text"] = setting("json", help="One JSON object per line, or lines for people.")
    shutdown_delay: Duration = setting(
        "5s", help="After SIGTERM: how long to go on serving, not ready, while load balancers take notice."
    )
    shutdown_grace: Duration = setting(
        "20s", help="After that: how long exchanges in flight may take before they are aborted."
    )

    def problems(self) -> Iterable["Problem"]:
        """Checks across fields; a part overrides it."""
        return ()


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(CommonSettings):
    """For parts whose traffic can fill more than one core."""

    workers: int = setting("1", help="Processes that share the listening ports (SO_REUSEPORT), for more than one core.")

    def problems(self) -> Iterable["Problem"]:
        yield from super().problems()
        if not 1 <= self.workers <= 64:
            yield Problem("WORKERS", str(self.workers), "expected a number from 1 to 64")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: which variable, its value (masked for a secret), and what was expected."""

    variable: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"{self.variable}={self.value!r}: {self.expected}"


class SettingsError(Exception):
    """The environment cannot be used; `problems` holds every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Kind:
    """How the text of one type is read, and how a person is told."""

    name: str
    parse: Callable[[str], Any]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    """One setting as documents and checks see it."""

    field: str
    variable: str
    kind: Kind
    default: str | None
    required: bool
    help: str
    secret: bool
    aliases: tuple[str, ...]
    example: str | None

    def names(self) -> tuple[str, ...]:
        """Every variable that sets it, the preferred one first."""
        names = (self.variable, *self.aliases)
        return (*names, *(f"{name}_FILE" for name in names)) if self.secret else names


def environment() -> Mapping[str, str]:
    """The process's environment: the one place that reads it."""
    return os.environ  # noqa: TID251 - this is the place


def declared(cls: type[CommonSettings]) -> tuple[Declared, ...]:
    """The settings of a class, the part's own before those that it shares with others."""
    hints = get_type_hints(cls)
    origin = {name: depth for depth, base in enumerate(cls.__mro__) for name in get_annotations(base)}
    found = [
        Declared(
            field=item.name,
            variable=item.name.upper(),
            kind=_kind(hints[item.name]),
            default=says.default if isinstance(says.default, str) else None,
            required=says.default is _REQUIRED,
            help=says.help,
            secret=says.secret,
            aliases=says.aliases,
            example=says.example,
        )
        for item in fields(cls)
        if (says := item.metadata.get("setting")) is not None
    ]
    return tuple(sorted(found, key=lambda one: origin[one.field]))


S = TypeVar("S", bound=CommonSettings)


def load(cls: type[S], environ: Mapping[str, str]) -> S:
    """Reads an instance from an environment. Raises SettingsError with every problem there is."""
    known = declared(cls)
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for one in known:
        try:
            values[one.field] = _read(one, environ)
        except SettingsError as error:
            problems += error.problems
    names = [name for one in known for name in one.names()]
    problems += [
        Problem(slip, MASK, f"not a setting; did you mean {meant}?") for slip, meant in slips(names, environ).items()
    ]
    if not problems:
        settings = cls(**values)
        problems += settings.problems()
    if problems:
        raise SettingsError(problems)
    return settings


def read_one(cls: type[CommonSettings], field: str, environ: Mapping[str, str]) -> Any:
    """Reads one setting, whatever the others hold. Raises SettingsError."""
    return next(_read(one, environ) for one in declared(cls) if one.field == field)


def secrets(settings: CommonSettings) -> dict[str, Secret]:
    """The secrets that are set, by variable."""
    values = {one.variable: getattr(settings, one.field) for one in declared(type(settings)) if one.secret}
    return {variable: value for variable, value in values.items() if value}


def shown(settings: CommonSettings) -> dict[str, str | None]:
    """Each variable with its value in force, as it would be typed; secrets masked, None for what is unset."""
    values = {one: getattr(settings, one.field) for one in declared(type(settings))}
    return {
        one.variable: (MASK if value else None) if one.secret else (None if value is None else written(value))
        for one, value in values.items()
    }


def written(value: Any) -> str:
    """A value as one would type it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is tuple:
        return ",".join(map(written, value))
    return str(value)


def _read(one: Declared, environ: Mapping[str, str]) -> Any:
    present = [name for name in one.names() if name in environ]
    if len(present) > 1:
        also = " and ".join(present)
        raise SettingsError([Problem(present[0], _visible(one, environ[present[0]]), f"expected only one of {also}")])
    if not present:
        return _default(one)
    name = present[0]
    text = environ[name]
    if text == "" and one.kind.optional:
        return _unset(one)
    if is_service_link(name, text):
        raise SettingsError([Problem(name, text, service_link_advice(name))])
    try:
        if one.secret and name not in (one.variable, *one.aliases):
            return Secret.from_file(text)
        return one.kind.parse(text)
    except ValueError as error:
        value = text if name.endswith("_FILE") else _visible(one, text)
        raise SettingsError([Problem(name, value, str(error))]) from None


def _default(one: Declared) -> Any:
    if one.required:
        raise SettingsError([Problem(one.variable, "", f"expected to be set: {one.help}")])
    return _unset(one) if one.default is None else one.kind.parse(one.default)


def _unset(one: Declared) -> Any:
    return Secret() if one.kind.name == "secret" and not one.kind.optional else None


def _visible(one: Declared, text: str) -> str:
    if one.secret:
        return MASK
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}… ({len(text)} characters)"


# --- types -----------------------------------------------------------------------------------------------------------


def _kind(hint: Any) -> Kind:
    if hint in _KINDS:
        return _KINDS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _choice(arguments)
    if origin is tuple:
        return _list(_kind(arguments[0]))
    if origin in (types.UnionType, Union) and type(None) in arguments:
        (inner,) = (argument for argument in arguments if argument is not type(None))
        kind = _kind(inner)
        return Kind(kind.name, kind.parse, optional=True)
    if hasattr(hint, "parse"):
        return Kind(hint.__name__.lower(), hint.parse)
    if callable(hint):  # such as pathlib.Path, which this module does not import because it is slow to
        return Kind(hint.__name__.lower(), hint)
    raise TypeError(f"no setting can be read as {hint!r}")


def _choice(choices: tuple[str, ...]) -> Kind:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected {' or '.join(choices)}")
        return text

    return Kind(" or ".join(choices), parse)


def _list(item: Kind) -> Kind:
    def parse(text: str) -> tuple[Any, ...]:
        return tuple(item.parse(part.strip()) for part in text.split(",")) if text.strip() else ()

    return Kind(f"{item.name} list", parse)


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("expected true or false")
    return text == "true"


def _int(text: str) -> int:
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 18:
        raise ValueError("expected a whole number")
    return int(text)


def _float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("expected a number") from None
    if number - number != 0:  # true for inf and nan alone
        raise ValueError("expected a finite number")
    return number


_KINDS: dict[Any, Kind] = {
    str: Kind("text", str),
    bool: Kind("true or false", _bool),
    int: Kind("number", _int),
    float: Kind("number", _float),
    Secret: Kind("secret", Secret),
}
