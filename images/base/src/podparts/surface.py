"""What a part promises, as plain data: settings with defaults, endpoints, metrics, ports, exit codes.

Two releases are compared by comparing this. Pure: nothing is read but declarations.
"""

from typing import Any

from podparts.admin import ENDPOINTS
from podparts.errors import EXIT_CODES
from podparts.metrics import OVERFLOWS, Metric
from podparts.part import Part
from podparts.settings import CommonSettings, declared


def settings_surface(settings: type[CommonSettings]) -> list[dict[str, Any]]:
    """Each setting: its variable and other names, type, default as text, whether it is required or secret, its help."""
    return [
        {
            "variable": one.variable,
            "also": list(one.names()[1:]),
            "type": one.kind.name,
            "default": one.default,
            "required": one.required,
            "secret": one.secret,
            "help": one.help,
            "example": one.example,
        }
        for one in declared(settings)
    ]


def all_metrics(part: Part[Any]) -> tuple[Metric, ...]:
    """The part's own metrics, then those of every part."""
    from podparts.life import LIFE_METRICS
    from podparts.process import PROCESS_METRICS

    return (*part.metrics, *LIFE_METRICS, OVERFLOWS, *PROCESS_METRICS)


def surface(part: Part[Any]) -> dict[str, Any]:
    """All of a part's promises."""
    return {
        "part": part.name,
        "settings": settings_surface(part.settings),
        "endpoints": [
            {"method": one.method, "path": one.path, "help": one.help} for one in (*part.endpoints, *ENDPOINTS)
        ],
        "metrics": [
            {"name": one.full_name(part.prefix), "kind": one.kind, "labels": list(one.labels), "help": one.help}
            for one in all_metrics(part)
        ],
        "ports": [{"port": one.number, "protocol": one.protocol, "help": one.help} for one in part.ports],
        "exit_codes": [{"code": code, "help": help} for code, help in EXIT_CODES],
    }
