"""Compiles the hot modules with Cython where a C compiler is found; without one the same files run as plain Python.

The list below is the one place that says which modules are compiled. PODPARTS_COMPILE=require makes a failed
compilation an error (the image build sets it), PODPARTS_COMPILE=no skips it (the tests of the plain modules set it).
"""

import os
from pathlib import Path

from setuptools import Extension, setup

COMPILED = [
    "podparts.memory",
    "podparts.wire.fields",
    "podparts.wire.http1",
    "podparts.wire.body",
    "podparts.proxy.sides",
    "podparts.proxy.upstream",
    "podparts.proxy.exchange",
    "podparts.proxy.client",
    "podparts.proxy.tcp",
    "podparts.net.tls",
]

# No bounds checks and no wrap-around: each loop bounds its own index, and tests/fuzz runs the same code uncompiled too.
DIRECTIVES = {
    "language_level": "3",
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "infer_types": None,
}


def extensions() -> list[Extension]:
    mode = os.environ.get("PODPARTS_COMPILE", "try")
    if mode == "no":
        return []
    from Cython.Build import cythonize

    here = Path(__file__).parent
    sources = {name: f"src/{name.replace('.', '/')}.py" for name in COMPILED}
    modules = [
        Extension(name, [path], optional=mode != "require", extra_compile_args=["-O2"])
        for name, path in sources.items()
        if (here / path).exists()
    ]
    return cythonize(modules, include_path=["src"], build_dir="build/cython", compiler_directives=DIRECTIVES)


setup(ext_modules=extensions())
