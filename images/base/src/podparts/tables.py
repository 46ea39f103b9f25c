"""A part's declarations as the text of documents: Markdown tables and the generated block of a Dockerfile.

Pure: declarations in, text out. Which file holds which text is the business of `reference`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from podparts.admin import ENDPOINTS
from podparts.part import Part, Port
from podparts.settings import CommonSettings, Declared, declared
from podparts.surface import all_metrics


def settings_table(settings: type[CommonSettings]) -> str:
    rows = [(_names(one), _escaped(one.kind.name), _default(one), _escaped(_help(one))) for one in declared(settings)]
    return _table(("Variable", "Type", "Default", "Meaning"), rows)


def endpoints_table(part: Part[Any]) -> str:
    rows = [(one.method, f"`{one.path}`", _escaped(one.help)) for one in (*part.endpoints, *ENDPOINTS)]
    return _table(("Method", "Path", "Answer"), rows)


def metrics_table(part: Part[Any]) -> str:
    rows = [
        (
            f"`{one.full_name(part.prefix)}`",
            one.kind,
            ", ".join(f"`{label}`" for label in one.labels),
            _escaped(one.help),
        )
        for one in all_metrics(part)
    ]
    return _table(("Metric", "Kind", "Labels", "Meaning"), rows)


def images_table(parts: Iterable[Part[Any]]) -> str:
    rows = [
        (
            f"[{part.name}](images/{part.name}/README.md)",
            _escaped(part.summary),
            ", ".join(f"{port.number} {_escaped(port.help)}" for port in part.ports),
        )
        for part in parts
    ]
    return _table(("Image", "What it does", "Ports"), rows)


def dockerfile_block(part: Part[Any], version: str, license: str) -> str:
    """EXPOSE with what listens there, ENV with each default and its meaning, OCI labels.

    A secret has no place in an image. A variable with several names has none either: the image would set one name and
    the user another. Both, and what is unset, appear as comments.
    """
    known = declared(part.settings)
    fixed = [one for one in known if one.default is not None and not one.secret and not one.aliases]
    told = [one for one in known if one not in fixed]
    labels = {"title": part.name, "description": part.summary, "version": version, "licenses": license}
    return "\n".join([*_expose(part.ports), *map(_comment, told), *_env(fixed), *_label(labels)])


def _expose(ports: Sequence[Port]) -> list[str]:
    numbers = " ".join(f"{port.number}/{port.protocol}" for port in ports)
    return [*(f"# {port.number}: {port.help}" for port in ports), *([f"EXPOSE {numbers}"] if ports else [])]


def _comment(one: Declared) -> str:
    return f"# {' or '.join(one.names())} ({one.kind.name}, {_plain_default(one)}): {one.help}"


def _env(settings: Sequence[Declared]) -> list[str]:
    entries = [
        f"    # {one.help} ({one.kind.name})\n    {one.variable}={_quoted(one.default or '')}" for one in settings
    ]
    return ["ENV \\", " \\\n".join(entries)] if entries else []


def _label(labels: Mapping[str, str]) -> list[str]:
    pairs = [f"    org.opencontainers.image.{key}={_quoted(value)}" for key, value in labels.items()]
    return ["LABEL \\", " \\\n".join(pairs)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`"


def _names(one: Declared) -> str:
    return "<br>or ".join(f"`{name}`" for name in one.names())


def _default(one: Declared) -> str:
    if one.required or one.default is None:
        return _plain_default(one)
    return f"`{_escaped(one.default)}`" if one.default else "empty"


def _plain_default(one: Declared) -> str:
    return "required" if one.required else "unset" if one.default is None else f"default {one.default or 'empty'}"


def _help(one: Declared) -> str:
    return f"{one.help} Example: `{one.example}`" if one.example else one.help


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _quoted(text: str) -> str:
    """A value in a Dockerfile, where `$` would be a variable."""
    return '"' + "".join(f"\\{letter}" if letter in '"\\$' else letter for letter in text) + '"'
