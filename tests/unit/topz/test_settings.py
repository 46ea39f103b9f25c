"""What topz can be told."""

import pytest

from podparts.settings import SettingsError, load
from topz.settings import Settings


def test_the_defaults_are_those_of_the_book() -> None:
    settings = load(Settings, {})
    assert (str(settings.listen), str(settings.admin_listen), str(settings.refresh), str(settings.keep)) == (
        "0.0.0.0:8080",
        "0.0.0.0:9103",
        "2s",
        "30m",
    )
    assert settings.redact
    assert not settings.token


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("REFRESH", "10ms"),
        ("KEEP", "1s"),
        ("RECORD_EVERY", "2h"),
        ("KEEP_MEMORY", "1k"),
        ("METRIC_GROUPS", "0"),
        ("PROC_PATH", "proc"),
        ("REDACT", "yes"),
        ("LISTN", "x"),
    ],
)
def test_a_bad_value_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Settings, {variable: value})
    assert [problem.variable for problem in caught.value.problems] == [variable]
