"""Data to docx: one document, or one label repeated over sheets; and which items of it are sealed one by one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.docx import placeholder_png, placeholder_size, set_pictures
from service.errors import LayoutOverflow
from service.fill import award_name, fill_docx
from service.labels import LabelSheet, compose_sheet, geometry_of, plan_sheet
from service.model import TemplateSpec
from service.pdf.printed import Box
from service.pipeline.naming import pick

_INSIDE_MM = 0.3  # so that labels without a gap keep their text apart


@dataclass(frozen=True, slots=True)
class PlacedLabel:
    """A label where it must be printed.

    Attributes:
        page: Page index from 0.
        box: Its place on the paper.
        text: All that is printed on it.
    """

    page: int
    box: Box
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled docx, its placeholders still in it.

    Attributes:
        docx: The bytes.
        items: Values of what is sealed one by one, as printed; ``None`` when the document is sealed as a whole.
        placeholders: Size in pixels of each placeholder.
        pages: How many pages it must have; ``None`` leaves that to the page rule.
        labels: Where each label of a sheet stands, and its text.
        marker: Alternative text of the placeholders.
    """

    docx: bytes
    items: Sequence[Mapping[str, Any]] | None
    placeholders: Sequence[tuple[int, int]]
    pages: int | None = None
    labels: Sequence[PlacedLabel] = ()
    marker: str = ""

    def check_pages(self, pages: int) -> None:
        """Refuse a number of pages other than the planned one.

        Raises:
            LayoutOverflow: A sheet spilled over, and the next would be a blank one.
        """
        if self.pages is not None and pages != self.pages:
            raise LayoutOverflow(f"标签排成了 {pages} 页，应为 {self.pages} 页；请检查标签纸的尺寸。")


def fill(spec: TemplateSpec, data: Mapping[str, Any], extras: Mapping[str, Any]) -> Filled:
    """Fill a template.

    Args:
        spec: The template.
        data: Checked request data.
        extras: See `service.fill.fill_docx`.

    Raises:
        TemplateError: The template is broken.
        InvalidRequest: Labels do not fit.
    """
    if spec.layout == "labels":
        return _labels(spec, data, extras)
    docx = fill_docx(spec.docx, data, extras, schema=spec.schema)
    side = spec.qr.placeholder_px
    if spec.verify.each is None:
        return Filled(docx, None, [(side, side)], marker=spec.qr.marker)
    return _separated(spec, docx, pick(data, spec.verify.each) or [])


def _labels(spec: TemplateSpec, data: Mapping[str, Any], extras: Mapping[str, Any]) -> Filled:
    sheet = plan_sheet(data, geometry_of(data.get("sheet")), award_name, draft=bool(extras["draft"]))
    calibration = bool(data.get("calibration"))
    values = {"rows": sheet.rows, "calibration": calibration}
    docx = fill_docx(compose_sheet(spec.docx, sheet), values, extras)
    items = [{**label, "award": award_name(label["award"])} for label in data["labels"]]
    filled = _separated(spec, docx, items, pages=sheet.pages + calibration)
    return replace(filled, labels=tuple(placed_labels(sheet, first_page=int(calibration))))


def placed_labels(sheet: LabelSheet, *, first_page: int = 0) -> Iterator[PlacedLabel]:
    """Yield where each label must be printed, in the order of the places.

    Args:
        sheet: All labels, placed.
        first_page: Page index of the first sheet.
    """
    geometry = sheet.geometry
    fitted = (label for row in sheet.rows for label in row.labels)
    for index, label in enumerate(fitted):
        if label is None:
            continue
        page, place = divmod(index, geometry.per_page)
        x, y = geometry.place(place)
        left, top = x + sheet.offset_x + _INSIDE_MM, y + sheet.offset_y + _INSIDE_MM
        right = x + sheet.offset_x + geometry.width - _INSIDE_MM
        bottom = y + sheet.offset_y + geometry.height - _INSIDE_MM
        yield PlacedLabel(first_page + page, Box(left, top, right, bottom), label.text)


def _separated(
    spec: TemplateSpec, docx: bytes, items: Sequence[Mapping[str, Any]], *, pages: int | None = None
) -> Filled:
    sizes = [placeholder_size(spec.qr.placeholder_px, number) for number in range(len(items))]
    docx = set_pictures(docx, spec.qr.marker, [placeholder_png(*size) for size in sizes])
    return Filled(docx, items, sizes, pages, marker=spec.qr.marker)
