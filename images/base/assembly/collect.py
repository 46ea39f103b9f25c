"""Copies the running Python, and only what it needs to run, below a folder that becomes an image's root.

    python3 collect.py OUT

Works alike for the official image's /usr/local/bin/python3 and for Debian's /usr/bin/python3: sysconfig says where
the standard library is and ldd which shared libraries are needed; each file keeps its path. Knows nothing about
podparts: what is installed on top of this tree is install.py's part.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

import layout
import sbom
import sstrip

# What a server never imports, by name directly below the standard library's folder. The modules with an underscore are
# the slow twins of extension modules.
LEFT_OUT_NAMES = """
    test idlelib tkinter turtledemo turtle.py ensurepip venv lib2to3 pydoc_data pydoc.py distutils _pyrepl sqlite3
    curses dbm xmlrpc antigravity.py this.py __phello__ __phello__.foo.py site-packages dist-packages
    EXTERNALLY-MANAGED sitecustomize.py unittest doctest.py pdb.py bdb.py cProfile.py profile.py pstats.py trace.py
    webbrowser.py mailbox.py _pyio.py _pydecimal.py _pydatetime.py
"""
LEFT_OUT = frozenset(LEFT_OUT_NAMES.split())
# The same for extension modules, by the name before the first dot. The _codecs_* of Asia are 1.3 MB of tables.
LEFT_OUT_EXTENSIONS = re.compile(
    r"_test.*|xx.*|_xx.*|_ctypes_test|_tkinter|_sqlite3|_curses.*|_dbm|_gdbm|readline|nis|audioop|ossaudiodev|spwd|_crypt"
    r"|_codecs_(cn|hk|iso2022|jp|kr|tw)|_lsprof"
)
SKIPPED_FOLDERS = frozenset({"__pycache__", "test", "tests", "idle_test"})
SKIPPED_ENDINGS = (".exe", ".pyc", ".a", ".o")

# Libraries that ldd does not name: glibc itself loads libgcc_s when a thread ends early, and the others are what a
# manylinux wheel may take for granted (stubs of 14 kB since glibc 2.34).
ALWAYS = ("libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2")

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

FILES = {
    "/etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnonroot:x:65532:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "/etc/ld.so.conf": "/usr/local/lib\n",
}


def put(path: str, out: str) -> None:
    """Copies the file at path, and every link on the way to it, to the same place below out."""
    while True:
        folder = os.path.realpath(os.path.dirname(path))
        path = os.path.join(folder, os.path.basename(path))
        if os.path.lexists(out + path):
            return
        os.makedirs(out + folder, exist_ok=True)
        if not os.path.islink(path):
            shutil.copy2(path, out + path)
            return
        os.symlink(os.readlink(path), out + path)
        path = os.path.join(folder, os.readlink(path))


def libraries(files: Iterable[str]) -> set[str]:
    """The shared libraries that the ELF files need, as the paths at which the loader finds them."""
    found = set()
    for path in files:
        run = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        for line in run.stdout.splitlines():
            if "not found" in line:
                sys.exit(f"collect: {path} needs {line.strip()}")
            if match := re.match(r"\s+(?:\S+ => )?(/\S+) \(0x", line):
                found.add(match[1])
    return found


def link_merged_folders(out: str) -> None:
    """Where /bin, /lib and so on lead to their namesakes below /usr, the same below out."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}") and not os.path.lexists(f"{out}/{name}"):
            target = os.readlink(f"/{name}")
            os.makedirs(os.path.join(out, target.lstrip("/")), exist_ok=True)
            os.symlink(target, f"{out}/{name}")


def standard_library(folder: str) -> Iterator[str]:
    """The paths of all that is kept of the standard library in folder."""
    for top, dirs, files in os.walk(folder):
        left_out = LEFT_OUT if top == folder else frozenset[str]()
        dirs[:] = [d for d in dirs if d not in SKIPPED_FOLDERS | left_out and not d.startswith("config-")]
        for name in files:
            path = os.path.join(top, name)
            extension = name.endswith(".so") and LEFT_OUT_EXTENSIONS.fullmatch(name.split(".")[0])
            if name not in left_out and not name.endswith(SKIPPED_ENDINGS) and not extension and os.path.exists(path):
                yield path


def interpreter(out: str) -> str:
    """Copies python3, its standard library and their shared libraries; returns the standard library's folder."""
    put(os.path.join(sys.base_prefix, "bin", "python3"), out)
    folder = os.path.realpath(sysconfig.get_path("stdlib"))
    kept = list(standard_library(folder))
    for path in kept:
        os.makedirs(out + os.path.dirname(path), exist_ok=True)
        shutil.copy2(path, out + path)
    needed = libraries([os.path.realpath(sys.executable), *(path for path in kept if path.endswith(".so"))])
    libc = next(path for path in needed if os.path.basename(path) == "libc.so.6")
    for path in sorted(needed) + [os.path.join(os.path.dirname(libc), name) for name in ALWAYS]:
        put(path, out)
    return folder


def fixed_files(out: str) -> None:
    """What is neither Python nor a library: certificates, names of users, the way names are looked up, /tmp."""
    put(CA_BUNDLE, out)
    put("/etc/os-release", out)
    for path, text in FILES.items():
        Path(out + path).parent.mkdir(parents=True, exist_ok=True)
        Path(out + path).write_text(text)
    Path(out + "/tmp").mkdir()
    Path(out + "/tmp").chmod(0o1777)


def main(out: str) -> None:
    link_merged_folders(out)
    folder = interpreter(out)
    fixed_files(out)
    sbom.debian(out)
    subprocess.run(["/sbin/ldconfig", "-X", "-r", out], check=True)
    shutil.rmtree(out + "/var/cache", ignore_errors=True)
    sstrip.strip(out)
    layout.compile_only(out + folder, folder)
    layout.settle(out)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
