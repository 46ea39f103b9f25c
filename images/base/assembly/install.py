"""Installs one of the project's packages, with the wheels it needs, into the tree that is copied onto an image.

    python3 install.py SOURCE OUT           the library podparts, on the tree that collect.py made at OUT
    python3 install.py SOURCE OUT BASE      a part, on the base image mounted at BASE; OUT holds only what it adds

SOURCE holds pyproject.toml, src/ and requirements.txt: the exact wheels, by hash, that are not in the base image
already. All goes into the virtual environment /app, so the tree does not depend on where the interpreter lies. Knows
no part by name.
"""

import configparser
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import collect
import layout
import sbom
import sstrip

APP = "/app"
TOOLS = "/opt/tools"
SITE_PACKAGES = f"{APP}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
HERE = Path(__file__).parent
SECRET_CA = "/run/secrets/ca"

# What a wheel brings that nothing reads at run time.
UNREAD_ENDINGS = (".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h", ".cpp", ".typed")
UNREAD_FOLDERS = ("test", "tests", "__pycache__", "sboms")
UNREAD_METADATA = ("RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", "top_level.txt", "uv_cache.json")

LAUNCHER = """\
#!{app}/bin/python3
import sys

from {module} import {function}

sys.exit({function}())
"""


def run(*command: str) -> None:
    """Runs a command; a CA given to the build as a secret is trusted by it (docker build --secret id=ca,src=...)."""
    trust = {"PIP_CERT": SECRET_CA, "SSL_CERT_FILE": SECRET_CA} if os.path.exists(SECRET_CA) else {}
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run(command, check=True, env=os.environ | quiet | trust)


def pip(*arguments: str) -> None:
    run(f"{TOOLS}/bin/python3", "-m", "pip", *arguments)


def make_tools() -> None:
    """A virtual environment of its own for pip, setuptools and Cython: none of them goes into the image."""
    venv.create(TOOLS, with_pip=True, symlinks=True)
    pip("install", "-q", "--require-hashes", "-r", str(HERE / "requirements.txt"))


def install(source: Path) -> None:
    """Fills /app with the wheels of requirements.txt and the package at source, compiled where it says so."""
    venv.create(APP, with_pip=False, symlinks=True)
    into = ("--python", f"{APP}/bin/python3", "install", "-q", "--no-compile", "--no-deps")
    requirements = source / "requirements.txt"
    if any(line and not line.startswith("#") for line in requirements.read_text().splitlines()):
        pip(*into, "--require-hashes", "--only-binary=:all:", "-r", str(requirements))
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", "/wheels", str(source))
    pip(*into, *map(str, Path("/wheels").glob("*.whl")))


def prune() -> None:
    """Removes what is not read at run time from what was installed."""
    for path in sorted(Path(SITE_PACKAGES).rglob("*")):
        if path.is_dir() and path.name in UNREAD_FOLDERS:
            shutil.rmtree(path)
        elif path.name.endswith(UNREAD_ENDINGS) or (
            path.parent.suffix == ".dist-info" and path.name in UNREAD_METADATA
        ):
            path.unlink()
    for path in Path(APP, "bin").iterdir():
        if not path.name.startswith("python"):
            path.unlink()
    shutil.rmtree(f"{APP}/include", ignore_errors=True)


def compile_packages(own: set[str]) -> None:
    """Caches alone for the wheels, sources and caches for the project's own code: its tracebacks show their lines."""
    for path in sorted(Path(SITE_PACKAGES).iterdir()):
        if path.is_dir() and path.suffix != ".dist-info":
            keep = layout.compile_beside if path.name in own else layout.compile_only
            keep(str(path), str(path))


def launchers() -> None:
    """Writes the console scripts: pip's own import re, which costs 5 ms at every start and every health check."""
    for path in Path(SITE_PACKAGES).glob("*.dist-info/entry_points.txt"):
        entries = configparser.ConfigParser(delimiters="=")
        entries.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
        entries.read(path)
        for name, target in entries["console_scripts"].items() if "console_scripts" in entries else ():
            module, _, function = target.partition(":")
            script = Path(APP, "bin", name)
            script.write_text(LAUNCHER.format(app=APP, module=module.strip(), function=function.strip()))
            script.chmod(0o755)


def add_libraries(out: str, have: str) -> None:
    """Copies the shared libraries that the wheels need and the tree at have lacks."""
    extensions = [str(path) for path in Path(APP).rglob("*.so*") if path.is_file()]
    for path in sorted(collect.libraries(extensions)):
        if not path.startswith(APP) and not os.path.exists(have + os.path.realpath(path)):
            collect.link_merged_folders(out)
            collect.put(path, out)


def copy_app(out: str, *, whole: bool) -> None:
    """Copies /app below out; on a base image its interpreter and settings are there already."""
    shutil.copytree(APP, out + APP, symlinks=True, dirs_exist_ok=True)
    if not whole:
        for path in (*Path(out + APP, "bin").glob("python*"), Path(out + APP, "pyvenv.cfg"), Path(out + APP, "lib64")):
            path.unlink(missing_ok=True)


def describe(source: Path, out: str, base: str) -> None:
    """Writes the image's list of components: the base's and what was added."""
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    added = sbom.wheel_components(out + SITE_PACKAGES)
    name = "podparts/base" if base == out else f"podparts/{project['name']}"
    purl = f"pkg:oci/{name.partition('/')[2]}@{project['version']}"
    image = {"type": "container", "bom-ref": purl, "name": name, "version": project["version"], "purl": purl}
    sbom.write(out, sbom.read(base) + added, image)


def main(source: Path, out: str, base: str) -> None:
    own = {path.name for path in (source / "src").iterdir()}
    make_tools()
    install(source)
    prune()
    launchers()
    add_libraries(out, base)
    compile_packages(own)
    copy_app(out, whole=base == out)
    sstrip.strip(out)
    describe(source, out, base)
    if base == out:
        shutil.copytree(HERE, out + "/usr/share/podparts/assembly", ignore=shutil.ignore_patterns("__pycache__"))
    layout.settle(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else sys.argv[2])
