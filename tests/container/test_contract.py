"""What every part promises as a container, however it is started: health, end, exit codes, what it says of itself."""

import json

from kit.container import Image, container, once

WRONG = {"LOG_LEVEL": "loud", "SHUTDOWN_GRACE": "soon", "ADMIN_LISTEN": "nowhere", "LOG_FORMT": "json"}


def test_it_becomes_healthy_with_nothing_but_its_own_process(part_image: Image) -> None:
    with container(part_image.tag, env=part_image.ready_with) as running:
        running.until_healthy()


def test_it_stops_when_asked_with_exit_code_0(part_image: Image) -> None:
    with container(part_image.tag, env=part_image.ready_with | {"SHUTDOWN_DELAY": "0"}) as running:
        running.until_healthy()
        assert running.stop(within=10) == 0


def test_it_stops_within_the_engines_own_patience_with_its_defaults(part_image: Image) -> None:
    with container(part_image.tag, env=part_image.ready_with) as running:
        running.until_healthy()
        assert running.stop(within=10) == 0


def test_wrong_settings_end_it_with_2_and_all_of_them_are_named(part_image: Image) -> None:
    code, said = once(part_image.tag, env=WRONG)
    assert code == 2
    assert [name for name in WRONG if name not in said] == []


def test_its_log_is_one_event_per_line(part_image: Image) -> None:
    with container(part_image.tag, env=part_image.ready_with | {"SHUTDOWN_DELAY": "0"}) as running:
        running.until_healthy()
        running.stop(within=10)
        events = running.events()
    assert {event["part"] for event in events} == {part_image.name}
    assert [event for event in events if not {"ts", "level", "event"} <= event.keys()] == []


def test_its_settings_can_be_asked_for_by_machines(part_image: Image) -> None:
    code, said = once(part_image.tag, "--settings=json")
    assert code == 0
    assert "ADMIN_LISTEN" in {one["variable"] for one in json.loads(said)}


def test_its_version_is_that_of_its_package(part_image: Image) -> None:
    version = part_image.project["project"]["version"]
    assert once(part_image.tag, "--version") == (0, f"{part_image.name} {version}\n")


def test_its_environment_can_be_checked_without_running_it(part_image: Image) -> None:
    assert once(part_image.tag, "--check", env=part_image.ready_with)[0] == 0
    assert once(part_image.tag, "--check", env=WRONG)[0] == 2


def test_an_exec_probe_is_its_own_command(part_image: Image) -> None:
    with container(part_image.tag, env=part_image.ready_with) as running:
        running.until_healthy()
        assert running.run(part_image.name, "--health") == (0, "ok\n")
        assert running.run(part_image.name, "--health=live") == (0, "ok\n")
