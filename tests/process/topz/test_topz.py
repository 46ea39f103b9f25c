"""topz as a process, on this machine's own /proc, with children that the tests start."""

import contextlib
import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kit.need import need, program
from kit.ports import free_port
from kit.process import Child, Part, script
from kit.wait import until
from topz.reader import Reader

Json = dict[str, Any]


class Topz:
    """A running topz and its port."""

    def __init__(self, part: Part, port: int) -> None:
        self.part = part
        self.port = port

    def get(self, path: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request(
                method, path, body or None, {name.replace("_", "-"): text for name, text in headers.items()}
            )
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), {name.lower(): text for name, text in answer.getheaders()}

    def json(self, path: str) -> Json:
        status, body, _ = self.get(path)
        assert status == 200, body
        found: Json = json.loads(body)
        return found

    def process(self, pid: int, **query: str) -> Json | None:
        """What topz says of a process now; None when it does not see it."""
        asked = "".join(f"&{name}={text}" for name, text in query.items())
        rows = self.json(f"/api/v1/processes?q=pid:{pid}{asked}")["processes"]
        return rows[0] if rows else None

    def until_seen(self, pid: int, why: str, condition: Callable[[Json], object] = bool) -> Json:
        def seen() -> Json | None:
            found = self.process(pid)
            return found if found is not None and condition(found) else None

        found = until(seen, timeout=15, why=why, show=self.part.log)
        assert found is not None
        return found


@pytest.fixture
def topz(part: Callable[..., Part]) -> Callable[..., Topz]:
    """A maker of running topz."""

    def maker(**env: object) -> Topz:
        port = free_port()
        settings = {"LISTEN": f"127.0.0.1:{port}", "REFRESH": "250ms", "RECORD_EVERY": "1s", **env}
        return Topz(part("topz", **settings), port)

    return maker


PYTHON = sys.executable
HOLD = "print('ready', flush=True); import signal; signal.pause()"


def child(start: Callable[..., Child], code: str, *arguments: str) -> Child:
    """A Python child that has printed "ready"."""
    made = start([PYTHON, "-c", code, *arguments])
    made.until_logged("ready")
    return made


def test_a_busy_process_is_seen_as_busy(topz: Callable[..., Topz], start: Callable[..., Child]) -> None:
    running = topz()
    # Busy for at most 20 seconds, should nobody end it.
    burner = child(
        start, "import time; print('ready', flush=True); end = time.time() + 20\nwhile time.time() < end: pass"
    )
    running.until_seen(burner.pid, "the burner uses CPU", lambda row: row["cpu_percent"] > 20 and row["status"] == "R")


def test_held_memory_is_resident(topz: Callable[..., Topz], start: Callable[..., Child]) -> None:
    held = child(start, "held = bytearray(64 << 20); print('ready', flush=True); import signal; signal.pause()")
    row = topz().until_seen(held.pid, "the child is seen")
    assert row["memory_info"]["rss"] > 64 << 20
    assert row["memory_info"]["vms"] > row["memory_info"]["rss"]


def test_threads_and_open_files_are_counted(topz: Callable[..., Topz], start: Callable[..., Child]) -> None:
    code = (
        "import threading, signal, os\n"
        "for _ in range(6): threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "files = [open(os.devnull) for _ in range(40)]; print('ready', flush=True); signal.pause()"
    )
    row = topz().until_seen(child(start, code).pid, "the child is seen")
    assert row["num_threads"] == 7
    assert row["num_fds"] == len(os.listdir(f"/proc/{row['pid']}/fd"))
    assert row["num_fds"] >= 43


def test_what_is_written_to_storage_is_counted(
    topz: Callable[..., Topz], start: Callable[..., Child], tmp_path: Path
) -> None:
    code = (
        "import os, sys, signal\nf = open(sys.argv[1], 'wb')\n"
        "f.write(os.urandom(4 << 20)); f.flush(); os.fsync(f.fileno())\n"
        "print('ready', flush=True); signal.pause()"
    )
    row = topz().until_seen(child(start, code, str(tmp_path / "written")).pid, "the child is seen")
    assert row["io_counters"]["write_bytes"] >= 4 << 20


def test_a_secret_in_a_command_line_reaches_no_output(topz: Callable[..., Topz], start: Callable[..., Child]) -> None:
    secret = child(
        start,
        HOLD,
        "--password=Zq7secret",
        "http://bob:Zq7secret@host/",
    )
    running = topz()
    row = running.until_seen(secret.pid, "the child is seen")
    assert row["cmdline"].endswith("--password=*** http://bob:***@host/")
    paths = [
        "/topz",
        f"/topz?pid={secret.pid}&rows=0",
        "/topz?format=text&rows=0",
        "/api/v1/processes",
        "/api/v1/history",
        "/topz/diff",
        "/api/v1/diff",
    ]
    assert not [path for path in paths if "Zq7secret" in running.get(path)[1]]
    assert "Zq7secret" not in running.part.admin("/metrics")[1]
    assert "Zq7secret" not in running.part.log()


def test_secrets_are_shown_when_asked_for(topz: Callable[..., Topz], start: Callable[..., Child]) -> None:
    plain = child(start, HOLD, "--password=Zq7secret")
    assert "Zq7secret" in topz(REDACT="false").until_seen(plain.pid, "the child is seen")["cmdline"]


def test_a_name_of_any_bytes_does_no_harm(topz: Callable[..., Topz], start: Callable[..., Child]) -> None:
    code = (
        "import signal, ctypes\nctypes.CDLL(None).prctl(15, b'a) \\n<b>\\xff(', 0, 0, 0)\n"
        "print('ready', flush=True); signal.pause()"
    )
    strange = child(start, code, "<script>alert(1)</script>")
    running = topz()
    row = running.until_seen(strange.pid, "the child is seen")
    assert row["name"] == "a) \\x0a<b>\\xff("
    page = running.get(f"/topz?pid={strange.pid}&rows=0")[1]
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\n<b>" not in page


def test_a_new_title_is_noticed(topz: Callable[..., Topz], start: Callable[..., Child]) -> None:
    code = (
        "import os, signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); print('ready', flush=True)\n"
        "signal.sigwait([signal.SIGUSR1]); os.execv('/bin/sleep', ['sleep', '30.25'])"
    )
    changing = child(start, code)
    running = topz()
    assert "sigwait" in running.until_seen(changing.pid, "the child is seen")["cmdline"]
    changing.signal(signal.SIGUSR1)
    running.until_seen(changing.pid, "the child runs another program", lambda row: row["cmdline"] == "sleep 30.25")


def test_an_ended_process_goes_and_stays_in_the_recording(
    topz: Callable[..., Topz], start: Callable[..., Child]
) -> None:
    running = topz()
    short = child(start, HOLD)
    until(lambda: running.json(f"/api/v1/history?pid={short.pid}")["points"], timeout=15, why="the child is recorded")
    seen = running.json(f"/api/v1/history?pid={short.pid}")["points"][0]["time"]
    short.stop()
    until(lambda: running.process(short.pid) is None, timeout=15, why="the child is gone")
    then = running.process(short.pid, at=f"{seen + 0.01:.2f}")
    assert then is not None
    assert then["pid"] == short.pid
    difference = running.json(f"/api/v1/diff?from={seen + 0.01:.2f}&to=now")
    assert short.pid in [row["pid"] for row in difference["ended"]]


def test_growth_is_told_by_the_difference_of_two_moments(
    topz: Callable[..., Topz], start: Callable[..., Child]
) -> None:
    running = topz()
    code = (
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1]); print('ready', flush=True)\n"
        "signal.sigwait([signal.SIGUSR1]); held = bytearray(48 << 20); print('grown', flush=True); signal.pause()"
    )
    growing = child(start, code)
    until(lambda: running.json(f"/api/v1/history?pid={growing.pid}")["points"], timeout=15, why="the child is recorded")
    before = running.json(f"/api/v1/history?pid={growing.pid}")["points"][0]["time"]
    growing.signal(signal.SIGUSR1)
    growing.until_logged("grown")
    running.until_seen(growing.pid, "the growth is seen", lambda row: row["memory_info"]["rss"] > 48 << 20)
    changed = running.json(f"/api/v1/diff?from={before + 0.01:.2f}")["changed"]
    (mine,) = [change for change in changed if change["pid"] == growing.pid]
    assert mine["rss"][1] - mine["rss"][0] >= 47 << 20
    assert "+48" in running.get(f"/topz/diff?from={before + 0.01:.2f}")[1]


def test_a_parent_and_its_child_are_drawn_as_a_tree(topz: Callable[..., Topz], start: Callable[..., Child]) -> None:
    parent = start(["/bin/sh", "-c", "sleep 40.125 & echo ready; wait"])
    parent.until_logged("ready")
    running = topz()
    running.until_seen(parent.pid, "the parent is seen")
    lines = running.get("/topz?format=text&view=tree&rows=0")[1].splitlines()
    (line,) = [line for line in lines if line.endswith("sleep 40.125")]
    assert "└─ sleep 40.125" in line or "├─ sleep 40.125" in line


def test_the_metrics_count_groups_and_pass_promtool(topz: Callable[..., Topz], start: Callable[..., Child]) -> None:
    need("promtool")
    running = topz(METRIC_GROUPS="3")
    child(start, "held = bytearray(32 << 20); print('ready', flush=True); import signal; signal.pause()")
    until(lambda: running.part.metric("topz_recorder_moments") >= 2, timeout=15, why="two moments are recorded")
    text = running.part.admin("/metrics")[1]
    names = {line.split('groupname="')[1].split('"')[0] for line in text.splitlines() if "groupname=" in line}
    assert len(names) <= 4
    assert "other" in names
    assert running.part.metric("topz_namegroup_num_procs") == pytest.approx(
        running.part.metric("topz_processes"), abs=20
    )
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, timeout=20, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_recording_stays_within_its_memory(topz: Callable[..., Topz]) -> None:
    running = topz(KEEP_MEMORY="256KiB", KEEP="10m")
    until(lambda: running.part.metric("topz_recorder_moments") >= 3, timeout=15, why="three moments are recorded")
    assert running.part.metric("topz_recorder_bytes") <= 256 << 10


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/topz?sort=colour", "sort='colour': expected one of"),
        ("/topz?at=yesterday", "at='yesterday': expected a time such as 14:02"),
        ("/topz?format=xml", "format='xml': expected one of html, text, json"),
        ("/api/v1/diff?from=x", "from='x': expected a time"),
    ],
)
def test_a_bad_parameter_is_told(topz: Callable[..., Topz], path: str, said: str) -> None:
    status, body, _ = topz().get(path)
    assert status == 400
    assert said in body


def test_only_looking_is_possible(topz: Callable[..., Topz]) -> None:
    running = topz()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        status, _, headers = running.get("/topz", method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert running.get("/topz/kill")[0] == 404


def test_every_answer_forbids_caching_and_guessing(topz: Callable[..., Topz]) -> None:
    running = topz()
    for path in ("/topz", "/topz?format=text", "/api/v1/processes", "/topz?sort=x"):
        headers = running.get(path)[2]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_a_page_is_compressed_for_those_who_take_it(topz: Callable[..., Topz]) -> None:
    running = topz()
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/topz", headers={"Accept-Encoding": "gzip, br"})
        answer = connection.getresponse()
        assert answer.getheader("Content-Encoding") == "gzip"
        assert gzip.decompress(answer.read()).startswith(b"<!doctype html>")
    assert "content-encoding" not in running.get("/topz")[2]


def test_the_root_leads_to_the_page(topz: Callable[..., Topz]) -> None:
    status, _, headers = topz().get("/")
    assert (status, headers["location"]) == (303, "/topz")


def test_with_a_token_nothing_is_told_without_it(topz: Callable[..., Topz], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open sesame\n")
    running = topz(TOKEN_FILE=tmp_path / "token")
    for path in ("/topz", "/topz?format=text", "/topz/diff", "/api/v1/processes", "/api/v1/history", "/api/v1/diff"):
        status, body, headers = running.get(path)
        assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="topz"')
        assert "PID" not in body
        assert running.get(path, authorization="Bearer open sesame")[0] == 200
        assert running.get(path, authorization="Bearer open")[0] == 401
    assert running.part.metric("topz_refused_requests_total") == 12
    (tmp_path / "token").write_text("another\n")
    until(lambda: running.get("/topz", authorization="Bearer another")[0] == 200, why="the new token opens")
    assert running.get("/topz", authorization="Bearer open sesame")[0] == 401


def test_the_form_exchanges_the_token_for_a_cookie(topz: Callable[..., Topz]) -> None:
    running = topz(TOKEN="open sesame")
    status, body, _ = running.get("/topz?sort=rss", accept="text/html")
    assert status == 401
    assert 'name="onward" value="/topz?sort=rss"' in body
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert running.get("/topz/login", "POST", "token=wrong&onward=/topz", **form)[0] == 401
    status, _, headers = running.get("/topz/login", "POST", "token=open+sesame&onward=/topz%3Fsort=rss", **form)
    assert (status, headers["location"]) == (303, "/topz?sort=rss")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "open" not in cookie.partition(";")[0]
    assert running.get("/topz", cookie=cookie.partition(";")[0])[0] == 200


@pytest.mark.parametrize(
    "onward",
    ["//evil.example", "https://evil.example", "/%5Cevil.example", "/topz%0d%0aX-Evil:+1", "/topz?x=1%0d%0aX-Evil:+1"],
)
def test_signing_in_never_leads_elsewhere(topz: Callable[..., Topz], onward: str) -> None:
    running = topz(TOKEN="open")
    status, _, headers = running.get("/topz/login", "POST", f"token=open&onward={onward}")
    assert status == 303
    assert headers["location"].startswith("/topz")
    assert "x-evil" not in headers


def test_a_namespace_of_its_own_is_noticed(start: Callable[..., Child]) -> None:
    need("namespaces")
    port, admin = free_port(), free_port()
    env = {"LISTEN": f"127.0.0.1:{port}", "ADMIN_LISTEN": f"127.0.0.1:{admin}"}
    alone = start(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", str(script("topz"))], **env)
    alone.until_logged("pid namespace not shared")
    alone.until_logged('"ready"')
    running = Topz(alone, port)  # type: ignore[arg-type]
    found = running.json("/api/v1/processes")
    assert not found["pid_namespace_shared"]
    assert found["pid_namespace_evidence"] == "topz itself is PID 1 here, so it was given a PID namespace of its own."
    assert [row["pid"] for row in found["processes"]] == [1]
    assert "shareProcessNamespace: true" in running.get("/topz")[1]


@pytest.fixture
def container() -> Iterator[Callable[[int], str]]:
    """Puts a process into a control group named as docker names them, limited to 256 MiB and half a core."""
    need("control groups")
    key = os.urandom(32).hex()
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    folders = (
        [Path("/sys/fs/cgroup")]
        if unified
        else [Path("/sys/fs/cgroup") / name for name in ("memory", "cpu", "cpuacct")]
    )
    made = [folder / f"docker-{key}.scope" for folder in folders]
    limits = {
        "memory.max": "268435456",
        "cpu.max": "50000 100000",
        "memory.limit_in_bytes": "268435456",
        "cpu.cfs_quota_us": "50000",
    }
    for folder in made:
        folder.mkdir()
        for name, limit in limits.items():
            if (folder / name).exists():
                (folder / name).write_text(limit)

    def enter(pid: int) -> str:
        for folder in made:
            (folder / "cgroup.procs").write_text(str(pid))
        return key

    yield enter
    for folder in made:
        until(partial(removed, folder), why="the group is empty")


def removed(folder: Path) -> bool:
    """Removes a control group; OSError while a process is still leaving it, which `until` takes for "not yet"."""
    folder.rmdir()
    return True


def test_a_process_is_measured_against_its_containers_limits(
    topz: Callable[..., Topz], container: Callable[[int], str]
) -> None:
    with Child(
        [PYTHON, "-c", "held = bytearray(64 << 20); print('ready', flush=True); import signal; signal.pause()"]
    ) as inside:
        inside.until_logged("ready")
        key = container(inside.pid)
        running = topz()
        row = running.until_seen(inside.pid, "the child is in the container", lambda row: row["container"] == key)
        assert row["memory_percent"] == pytest.approx(row["memory_info"]["rss"] / 268435456 * 100, abs=0.01)
        (found,) = [one for one in running.json("/api/v1/processes")["containers"] if one["key"] == key]
        assert (found["memory_limit_bytes"], found["cpu_limit_cores"], found["processes"]) == (268435456, 0.5, 1)
        assert (found["runtime"], found["id"], found["own"]) == ("docker", key, False)
        page = running.get("/topz")[1]
        assert f"python {key[:12]}" in page or f"python3 {key[:12]}" in page or key[:12] in page
        assert "of 256 MiB" in page
        assert "of 0.5 cores" in page


def look_as_nobody() -> Json:
    """What a reader without privileges sees, told by a child that has given them up, and that need not import any more:
    the tree may lie where only root reads."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            seen = Reader().look()
            row = next(row for row in seen.readings if row.identity.pid == os.getppid())
            told = {
                "unreadable": seen.unreadable,
                "count": len(seen.readings),
                "files": row.open_files,
                "io": row.io,
                "rss": row.resident_bytes,
            }
            os.write(write, json.dumps(told).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        found: Json = json.loads(answer.read())
    os.waitpid(pid, 0)
    return found


def test_without_privileges_what_is_withheld_is_counted_and_the_rest_is_told() -> None:
    need("root")
    seen = look_as_nobody()
    assert seen["io"] is None
    assert seen["rss"] > 1 << 20
    assert seen["unreadable"]["storage I/O"] >= 1
    assert seen["files"] is None or seen["files"] >= 3


def test_a_port_that_is_taken_is_one_clear_line(part: Callable[..., Part], topz: Callable[..., Topz]) -> None:
    running = topz()
    second = part("topz", ready=False, LISTEN=f"127.0.0.1:{running.port}")
    assert second.wait() == 1
    assert f"LISTEN=127.0.0.1:{running.port}" in second.log()
    assert "Traceback" not in second.log()


def test_a_proc_that_is_not_there_is_one_clear_line(part: Callable[..., Part]) -> None:
    second = part("topz", ready=False, LISTEN=f"127.0.0.1:{free_port()}", PROC_PATH="/nowhere")
    assert second.wait() == 1
    assert "PROC_PATH=/nowhere" in second.log()


def test_it_stops_when_asked(topz: Callable[..., Topz]) -> None:
    assert topz().part.stop() == 0
