"""Metrics: declared as data, counted in dictionaries, written as Prometheus text or OpenMetrics.

    REQUESTS = Metric("counter", "requests_total", "Requests finished.", labels=("status",))
    registry = Registry("https_sidecar", (REQUESTS,))
    registry[REQUESTS].inc(1, "200")

A family never holds more than `max_series` combinations of label values: what comes later is counted under `other`,
so that no client can fill the memory by inventing values. Reads nothing by itself: see `process` for the process's own.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

OTHER: Final = "other"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets for the time of a request."""

Labels = tuple[str, ...]
Histogram = tuple[tuple[int, ...], float]
"""Observations per bucket, not cumulative, the last one for +Inf; and the sum of what was observed."""
Snapshot = Mapping[str, Mapping[Labels, float | Histogram]]


@dataclass(frozen=True, slots=True)
class Metric:
    """A declared family. The name comes without the part's prefix, unless `prefixed` is false.

    `merge` says how a gauge's values from several workers become one; counters and histograms add up.
    """

    kind: Literal["counter", "gauge", "histogram", "info"]
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS
    max_series: int = 1000
    merge: Literal["sum", "max", "min"] = "sum"
    prefixed: bool = True

    def full_name(self, prefix: str) -> str:
        return f"{prefix}_{self.name}" if self.prefixed else self.name


OVERFLOWS: Final = Metric(
    "counter",
    "metric_series_overflows_total",
    "Samples counted under the label value other for want of room.",
    ("metric",),
)


class Family:
    """The numbers of one metric, by label values. `inc` is the hot path: one dictionary item is changed."""

    __slots__ = ("_overflowed", "histograms", "metric", "values")

    def __init__(self, metric: Metric, overflowed: Callable[[Metric], None] = lambda metric: None) -> None:
        self.metric = metric
        self.values: dict[Labels, float] = {}
        self.histograms: dict[Labels, tuple[list[int], list[float]]] = {}
        self._overflowed = overflowed
        if not metric.labels:  # so that a counter shows 0 before the first event, and rate() sees that event
            if metric.kind == "histogram":
                self._histogram(())
            else:
                self.values[()] = 0

    def inc(self, n: float = 1, *labels: str) -> None:
        """Adds to a counter or gauge."""
        try:
            self.values[labels] += n
        except KeyError:
            labels = self._room(labels, self.values)
            self.values[labels] = self.values.get(labels, 0) + n

    def set(self, value: float, *labels: str) -> None:
        """Sets a gauge or info, or a counter that is kept elsewhere."""
        if labels not in self.values:
            labels = self._room(labels, self.values)
        self.values[labels] = value

    def observe(self, value: float, *labels: str) -> None:
        """Counts a value in a histogram."""
        counts, total = self.histograms.get(labels) or self._histogram(labels)
        counts[bisect_left(self.metric.buckets, value)] += 1
        total[0] += value

    def load(self, counts: Sequence[int], total: float, *labels: str) -> None:
        """Takes over a histogram kept elsewhere: observations per bucket, the last one for +Inf, and their sum."""
        mine, mine_total = self.histograms.get(labels) or self._histogram(labels)
        if len(counts) != len(mine):
            raise ValueError(f"{self.metric.name} has {len(mine)} buckets, not {len(counts)}")
        mine[:] = counts
        mine_total[0] = total

    def remove(self, *labels: str) -> None:
        """Forgets a combination of label values, for something that is gone."""
        self.values.pop(labels, None)
        self.histograms.pop(labels, None)

    def clear(self) -> None:
        """Forgets all, for gauges that are set anew before each rendering."""
        self.values.clear()
        self.histograms.clear()

    def snapshot(self) -> dict[Labels, float | Histogram]:
        if self.metric.kind == "histogram":
            return {labels: (tuple(counts), total[0]) for labels, (counts, total) in self.histograms.items()}
        return dict(self.values)

    def _histogram(self, labels: Labels) -> tuple[list[int], list[float]]:
        labels = self._room(labels, self.histograms)
        return self.histograms.setdefault(labels, ([0] * (len(self.metric.buckets) + 1), [0.0]))

    def _room(self, labels: Labels, series: Mapping[Labels, object]) -> Labels:
        """The label values under which to count something new."""
        if len(labels) != len(self.metric.labels):
            raise ValueError(f"{self.metric.name} takes the labels {self.metric.labels}, not {labels}")
        if len(series) < self.metric.max_series or not labels:
            return labels
        self._overflowed(self.metric)
        return (OTHER,) * len(labels)


class Registry:
    """The families of one process, each under the part's prefix."""

    def __init__(self, prefix: str, declared: Iterable[Metric] = ()) -> None:
        self.prefix = prefix
        self._families: dict[str, Family] = {}
        self._before: list[Callable[[], None]] = []
        self.add(OVERFLOWS, *declared)

    def add(self, *declared: Metric) -> None:
        for metric in declared:
            if metric.name in self._families:
                raise ValueError(f"there is a metric {metric.name} already")
            self._families[metric.name] = Family(metric, self._overflowed)

    def __getitem__(self, metric: Metric) -> Family:
        return self._families[metric.name]

    @property
    def declared(self) -> tuple[Metric, ...]:
        return tuple(family.metric for family in self._families.values())

    def before_collect(self, callback: Callable[[], None]) -> None:
        """Runs `callback` before each snapshot, so that what is counted elsewhere can be copied in."""
        self._before.append(callback)

    def snapshot(self) -> Snapshot:
        """All numbers as plain tuples and dictionaries, to send to another process."""
        for callback in self._before:
            callback()
        return {name: family.snapshot() for name, family in self._families.items()}

    def render(self, openmetrics: bool = False) -> bytes:
        from podparts.exposition import render

        return render(self.declared, self.prefix, self.snapshot(), openmetrics=openmetrics)

    def _overflowed(self, metric: Metric) -> None:
        self._families[OVERFLOWS.name].inc(1, metric.name)


def merge(declared: Iterable[Metric], snapshots: Sequence[Snapshot]) -> Snapshot:
    """The numbers of several processes as those of one."""
    merged: dict[str, dict[Labels, float | Histogram]] = {}
    for metric in declared:
        how = "max" if metric.kind == "info" else metric.merge
        into = merged.setdefault(metric.name, {})
        for snapshot in snapshots:
            for labels, value in snapshot.get(metric.name, {}).items():
                into[labels] = _merged(into[labels], value, how) if labels in into else value
    return merged


def _merged(a: float | Histogram, b: float | Histogram, how: str) -> float | Histogram:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return tuple(x + y for x, y in zip(a[0], b[0], strict=True)), a[1] + b[1]
    if isinstance(a, tuple) or isinstance(b, tuple):
        raise TypeError("a histogram cannot be merged with a number")
    return a + b if how == "sum" else max(a, b) if how == "max" else min(a, b)
