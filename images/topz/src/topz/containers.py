"""Which containers the processes seen are in, what these are called, use and may use.

The I/O beside `cgroup`, which holds the rules. Nothing here needs a privilege: /proc/PID/cgroup and /proc/PID/mountinfo
may be read by everybody. The limits of other containers are found in topz's own cgroup mount where that shows them
(host's cgroup namespace), else through /proc/PID/root, which the kernel permits for the same user or with SYS_PTRACE;
where neither works the page says so and percentages are of the machine.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from topz import cgroup, proc
from topz.files import read, read_whole
from topz.snapshot import About, Reading

# Where a container's files lie is looked up again after this many looks: it may have become readable.
_RELOCATE = 30


class _Place(NamedTuple):
    """What is kept of a container."""

    about: About
    folders: dict[str, str]
    pid: int
    looks: int


class Containers:
    """Remembers each container while it has processes."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._own_mounts = cgroup.parse_mounts(read_whole(f"{root}/self/mountinfo"))
        self._own_paths = cgroup.parse_paths(read_whole(f"{root}/self/cgroup"))
        self._own_pid = os.getpid()
        self._places: dict[str, _Place] = {}
        self._users: dict[str, dict[int, str]] = {}
        self._looks = 0
        self._on_host = _kernel_threads_seen(root)
        self._own_key = self.key(self._own_pid)

    @property
    def own_key(self) -> str:
        """The container that topz itself is in."""
        return self._own_key

    @property
    def on_host(self) -> bool:
        """Whether this is the machine's own PID namespace: only there are the kernel's threads seen."""
        return self._on_host

    def key(self, pid: int) -> str:
        """What the processes of one container have in common, as the strongest evidence at hand says."""
        path = cgroup.main_path(cgroup.parse_paths(read_whole(f"{self._root}/{pid}/cgroup")))
        placed = cgroup.placement(path)
        if placed.container_id:
            return placed.container_id
        if path.strip("/."):
            return cgroup.unit(path) or path
        # A cgroup namespace hides the path ("/"): the file system tells containers apart as well.
        mounts = cgroup.parse_mounts(read_whole(f"{self._root}/{pid}/mountinfo"))
        return cgroup.mounted_id(mounts) or cgroup.root_mount(mounts) or "unknown"

    def user(self, key: str, pid: int, uid: int) -> str:
        """The user's name in the container's own passwd file where readable, else in topz's, else the number."""
        if key not in self._users:
            theirs = proc.parse_users(read_whole(f"{self._root}/{pid}/root/etc/passwd", 1 << 16))
            self._users[key] = theirs or proc.parse_users(read_whole("/etc/passwd", 1 << 16))
        return self._users[key].get(uid, str(uid))

    def look(self, readings: Iterable[Reading]) -> dict[str, tuple[About, cgroup.Usage]]:
        """Every container that has a process now, with its usage."""
        self._looks += 1
        first = _first_processes(readings)
        found: dict[str, _Place] = {}
        for key, reading in first.items():
            place = self._places.get(key)
            if place is None or self._looks - place.looks >= _RELOCATE or place.pid != reading.identity.pid:
                place = self._locate(key, reading)
            found[key] = place
        self._places = found
        self._users = {key: users for key, users in self._users.items() if key in found}
        names = Counter(place.about.label for place in found.values())
        return {
            key: (_apart(place.about) if names[place.about.label] > 1 else place.about, _usage(place.folders))
            for key, place in found.items()
        }

    def notes(self) -> tuple[str, ...]:
        """What limits the view as a whole."""
        if cgroup.hides_processes(self._own_mounts, self._root):
            return (f"{self._root} is mounted with hidepid: processes of other users may be hidden.",)
        return ()

    def _locate(self, key: str, reading: Reading) -> _Place:
        pid = reading.identity.pid
        paths = cgroup.parse_paths(read_whole(f"{self._root}/{pid}/cgroup"))
        mounts = cgroup.parse_mounts(read_whole(f"{self._root}/{pid}/mountinfo"))
        placed = cgroup.placement(cgroup.main_path(paths))
        if self._on_host and cgroup.main_path(paths) == "/":
            folders: dict[str, str] = {}
            source = "the machine's root control group holds every container; here its own processes are added up"
        else:
            folders, source = self._folders(pid, paths, mounts)
        about = About(
            key=key,
            label=_label(key, placed, mounts, reading, self._on_host),
            container_id=placed.container_id or cgroup.mounted_id(mounts),
            runtime=placed.runtime,
            pod_uid=placed.pod_uid,
            own=key == self._own_key,
            evidence=_evidence(key, placed, mounts),
            limits_from=source,
        )
        return _Place(about, folders, pid, self._looks)

    def _folders(self, pid: int, paths: dict[str, str], mounts: list[cgroup.Mount]) -> tuple[dict[str, str], str]:
        own = _readable(cgroup.directories(self._own_mounts, paths))
        if own:
            return own, "topz's own mount of the control groups"
        inside = {
            controller: f"{self._root}/{pid}/root{folder}"
            for controller, folder in cgroup.directories(mounts, paths).items()
        }
        theirs = _readable(inside)
        if theirs:
            return theirs, f"/proc/{pid}/root"
        why = (
            "no control group is mounted in the container"
            if not inside
            else "not readable: needs the container's user or SYS_PTRACE"
        )
        return {}, why


def _first_processes(readings: Iterable[Reading]) -> dict[str, Reading]:
    """The oldest process of each container: its main one."""
    first: dict[str, Reading] = {}
    for reading in readings:
        key = reading.identity.container
        known = first.get(key)
        if known is None or (reading.identity.start, reading.identity.pid) < (known.identity.start, known.identity.pid):
            first[key] = reading
    return first


def _label(key: str, placed: cgroup.Placement, mounts: list[cgroup.Mount], main: Reading, on_host: bool) -> str:
    """The name that an operator knows: the manifest's, else the main program's with the short id."""
    if name := cgroup.container_name(mounts):
        return proc.printable(name.encode("utf-8", "surrogateescape"))
    if short := (placed.container_id or cgroup.mounted_id(mounts))[:12]:
        return f"{main.identity.name} {short}"
    if key.endswith((".service", ".socket")):
        return key
    if on_host and main.identity.pid == 1:
        return "this machine"
    last = key.rpartition("/")[2][:12] if key.startswith("/") else ""
    return f"{main.identity.name} {last}".rstrip()


def _apart(about: About) -> About:
    """Containers of several pods may have one name."""
    return about._replace(label=f"{about.label} {(about.pod_uid or about.container_id or about.key)[:8]}")


def _evidence(key: str, placed: cgroup.Placement, mounts: list[cgroup.Mount]) -> str:
    if placed.container_id:
        return "container id in /proc/PID/cgroup"
    if cgroup.mounted_id(mounts) == key:
        return "container id in /proc/PID/mountinfo"
    if key == cgroup.root_mount(mounts):
        return "root file system in /proc/PID/mountinfo"
    return (
        "nothing: neither a control group nor a root file system tells"
        if key == "unknown"
        else "path in /proc/PID/cgroup"
    )


def _kernel_threads_seen(root: str) -> bool:
    try:
        return proc.parse_stat(read(f"{root}/2/stat")).kernel_thread  # kthreadd is always the second
    except OSError:
        return False


def _readable(folders: dict[str, str]) -> dict[str, str]:
    return {controller: folder for controller, folder in folders.items() if os.access(folder, os.R_OK | os.X_OK)}


def _usage(folders: dict[str, str]) -> cgroup.Usage:
    """v2's files where v2 has controllers, v1's elsewhere: on a hybrid machine the unified hierarchy has no limits."""
    legacy = {
        name: f"{folders[controller]}/{name}"
        for controller, names in cgroup.V1_FILES.items()
        if controller in folders
        for name in names
    }
    if legacy:
        return cgroup.usage_v1({name: read_whole(path) for name, path in legacy.items()})
    if "" not in folders:
        return cgroup.Usage()
    return cgroup.usage_v2({name: read_whole(f"{folders['']}/{name}") for name in cgroup.V2_FILES})
