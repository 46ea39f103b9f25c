"""Health: conditions are told, and the three probes answer from them."""

import pytest

from podparts.health import LOOP_STUCK_AFTER, Condition, Health


def test_without_conditions_it_is_ready_at_once() -> None:
    health = Health()
    assert health.ready
    assert health.started


def test_a_condition_does_not_hold_until_it_was_reported() -> None:
    health = Health()
    health.condition("certificate")
    assert not health.ready
    assert health.reasons() == ["certificate: not reported yet"]


def test_started_stays_true_when_a_condition_fails_later() -> None:
    health = Health()
    upstream = health.condition("upstream")
    upstream.ok()
    assert (health.started, health.ready) == (True, True)
    upstream.fail("refused")
    assert (health.started, health.ready) == (True, False)
    assert health.reasons() == ["upstream: refused"]


def test_a_condition_that_matters_only_at_start_does_not_unready() -> None:
    health = Health()
    first = health.condition("first fetch", ready=False)
    seen = [health.ready]
    first.ok()
    seen.append(health.ready)
    first.fail("later")
    seen.append(health.ready)
    assert seen == [False, True, True]


def test_each_change_is_noted_once() -> None:
    noted: list[tuple[str, str | None]] = []

    def note(condition: Condition) -> None:
        noted.append((condition.name, condition.reason))

    condition = Health(note).condition("upstream")
    for _ in range(3):
        condition.fail("refused")
    condition.ok()
    condition.ok()
    assert noted == [("upstream", "refused"), ("upstream", None)]


def test_stopping_is_not_ready_whatever_the_conditions_say() -> None:
    health = Health()
    health.stopping("stopping")
    assert not health.ready
    assert health.reasons() == ["stopping"]


def test_live_depends_on_the_turning_of_the_loop_alone() -> None:
    now = 0.0
    health = Health(clock=lambda: now)
    health.condition("upstream").fail("refused")
    now = LOOP_STUCK_AFTER - 1
    seen = [health.live]
    now = LOOP_STUCK_AFTER
    seen.append(health.live)
    health.turn()
    seen.append(health.live)
    assert seen == [True, False, True]


def test_a_name_is_taken_once() -> None:
    health = Health()
    health.condition("upstream")
    with pytest.raises(ValueError, match="already"):
        health.condition("upstream")
