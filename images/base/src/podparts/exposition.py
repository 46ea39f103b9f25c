"""Metrics as bytes: Prometheus text format 0.0.4 and OpenMetrics 1.0. Pure; see `metrics` for what is written.

The two differ in how a counter's family and an info are named, and in the end mark. Bucket bounds are written alike in
both, so that a scraper that changes its mind does not see new series.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from podparts.metrics import Histogram, Labels, Metric, Snapshot

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ESCAPE_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_ESCAPE_LABEL = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def render(declared: Iterable[Metric], prefix: str, snapshot: Snapshot, *, openmetrics: bool) -> bytes:
    """Writes the families that have at least one series."""
    lines: list[str] = []
    for metric in declared:
        series = snapshot.get(metric.name)
        if not series:
            continue
        name = metric.full_name(prefix)
        lines += _head(metric, name, openmetrics)
        for labels in sorted(series):
            value = series[labels]
            if isinstance(value, tuple):
                lines += _histogram(metric, name, labels, value)
            else:
                lines.append(f"{name}{_braces(metric.labels, labels)} {_number(value)}")
    if openmetrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace") if lines else b""


def _head(metric: Metric, name: str, openmetrics: bool) -> tuple[str, str]:
    kind = metric.kind if openmetrics or metric.kind != "info" else "gauge"
    if openmetrics and metric.kind in ("counter", "info"):
        name = name.removesuffix("_total" if metric.kind == "counter" else "_info")
    help = metric.help.translate(_ESCAPE_LABEL if openmetrics else _ESCAPE_HELP)
    return f"# HELP {name} {help}", f"# TYPE {name} {kind}"


def _histogram(metric: Metric, name: str, labels: Labels, value: Histogram) -> Iterator[str]:
    counts, total = value
    so_far = 0
    for bound, count in zip((*map(_number_as_float, metric.buckets), "+Inf"), counts, strict=True):
        so_far += count
        yield f"{name}_bucket{_braces((*metric.labels, 'le'), (*labels, bound))} {so_far}"
    plain = _braces(metric.labels, labels)
    yield f"{name}_sum{plain} {_number(total)}"
    yield f"{name}_count{plain} {so_far}"


def _braces(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{value.translate(_ESCAPE_LABEL)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _number_as_float(value: float) -> str:
    return repr(float(value))


def _number(value: float) -> str:
    if value - value != 0:  # inf and nan
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
