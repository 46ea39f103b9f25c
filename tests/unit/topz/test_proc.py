"""The texts below /proc/PID, as recorded from kernels 5.15 and 6.18."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topz import proc

TAIL = (
    b" S 1 42 42 0 -1 4194560 100 0 5 0 731 269 0 0 20 -5 7 0 80837 3133440 383 18446744073709551615 "
    b"1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0"
)


def stat(name: bytes, tail: bytes = TAIL) -> bytes:
    return b"42 (" + name + b")" + tail + b"\n"


def test_stat_gives_the_documented_fields() -> None:
    found = proc.parse_stat(stat(b"cat"))
    assert (found.comm, found.state, found.ppid, found.nice, found.threads) == ("cat", "S", 1, -5, 7)
    assert (found.minor_faults, found.major_faults) == (100, 5)
    assert (found.user_ticks, found.system_ticks, found.start_ticks) == (731, 269, 80837)
    assert (found.virtual_bytes, found.processor) == (3133440, 1)
    assert not found.kernel_thread


def test_a_kernel_thread_is_told_by_its_flags() -> None:
    assert proc.parse_stat(stat(b"kthreadd", TAIL.replace(b"4194560", b"2129984"))).kernel_thread


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a b", "a b"),
        (b"x) R 1 (y", "x) R 1 (y"),
        (b"((", "(("),
        (b"two\nlines", "two\\x0alines"),
        (b"\x1b[2J", "\\x1b[2J"),
        (b"caf\xc3\xa9", "caf\u00e9"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u202egnp".encode(), "\\u202egnp"),
        (b"", ""),
    ],
)
def test_a_name_may_hold_anything(raw: bytes, shown: str) -> None:
    found = proc.parse_stat(stat(raw))
    assert found.comm == shown
    assert found.start_ticks == 80837


@given(st.binary(max_size=15))
def test_no_name_shifts_the_fields_after_it(name: bytes) -> None:
    found = proc.parse_stat(stat(name))
    assert (found.state, found.ppid, found.start_ticks) == ("S", 1, 80837)


@given(st.binary(max_size=200))
def test_printable_text_cannot_steer_a_terminal(raw: bytes) -> None:
    shown = proc.printable(raw)
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2028")


@pytest.mark.parametrize("raw", [b"", b"42", b"42 (x)", b"42 (x) S 1 2", b"no parentheses at all"])
def test_a_truncated_stat_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="expected the fields"):
        proc.parse_stat(raw)


def test_arguments_are_split_at_nul() -> None:
    assert proc.parse_arguments(b"nginx\0-g\0daemon off;\0") == ["nginx", "-g", "daemon off;"]


def test_an_empty_argument_between_others_is_kept() -> None:
    assert proc.parse_arguments(b"grep\0\0file\0") == ["grep", "", "file"]


def test_a_title_padded_with_nul_is_one_argument() -> None:
    assert proc.parse_arguments(b"nginx: worker process\0\0\0\0") == ["nginx: worker process"]


@pytest.mark.parametrize("raw", [b"", b"\0", b"\0\0\0"])
def test_no_arguments_are_an_empty_list(raw: bytes) -> None:
    assert proc.parse_arguments(raw) == []


def test_status_gives_the_user_and_the_innermost_pid() -> None:
    raw = b"Name:\tcat\\n\nPid:\t420\nUid:\t1000\t0\t0\t0\nNSpid:\t420\t17\t1\nVmSwap:\t      12 kB\n"
    assert proc.parse_status(raw) == proc.Status(uid=1000, innermost_pid=1)


def test_status_without_namespaces_gives_the_pid_itself() -> None:
    assert proc.parse_status(b"Name:\tx\nPid:\t5\nUid:\t0\t0\t0\t0\n") == proc.Status(0, 5)


def test_io_gives_what_reached_storage() -> None:
    raw = b"rchar: 6976\nwchar: 0\nsyscr: 10\nsyscw: 0\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n"
    assert proc.parse_io(raw) == proc.Io(4096, 8192)


@pytest.mark.parametrize("parse", [proc.parse_io, proc.parse_status, proc.parse_boot_time])
def test_a_file_without_its_fields_is_refused(parse: Callable[[bytes], object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(b"something: else\n")


def test_statm_gives_resident_and_shared_pages() -> None:
    assert proc.parse_statm(b"11824 4211 1584 1315 0 9998 0\n") == (4211, 1584)


def test_the_limit_of_open_files_is_the_soft_one() -> None:
    assert (
        proc.parse_open_files_limit(b"Max open files            1024                 524288               files     \n")
        == 1024
    )


def test_an_unlimited_number_of_files_is_no_limit() -> None:
    assert (
        proc.parse_open_files_limit(b"Max open files            unlimited            unlimited            files\n")
        is None
    )


def test_boot_time_and_memory_come_from_their_lines() -> None:
    assert proc.parse_boot_time(b"cpu  1 2 3\nbtime 1795220407\nprocesses 5\n") == 1795220407
    assert (
        proc.parse_memory(b"MemTotal:       24684096 kB\nMemAvailable:   23000000 kB\n", "MemAvailable")
        == 23000000 * 1024
    )


def test_the_first_name_of_a_uid_counts() -> None:
    assert proc.parse_users(b"root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbad line\nwww:x:33:33::/:\n") == {
        0: "root",
        33: "www",
    }
