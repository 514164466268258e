"""A printed page, measured: what a PDF shows, in millimetres from the page's top left corner."""

import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pdfplumber
import pytest

MM = 25.4 / 72
TOLERANCE_MM = 0.3
TYPE_AREA_TOP_MM, TYPE_AREA_BOTTOM_MM = 37.0, 262.0
LINE_MM = 579 / 20 * MM
FACES = ("FandolFang", "FandolKai", "NotoSerifCJK", "NotoSansCJK", "LXGW", "HanaMin", "Liberation")


def near(value: float) -> Any:
    return pytest.approx(value, abs=TOLERANCE_MM)


@dataclass
class Printed:
    """A PDF with its characters gathered into lines; all positions are mm from the page's top left corner."""

    pdf: bytes
    pages: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.pages = list(pdfplumber.open(io.BytesIO(self.pdf)).pages)

    @cached_property
    def text(self) -> str:
        return "".join(page.extract_text() for page in self.pages)

    def lines(self, page: int) -> list[tuple[float, list[dict[str, Any]]]]:
        """Baseline and visible characters of each line of the type area."""
        found: dict[float, list[dict[str, Any]]] = {}
        for char in self.pages[page - 1].chars:
            baseline = round((float(self.pages[page - 1].height) - char["matrix"][5]) * MM, 1)
            if char["text"].strip():
                found.setdefault(baseline, []).append(char)
        ordered = sorted(found.items())
        inside = (TYPE_AREA_TOP_MM, TYPE_AREA_BOTTOM_MM)
        return [
            (
                sum(self.baseline(page, char) for char in chars) / len(chars),
                sorted(chars, key=lambda c: c["x0"]),
            )
            for at, chars in ordered
            if inside[0] < at < inside[1]
        ]

    def baseline(self, page: int, char: dict[str, Any]) -> float:
        return float((self.pages[page - 1].height - char["matrix"][5]) * MM)

    def find(self, page: int, text: str) -> tuple[float, float, float]:
        """Left edge, right edge and baseline of the first line that holds a text."""
        for chars in self._all_lines(page):
            line = "".join(char["text"] for char in chars)
            if text in line:
                first = line.index(text)
                hit = chars[first : first + len(text)]
                return hit[0]["x0"] * MM, hit[-1]["x1"] * MM, self.baseline(page, hit[0])
        raise AssertionError(f"{text!r} is not on page {page}")

    def _all_lines(self, page: int) -> list[list[dict[str, Any]]]:
        found: dict[int, list[dict[str, Any]]] = {}
        for char in self.pages[page - 1].chars:
            if char["text"].strip():
                found.setdefault(round(self.baseline(page, char)), []).append(char)
        return [sorted(chars, key=lambda c: c["x0"]) for _, chars in sorted(found.items())]

    def rules(self, page: int) -> list[tuple[float, float, float, float]]:
        """Left, right, centre and thickness of each horizontal rule, top to bottom."""
        shapes = self.pages[page - 1]
        flat = [s for s in [*shapes.rects, *shapes.lines, *shapes.curves] if s["bottom"] - s["top"] < 3]
        wide = [s for s in flat if s["x1"] - s["x0"] > 100]
        rules = set()
        for shape in wide:
            height = shape["bottom"] - shape["top"]
            thickness = height if height > 0.05 else float(shape["linewidth"] or 0)
            middle = (shape["top"] + shape["bottom"]) / 2
            rules.add((shape["x0"] * MM, shape["x1"] * MM, middle * MM, thickness * MM))
        return sorted(rules, key=lambda rule: rule[2])
