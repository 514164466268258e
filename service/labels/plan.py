"""Request data to sheets: which label stands where, and how high each row of the table is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import Fault, InvalidRequest
from service.labels.fit import FittedLabel, Overflow, fit_label, label_values
from service.labels.stock import QR_MM, Geometry

_TWIPS_PER_MM = 1440 / 25.4
_FOOT_MM = 1.0
_FIELDS = {
    "postcode": ("postcode", "邮政编码"),
    "address": ("address", "收件地址"),
    "unit": ("unit", "收件单位"),
    "person": ("attn", "收件人与电话"),
    "plaque": ("plaque_no", "表扬名称与牌匾编号"),
}


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row of labels, as two rows of a table.

    Attributes:
        upper: Height of the part above the QR pictures, twips.
        lower: Height of the part with the QR pictures, twips.
        labels: One for each column; ``None`` leaves the place empty.
    """

    upper: int
    lower: int
    labels: tuple[FittedLabel | None, ...]


@dataclass(frozen=True, slots=True)
class LabelSheet:
    """All labels of a request, placed.

    Attributes:
        geometry: Of the sheet.
        offset_x: How far everything is moved to the right, mm.
        offset_y: How far everything is moved down, mm.
        rows: All rows, pages one after the other.
        pages: How many sheets.
    """

    geometry: Geometry
    offset_x: float
    offset_y: float
    rows: tuple[SheetRow, ...]
    pages: int

    @property
    def ends_short(self) -> bool:
        """Whether the last row of a page is a little lower than the others.

        A paragraph must follow the table. Where the sheet leaves it no room it would take a page of its own.
        """
        return self.geometry.foot_rest - self.offset_y < _FOOT_MM

    @property
    def foot_mm(self) -> float:
        """Bottom margin at which a page holds its rows and nothing more."""
        foot = self.geometry.foot_rest - self.offset_y
        return 0.0 if self.ends_short else max(0.0, foot - _FOOT_MM)


def plan_sheet(
    data: Mapping[str, Any], geometry: Geometry, award_name: Callable[[str], str], *, draft: bool
) -> LabelSheet:
    """Place and set all labels of a request.

    Args:
        data: Checked request data.
        geometry: Of the sheet asked for.
        award_name: Award of the data to what is printed.
        draft: Whether each label says 草稿.

    Raises:
        InvalidRequest: ``start_at`` is beyond the sheet, or labels do not fit even at the smallest type
            size (keyword ``label_overflow``): all of them at once, each with the field that is too long.
    """
    start = int(data.get("start_at") or 1)
    check_start(start, geometry)
    fitted = list(_fitted(data["labels"], geometry, award_name, draft=draft))
    offset = data.get("offset_mm") or {}
    order = arrangement(len(fitted), start, geometry, by_column=data.get("order") == "column")
    places = [None if index is None else fitted[index] for index in order]
    dx, dy = float(offset.get("dx") or 0), float(offset.get("dy") or 0)
    sheet = LabelSheet(geometry, dx, dy, (), -(-len(places) // geometry.per_page))
    rows = tuple(_rows(sheet, places))
    return LabelSheet(geometry, dx, dy, rows, sheet.pages)


def check_start(start_at: int, geometry: Geometry) -> None:
    """Refuse a first place that the sheet does not have.

    Raises:
        InvalidRequest: It is beyond the sheet.
    """
    if start_at > geometry.per_page:
        message = f"「起始标签」应不大于 {geometry.per_page}：{geometry.name} 每张只有 {geometry.per_page} 枚"
        raise InvalidRequest("起始标签超出标签纸。", faults=[Fault("/start_at", "maximum", message)])


def arrangement(count: int, start_at: int, geometry: Geometry, *, by_column: bool) -> list[int | None]:
    """Return which label stands at each place, row by row; ``None`` leaves it empty.

    Args:
        count: Labels, placed one after the other from ``start_at``.
        start_at: First place used, from 1, counted in the same direction.
        geometry: Of the sheet.
        by_column: Down the columns instead of along the rows.

    Returns:
        Whole rows; the last sheet ends with its last used row.
    """
    places: list[int | None] = [*([None] * (start_at - 1)), *range(count)]
    if by_column:
        places += [None] * (-len(places) % geometry.per_page)
        turned: list[int | None] = []
        for first in range(0, len(places), geometry.per_page):
            for row in range(geometry.rows):
                turned += places[first + row : first + geometry.per_page : geometry.rows]
        while turned and not any(index is not None for index in turned[-geometry.cols :]):
            del turned[-geometry.cols :]
        places = turned
    return places + [None] * (-len(places) % geometry.cols)


def overflow_of(
    label: Mapping[str, Any], geometry: Geometry, award_name: Callable[[str], str], *, draft: bool
) -> Fault | None:
    """Tell what does not fit on a label; the pointer is relative to it.

    Args:
        label: Checked values.
        geometry: Of the sheet.
        award_name: Award of the data to what is printed.
        draft: Whether the label says 草稿.
    """
    found = fit_label(label_values(label, award_name(str(label["award"])), draft=draft), geometry)
    return _overflow_fault(found, label, geometry) if isinstance(found, Overflow) else None


def _overflow_fault(found: Overflow, label: Mapping[str, Any], geometry: Geometry) -> Fault:
    name, title = _FIELDS[found.field]
    message = (
        f"{str(label['unit'])[:20]}的标签放不下：字号缩到 {geometry.sizes_pt[-1]:g} 磅后"
        f"「{title}」仍过长，请缩短，或改用更大的标签纸"
    )
    return Fault(f"/{name}", "label_overflow", message)


def _fitted(
    labels: Sequence[Mapping[str, Any]], geometry: Geometry, award_name: Callable[[str], str], *, draft: bool
) -> Iterable[FittedLabel]:
    faults = []
    for index, label in enumerate(labels):
        values = label_values(label, award_name(str(label["award"])), draft=draft)
        found = fit_label(values, geometry)
        if isinstance(found, Overflow):
            fault = _overflow_fault(found, label, geometry)
            message = f"第 {index + 1} 枚：{fault.message}"
            faults.append(Fault(f"/labels/{index}{fault.pointer}", fault.keyword, message))
        else:
            yield found
    if faults:
        raise InvalidRequest(f"有 {len(faults)} 枚标签放不下。", faults=faults)


def _rows(sheet: LabelSheet, places: Sequence[FittedLabel | None]) -> Iterable[SheetRow]:
    geometry = sheet.geometry
    edges = _edges(sheet)
    for number, first in enumerate(range(0, len(places), geometry.cols)):
        upper, lower = edges[number % geometry.rows]
        yield SheetRow(upper, lower, tuple(places[first : first + geometry.cols]))


def _edges(sheet: LabelSheet) -> list[tuple[int, int]]:
    """Return the two heights of each row of a page in twips, rounded so that errors do not add up.

    A sheet that is moved up beyond the paper's edge loses that much of its first row, for no table can
    begin outside the page; all other labels are where they should be.
    """
    geometry = sheet.geometry
    heights = []
    for row in range(geometry.rows):
        top = geometry.top + sheet.offset_y + row * geometry.pitch_y
        middle = top + geometry.upper
        end = top + (
            geometry.pitch_y if row + 1 < geometry.rows else geometry.upper + QR_MM + geometry.inset_bottom
        )
        if row + 1 == geometry.rows and sheet.ends_short:
            end -= _FOOT_MM - min(0.0, geometry.foot_rest - sheet.offset_y)
        heights.append((twips(middle) - twips(max(0.0, top)), twips(end) - twips(middle)))
    return heights


def twips(mm: float) -> int:
    """Return a length in twips (1/20 pt)."""
    return round(mm * _TWIPS_PER_MM)
