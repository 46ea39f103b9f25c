"""The page as plain text, as top writes it: for curl, and for logs of what happened. Pure."""

from __future__ import annotations

from topz import units
from topz.recorder import Row
from topz.sample import Container
from topz.scene import Scene, View, arrange, tree

_HEAD = (
    f"{'PID':>7} {'USER':<10} S {'THR':>4} {'CPU%':>6} {'RSS':>9} {'MEM%':>5} {'FILES':>6} {'READ':>11} {'WRITE':>11} "
    f"{'TIME+':>10}  {'CONTAINER':<24} COMMAND"
)


def render(scene: Scene, view: View, host: str) -> str:
    """The whole text."""
    rows = arrange(scene, view)
    shown = tree(rows) if view.layout == "tree" else [("", row) for row in rows]
    if view.rows:
        shown = shown[: view.rows]
    lines = [
        *_summary(scene, host),
        "",
        *_containers(scene),
        "",
        _HEAD,
        *[_line(scene, view, branch, row) for branch, row in shown],
    ]
    if len(shown) < len(rows):
        lines.append(f"{len(rows) - len(shown)} more; rows=0 shows all")
    return "\n".join(lines) + "\n"


def _summary(scene: Scene, host: str) -> list[str]:
    machine = scene.machine
    load = ", ".join(f"{average:.2f}" for average in machine.load)
    states = {state: sum(row.state == state for row in scene.rows) for state in "RDZT"}
    lines = [
        f"topz - {units.date_time(scene.time)} on {host}, load average: {load}{'' if scene.live else ' (recorded)'}",
        f"Processes: {len(scene.rows)} seen, {states['R']} running, {states['D']} waiting for I/O, "
        f"{states['Z']} zombie, {states['T']} stopped",
        f"CPU: {sum(row.cpu for row in scene.rows):.2f} of {machine.processors} cores; "
        f"memory: {units.size(machine.memory_bytes - machine.memory_available)} of {units.size(machine.memory_bytes)}",
    ]
    if not scene.sharing.shared:
        lines.append(f"The PID namespace is not shared: {scene.sharing.reason}")
    return [*lines, *scene.notes]


def _containers(scene: Scene) -> list[str]:
    order = sorted(scene.containers.values(), key=lambda one: (one.about.own, -one.resident_bytes))
    return [
        f"{'CONTAINER':<30} {'PROCS':>5} {'CPU':>6} {'LIMIT':>6} {'MEMORY':>9} {'LIMIT':>9} {'OOM':>4}",
        *map(_container, order),
    ]


def _container(one: Container) -> str:
    cpu_limit = f"{one.cpu_limit:.2g}" if one.cpu_limit else units.UNKNOWN
    kills = units.UNKNOWN if one.oom_kills is None else str(one.oom_kills)
    return (
        f"{one.about.label[:30]:<30} {one.processes:>5} {one.cpu:>6.2f} {cpu_limit:>6} "
        f"{units.size(one.memory_bytes):>9} {units.size(one.memory_limit):>9} {kills:>4}"
    )


def _line(scene: Scene, view: View, branch: str, row: Row) -> str:
    identity = row.identity
    files = units.UNKNOWN if row.open_files is None else str(row.open_files)
    cpu = units.percent(scene.cpu_percent(row, view.percent))
    memory = units.percent(scene.memory_percent(row))
    return (
        f"{identity.pid:>7} {identity.user[:10]:<10} {row.state} {row.threads:>4} {cpu:>6} "
        f"{units.size(row.resident_bytes):>9} {memory:>5} {files:>6} {units.rate(row.read_rate):>11} "
        f"{units.rate(row.write_rate):>11} {units.cpu_time(row.cpu_seconds):>10}  {scene.label(row)[:24]:<24} "
        f"{branch}{identity.command[:300]}"
    )
