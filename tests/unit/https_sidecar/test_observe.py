"""The list of observe mode."""

from https_sidecar.observe import Observed


def test_the_same_client_is_one_line_with_a_count() -> None:
    observed = Observed()
    assert observed.note("plain_http", "192.0.2.1", "192.0.2.1", "GET", 1.0)
    assert not observed.note("plain_http", "192.0.2.1", "192.0.2.1", "POST", 2.0)
    (one,) = observed.sightings()
    assert (one.count, one.first, one.last, one.detail) == (2, 1.0, 2.0, "POST")


def test_the_latest_comes_first() -> None:
    observed = Observed()
    for moment, who in enumerate("abc"):
        observed.note("not_allowed", who, who, "", float(moment))
    observed.note("not_allowed", "a", "a", "", 9.0)
    assert [one.who for one in observed.sightings()] == ["a", "c", "b"]


def test_the_list_is_bounded_and_says_what_it_left_out() -> None:
    observed = Observed(most=2)
    for who in "abcd":
        observed.note("not_allowed", who, who, "", 0.0)
    assert (len(observed.sightings()), observed.left_out, observed.counts["not_allowed"]) == (2, 2, 4)
