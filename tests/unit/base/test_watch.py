"""Changes of files are noticed by what `stat` says of them."""

import os
from pathlib import Path

from podparts.net.watch import Watch, changed, stamp

LATER = 4_000_000_000.0  # Unix time at which any file is long settled


def test_what_differs_or_is_on_one_side_only_has_changed() -> None:
    before = {"same": (1, 1, 1, 1), "other": (1, 1, 1, 1), "gone": (1, 1, 1, 1)}
    after = {"same": (1, 1, 1, 1), "other": (1, 2, 1, 1), "new": (1, 1, 1, 1)}
    assert changed(before, after) == {"other", "gone", "new"}


def test_a_missing_file_has_no_stamp(tmp_path: Path) -> None:
    assert stamp(str(tmp_path / "none"), LATER) is None


def test_a_file_changed_just_now_is_looked_at_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    changed_at = file.stat().st_mtime
    assert stamp(str(file), changed_at) != stamp(str(file), LATER)


def test_the_swap_of_a_link_on_the_way_is_a_change(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "tls.crt").write_text("same size")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "tls.crt").symlink_to("..data/tls.crt")
    path = str(tmp_path / "tls.crt")
    before = stamp(path, LATER)
    (tmp_path / "..tmp").symlink_to("two")
    os.rename(tmp_path / "..tmp", tmp_path / "..data")
    assert stamp(path, LATER) != before


def test_a_permission_that_is_granted_is_a_change(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    file.chmod(0)
    before = stamp(str(file), LATER)
    file.chmod(0o400)
    assert stamp(str(file), LATER) != before


def test_a_path_that_is_there_at_the_first_look_has_changed(tmp_path: Path) -> None:
    assert Watch().look([str(tmp_path), str(tmp_path / "none")]) == {str(tmp_path)}


def test_without_a_change_nothing_is_told(tmp_path: Path) -> None:
    os.utime(tmp_path, (1, 1))
    watch = Watch()
    watch.look([str(tmp_path)])
    assert watch.look([str(tmp_path)]) == frozenset()
