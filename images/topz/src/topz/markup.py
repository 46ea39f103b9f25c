"""HTML that cannot be forgotten to be escaped: text becomes markup only through `tag`, which escapes it. Pure.

Process names and arguments are chosen by whoever runs in the pod, so a page is never put together from strings.
"""

from __future__ import annotations

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_VOID = frozenset({"meta", "input", "link", "br", "hr", "img", "rect", "path", "line", "circle"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(text: str) -> str:
    """The text with the five characters that HTML gives a meaning written as references."""
    return text.translate(_ESCAPES)


def tag(name: str, /, *children: str | None, **attributes: str | float | bool | None) -> Markup:
    """An element. None children and None or False attributes are left out; `class_` is class, `data_v` is data-v."""
    opening = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{opening}/>")
    return Markup(f"<{name}{opening}>{join(*children)}</{name}>")


def join(*children: str | None) -> Markup:
    """Children one after the other; what is not markup is escaped."""
    return Markup(
        "".join(
            [child if type(child) is Markup else child.translate(_ESCAPES) for child in children if child is not None]
        )
    )


def _attribute(key: str, value: str | float | bool) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{str(value).translate(_ESCAPES)}"'
