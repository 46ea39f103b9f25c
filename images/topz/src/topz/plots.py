"""History as small SVG pictures, drawn on the server so that they need neither JavaScript nor an asset. Pure.

Colours come from the style sheet; the pictures scale with their place, so they carry no text but a title.
"""

from __future__ import annotations

from topz.markup import Markup, tag

WIDTH, HEIGHT = 300, 48
# More points than pixels tell nothing: of a picture as wide as the page, and of one in a card.
WIDE, NARROW = 240, 80

Points = list[tuple[float, float]]


def area(
    points: Points, top: float, kind: str, title: str, span: tuple[float, float] | None = None, most: int = WIDE
) -> Markup:
    """A filled line of (time, value) from 0 to `top`; `kind` is the class that colours it."""
    if len(points) < 2:
        return tag(
            "svg",
            tag("title", title),
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            preserveAspectRatio="none",
            class_=f"plot {kind}",
            role="img",
        )
    start, end = span or (points[0][0], points[-1][0])
    places = [_place(time, value, start, end, top) for time, value in thin(points, most)]
    line = "M" + " L".join(places)
    first, last = places[0].split(",")[0], places[-1].split(",")[0]
    return tag(
        "svg",
        tag("title", title),
        tag("path", class_="fill", d=f"{line} L{last},{HEIGHT} L{first},{HEIGHT} Z"),
        tag("path", class_="line", d=line),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        class_=f"plot {kind}",
        role="img",
    )


def thin(points: Points, most: int) -> Points:
    """At most `most` points: the highest of each stretch, so that a short peak is not lost."""
    if len(points) <= most:
        return points
    size = -(-len(points) // most)
    return [max(points[start : start + size], key=lambda point: point[1]) for start in range(0, len(points), size)]


def bar(share: float | None, kind: str) -> Markup:
    """A share from 0 to 1 as a bar; beyond three quarters, and nine tenths, the style sheet may warn."""
    value = min(max(share or 0.0, 0.0), 1.0)
    level = " high" if value >= 0.9 else " warm" if value >= 0.75 else ""
    return tag(
        "svg",
        tag("rect", class_="track", width=100, height=4),
        tag("rect", class_="value", width=f"{value * 100:.1f}", height=4),
        viewBox="0 0 100 4",
        preserveAspectRatio="none",
        class_=f"bar {kind}{level}",
        aria_hidden="true",
    )


def _place(time: float, value: float, start: float, end: float, top: float) -> str:
    x = min(max((time - start) / max(end - start, 1e-9), 0.0), 1.0) * WIDTH
    y = HEIGHT - min(value / top if top > 0 else 0.0, 1.0) * (HEIGHT - 2)
    return f"{x:.1f},{y:.1f}"
