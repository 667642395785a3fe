"""A line chart as SVG, by the standard library: a few points each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 40, 44
INK, LINE = "#444444", "#1f6fb4"
HEADROOM = 1.1


@dataclass(frozen=True, slots=True)
class Point:
    """One place on the axis; values in percent."""

    name: str
    value: float
    low: float
    high: float


def write_chart(path: Path, title: str, points: Sequence[Point]) -> None:
    """Points from left to right, joined, over an axis from 0 on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    greatest = HEADROOM * max(point.high for point in points) or 1.0
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {HEIGHT}",
            "font-family": "sans-serif",
            "font-size": "12",
            "fill": INK,
        },
    )
    SubElement(svg, "rect", {"width": str(WIDTH), "height": str(HEIGHT), "fill": "#ffffff"})
    _text(svg, LEFT, TOP - 18, title, "start")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share * greatest, greatest)
        _line(svg, (LEFT, y), (WIDTH - RIGHT, y), "#dddddd")
        _text(svg, LEFT - 6, y + 4, f"{share * greatest:.1f}", "end")
    places = [(_x(n, len(points)), _y(point.value, greatest)) for n, point in enumerate(points)]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    SubElement(svg, "polyline", {"points": joined, "fill": "none", "stroke": LINE, "stroke-width": "2"})
    for point, (x, y) in zip(points, places, strict=True):
        _line(svg, (x, _y(point.low, greatest)), (x, _y(point.high, greatest)), LINE)
        SubElement(svg, "circle", {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "4", "fill": LINE})
        _text(svg, x, y - 10, f"{point.value:.2f}", "middle")
        _text(svg, x, HEIGHT - BOTTOM + 20, point.name, "middle")
    ElementTree.indent(svg)
    path.write_text(ElementTree.tostring(svg, encoding="unicode") + "\n", encoding="utf-8")


def _x(n: int, n_points: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (n + 0.5) / n_points


def _y(value: float, greatest: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / greatest


def _line(svg: Element, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    (x1, y1), (x2, y2) = start, end
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    SubElement(svg, "line", {**ends, "stroke": colour})


def _text(svg: Element, x: float, y: float, text: str, anchor: str) -> None:
    SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}).text = text
