"""Metrics: what is counted is bounded, merged across processes, and written so that Prometheus accepts it."""

import subprocess

import pytest

from kit.need import need, program
from podparts.metrics import Metric, Registry, merge
from podparts.process import watch_process

REQUESTS = Metric("counter", "requests_total", "Requests finished.", ("upstream", "status"), max_series=3)
OPEN = Metric("gauge", "connections", "Connections open.")
SLOWEST = Metric("gauge", "slowest_seconds", "The slowest.", merge="max")
TIME = Metric("histogram", "request_duration_seconds", "Time of a request.", ("upstream",), buckets=(0.1, 1.0))
INFO = Metric("info", "build_info", 'What "runs" \\ here.', ("version",))
ALL = (REQUESTS, OPEN, SLOWEST, TIME, INFO)


def filled() -> Registry:
    registry = Registry("toy", ALL)
    registry[REQUESTS].inc(2, "web", "200")
    registry[OPEN].set(3)
    registry[SLOWEST].set(0.25)
    for value in (0.05, 0.1, 0.5, 7):
        registry[TIME].observe(value, "web")
    registry[INFO].set(1, '1"\\\n')
    return registry


def lines(rendered: bytes) -> list[str]:
    return rendered.decode().splitlines()


def test_a_counter_is_written_under_its_prefixed_name() -> None:
    assert 'toy_requests_total{upstream="web",status="200"} 2' in lines(filled().render())


def test_a_histogram_is_cumulative_and_its_bounds_are_inclusive() -> None:
    text = lines(filled().render())
    assert [line for line in text if line.startswith("toy_request_duration")] == [
        'toy_request_duration_seconds_bucket{upstream="web",le="0.1"} 2',
        'toy_request_duration_seconds_bucket{upstream="web",le="1.0"} 3',
        'toy_request_duration_seconds_bucket{upstream="web",le="+Inf"} 4',
        'toy_request_duration_seconds_sum{upstream="web"} 7.65',
        'toy_request_duration_seconds_count{upstream="web"} 4',
    ]


def test_a_histogram_kept_elsewhere_is_taken_over() -> None:
    registry = Registry("toy", ALL)
    registry[TIME].load([1, 2, 3], 9.5, "web")
    assert 'toy_request_duration_seconds_count{upstream="web"} 6' in lines(registry.render())
    with pytest.raises(ValueError, match="has 3 buckets, not 2"):
        registry[TIME].load([1, 2], 9.5, "web")


def test_a_counter_without_labels_is_zero_before_the_first_event() -> None:
    assert "toy_connections 0" in lines(Registry("toy", (OPEN,)).render())


def test_label_values_beyond_the_bound_are_counted_as_other_and_the_overflow_is_counted() -> None:
    registry = Registry("toy", ALL)
    for number in range(10):
        registry[REQUESTS].inc(1, "web", str(number))
    text = lines(registry.render())
    assert len([line for line in text if line.startswith("toy_requests_total{")]) == 4
    assert 'toy_requests_total{upstream="other",status="other"} 7' in text
    assert 'toy_metric_series_overflows_total{metric="requests_total"} 7' in text


def test_the_wrong_number_of_labels_is_an_error() -> None:
    with pytest.raises(ValueError, match="takes the labels"):
        Registry("toy", ALL)[REQUESTS].inc(1, "web")


def test_what_is_counted_elsewhere_is_copied_in_before_each_rendering() -> None:
    registry = Registry("toy", ALL)
    registry.before_collect(lambda: registry[OPEN].set(42))
    assert "toy_connections 42" in lines(registry.render())


def test_workers_merge_counters_by_sum_and_gauges_as_declared() -> None:
    one, two = filled(), filled()
    two[SLOWEST].set(0.75)
    two[REQUESTS].inc(1, "web", "500")
    merged = merge(ALL, [one.snapshot(), two.snapshot()])
    assert merged["requests_total"] == {("web", "200"): 4, ("web", "500"): 1}
    assert merged["connections"] == {(): 6}
    assert merged["slowest_seconds"] == {(): 0.75}
    assert merged["request_duration_seconds"] == {("web",): ((4, 2, 2), 15.3)}
    assert merged["build_info"] == {('1"\\\n',): 1}


def test_openmetrics_names_the_family_without_its_suffix_and_ends_with_a_mark() -> None:
    text = lines(filled().render(openmetrics=True))
    assert "# TYPE toy_requests counter" in text
    assert "# TYPE toy_build info" in text
    assert text[-1] == "# EOF"


def test_promtool_finds_nothing_to_complain_about() -> None:
    need("promtool")
    registry = filled()
    watch_process(registry)
    done = subprocess.run(
        [program("promtool"), "check", "metrics"], input=registry.render(), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
