"""Which container a process belongs to, and what a container may use, from the kernel's own texts.

Pure: it opens nothing. Formats: cgroups(7), the kernel's admin-guide/cgroup-v2 and cgroup-v1, accounting/psi.
It knows the names that docker, containerd, cri-o, podman, systemd and the kubelet give to control groups. It does not
know the name in the pod's manifest from the control group; the kubelet's mounts, readable without privileges, tell
that.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

# A v1 limit that means "none" is the largest multiple of the page size in 63 bits; nobody has an exbibyte.
_NO_LIMIT = 1 << 60


class Mount(NamedTuple):
    """One line of /proc/PID/mountinfo."""

    mount_id: int
    device: str
    root: str
    point: str
    kind: str
    options: frozenset[str]


class Placement(NamedTuple):
    """What a control group's path says: the container's id, the runtime, the pod's uid; empty where it does not."""

    container_id: str = ""
    runtime: str = ""
    pod_uid: str = ""


class Pressure(NamedTuple):
    """Share of the last ten seconds in which some, or all, tasks waited; and the total in seconds."""

    some: float
    full: float
    some_seconds: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What a control group uses and may use. None means that the file could not be read or that there is no limit."""

    cpu_seconds: float | None = None
    cpu_limit: float | None = None
    throttled_seconds: float | None = None
    memory_bytes: int | None = None
    memory_limit: int | None = None
    oom_kills: int | None = None
    pressure: dict[str, Pressure] = field(default_factory=dict)


# ---------------------------------------------------------------------------------------------- /proc/PID/cgroup


def parse_paths(raw: bytes) -> dict[str, str]:
    """Path by controller. The unified hierarchy of v2 has the name ""; on v1 `cpu,cpuacct` counts as both."""
    paths: dict[str, str] = {}
    for line in raw.decode("utf-8", "surrogateescape").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def main_path(paths: dict[str, str]) -> str:
    """The path that tells containers apart: the longest, since a hybrid machine leaves "/" in the hierarchies it does
    not use."""
    order = ("memory", "cpu", "pids", "name=systemd", "")
    return max((paths.get(controller, "") for controller in order), key=len, default="")


_HEX = r"(?P<id>[0-9a-f]{64}|[0-9a-f]{32}-[0-9]{6,10})"
_SCOPE = re.compile(rf"(?:^|[/:])(?:(?P<runtime>[a-z][a-z-]{{1,20}})-)?{_HEX}(?:\.scope)?(?:$|/)")
_POD = re.compile(
    r"pod(?P<uid>[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?:[/:]|$)"
)
_UNIT = re.compile(r"/(?P<unit>[^/]+\.(?:service|socket))(?:$|/)")
_RUNTIMES = {"cri-containerd": "containerd", "libpod": "podman", "crio": "cri-o", "docker": "docker"}


def placement(path: str) -> Placement:
    """The container that a control group's path names; the innermost wins (a container engine inside of a
    container)."""
    scopes = list(_SCOPE.finditer(path))
    pod = _POD.search(path)
    uid = pod["uid"].replace("_", "-") if pod else ""
    if not scopes:
        return Placement(pod_uid=uid)
    found = scopes[-1]
    prefix = found["runtime"] or ""
    runtime = _RUNTIMES.get(prefix, prefix) or ("docker" if "/docker/" in path else "")
    return Placement(found["id"], runtime, uid)


def unit(path: str) -> str:
    """The systemd service that a path belongs to, for processes outside of containers; "" if none."""
    found = _UNIT.search(path)
    return found["unit"] if found else ""


# ---------------------------------------------------------------------------------------------- /proc/PID/mountinfo


def parse_mounts(raw: bytes) -> list[Mount]:
    """The mounts in a mountinfo file (proc_pid_mountinfo(5)); octal escapes of spaces are undone."""
    mounts = []
    for line in raw.decode("utf-8", "surrogateescape").splitlines():
        fields = line.split(" ")
        if "-" not in fields[6:] or not fields[0].isdigit():
            continue
        after = fields.index("-", 6)
        options = frozenset(fields[5].split(",")) | frozenset(fields[-1].split(","))
        mounts.append(
            Mount(int(fields[0]), fields[2], _unescape(fields[3]), _unescape(fields[4]), fields[after + 1], options)
        )
    return mounts


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


_KUBELET = re.compile(r"/pods/(?P<pod>[^/]+)/containers/(?P<name>[^/]+)/[^/]+(?://deleted)?$")
_DOCKER = re.compile(r"/containers/(?P<id>[0-9a-f]{64})/(?:hostname|hosts|resolv\.conf)$")
_PODMAN = re.compile(r"/overlay-containers/(?P<id>[0-9a-f]{64})/userdata/")


def container_name(mounts: list[Mount]) -> str:
    """The container's name in the pod's manifest, from the kubelet's mount of /dev/termination-log; "" elsewhere."""
    for mount in mounts:
        if found := _KUBELET.search(mount.root):
            return found["name"]
    return ""


def mounted_id(mounts: list[Mount]) -> str:
    """The container's id, from the files that docker and podman mount into it; "" where there are none."""
    for mount in mounts:
        if mount.point.startswith("/etc/") and (found := _DOCKER.search(mount.root) or _PODMAN.search(mount.root)):
            return found["id"]
    return ""


def root_mount(mounts: list[Mount]) -> str:
    """What tells one container's file system from another's when control groups do not: the mount at /. "" if
    unknown."""
    roots = [mount for mount in mounts if mount.point == "/"]
    return f"{roots[-1].device}:{roots[-1].root}" if roots else ""


def hides_processes(mounts: list[Mount], proc: str) -> bool:
    """Whether the proc file system mounted at `proc` shows each user only its own processes (hidepid=)."""
    hiding = {"hidepid=1", "hidepid=2", "hidepid=4", "hidepid=noaccess", "hidepid=invisible", "hidepid=ptraceable"}
    return any(mount.point == proc and mount.options & hiding for mount in mounts)


def directories(mounts: list[Mount], paths: dict[str, str]) -> dict[str, str]:
    """Where a process's control groups are found below the mounts, by controller ("" is v2).

    A container sees its own group as the root of the mount: with a cgroup namespace both are "/", without one the
    mount's root is the path itself. A path that climbs out of the mount is another container's, and not below it. On
    a hybrid machine a process may be placed in one hierarchy and stay at the root of another, whose files then speak
    of the whole machine: such a root counts only for processes that are at the root everywhere.
    """
    found: dict[str, str] = {}
    placed = main_path(paths) != "/"
    for mount in mounts:
        if mount.kind == "cgroup2":
            controllers: AbstractSet[str] = {""}
        elif mount.kind == "cgroup":
            controllers = mount.options & paths.keys()
        else:
            continue
        for controller in controllers:
            below = _below(paths.get(controller), mount.root)
            if below is not None and not (placed and paths[controller] == "/"):
                found.setdefault(controller, (mount.point + below).rstrip("/") or "/")
    return found


def _below(path: str | None, root: str) -> str | None:
    """The rest of path below root. Both may climb ("/../x"): they are relative to the reader's own cgroup
    namespace."""
    if path is None:
        return None
    if root == "/":
        rest = path
    elif path == root or path.startswith(root + "/"):
        rest = path[len(root) :]
    else:
        return None
    return None if ".." in rest.split("/") else rest


# ---------------------------------------------------------------------------------------------- the groups' files

Files = dict[str, bytes]

V2_FILES = (
    "cpu.stat",
    "cpu.max",
    "memory.current",
    "memory.stat",
    "memory.max",
    "memory.events",
    "cpu.pressure",
    "memory.pressure",
    "io.pressure",
)
V1_FILES = {
    "cpu": ("cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.stat"),
    "cpuacct": ("cpuacct.usage",),
    "memory": ("memory.usage_in_bytes", "memory.stat", "memory.limit_in_bytes", "memory.oom_control"),
}


def usage_v2(files: Files) -> Usage:
    """Usage from the files of a v2 group; any of them may be missing."""
    cpu, events = _table(files.get("cpu.stat")), _table(files.get("memory.events"))
    throttled = cpu.get("throttled_usec")
    used = cpu.get("usage_usec")
    return Usage(
        cpu_seconds=None if used is None else used / 1e6,
        cpu_limit=_cpu_max(files.get("cpu.max")),
        throttled_seconds=None if throttled is None else throttled / 1e6,
        memory_bytes=_working_set(files, "memory.current", "inactive_file"),
        memory_limit=_limit(files.get("memory.max")),
        oom_kills=events.get("oom_kill"),
        pressure=pressures(files),
    )


def usage_v1(files: Files) -> Usage:
    """Usage from the files of the v1 controllers, each under its own name; v1 has no pressure of a group."""
    quota, period = _number(files.get("cpu.cfs_quota_us")), _number(files.get("cpu.cfs_period_us"))
    used = _number(files.get("cpuacct.usage"))
    throttled = _table(files.get("cpu.stat")).get("throttled_time")
    return Usage(
        cpu_seconds=None if used is None else used / 1e9,
        cpu_limit=quota / period if quota is not None and quota > 0 and period else None,
        throttled_seconds=None if throttled is None else throttled / 1e9,
        memory_bytes=_working_set(files, "memory.usage_in_bytes", "total_inactive_file"),
        memory_limit=_limit(files.get("memory.limit_in_bytes")),
        oom_kills=_table(files.get("memory.oom_control")).get("oom_kill"),
    )


def pressures(files: Files) -> dict[str, Pressure]:
    """Pressure by resource (cpu, memory, io), from PSI files; shares are 0 to 1."""
    found: dict[str, Pressure] = {}
    for resource in ("cpu", "memory", "io"):
        lines = {line.split()[0]: line for line in files.get(f"{resource}.pressure", b"").splitlines() if line.strip()}
        if b"some" in lines:
            some, full = _psi(lines[b"some"]), _psi(lines.get(b"full", b""))
            found[resource] = Pressure(
                some.get("avg10", 0.0) / 100, full.get("avg10", 0.0) / 100, some.get("total", 0.0) / 1e6
            )
    return found


def _psi(line: bytes) -> dict[str, float]:
    pairs = (word.partition(b"=") for word in line.split()[1:])
    return {key.decode("latin-1"): float(value) for key, _, value in pairs}


def _working_set(files: Files, total: str, inactive: str) -> int | None:
    """Memory in use without the page cache that the kernel would drop first: what the kubelet compares with the
    limit."""
    used = _number(files.get(total))
    return None if used is None else max(0, used - _table(files.get("memory.stat")).get(inactive, 0))


def _cpu_max(raw: bytes | None) -> float | None:
    words = (raw or b"").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != b"max" else None


def _limit(raw: bytes | None) -> int | None:
    limit = _number(raw)
    return None if limit is None or limit >= _NO_LIMIT else limit


def _number(raw: bytes | None) -> int | None:
    text = (raw or b"").strip()
    return int(text) if text.lstrip(b"-").isdigit() else None


def _table(raw: bytes | None) -> dict[str, int]:
    """Lines of "key number"."""
    pairs = (line.split() for line in (raw or b"").splitlines())
    return {
        pair[0].decode("latin-1"): int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].lstrip(b"-").isdigit()
    }
