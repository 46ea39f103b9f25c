"""Reference: documents say what is declared, and a difference is seen."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from podparts.part import Part, Port
from podparts.reference import Block, Image, blocks, difference, rewritten
from podparts.service import Service
from podparts.settings import CommonSettings, Secret, setting
from podparts.surface import surface
from podparts.tables import dockerfile_block, images_table, settings_table
from podparts.values import Address
from podparts.web import Endpoint


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    upstream: Address = setting("127.0.0.1:80", help="Where the application listens.", aliases=("TARGET",))
    greeting: str = setting('say "$x" | y', help="What to say | or not.", example="hi")
    names: tuple[str, ...] = setting("", help="Who.")
    token: Secret = setting(None, secret=True, help="What a client presents.")
    path: str = setting(help="Where it is.")


async def start(settings: Settings, service: Service) -> None:
    """Never called here."""


PART = Part(
    name="toy-part",
    summary="A toy",
    settings=Settings,
    start=start,
    ports=(Port(8080, "HTTP"), Port(9999, "admin")),
    endpoints=(Endpoint("GET", "/certs", "The certificates."),),
)


def test_the_settings_table_has_a_line_for_each_setting() -> None:
    assert settings_table(Settings).splitlines()[:7] == [
        "| Variable | Type | Default | Meaning |",
        "| --- | --- | --- | --- |",
        "| `UPSTREAM`<br>or `TARGET` | address | `127.0.0.1:80` | Where the application listens. |",
        '| `GREETING` | text | `say "$x" \\| y` | What to say \\| or not. Example: `hi` |',
        "| `NAMES` | text list | empty | Who. |",
        "| `TOKEN`<br>or `TOKEN_FILE` | secret | unset | What a client presents. |",
        "| `PATH` | text | required | Where it is. |",
    ]


def test_the_images_table_links_each_image() -> None:
    assert "| [toy-part](images/toy-part/README.md) | A toy | 8080 HTTP, 9999 admin |" in images_table([PART])


def test_the_dockerfile_block_exposes_ports_sets_defaults_and_labels() -> None:
    text = dockerfile_block(PART, "1.2.3", "Apache-2.0")
    assert "# 8080: HTTP\n# 9999: admin\nEXPOSE 8080/tcp 9999/tcp\n" in text
    assert '    # What to say | or not. (text)\n    GREETING="say \\"\\$x\\" | y" \\\n' in text
    assert '    org.opencontainers.image.version="1.2.3" \\\n' in text


def test_the_dockerfile_block_sets_no_secret_and_no_variable_with_two_names() -> None:
    text = dockerfile_block(PART, "1.2.3", "Apache-2.0")
    assert "    TOKEN=" not in text
    assert "    UPSTREAM=" not in text
    assert "# TOKEN or TOKEN_FILE (secret, unset): What a client presents." in text
    assert "# UPSTREAM or TARGET (address, default 127.0.0.1:80): Where the application listens." in text


def test_the_surface_holds_all_that_a_part_promises() -> None:
    promised = surface(PART)
    assert promised["settings"][0]["variable"] == "UPSTREAM"
    assert {"method": "GET", "path": "/certs", "help": "The certificates."} in promised["endpoints"]
    assert "toy_part_ready" in [metric["name"] for metric in promised["metrics"]]
    assert [one["code"] for one in promised["exit_codes"]] == [0, 1, 2]


def repository(tmp_path: Path) -> Image:
    folder = tmp_path / "images" / "toy-part"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(
        "# toy\n<!-- settings -->\nold\n<!-- /settings -->\n<!-- endpoints -->\n<!-- /endpoints -->\n"
        "<!-- metrics -->\n<!-- /metrics -->\nend\n"
    )
    (folder / "Dockerfile").write_text("FROM x\n# --- generated from the declarations\n# --- end\nUSER 1\n")
    (tmp_path / "README.md").write_text("# all\n<!-- images -->\n<!-- /images -->\n")
    return Image(folder, PART, "1.2.3", "Apache-2.0")


def test_blocks_are_rewritten_between_their_marks_and_nothing_else(tmp_path: Path) -> None:
    files, problems = rewritten(blocks(tmp_path, [repository(tmp_path)]))
    readme = files[tmp_path / "images/toy-part/README.md"]
    assert problems == []
    assert "old" not in readme
    assert readme.startswith("# toy\n<!-- settings -->\n| Variable |")
    assert readme.endswith("\n<!-- /metrics -->\nend\n")
    assert files[tmp_path / "images/toy-part/Dockerfile"].endswith("\n# --- end\nUSER 1\n")
    assert "| [toy-part]" in files[tmp_path / "README.md"]


def test_writing_twice_changes_nothing_more(tmp_path: Path) -> None:
    image = repository(tmp_path)
    files, _ = rewritten(blocks(tmp_path, [image]))
    for file, text in files.items():
        file.write_text(text)
    again, _ = rewritten(blocks(tmp_path, [image]))
    assert again == files
    assert [difference(file, text) for file, text in again.items()] == ["", "", ""]


def test_a_missing_mark_or_file_is_a_problem_that_names_it(tmp_path: Path) -> None:
    image = repository(tmp_path)
    (image.folder / "Dockerfile").unlink()
    (tmp_path / "README.md").write_text("nothing\n")
    _, problems = rewritten(blocks(tmp_path, [image]))
    assert "Dockerfile" in problems[0]
    assert problems[1] == f"{tmp_path}/README.md: no lines '<!-- images -->' … '<!-- /images -->'"


def test_a_mark_without_its_end_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no lines"):
        Block(tmp_path, "<!-- a -->", "<!-- /a -->", "x").put("<!-- a -->\nnever ends\n")
