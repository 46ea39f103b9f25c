"""The reader on a made-up /proc: a pod whose containers each have a cgroup namespace, as containerd makes them."""

import os
from pathlib import Path

import pytest

from topz.reader import REVISIT, Reader
from topz.sample import sample
from topz.snapshot import Snapshot

WEB, PAUSE = "a1" * 32, "b2" * 32
POD = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
OWN = os.getpid()


class Pod:
    """A folder that looks like /proc in topz's container."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("stat", "cpu  1 2 3\nbtime 1700000000\n")
        self.write("meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n")
        self.write("loadavg", "0.10 0.20 0.30 1/99 7\n")
        self.process(OWN, "topz", b"topz\0", cgroup="0::/\n", mounts=mounted("0:90", "/") + kubelet("topz"))
        (root / "self").symlink_to(str(OWN))

    def write(self, path: str, content: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def process(
        self,
        pid: int,
        name: str,
        arguments: bytes,
        *,
        cgroup: str,
        mounts: str = "",
        ticks: int = 100,
        start: int = 500,
        parent: int = 0,
    ) -> None:
        fields = (
            f"{pid} ({name}) S {parent} 1 1 0 -1 4194560 10 0 0 0 {ticks} 0 0 0 20 0 1 0 {start} 4096000 99 "
            + "0 " * 14
            + "1 0 0"
        )
        self.write(f"{pid}/stat", fields)
        self.write(f"{pid}/statm", "1000 256 64 1 0 9 0\n")
        self.write(f"{pid}/status", f"Name:\t{name}\nPid:\t{pid}\nUid:\t101\t101\t101\t101\nNSpid:\t{pid}\t1\n")
        self.write(f"{pid}/cmdline", arguments)
        self.write(f"{pid}/cgroup", cgroup)
        self.write(f"{pid}/mountinfo", mounts)
        self.write(f"{pid}/limits", "Max open files            1024                 4096                 files\n")
        self.write(f"{pid}/io", "rchar: 1\nread_bytes: 4096\nwrite_bytes: 0\n")
        (self.root / str(pid) / "fd").mkdir(exist_ok=True)

    def web(self, pid: int = 7, *, readable: bool = True, **more: int) -> None:
        """The application: limited, and named by the kubelet."""
        group = f"/../cri-containerd-{WEB}.scope"
        mounts = mounted("0:70", group) + kubelet("web")
        self.process(pid, "nginx", b"nginx\0--password=x\0", cgroup=f"0::{group}\n", mounts=mounts, **more)
        if readable:
            files = f"{pid}/root/sys/fs/cgroup"
            self.write(f"{files}/cpu.stat", "usage_usec 5000000\nthrottled_usec 0\n")
            self.write(f"{files}/cpu.max", "50000 100000\n")
            self.write(f"{files}/memory.current", "1000000\n")
            self.write(f"{files}/memory.max", "4000000\n")
            self.write(f"{pid}/root/etc/passwd", "nginx:x:101:101::/:/bin/false\n")


def mounted(device: str, group: str) -> str:
    """A container's own file system, and its control group."""
    return f"900 1 {device} / / rw - overlay overlay rw\n901 900 0:28 {group} /sys/fs/cgroup ro - cgroup2 cgroup rw\n"


def kubelet(name: str) -> str:
    return (
        f"999 900 8:1 /lib/kubelet/pods/{POD}/containers/{name}/0a1b2c3d /dev/termination-log rw - ext4 /dev/sda1 rw\n"
    )


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path / "proc")


def by_label(seen: Snapshot) -> dict[str, str]:
    return {about.label: key for key, (about, _) in seen.containers.items()}


def test_containers_of_a_pod_have_the_names_of_its_manifest(pod: Pod) -> None:
    pod.web()
    pod.process(1, "pause", b"/pause\0", cgroup=f"0::/../cri-containerd-{PAUSE}.scope\n", start=1)
    seen = Reader(str(pod.root)).look()
    assert by_label(seen) == {"web": WEB, "topz": "0:90:/", f"pause {PAUSE[:12]}": PAUSE}
    assert [about.label for about, _ in seen.containers.values() if about.own] == ["topz"]
    assert sample(None, seen).sharing.shared


def test_another_containers_limits_are_read_through_its_root(pod: Pod) -> None:
    pod.web()
    about, usage = Reader(str(pod.root)).look().containers[WEB]
    assert (usage.cpu_limit, usage.memory_bytes, usage.memory_limit) == (0.5, 1000000, 4000000)
    assert about.limits_from == "/proc/7/root"


def test_what_cannot_be_read_is_said(pod: Pod) -> None:
    pod.web(readable=False)
    about, usage = Reader(str(pod.root)).look().containers[WEB]
    assert usage.memory_limit is None
    assert about.limits_from == "not readable: needs the container's user or SYS_PTRACE"


def test_users_have_the_names_of_their_own_container(pod: Pod) -> None:
    pod.web()
    (row,) = [row for row in Reader(str(pod.root)).look().readings if row.identity.pid == 7]
    assert row.identity.user == "nginx"
    assert row.identity.command == "nginx --password=***"


def test_topz_alone_is_not_taken_for_a_shared_namespace(pod: Pod) -> None:
    assert not sample(None, Reader(str(pod.root)).look()).sharing.shared


def test_a_reused_pid_is_another_process(pod: Pod) -> None:
    reader = Reader(str(pod.root))
    pod.web(start=500)
    first = {row.identity.pid: row.identity for row in reader.look().readings}
    pod.web(start=900)
    second = {row.identity.pid: row.identity for row in reader.look().readings}
    assert second[7] is not first[7]
    assert second[7].start == first[7].start + 400 / os.sysconf("SC_CLK_TCK")
    assert second[OWN] is first[OWN]


def test_a_new_title_is_noticed_after_some_looks(pod: Pod) -> None:
    pod.web()
    reader = Reader(str(pod.root))
    reader.look()
    pod.write("7/cmdline", b"nginx: worker process\0\0\0")
    commands = [{row.identity.pid: row.identity.command for row in reader.look().readings}[7] for _ in range(REVISIT)]
    assert commands[-1] == "nginx: worker process"


def test_a_process_that_ends_while_it_is_read_is_left_out(pod: Pod) -> None:
    pod.web()
    for name in ("statm", "status", "stat"):
        pod.write(f"7/{name}", b"")
        assert [row.identity.pid for row in Reader(str(pod.root)).look().readings] == [OWN]


def test_what_is_no_proc_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a line 'btime'"):
        Reader(str(tmp_path))
