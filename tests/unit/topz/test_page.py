"""The page as text, without a browser."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from topz import page, text
from topz.cgroup import Pressure, Usage
from topz.changes import changes
from topz.diff import diff
from topz.markup import escape, tag
from topz.overview import overview
from topz.page import Frame, History
from topz.plots import area
from topz.sample import sample
from topz.scene import Scene, View, present
from unit.topz.made import about, identity, reading, snapshot

EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


def scene(name: str = "app", command: str = "/bin/app", *, shared: bool = True) -> Scene:
    usage = Usage(1.0, 0.5, 0.1, 100 << 20, 128 << 20, 2, {"cpu": Pressure(0.5, 0.0, 1.0)})
    found = {"c1": (about(label=name, own=not shared), usage)}
    return present(
        sample(None, snapshot(10, reading(identity(pid=9, name=name, command=command, user=name)), containers=found))
    )


def render(shown: Scene, view: View) -> str:
    history = History(
        [1.0, 2.0],
        {"c1": [(1.0, 0.5), (2.0, 0.1)]},
        {"c1": [(1.0, 5.0), (2.0, 6.0)]},
        [(1.0, 0.1, 5.0), (2.0, 0.2, 6.0)],
    )
    frame = Frame(shown.label(shown.rows[0]), 2.0)
    body = overview(shown, view, history, 600)
    return page.document("topz", frame, view, page.header(frame, view), body, page.footer(["x"])).decode()


class Elements(HTMLParser):
    """The elements of a page, and whether each is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(source)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((name, dict(attributes)))
        self.open.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((name, dict(attributes)))

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name


def check(source: str) -> None:
    """Balanced, with no element or attribute that could run or load anything."""
    parsed = Elements(source)
    assert parsed.open == []
    names = [name for name, _ in parsed.found]
    assert names.count("script") == 1
    assert "img" not in names
    for name, attributes in parsed.found:
        assert not [key for key in attributes if key.startswith("on") or key in ("style", "src")], (name, attributes)
        assert not (attributes.get("href") or "").lower().lstrip().startswith("javascript:")


def test_a_process_cannot_put_markup_on_the_page() -> None:
    for layout in ("groups", "flat", "tree"):
        source = render(scene(EVIL, EVIL), View(layout=layout, words="", pid=9))
        check(source)
        assert "&lt;script&gt;alert(1)" in source


def test_a_reader_cannot_put_markup_on_the_page() -> None:
    check(render(scene(), View(words=EVIL, at=EVIL)))


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_and_no_command_breaks_the_page(name: str, command: str) -> None:
    check(render(scene(name, command), View(pid=9)).encode("utf-8", "replace").decode())


def test_the_policy_allows_exactly_the_pages_own_style_and_script() -> None:
    source, policy = render(scene(), View()), page.security_policy()
    for name in ("style", "script"):
        (content,) = re.findall(f"<{name}>(.*?)</{name}>", source, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


def test_the_page_loads_nothing_from_elsewhere() -> None:
    assert "//" not in re.sub(r"//[^\n]*\n", "\n", render(scene(), View()))


def test_a_namespace_that_is_not_shared_is_said_with_its_evidence() -> None:
    source = render(scene(shared=False), View())
    assert "The PID namespace is not shared" in source
    assert "shareProcessNamespace: true" in source
    assert "not shared" not in render(scene(), View())


def test_without_javascript_the_page_reloads_unless_paused_or_past() -> None:
    assert '<noscript><meta http-equiv="refresh"' in render(scene(), View())
    assert 'http-equiv="refresh"' not in render(scene(), View(paused=True))


def test_a_container_near_its_limit_stands_out() -> None:
    source = render(scene(), View())
    assert "of 0.5 cores" in source
    assert "of 128 MiB" in source
    assert "OOM kills <b>2</b>" in source


def test_a_process_that_is_not_there_is_said_so() -> None:
    assert "is not there at" in render(scene(), View(pid=12345))


def test_the_text_has_no_markup_and_no_control_characters() -> None:
    shown = text.render(scene(), View(), "host")
    assert "PID USER" in shown
    assert "<" not in shown


def test_a_comparison_shows_growth() -> None:
    before, after = scene(), scene()
    grown = [after.rows[0]._replace(resident_bytes=after.rows[0].resident_bytes + (3 << 20))]
    source = changes(before, after, diff(before.rows, grown))
    assert "+3.0 MiB" in source


@given(st.text())
def test_escaping_leaves_no_special_character(source: str) -> None:
    assert not set(escape(source)) & set("<>\"'")
    assert not re.search(r"&(?!(amp|lt|gt|quot|#39);)", escape(source))


def test_markup_within_markup_is_escaped_once() -> None:
    assert tag("a", tag("b", "<"), "<", href='"') == '<a href="&quot;"><b>&lt;</b>&lt;</a>'


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e12)), max_size=300).map(sorted), st.floats(0, 1e12))
def test_a_plot_stays_within_its_frame(points: list[tuple[float, float]], top: float) -> None:
    picture = area(points, top, "cpu", "x") + area(points, top, "cpu", "x", (100.0, 200.0))
    for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", picture):
        assert 0 <= float(x) <= 300
        assert 0 <= float(y) <= 48
