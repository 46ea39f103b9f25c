"""Certificates that change while the sidecar serves."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.certs import Authority
from kit.process import Part, run, script
from kit.wait import until

from .conftest import GET, Sidecar, install


def test_a_replaced_certificate_is_served_and_the_old_connection_lives_on(
    sidecar: Callable[..., Sidecar], certs: Path, authority: Authority
) -> None:
    it = sidecar()
    with it.connect() as old:
        assert old.send(GET).response().status == 200
        new = authority.server(fresh=True)
        install(new, certs)
        it.until_serves(new)
        assert old.send(GET).response().status == 200


def test_a_certificate_waits_for_its_late_key(
    sidecar: Callable[..., Sidecar], certs: Path, authority: Authority
) -> None:
    it = sidecar()
    before, new = it.serial(), authority.server(fresh=True)
    shutil.copyfile(new.certificate, certs / "tls.crt")
    it.until_rejected("key_mismatch")
    assert it.serial() == before
    assert it.part.ready()
    assert it.part.metric("https_sidecar_certificate_rejections_total", reason="key_mismatch") == 1
    shutil.copyfile(new.key, certs / "tls.key")
    it.until_serves(new)
    assert "rejected" not in it.certs()["certificates"][0]


def test_the_link_swap_of_a_mounted_secret_is_noticed(
    sidecar: Callable[..., Sidecar], tmp_path: Path, authority: Authority
) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    pairs = [authority.server(fresh=True) for _ in range(2)]
    for number, pair in enumerate(pairs):
        install(pair, mount / f"..{number}")
    (mount / "..data").symlink_to("..0")
    for name in ("tls.crt", "tls.key"):
        (mount / name).symlink_to(f"..data/{name}")
    it = sidecar(CERTIFICATE_PATH=mount / "tls.crt", KEY_PATH=mount / "tls.key")
    assert it.serial() == pairs[0].serial
    (mount / "..tmp").symlink_to("..1")
    os.rename(mount / "..tmp", mount / "..data")
    it.until_serves(pairs[1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no_certificate"), (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no_certificate")],
)
def test_a_file_that_is_no_certificate_never_replaces_a_good_one(
    sidecar: Callable[..., Sidecar], certs: Path, content: bytes, reason: str
) -> None:
    it = sidecar()
    before = it.serial()
    (certs / "tls.crt").write_bytes(content)
    it.until_rejected(reason)
    assert it.serial() == before


def test_a_removed_certificate_goes_on_being_served(sidecar: Callable[..., Sidecar], certs: Path) -> None:
    it = sidecar()
    before = it.serial()
    shutil.rmtree(certs)
    it.until_rejected("missing")
    assert it.serial() == before


def test_an_expired_certificate_does_not_replace_a_valid_one(
    sidecar: Callable[..., Sidecar], certs: Path, authority: Authority
) -> None:
    it = sidecar()
    install(authority.expired("localhost"), certs)
    it.until_rejected("expired")
    assert it.get().status == 200


def test_without_a_certificate_it_is_not_ready_says_why_and_heals(
    sidecar: Callable[..., Sidecar], tmp_path: Path, authority: Authority
) -> None:
    path = tmp_path / "late"
    it = sidecar(ready=False, CERTIFICATE_PATH=path / "tls.crt")
    until(lambda: "does not exist" in it.part.admin("/readyz")[1], why="it says what is missing", show=it.part.log)
    assert it.part.admin("/readyz")[0] == 503
    assert it.part.admin("/livez")[0] == 200
    assert it.part.admin("/startupz")[0] == 200
    with pytest.raises(OSError, match=r"internal error|reset"):
        it.connect()
    install(authority.server(), path)
    it.part.until_ready()
    assert it.get().status == 200


def test_an_encrypted_key_is_opened_with_its_password(
    sidecar: Callable[..., Sidecar], certs: Path, tmp_path: Path
) -> None:
    locked, password = tmp_path / "locked.key", tmp_path / "password"
    password.write_text("open sesame\n")
    subprocess.run(
        ["openssl", "pkey", "-in", certs / "tls.key", "-aes256", "-passout", f"file:{password}", "-out", locked],
        check=True,
    )
    it = sidecar(CERTIFICATE_PATH=certs / "tls.crt", KEY_PATH=locked, KEY_PASSWORD_FILE=password)
    assert it.get().status == 200
    assert "sesame" not in it.part.log() + it.part.admin("/settings")[1]


def test_an_encrypted_key_without_password_is_rejected_and_nobody_is_asked(
    sidecar: Callable[..., Sidecar], certs: Path, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", certs / "tls.key", "-aes256", "-passout", "pass:secret", "-out", locked], check=True
    )
    it = sidecar(ready=False, CERTIFICATE_PATH=certs / "tls.crt", KEY_PATH=locked)
    it.until_rejected("encrypted_key")


def test_a_directory_of_certificates_serves_each_client_the_name_it_asks_for(
    sidecar: Callable[..., Sidecar], tmp_path: Path, authority: Authority
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    pairs = {name: authority.server(name) for name in ("one.test", "*.wild.test")}
    for number, pair in enumerate(pairs.values()):
        install(pair, many / str(number))
    it = sidecar(CERTIFICATES_DIR=many)
    assert it.serial("one.test") == pairs["one.test"].serial
    assert it.serial("a.wild.test") == pairs["*.wild.test"].serial
    added = authority.server("two.test")
    shutil.copyfile(added.certificate, many / "two.crt")
    shutil.copyfile(added.key, many / "two.key")
    it.until_serves(added, "two.test")


def test_certs_and_the_metric_tell_when_it_expires(sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar()
    (entry,) = it.certs()["certificates"]
    assert entry["days_left"] in (9, 10)
    assert set(entry["names"]) == {"localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"}
    assert it.part.metric("https_sidecar_certificate_expiry_timestamp_seconds") > 1_700_000_000


def test_ten_rotations_under_load_fail_no_request(
    sidecar: Callable[..., Sidecar], certs: Path, authority: Authority
) -> None:
    it = sidecar()
    stop, failures, done = threading.Event(), [], []

    def load() -> None:
        while not stop.is_set():
            try:
                done.append(it.get().status)
            except (OSError, AssertionError) as problem:
                failures.append(problem)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(10):
            pair = authority.server(fresh=True)
            install(pair, certs)
            it.until_serves(pair)
    finally:
        stop.set()
        thread.join()
    assert failures == []
    assert set(done) == {200}


def test_a_self_signed_certificate_is_said_loudly(part: Callable[..., Part], sidecar: Callable[..., Sidecar]) -> None:
    it = sidecar(SELF_SIGNED="localhost,127.0.0.1")
    assert "SELF-SIGNED CERTIFICATE" in it.part.log()
    assert it.certs()["certificates"][0]["names"] == ["localhost", "127.0.0.1"]


def test_without_any_certificate_the_settings_are_refused() -> None:
    done = run([script("https-sidecar"), "--check"])
    assert (done.returncode, "CERTIFICATE_PATH" in done.stderr) == (2, True)
