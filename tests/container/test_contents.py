"""What every image holds, and what it must not: judged from its files, without running the part."""

import ast
import json
import re
import stat
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from kit.container import PYTHON_IMAGE, Image, built, command, files, inspected, python, read
from kit.need import repository

SHELLS = {"sh", "bash", "dash", "ash", "busybox", "zsh", "ksh"}
SBOM = "/usr/share/podparts/sbom.cdx.json"

# Runs inside the image: what the dynamic loader says of each shared object.
UNRESOLVED = """
import glob, subprocess
loader, = glob.glob("/lib*/ld-linux*") or glob.glob("/lib/*/ld-linux*")
found = glob.glob("/usr/**/*.so*", recursive=True) + glob.glob("/app/**/*.so*", recursive=True)
assert len(found) > 20, found
for path in found:
    said = subprocess.run([loader, "--list", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    if "not found" in said or "cannot open" in said:
        print(path, said)
"""


def test_it_keeps_to_its_size(image: Image) -> None:
    assert inspected(image.tag)["Size"] <= image.largest


def test_its_user_is_a_number_and_not_root(image: Image) -> None:
    user, _, group = inspected(image.tag)["Config"]["User"].partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_it_has_no_shell(image: Image) -> None:
    assert [file.name for file in files(image.tag) if Path(file.name).name in SHELLS] == []


def test_no_file_lends_another_users_rights(image: Image) -> None:
    assert [file.name for file in files(image.tag) if file.mode & (stat.S_ISUID | stat.S_ISGID)] == []


def test_only_the_folder_for_temporary_files_is_writable_by_its_user(image: Image) -> None:
    engine_made = {"dev", "proc", "sys", "etc"}  # the engine's own mounts, in the export of any container
    writable = [
        file.name
        for file in files(image.tag)
        if not file.issym()
        and (file.mode & stat.S_IWOTH or file.uid != 0)
        and file.name.split("/")[0] not in engine_made
    ]
    assert writable == ["tmp/"] or writable == ["tmp"]


def test_every_shared_object_finds_what_it_needs(image: Image) -> None:
    assert python(image.tag, UNRESOLVED) == ""


def test_its_list_of_components_is_valid(image: Image) -> None:
    problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(read(image.tag, SBOM).decode())
    assert problem is None, problem


def test_its_list_names_every_package_that_is_in_it(image: Image) -> None:
    listed = {entry["name"].lower() for entry in json.loads(read(image.tag, SBOM))["components"]}
    names = [file.name for file in files(image.tag)]
    wheels = {match[1].lower() for name in names if (match := re.search(r"/([^/]+)-[^/-]+\.dist-info/METADATA$", name))}
    debian = {match[1] for name in names if (match := re.search(r"var/lib/dpkg/status\.d/([^/]+)$", name))}
    assert {"podparts", "uvloop"} <= wheels
    assert {"libc6", "ca-certificates"} <= debian
    assert {name.replace("_", "-") for name in wheels | debian} <= {name.replace("_", "-") for name in listed}


def test_every_importable_package_belongs_to_a_listed_wheel(image: Image) -> None:
    names = [file.name for file in files(image.tag)]
    inside = {match[1] for name in names if (match := re.search(r"/site-packages/([^/]+)/?", name))}
    wheels = {
        name.removesuffix(".dist-info").rpartition("-")[0].lower() for name in inside if name.endswith(".dist-info")
    }
    assert {name.lower() for name in inside if not name.endswith(".dist-info")} <= wheels


def test_licences_travel_with_the_parts(image: Image) -> None:
    names = [file.name for file in files(image.tag)]
    debian = {match[1] for name in names if (match := re.search(r"var/lib/dpkg/status\.d/([^/]+)$", name))}
    texts = {match[1] for name in names if (match := re.search(r"usr/share/doc/([^/]+)/copyright$", name))}
    assert debian <= texts


def test_the_certificates_that_it_trusts_are_debians_own(image: Image) -> None:
    built("base")
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    assert read(image.tag, bundle).decode() == command("docker", "run", "--rm", PYTHON_IMAGE, "cat", bundle)


def test_imported_code_is_there_compiled_only(image: Image) -> None:
    sources = [file.name for file in files(image.tag) if file.name.endswith(".py")]
    ours = re.compile(rf"app/lib/python[\d.]+/site-packages/(podparts|{image.package})/|usr/share/podparts/assembly/")
    assert [name for name in sources if not ours.match(name)] == []
    assert [name for name in sources if ours.match(name)] != []


def compiled_modules() -> list[str]:
    """The list in images/base/setup.py, of those whose file is there."""
    tree = ast.parse((repository() / "images/base/setup.py").read_text())
    names = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "COMPILED"
    )
    return [name for name in names if (repository() / "images/base/src" / f"{name.replace('.', '/')}.py").exists()]


@pytest.mark.parametrize("module", compiled_modules())
def test_the_hot_modules_are_machine_code(module: str) -> None:
    printed = python(built("base"), f"import {module} as m; print(m.__file__)")
    assert printed.strip().endswith(".so")
