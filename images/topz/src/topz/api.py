"""The same data for programs: dictionaries that become JSON, with glances' names where glances has the thing. Pure.

CPU percentages are of one core (top's Irix mode), memory percentages of the container's limit where there is one.
Times are Unix seconds. A null is something that the kernel did not tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from topz.diff import Change, Diff
from topz.recorder import Row
from topz.sample import Container
from topz.scene import Scene

Json = dict[str, Any]


def processes(scene: Scene, rows: Iterable[Row]) -> Json:
    """/api/v1/processes."""
    return {
        "time": scene.time,
        "live": scene.live,
        "pid_namespace_shared": scene.sharing.shared,
        "pid_namespace_evidence": scene.sharing.reason,
        "containers": [container(one) for one in scene.containers.values()],
        "processes": [process(scene, row) for row in rows],
    }


def process(scene: Scene, row: Row) -> Json:
    """A process. What the recorder does not keep is left out of the past."""
    identity = row.identity
    found: Json = {
        "pid": identity.pid,
        "ppid": row.parent,
        "name": identity.name,
        "cmdline": identity.command,
        "username": identity.user,
        "status": row.state,
        "num_threads": row.threads,
        "num_fds": row.open_files,
        "cpu_percent": round(row.cpu * 100, 2),
        "memory_percent": round(scene.memory_percent(row), 3),
        "memory_info": {"rss": row.resident_bytes},
        "cpu_times": {"total": round(row.cpu_seconds, 2)},
        "io_rates": {"read": _rounded(row.read_rate), "write": _rounded(row.write_rate)},
        "create_time": round(identity.start, 2),
        "container": identity.container,
        "container_name": scene.label(row),
    }
    live = scene.processes.get(identity.pid)
    if live is not None:
        reading = live.reading
        found["nice"] = reading.nice
        found["cpu_num"] = reading.processor
        found["memory_info"] |= {"vms": reading.virtual_bytes, "shared": reading.shared_bytes}
        found["cpu_times"] |= {
            "user": round(reading.cpu_seconds - reading.system_seconds, 2),
            "system": round(reading.system_seconds, 2),
        }
        found["io_counters"] = (
            {"read_bytes": reading.io.read_bytes, "write_bytes": reading.io.write_bytes} if reading.io else None
        )
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def container(one: Container) -> Json:
    """A container."""
    about = one.about
    return {
        "key": about.key,
        "name": about.label,
        "id": about.container_id or None,
        "runtime": about.runtime or None,
        "pod_uid": about.pod_uid or None,
        "own": about.own,
        "evidence": about.evidence,
        "limits_from": about.limits_from,
        "processes": one.processes,
        "threads": one.threads,
        "cpu_cores": round(one.cpu, 4),
        "cpu_limit_cores": one.cpu_limit,
        "throttled_share": _rounded(one.throttled),
        "memory_bytes": one.memory_bytes,
        "memory_limit_bytes": one.memory_limit,
        "resident_bytes": one.resident_bytes,
        "oom_kills": one.oom_kills,
        "pressure": {
            resource: {"some": pressure.some, "full": pressure.full} for resource, pressure in one.pressure.items()
        },
    }


def container_history(moments: Iterable[tuple[float, dict[str, Container]]], key: str) -> Json:
    """/api/v1/history?container=KEY; without a key, of all."""
    series: dict[str, list[Json]] = {}
    for time, containers in moments:
        for one in containers.values():
            if key in ("", one.about.key, one.about.label):
                series.setdefault(one.about.label, []).append(
                    {
                        "time": time,
                        "cpu_cores": round(one.cpu, 4),
                        "memory_bytes": one.memory_bytes,
                        "processes": one.processes,
                    }
                )
    return {"containers": series}


def process_history(moments: Iterable[tuple[float, Row]], pid: int) -> Json:
    """/api/v1/history?pid=N. A PID that was used again has several start times."""
    return {
        "pid": pid,
        "points": [
            {
                "time": time,
                "create_time": round(row.identity.start, 2),
                "cpu_percent": round(row.cpu * 100, 2),
                "rss": row.resident_bytes,
                "num_threads": row.threads,
                "num_fds": row.open_files,
            }
            for time, row in moments
        ],
    }


def diff(before: Scene, after: Scene, found: Diff) -> Json:
    """/api/v1/diff."""
    return {
        "from": before.time,
        "to": after.time,
        "started": [process(after, row) for row in found.started],
        "ended": [process(before, row) for row in found.ended],
        "changed": [_change(change) for change in found.changed],
    }


def _change(change: Change) -> Json:
    return {
        "pid": change.identity.pid,
        "name": change.identity.name,
        "cmdline": change.identity.command,
        "cpu_seconds": round(change.cpu_seconds, 2),
        "rss": [change.resident_before, change.resident_after],
        "num_threads": [change.threads_before, change.threads_after],
        "num_fds": [change.files_before, change.files_after],
    }
