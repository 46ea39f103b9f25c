"""Makes this process import the compiled modules of podparts from their source, as a machine without a compiler does.

`use_source()` must be called before the first import of such a module; the modules are the same files either way.
"""

import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType


class SourceFirst(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("podparts.") or path is None:
            return None
        finders = (FileFinder(entry, (SourceFileLoader, [".py"])) for entry in path)
        return next((spec for finder in finders if (spec := finder.find_spec(fullname))), None)


def use_source() -> None:
    """From now on. AssertionError when a module of podparts is loaded already."""
    loaded = [name for name in sys.modules if name.startswith("podparts.")]
    assert not loaded, f"too late: {', '.join(loaded)}"
    sys.meta_path.insert(0, SourceFirst())


if __name__ == "__main__":
    # python uncompiled.py FILE ARGUMENTS...: run the program of that file, with podparts imported from its source.
    del sys.argv[0]
    use_source()
    runpy.run_path(sys.argv[0], run_name="__main__")
