"""Label sheets as LibreOffice prints them: every outline, text and QR code where the stock has its label."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pdfplumber
import pytest

from service.catalog import load_template
from service.errors import LayoutOverflow
from service.labels import STOCK, Geometry, geometry_of
from service.labels.stock import QR_MM
from service.model import TemplateSpec
from service.pdf.printed import find_pictures, read_printed
from service.pipeline.filling import fill
from tests.conftest import FIXTURES, ROOT
from tests.printed import MM

pytestmark = pytest.mark.libreoffice

FOLDER = ROOT / "templates/docx/plaque-labels"
SHEET_MM = 0.2
Convert = Callable[[bytes], bytes]


def request_of(name: str) -> dict[str, Any]:
    source = FOLDER / "sample.json" if name == "sample" else FIXTURES / "plaque-labels" / f"{name}.json"
    loaded: dict[str, Any] = json.loads(Path(source).read_text("utf-8"))
    return loaded


@pytest.fixture(scope="module")
def spec() -> TemplateSpec:
    return load_template(FOLDER)


LONG = request_of("long")["labels"]
CUSTOM = request_of("everything")["sheet"]


class Sheet:
    """A rendered request with its geometry."""

    def __init__(self, spec: TemplateSpec, convert: Convert, data: dict[str, Any]) -> None:
        self.geometry: Geometry = geometry_of(data.get("sheet"))
        self.filled = fill(spec, data, {"verify_host": "v.example.cn", "draft": False})
        self.pdf = convert(self.filled.docx)
        self.pages = list(pdfplumber.open(io.BytesIO(self.pdf)).pages)
        self.offset = data.get("offset_mm") or {"dx": 0, "dy": 0}
        self.start = data.get("start_at", 1) - 1
        self.first_page = 1 if data.get("calibration") else 0

    def box(self, number: int) -> tuple[int, float, float, float, float]:
        """Page index, left, top, right and foot in mm of a label of the request."""
        page, place = divmod(self.start + number, self.geometry.per_page)
        x, y = self.geometry.place(place)
        left, top = x + self.offset["dx"], y + self.offset["dy"]
        return self.first_page + page, left, top, left + self.geometry.width, top + self.geometry.height

    def codes(self) -> list[tuple[int, float, float, float, float]]:
        """Page index, left, top, right and foot in mm of each QR picture, in the order of the request."""
        found = []
        for spot in find_pictures(read_printed(self.pdf)[1], self.filled.placeholders):
            height = float(self.pages[spot.page].height)
            top, foot = height - spot.top_pt, height - spot.bottom_pt
            found.append((spot.page, spot.left_pt * MM, top * MM, spot.right_pt * MM, foot * MM))
        return found


@pytest.fixture(scope="module")
def sheets(spec: TemplateSpec, convert_docx: Convert) -> Callable[[str], Sheet]:
    done: dict[str, Sheet] = {}

    def make(name: str) -> Sheet:
        if name not in done:
            per_page = STOCK[name].per_page if name in STOCK else 12
            labels = [{**label, "unit": label["unit"][:16]} for label in LONG[:per_page]]
            chosen = name if name in STOCK else CUSTOM
            done[name] = Sheet(spec, convert_docx, {"sheet": chosen, "calibration": True, "labels": labels})
        return done[name]

    return make


each_sheet = pytest.mark.parametrize("name", [*STOCK, "custom"])


@each_sheet
def test_outlines_of_the_calibration_page_are_those_of_the_stock(
    sheets: Callable[[str], Sheet], name: str
) -> None:
    sheet = sheets(name)
    page = sheet.pages[0]
    shapes = [*page.lines, *page.rects, *page.curves]
    ends = [(s["x0"] * MM, s["top"] * MM, s["x1"] * MM, s["bottom"] * MM) for s in shapes]
    for number in range(sheet.geometry.per_page):
        x, y = sheet.geometry.place(number)
        right, foot = x + sheet.geometry.width, y + sheet.geometry.height
        for edge in ((x, y, right, y), (x, foot, right, foot), (x, y, x, foot), (right, y, right, foot)):
            nearest = min(ends, key=lambda end: max(abs(a - b) for a, b in zip(end, edge, strict=True)))
            assert nearest == pytest.approx(edge, abs=SHEET_MM), (name, number, edge)
    text = page.extract_text()
    assert "勿缩放" in "".join(text.split())
    assert str(sheet.geometry.per_page) in text


@each_sheet
def test_no_line_of_the_calibration_page_crosses_its_text(sheets: Callable[[str], Sheet], name: str) -> None:
    page = sheets(name).pages[0]
    shapes = [*page.lines, *page.rects, *page.curves]
    for char in page.chars:
        left, right = char["x0"], char["x1"]
        top, foot = char["top"] + char["size"] * 0.2, char["bottom"] - char["size"] * 0.2
        crossed = [
            s for s in shapes if s["x0"] < right and left < s["x1"] and s["top"] < foot and top < s["bottom"]
        ]
        assert not crossed, (char["text"], left * MM, top * MM)
        assert 0 < left < right < float(page.width)


@each_sheet
def test_rulers_are_as_long_as_they_say(sheets: Callable[[str], Sheet], name: str) -> None:
    sheet = sheets(name)
    length = 100.0 if min(sheet.geometry.page) >= 120 else 50.0
    lines = [*sheet.pages[0].lines, *sheet.pages[0].rects, *sheet.pages[0].curves]
    long = [(s["x1"] - s["x0"]) * MM for s in lines if s["bottom"] - s["top"] < 1]
    high = [(s["bottom"] - s["top"]) * MM for s in lines if s["x1"] - s["x0"] < 1]
    for lengths in (long, high):
        assert min(abs(value - length) for value in lengths) < 0.1


@each_sheet
def test_every_label_stands_in_its_place(sheets: Callable[[str], Sheet], name: str) -> None:
    sheet = sheets(name)
    geometry = sheet.geometry
    codes = sheet.codes()
    assert len(codes) == (geometry.per_page if name in STOCK else 12)
    for number, (page, left, top, right, _) in enumerate(codes):
        on, box_left, box_top, box_right, _ = sheet.box(number)
        assert page == on
        assert left == pytest.approx(box_right - geometry.inset_right - QR_MM, abs=SHEET_MM)
        assert right == pytest.approx(box_right - geometry.inset_right, abs=SHEET_MM)
        assert top == pytest.approx(box_top + geometry.upper, abs=SHEET_MM)
        assert left > box_left


@each_sheet
def test_every_text_is_inside_its_label_and_clear_of_the_code(
    sheets: Callable[[str], Sheet], name: str
) -> None:
    sheet = sheets(name)
    geometry = sheet.geometry
    codes = sheet.codes()
    seen = [""] * len(codes)
    for page in range(sheet.first_page, len(sheet.pages)):
        for char in sheet.pages[page].chars:
            x0, x1 = char["x0"] * MM, char["x1"] * MM
            baseline = (float(sheet.pages[page].height) - char["matrix"][5]) * MM
            top, foot = baseline - char["size"] * MM * 0.88, baseline + char["size"] * MM * 0.12
            homes = [
                number
                for number in range(len(codes))
                for on, left, up, right, down in [sheet.box(number)]
                if on == page and left + 2 < x0 and x1 < right - 0.9 and up + 1 < top and foot < down - 0.8
            ]
            assert len(homes) == 1, (name, char["text"], x0, baseline)
            seen[homes[0]] += char["text"]
            _, code_left, code_top, _, _ = codes[homes[0]]
            assert x1 < code_left + 1.4 or foot < code_top + 1.4, (name, char["text"])
            assert char["size"] >= 7.9
    assert all(f"{LONG[number]['attn']}（收）" in text.replace(" ", "") for number, text in enumerate(seen))
    assert all("".join(seen).count(LONG[number]["plaque_no"]) == 1 for number in range(len(codes)))
    assert geometry.per_page >= 1


@each_sheet
def test_no_page_follows_a_full_sheet(sheets: Callable[[str], Sheet], name: str) -> None:
    assert len(sheets(name).pages) == 2
    sheets(name).filled.check_pages(2)
    with pytest.raises(LayoutOverflow, match="应为 2 页"):
        sheets(name).filled.check_pages(3)


def test_thermal_slip_is_as_large_as_its_label(sheets: Callable[[str], Sheet]) -> None:
    for name, size in (("thermal-76x130", (76, 130)), ("thermal-100x150", (100, 150))):
        for page in sheets(name).pages:
            assert (float(page.width) * MM, float(page.height) * MM) == pytest.approx(size, abs=0.1)


@pytest.mark.parametrize("sheet", ["L7163", "3474", "L7159"])
def test_positions_do_not_drift_over_many_pages(
    spec: TemplateSpec, convert_docx: Convert, sheet: str
) -> None:
    per_page = STOCK[sheet].per_page
    labels = [{**label, "unit": label["unit"][:16]} for label in LONG[: 3 * per_page]]
    made = Sheet(spec, convert_docx, {"sheet": sheet, "start_at": 3, "labels": labels})
    assert len(made.pages) == 4
    for number, (page, _, top, right, _) in enumerate(made.codes()):
        on, _, box_top, box_right, _ = made.box(number)
        assert page == on
        assert (right, top) == pytest.approx(
            (box_right - made.geometry.inset_right, box_top + made.geometry.upper), abs=SHEET_MM
        )


@pytest.mark.parametrize(("dx", "dy"), [(0.8, -0.5), (-2.0, -3.0), (3.0, 2.0)])
@pytest.mark.parametrize("sheet", ["L7163", "3474", "14-up"])
def test_offset_moves_everything(
    spec: TemplateSpec, convert_docx: Convert, sheet: str, dx: float, dy: float
) -> None:
    per_page = STOCK[sheet].per_page
    data = {"sheet": sheet, "offset_mm": {"dx": dx, "dy": dy}, "labels": LONG[:per_page]}
    made = Sheet(spec, convert_docx, data)
    assert len(made.pages) == 1
    for number, (_, _, top, right, _) in enumerate(made.codes()):
        _, _, box_top, box_right, _ = made.box(number)
        assert (right, top) == pytest.approx(
            (box_right - made.geometry.inset_right, box_top + made.geometry.upper), abs=SHEET_MM
        )


def test_used_labels_stay_empty(spec: TemplateSpec, convert_docx: Convert) -> None:
    made = Sheet(spec, convert_docx, {"sheet": "L7160", "start_at": 21, "labels": LONG[:2]})
    assert len(made.pages) == 2
    _, left, top, _, _ = made.box(0)
    assert all(c["x0"] * MM > left and c["top"] * MM > top for c in made.pages[0].chars if c["text"].strip())


@pytest.mark.parametrize("name", ["sample", "rare-characters", "literal"])
def test_every_character_is_printed(spec: TemplateSpec, convert_docx: Convert, name: str) -> None:
    data = request_of(name)
    made = Sheet(spec, convert_docx, data)
    printed = {char["text"] for page in made.pages for char in page.chars}
    for label in data["labels"]:
        for key in ("unit", "attn", "phone", "address", "plaque_no"):
            assert set(label[key]) - {" "} <= printed, (key, label[key])
