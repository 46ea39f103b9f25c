"""Writes what documents say about a part from its declarations, or checks that they still say it.

    python -m podparts.reference            rewrite the generated blocks
    python -m podparts.reference --check    say what differs and exit 1
    python -m podparts.reference --surface  print all that the parts promise, as JSON

In images/X/README.md the tables stand between `<!-- settings -->` and `<!-- /settings -->`, and so for endpoints and
metrics; in the README.md of the repository the list of images between `<!-- images -->`; in a Dockerfile the block
between `# --- generated from the declarations` and `# --- end`. The images are the folders that hold a console script.
"""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from podparts.part import Part
from podparts.surface import surface
from podparts.tables import dockerfile_block, endpoints_table, images_table, metrics_table, settings_table

DOCKERFILE: Final = ("# --- generated from the declarations by `make docs`", "# --- end")


@dataclass(frozen=True, slots=True)
class Image:
    """A folder below images/ and the part that it declares."""

    folder: Path
    part: Part[Any]
    version: str
    license: str


@dataclass(frozen=True, slots=True)
class Block:
    """A generated text and the marks between which it stands in a file."""

    file: Path
    begin: str
    end: str
    text: str

    def put(self, content: str) -> str:
        """The content with this block brought up to date. Raises ValueError when a mark is missing."""
        start = _line_that_begins(content, self.begin)
        after = content.find("\n", start) + 1
        stop = content.find(self.end, after)
        if start < 0 or not after or stop < 0:
            raise ValueError(f"{self.file}: no lines {self.begin!r} … {self.end!r}")
        return f"{content[:start]}{self.begin}\n{self.text}\n{content[stop:]}"


def _line_that_begins(content: str, mark: str) -> int:
    """Where the line of a mark begins, or -1; what follows ` by` in it may differ."""
    mark = mark.partition(" by ")[0]
    return 0 if content.startswith(mark) else found + 1 if (found := content.find("\n" + mark)) >= 0 else -1


def images(root: Path) -> tuple[list[Image], list[str]]:
    """Every image of the repository, by name, and what is wrong with those that declare no PART."""
    found, problems = [], []
    for file in sorted(root.glob("images/*/pyproject.toml")):
        project = tomllib.loads(file.read_text())["project"]
        for script in project.get("scripts", {}).values():
            module = script.partition(":")[0]
            try:
                part: Part[Any] = import_module(module).PART
            except (ImportError, AttributeError) as error:
                problems.append(f"{file.parent.name}: no PART in {module}: {error}")
                continue
            found.append(Image(file.parent, part, project["version"], project["license"]))
    return found, problems


def blocks(root: Path, found: list[Image]) -> Iterator[Block]:
    """Everything that is generated."""
    for image in found:
        readme, part = image.folder / "README.md", image.part
        yield Block(readme, *_marks("settings"), settings_table(part.settings))
        yield Block(readme, *_marks("endpoints"), endpoints_table(part))
        yield Block(readme, *_marks("metrics"), metrics_table(part))
        yield Block(image.folder / "Dockerfile", *DOCKERFILE, dockerfile_block(part, image.version, image.license))
    yield Block(root / "README.md", *_marks("images"), images_table(image.part for image in found))


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def rewritten(wanted: Iterator[Block]) -> tuple[dict[Path, str], list[str]]:
    """The files as they should be, and what stands in the way."""
    files: dict[Path, str] = {}
    problems = []
    for block in wanted:
        try:
            files[block.file] = block.put(files.get(block.file) or block.file.read_text())
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return files, problems


def difference(file: Path, wanted: str) -> str:
    from difflib import unified_diff

    now = file.read_text().splitlines(keepends=True)
    return "".join(unified_diff(now, wanted.splitlines(keepends=True), str(file), f"{file} (as declared)"))


def root_of_repository() -> Path:
    """The nearest folder, from here upwards, that holds images/. Raises FileNotFoundError."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "images").is_dir():
            return folder
    raise FileNotFoundError("run this inside the repository: no images/ here or above")


def main(arguments: list[str]) -> int:
    root = root_of_repository()
    found, problems = images(root)
    if arguments == ["--surface"]:
        from json import dumps

        print(dumps([surface(image.part) for image in found], indent=2, sort_keys=True))
        return _told(problems)
    files, missing = rewritten(blocks(root, found))
    problems += missing
    changed = {file: text for file, text in files.items() if text != file.read_text()}
    if arguments == ["--check"]:
        problems += [difference(file, text) for file, text in changed.items()]
    else:
        for file, text in changed.items():
            file.write_text(text)
            print(f"wrote {file.relative_to(root)}")
    return _told(problems)


def _told(problems: list[str]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
