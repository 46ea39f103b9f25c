"""Control groups as docker, containerd, cri-o, podman, systemd and the kubelet lay them out."""

import pytest

from topz import cgroup

ID = "3f2a1b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708"
POD = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
SLICE = f"pod{POD.replace('-', '_')}.slice"
ECS = "0123456789abcdef0123456789abcdef"

PATHS = [
    (f"/docker/{ID}", (ID, "docker", "")),
    (f"/system.slice/docker-{ID}.scope", (ID, "docker", "")),
    (f"/../docker-{ID}.scope", (ID, "docker", "")),
    (f"/../{ID}", (ID, "", "")),
    (f"/machine.slice/libpod-{ID}.scope", (ID, "podman", "")),
    (f"/machine.slice/libpod-{ID}.scope/container", (ID, "podman", "")),
    (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", (ID, "podman", "")),
    (f"/kubepods/burstable/pod{POD}/{ID}", (ID, "", POD)),
    (
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-{SLICE}/cri-containerd-{ID}.scope",
        (ID, "containerd", POD),
    ),
    (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-{SLICE}/crio-{ID}.scope", (ID, "cri-o", POD)),
    (f"/../cri-containerd-{ID}.scope", (ID, "containerd", "")),
    (f"/../../pod{POD}/{ID}", (ID, "", POD)),
    (f"/kubepods/besteffort/pod{POD}/{'a' * 64}/docker/{ID}", (ID, "docker", POD)),
    (f"/system.slice/containerd.service/kubepods-{SLICE}:cri-containerd:{ID}", (ID, "", POD)),
    (f"/ecs/{ECS}/{ECS}-1234567890", (f"{ECS}-1234567890", "", "")),
    ("/system.slice/nginx.service", ("", "", "")),
    ("/", ("", "", "")),
]


@pytest.mark.parametrize(("path", "expected"), PATHS, ids=[path[:50] for path, _ in PATHS])
def test_a_path_names_its_container(path: str, expected: tuple[str, str, str]) -> None:
    assert tuple(cgroup.placement(path)) == expected


def test_a_service_of_systemd_is_named_outside_of_containers() -> None:
    assert cgroup.unit("/system.slice/nginx.service") == "nginx.service"
    assert cgroup.unit("/system.slice/nginx.service/worker") == "nginx.service"
    assert cgroup.unit("/user.slice") == ""


def test_v2_has_one_path() -> None:
    assert cgroup.parse_paths(f"0::/../{ID}\n".encode()) == {"": f"/../{ID}"}


def test_v1_controllers_that_share_a_hierarchy_share_its_path() -> None:
    raw = b"4:memory:/docker/x\n2:cpu,cpuacct:/docker/x:y\n1:name=systemd:/\n"
    assert cgroup.parse_paths(raw) == {
        "memory": "/docker/x",
        "cpu": "/docker/x:y",
        "cpuacct": "/docker/x:y",
        "name=systemd": "/",
    }


def test_a_hybrid_machine_is_placed_by_the_hierarchy_that_it_uses() -> None:
    assert cgroup.main_path(cgroup.parse_paths(b"4:memory:/docker/x\n2:cpu:/\n0::/\n")) == "/docker/x"


MOUNTINFO = f"""\
600 500 0:52 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b
601 600 0:55 / /proc rw,nosuid - proc proc rw,hidepid=invisible
602 600 0:30 /../docker-{ID}.scope /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw
603 600 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/vda1 rw
604 600 254:1 /a\\040b /mnt/with\\040space rw shared:3 master:1 - ext4 /dev/vda1 rw
605 600 254:1 /lib/kubelet/pods/{POD}/containers/web/1a2b3c4d /dev/termination-log rw - ext4 /dev/vda1 rw
not a line of it
""".encode()


def test_mounts_are_read_with_their_optional_fields_and_escapes() -> None:
    mounts = cgroup.parse_mounts(MOUNTINFO)
    assert [mount.point for mount in mounts] == [
        "/",
        "/proc",
        "/sys/fs/cgroup",
        "/etc/hostname",
        "/mnt/with space",
        "/dev/termination-log",
    ]
    assert mounts[4].root == "/a b"
    assert mounts[4].kind == "ext4"


def test_the_kubelets_mount_tells_the_containers_name() -> None:
    assert cgroup.container_name(cgroup.parse_mounts(MOUNTINFO)) == "web"


def test_the_name_outlives_the_file_that_tells_it() -> None:
    """Once the kubelet has cleaned up, the kernel marks the mount's source as deleted."""
    gone = MOUNTINFO.replace(b"/1a2b3c4d ", b"/1a2b3c4d//deleted ")
    assert cgroup.container_name(cgroup.parse_mounts(gone)) == "web"


def test_dockers_mount_tells_the_containers_id_where_the_control_group_does_not() -> None:
    assert cgroup.mounted_id(cgroup.parse_mounts(MOUNTINFO)) == ID


def test_the_root_file_system_tells_containers_apart() -> None:
    assert cgroup.root_mount(cgroup.parse_mounts(MOUNTINFO)) == "0:52:/"


def test_hidepid_is_noticed() -> None:
    assert cgroup.hides_processes(cgroup.parse_mounts(MOUNTINFO), "/proc")
    assert not cgroup.hides_processes(cgroup.parse_mounts(MOUNTINFO.replace(b",hidepid=invisible", b"")), "/proc")


@pytest.mark.parametrize(
    ("root", "path", "folder"),
    [
        ("/", "/docker/x", "/sys/fs/cgroup/docker/x"),
        ("/docker/x", "/docker/x", "/sys/fs/cgroup"),
        ("/docker/x", "/docker/x/sub", "/sys/fs/cgroup/sub"),
        ("/..", "/../other", "/sys/fs/cgroup/other"),
        ("/", "/", "/sys/fs/cgroup"),
        ("/docker/x", "/docker/xy", None),
        ("/", "/../other", None),
        ("/..", "/../../other", None),
        ("/../..", "/../other", None),
    ],
)
def test_a_group_is_found_below_the_mount_that_holds_it(root: str, path: str, folder: str | None) -> None:
    mounts = [cgroup.Mount(1, "0:1", root, "/sys/fs/cgroup", "cgroup2", frozenset())]
    assert cgroup.directories(mounts, {"": path}).get("") == folder


def test_a_hierarchy_that_a_placed_process_does_not_use_is_left_out() -> None:
    mounts = [
        cgroup.Mount(1, "0:1", "/", "/sys/fs/cgroup/memory", "cgroup", frozenset({"rw", "memory"})),
        cgroup.Mount(2, "0:2", "/", "/sys/fs/cgroup/cpu", "cgroup", frozenset({"rw", "cpu"})),
    ]
    assert cgroup.directories(mounts, {"memory": "/docker/x", "cpu": "/"}) == {
        "memory": "/sys/fs/cgroup/memory/docker/x"
    }


V2 = {
    "cpu.stat": b"usage_usec 1500000\nuser_usec 1000000\nnr_periods 10\nnr_throttled 2\nthrottled_usec 250000\n",
    "cpu.max": b"150000 100000\n",
    "memory.current": b"104857600\n",
    "memory.stat": b"anon 50000000\nfile 40000000\ninactive_file 4857600\n",
    "memory.max": b"268435456\n",
    "memory.events": b"low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\n",
    "cpu.pressure": b"some avg10=12.50 avg60=3.00 avg300=1.00 total=2500000\n"
    b"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "memory.pressure": b"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    b"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "io.pressure": b"",
}


def test_v2_usage_and_limits() -> None:
    usage = cgroup.usage_v2(V2)
    assert (usage.cpu_seconds, usage.cpu_limit, usage.throttled_seconds) == (1.5, 1.5, 0.25)
    assert (usage.memory_bytes, usage.memory_limit, usage.oom_kills) == (100_000_000, 268435456, 3)
    assert usage.pressure == {"cpu": cgroup.Pressure(0.125, 0.0, 2.5), "memory": cgroup.Pressure(0.0, 0.0, 0.0)}


def test_v2_without_limits_or_files() -> None:
    assert cgroup.usage_v2({"cpu.max": b"max 100000\n", "memory.max": b"max\n"}) == cgroup.Usage()


def test_v1_usage_and_limits() -> None:
    usage = cgroup.usage_v1(
        {
            "cpu.cfs_quota_us": b"50000\n",
            "cpu.cfs_period_us": b"100000\n",
            "cpu.stat": b"nr_periods 5\nnr_throttled 1\nthrottled_time 250000000\n",
            "cpuacct.usage": b"2500000000\n",
            "memory.usage_in_bytes": b"10000\n",
            "memory.stat": b"cache 5000\ntotal_inactive_file 4000\n",
            "memory.limit_in_bytes": b"20000\n",
            "memory.oom_control": b"oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        }
    )
    assert usage == cgroup.Usage(2.5, 0.5, 0.25, 6000, 20000, 2)


def test_v1_without_limits() -> None:
    usage = cgroup.usage_v1(
        {
            "cpu.cfs_quota_us": b"-1\n",
            "cpu.cfs_period_us": b"100000\n",
            "memory.limit_in_bytes": b"9223372036854771712\n",
        }
    )
    assert usage == cgroup.Usage()
