"""Label stock: sheets on sale and slips of thermal printers, in millimetres.

The L-numbers are the makers' own (Avery Zweckform, sold in China under other brands on the same grids); the
figures are those of the symmetrical sheet, from which makers' data differ by at most 0.4 mm. 3474, 3475 and
3490 are sheets without gaps. ``14-up`` is the gapless 2 x 7 sheet that many Chinese brands sell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.errors import Fault, InvalidRequest

QR_MM = 22.0
"""Side of the QR picture, quiet zone included; the symbol in it is 19 to 19.5 mm."""

A4_MM = (210.0, 297.0)
_PRINTABLE_MM = 5.0  # what most office printers leave blank at the paper's edge
_QUIET_MM = 1.3
_SMALLEST_MM = (50.0, 30.0)


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the labels of a sheet are; all lengths in mm.

    Attributes:
        name: What the calibration page calls it.
        cols: Labels in a row.
        rows: Labels in a column.
        width: Of a label.
        height: Of a label.
        left: Left edge of the first label.
        top: Top edge of the first label.
        pitch_x: From a label's left edge to its neighbour's.
        pitch_y: From a label's top edge to that of the one below.
        page: Width and height of the paper.
        sizes_pt: Type sizes to try, the largest first.
    """

    name: str
    cols: int
    rows: int
    width: float
    height: float
    left: float
    top: float
    pitch_x: float
    pitch_y: float
    page: tuple[float, float] = A4_MM
    sizes_pt: tuple[float, ...] = (12.0, 10.5, 9.0, 8.0)

    @property
    def per_page(self) -> int:
        """Labels on a page."""
        return self.cols * self.rows

    @property
    def right_rest(self) -> float:
        """Paper to the right of the last column."""
        return self.page[0] - self.left - (self.cols - 1) * self.pitch_x - self.width

    @property
    def foot_rest(self) -> float:
        """Paper under the last row."""
        return self.page[1] - self.top - (self.rows - 1) * self.pitch_y - self.height

    @property
    def inset_left(self) -> float:
        """Free border at a label's left edge: more where the label reaches the paper's edge."""
        return max(2.5, _PRINTABLE_MM - self.left)

    @property
    def inset_top(self) -> float:
        """Free border above the text."""
        return max(2.0, _PRINTABLE_MM - self.top)

    @property
    def inset_right(self) -> float:
        """Between the QR picture, whose quiet zone is white anyway, and the right edge."""
        return max(1.0, _PRINTABLE_MM - _QUIET_MM - self.right_rest)

    @property
    def inset_bottom(self) -> float:
        """Between the QR picture and the lower edge."""
        return max(1.0, _PRINTABLE_MM - _QUIET_MM - self.foot_rest)

    @property
    def upper(self) -> float:
        """Height of the part above the QR picture, where lines have the whole width."""
        return self.height - QR_MM - self.inset_bottom

    @property
    def wide(self) -> float:
        """Length of a line above the QR picture."""
        return self.width - self.inset_left - self.inset_right - 1.0

    @property
    def narrow(self) -> float:
        """Length of a line beside the QR picture, whose quiet zone parts them."""
        return self.width - self.inset_left - self.inset_right - QR_MM

    def place(self, index: int) -> tuple[float, float]:
        """Return left and top edge of the label at a place on its page, from 0, row by row."""
        row, column = divmod(index, self.cols)
        return self.left + column * self.pitch_x, self.top + row * self.pitch_y


def _slip(name: str, width: float, height: float) -> Geometry:
    sizes = (18.0, 16.0, 14.0, 12.0, 10.5, 9.0, 8.0)
    return Geometry(name, 1, 1, width, height, 0, 0, width, height, (width, height), sizes)


STOCK: Mapping[str, Geometry] = {
    geometry.name: geometry
    for geometry in (
        Geometry("L7160", 3, 7, 63.5, 38.1, 7.21, 15.15, 66.04, 38.1),
        Geometry("L7159", 3, 8, 63.5, 33.9, 7.21, 12.9, 66.04, 33.9),
        Geometry("L7161", 3, 6, 63.5, 46.6, 7.21, 8.7, 66.04, 46.6),
        Geometry("L7162", 2, 8, 99.1, 33.9, 4.65, 12.9, 101.6, 33.9),
        Geometry("L7163", 2, 7, 99.1, 38.1, 4.65, 15.15, 101.6, 38.1),
        Geometry("L7173", 2, 5, 99.1, 57.0, 4.65, 6.0, 101.6, 57.0),
        Geometry("L7165", 2, 4, 99.1, 67.7, 4.65, 13.1, 101.6, 67.7),
        Geometry("3474", 3, 8, 70.0, 37.0, 0.0, 0.5, 70.0, 37.0),
        Geometry("3475", 3, 8, 70.0, 36.0, 0.0, 4.5, 70.0, 36.0),
        Geometry("3490", 3, 8, 70.0, 36.0, 0.0, 4.5, 70.0, 36.0),
        Geometry("14-up", 2, 7, 105.0, 42.4, 0.0, 0.1, 105.0, 42.4),
        _slip("thermal-76x130", 76.0, 130.0),
        _slip("thermal-100x150", 100.0, 150.0),
    )
}
"""Sheet id to its geometry."""

DEFAULT_SHEET = "L7163"


def geometry_of(sheet: str | Mapping[str, Any] | None) -> Geometry:
    """Return the geometry that a request asks for.

    Args:
        sheet: An id of `STOCK`, or lengths in mm by name; ``None`` is `DEFAULT_SHEET`.

    Raises:
        InvalidRequest: The labels do not fit on A4, overlap, or are too small for text and QR code.
    """
    if sheet is None or isinstance(sheet, str):
        return STOCK[sheet or DEFAULT_SHEET]
    mm = {name: float(value) for name, value in sheet.items() if name.endswith("_mm")}
    made = Geometry(
        "自定义",
        int(sheet["cols"]),
        int(sheet["rows"]),
        mm["width_mm"],
        mm["height_mm"],
        mm["left_mm"],
        mm["top_mm"],
        mm["pitch_x_mm"],
        mm["pitch_y_mm"],
    )
    faults = [Fault(f"/sheet/{name}", "label_geometry", message) for name, message in _faults(made)]
    if faults:
        raise InvalidRequest("标签纸的尺寸有误，请对照标签纸重新测量。", faults=faults)
    return made


def _faults(geometry: Geometry) -> list[tuple[str, str]]:
    smallest_width, smallest_height = _SMALLEST_MM
    checks = (
        (
            "width_mm",
            geometry.width < smallest_width or geometry.narrow < 20.0,
            f"「标签宽」过小：应不小于 {smallest_width:g} 毫米，才放得下文字和二维码",
        ),
        (
            "height_mm",
            geometry.height < smallest_height or geometry.upper < geometry.inset_top + 4.0,
            f"「标签高」过小：应不小于 {smallest_height:g} 毫米，才放得下文字和二维码",
        ),
        ("pitch_x_mm", geometry.pitch_x < geometry.width, "「列距」小于标签宽，相邻标签会重叠"),
        ("pitch_y_mm", geometry.pitch_y < geometry.height, "「行距」小于标签高，相邻标签会重叠"),
        (
            "cols",
            geometry.right_rest < -0.05,
            f"各列标签超出 A4 纸右边 {-geometry.right_rest:.1f} 毫米",
        ),
        (
            "rows",
            geometry.foot_rest < -0.05,
            f"各行标签超出 A4 纸下边 {-geometry.foot_rest:.1f} 毫米",
        ),
    )
    return [(name, message) for name, is_wrong, message in checks if is_wrong]
