"""The time in a certificate, held against the ssl module's own reading of it."""

from ssl import cert_time_to_seconds

from hypothesis import given
from hypothesis import strategies as st

from https_sidecar.identity import seconds_of

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@given(st.sampled_from(MONTHS), st.integers(1, 28), st.integers(0, 23), st.integers(0, 59), st.integers(1950, 9998))
def test_a_time_is_what_the_ssl_module_says(month: str, day: int, hour: int, minute: int, year: int) -> None:
    text = f"{month} {day:2} {hour:02}:{minute:02}:07 {year} GMT"
    assert seconds_of(text) == cert_time_to_seconds(text)


def test_the_leap_day_counts() -> None:
    assert seconds_of("Mar  1 00:00:00 2028 GMT") - seconds_of("Feb 29 00:00:00 2028 GMT") == 86400
