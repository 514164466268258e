"""SheetPress: many labels in, finished sheets out; one conversion for as many sheets as are given."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, TypeVar

from service.archive import write_docx
from service.convert import Cancelled, Priority
from service.docx import set_pictures
from service.errors import LayoutOverflow
from service.fill import award_name, fill_docx
from service.labels import Geometry, LabelSheet, arrangement, compose_sheet, geometry_of, plan_sheet
from service.model import Deadline, OutputFormat, RenderOptions, SealedItem, TemplateSpec
from service.pdf import page_count, pdf_text
from service.pipeline.contract import check_labels
from service.pipeline.filling import placed_labels
from service.pipeline.render import Renderer
from service.pipeline.whole import check_text
from service.verification import png_bytes

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SheetSettings:
    """How the labels of a batch are put on sheets.

    Attributes:
        sheet: Id of the sheet, or lengths in mm by name, as in a request for labels.
        start_at: First place used on the first sheet, from 1.
        offset_x_mm: How far everything is moved to the right.
        offset_y_mm: How far everything is moved down.
        order: Along the rows or down the columns.
        sort: ``postcode``, or as given.
        copies: How many of each label, one beside the other.
    """

    sheet: str | Mapping[str, Any] = "L7163"
    start_at: int = 1
    offset_x_mm: float = 0.0
    offset_y_mm: float = 0.0
    order: Literal["row", "column"] = "row"
    sort: Literal["given", "postcode"] = "given"
    copies: int = 1

    def to_request(self) -> dict[str, Any]:
        """Return what a request for labels would say of it."""
        return {
            "sheet": self.sheet,
            "start_at": self.start_at,
            "offset_mm": {"dx": self.offset_x_mm, "dy": self.offset_y_mm},
            "order": self.order,
        }


@dataclass(frozen=True, slots=True)
class PressedSheets:
    """Finished sheets.

    Attributes:
        pdf: Signed; empty where only the docx was asked for.
        docx: Empty where only the PDF was asked for.
        pages: Sheets.
        items: One for each label, in the order given.
        warnings: Chinese sentences.
    """

    pdf: bytes
    docx: bytes
    pages: int
    items: tuple[SealedItem, ...]
    warnings: tuple[str, ...]

    def content(self, output: OutputFormat, name: str) -> bytes:
        """Return the asked-for form.

        Args:
            output: That form.
            name: Of the file, with extension; the files in a bundle are called like it.
        """
        if output is not OutputFormat.BUNDLE:
            return self.pdf if output is OutputFormat.PDF else self.docx
        stem = name.rpartition(".")[0]
        manifest = {
            "pages": self.pages,
            "warnings": list(self.warnings),
            "documents": [asdict(item) for item in self.items],
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        return write_docx(
            {f"{stem}.docx": self.docx, f"{stem}.pdf": self.pdf, "manifest.json": text.encode()}
        )


class SheetPress:
    """Makes sheets of labels in bulk.

    A single request keeps a placeholder of its own size for each label; here all labels share one, which
    LibreOffice lays out in two thirds of the time, and the codes go into the pages by their places.

    Args:
        renderer: Its stages are used.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def press(
        self,
        spec: TemplateSpec,
        labels: Sequence[Mapping[str, Any]],
        settings: SheetSettings,
        deadline: Deadline,
        options: RenderOptions,
        *,
        cancelled: Cancelled | None = None,
    ) -> PressedSheets:
        """Print labels on sheets, from the first place on.

        Args:
            spec: Template of one label.
            labels: Checked values.
            settings: Of the sheets.
            deadline: Covers everything.
            options: Form and draft.
            cancelled: Asked while a converter is at work; true gives up.

        Raises:
            ServiceError: Any leaf of the tree in `service.errors`.
        """
        turn = partial(self._renderer.turn, deadline, Priority.BATCH, cancelled)
        geometry = geometry_of(settings.sheet)
        data = {**settings.to_request(), "labels": labels}
        with turn():
            sheet = plan_sheet(data, geometry, award_name, draft=options.draft)
            docx = self._filled(spec, sheet, options)
            printed = [{**label, "award": award_name(label["award"])} for label in labels]
            seals = list(self._renderer.sealer.seal_items(spec, printed, draft=options.draft))
        placed = _by_place(seals, settings, geometry)
        warnings: list[str] = []
        pdf = b""
        if options.output is not OutputFormat.DOCX:
            raw = self._renderer.converter.convert(
                docx, deadline, priority=Priority.BATCH, cancelled=cancelled, label=spec.template_id
            )
            with turn():
                _check_pages(sheet, raw)
                _check_labels(labels, _by_place(range(len(labels)), settings, geometry), sheet, raw)
                check_text(spec, data, _given(sheet), pdf_text(raw))
                pdf = self._renderer.sealer.stamp_items(raw, spec.qr.placeholder_px, placed)
            pdf = self._renderer.sealer.sign(pdf, warnings) if options.is_signed else pdf
        if options.output is OutputFormat.PDF:
            docx = b""
        else:
            docx = set_pictures(docx, spec.qr.marker, [png_bytes(seal.symbol) for seal in placed])
        items = (SealedItem(f"/{number}", seal.document_id, seal.url) for number, seal in enumerate(seals))
        return PressedSheets(pdf, docx, sheet.pages, tuple(items), tuple(warnings))

    def _filled(self, spec: TemplateSpec, sheet: LabelSheet, options: RenderOptions) -> bytes:
        values = {"rows": sheet.rows, "calibration": False}
        return fill_docx(compose_sheet(spec.docx, sheet), values, self._renderer.extras(options.draft))


def _given(sheet: LabelSheet) -> str:
    return "".join(label.text for row in sheet.rows for label in row.labels if label)


def _by_place(given: Sequence[_T], settings: SheetSettings, geometry: Geometry) -> list[_T]:
    """Return what belongs to each label in the order of their places on the sheets."""
    order = arrangement(len(given), settings.start_at, geometry, by_column=settings.order == "column")
    return [given[index] for index in order if index is not None]


def _check_labels(
    labels: Sequence[Mapping[str, Any]], by_place: Sequence[int], sheet: LabelSheet, pdf: bytes
) -> None:
    """Hold each label against its own edges, as a single request does; faults say its place among the labels.

    Raises:
        LayoutOverflow: It names all labels that are not printed whole.
    """
    try:
        check_labels({"labels": [labels[index] for index in by_place]}, tuple(placed_labels(sheet)), pdf)
    except LayoutOverflow as error:
        faults = []
        for fault in error.faults:
            _, _, place, *rest = fault.pointer.split("/")
            pointer = "/".join(["", "labels", str(by_place[int(place)]), *rest])
            # The report names the row; a number among these sheets would name another one.
            message = fault.message.removeprefix(f"第 {int(place) + 1} 枚")
            faults.append(replace(fault, pointer=pointer, message=message))
        raise LayoutOverflow(str(error), faults=faults) from error


def _check_pages(sheet: LabelSheet, pdf: bytes) -> None:
    pages = page_count(pdf)
    if pages != sheet.pages:
        raise LayoutOverflow(f"标签排成了 {pages} 页，应为 {sheet.pages} 页；请检查标签纸的尺寸。")
