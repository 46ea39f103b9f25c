"""Where pairs are found, and which certificate serves which name."""

import shutil
from pathlib import Path

import pytest

from https_sidecar import certs, selfsigned
from https_sidecar.certs import Certificate, RejectedError, Source, find, find_all
from https_sidecar.contexts import Options, new_context
from https_sidecar.store import Store, arrange
from kit.certs import Authority
from podparts.log import Log


def loaded(*names: str) -> Certificate:
    return certs.load(selfsigned.make(names), lambda: new_context(Options(), None), str)


@pytest.mark.parametrize(("certificate", "key"), certs.NAMES)
def test_a_directory_holds_the_pair_under_its_usual_names(tmp_path: Path, certificate: str, key: str) -> None:
    (tmp_path / certificate).touch()
    assert find(str(tmp_path), None) == Source(str(tmp_path / certificate), str(tmp_path / key))


@pytest.mark.parametrize(
    ("certificate", "beside", "key"),
    [
        ("tls.crt", "", "tls.key"), ("fullchain.pem", "", "privkey.pem"), ("web.crt", "web.key", "web.key"),
        ("web.pem", "web-key.pem", "web-key.pem"), ("both.pem", "", "both.pem"),
    ],
)  # fmt: skip
def test_the_key_is_found_beside_the_certificate(tmp_path: Path, certificate: str, beside: str, key: str) -> None:
    if beside:
        (tmp_path / beside).touch()
    assert find(str(tmp_path / certificate), None).key == str(tmp_path / key)


def test_a_directory_of_certificates_leaves_out_what_is_no_pair(tmp_path: Path, authority: Authority) -> None:
    pair = authority.server("one.test")
    shutil.copyfile(pair.certificate, tmp_path / "one.crt")
    shutil.copyfile(pair.key, tmp_path / "one.key")
    (tmp_path / "both.pem").write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    shutil.copyfile(authority.certificate, tmp_path / "ca.crt")
    (tmp_path / "..data").mkdir()
    (tmp_path / "mounted").mkdir()
    assert [Path(path).name for path in find_all(str(tmp_path))] == ["both.pem", "mounted", "one.crt"]


def test_a_name_is_served_exactly_then_by_wildcard_then_by_the_first() -> None:
    first, wild = loaded("first.test"), loaded("*.wild.test", "Exact.test")
    by_name = arrange([first, wild])
    store = Store(Options(), Log("test"))
    store._by_name = by_name
    expected = {"exact.TEST": wild, "a.wild.test": wild, "a.b.wild.test": first, "other": first, None: first}
    assert {name: store.choose(name) for name in expected} == {name: one.context for name, one in expected.items()}


def test_without_a_certificate_nobody_is_served() -> None:
    assert Store(Options(), Log("test")).choose("any") is None


def test_a_chain_out_of_order_is_served_with_a_warning(authority: Authority) -> None:
    one, two = authority.server("one.test"), authority.server("two.test")
    chain = one.certificate.read_bytes() + two.certificate.read_bytes()
    pair = certs.Pair(Source("c", "k"), chain, one.key.read_bytes())
    (warning,) = certs.load(pair, lambda: new_context(Options(), None), str).warnings
    assert "out of order" in warning


def test_a_key_of_another_certificate_is_rejected(authority: Authority) -> None:
    one, two = authority.server("one.test"), authority.server("two.test")
    pair = certs.Pair(Source("c", "k"), one.certificate.read_bytes(), two.key.read_bytes())
    with pytest.raises(RejectedError) as rejected:
        certs.load(pair, lambda: new_context(Options(), None), str)
    assert rejected.value.reason == "key_mismatch"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (certs.LARGEST_FILE + 1))
    with pytest.raises(RejectedError) as rejected:
        certs.read_file(str(tmp_path / "large"))
    assert rejected.value.reason == "unreadable"


def test_an_emptied_directory_gives_nothing_up(tmp_path: Path, authority: Authority) -> None:
    mount = tmp_path / "certs" / "one"
    mount.mkdir(parents=True)
    pair = authority.server("one.test")
    shutil.copyfile(pair.certificate, mount / "tls.crt")
    shutil.copyfile(pair.key, mount / "tls.key")
    store = Store(Options(), Log("test", write=lambda line: None), directory=str(tmp_path / "certs"))
    store.changed(frozenset(store.paths()))
    shutil.rmtree(mount)
    store.changed(frozenset(store.paths()) | {str(mount / "tls.crt")})
    assert store.choose("one.test") is not None


def test_a_file_in_the_directory_that_is_filled_late_is_watched_and_found(tmp_path: Path, authority: Authority) -> None:
    pair = authority.server("late.test")
    (tmp_path / "late.crt").touch()
    shutil.copyfile(pair.key, tmp_path / "late.key")
    store = Store(Options(), Log("test", write=lambda line: None), directory=str(tmp_path))
    store.changed(frozenset(store.paths()))
    assert store.choose("late.test") is None
    shutil.copyfile(pair.certificate, tmp_path / "late.crt")
    assert str(tmp_path / "late.crt") in set(store.paths())
    store.changed(frozenset({str(tmp_path / "late.crt")}))
    assert store.choose("late.test") is not None
