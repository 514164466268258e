"""Where the text of a PDF stands: lines, the pieces they are set in, rules and pictures, in millimetres."""

from collections.abc import Iterator, Sequence
from ctypes import byref, c_double, c_float, c_uint
from dataclasses import dataclass
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from service.errors import SealError
from service.pdf.read import PictureSpot, opened

SizedSpot = tuple[tuple[int, int], PictureSpot]
_MM = 25.4 / 72
_THIN_MM = 1.2  # bounds of a line of 1.5 pt are twice as high


class Box(NamedTuple):
    """A rectangle, mm from the page's top left corner."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> tuple[float, float]:
        """Return width and height of what two rectangles share; zero or less when they are apart."""
        return (
            min(self.right, other.right) - max(self.left, other.left),
            min(self.bottom, other.bottom) - max(self.top, other.top),
        )


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """Text on one line, table cells side by side included.

    Attributes:
        box: Around the ink.
        pieces: Around each run of it that was set at once.
        text: What it says.
    """

    box: Box
    pieces: tuple[Box, ...]
    text: str


@dataclass(frozen=True, slots=True)
class PrintedPage:
    """What a page shows.

    Attributes:
        width: Of the paper, mm.
        height: Of the paper, mm.
        lines: From the top.
        rules: Thin straight lines, those of tables included.
        pictures: Places of pictures.
        spots: Pixel size and place of each picture, those inside a form included.
    """

    width: float
    height: float
    lines: tuple[PrintedLine, ...]
    rules: tuple[Box, ...]
    pictures: tuple[Box, ...]
    spots: tuple[SizedSpot, ...]


def read_printed(pdf: bytes) -> tuple[str, tuple[PrintedPage, ...]]:
    """Return the text of a file of our own making, as `pdf_text` does, and what each page shows.

    Raises:
        NotVerifiable: The file cannot be read.
    """
    texts, pages = [], []
    with opened(pdf) as document:
        for number, page in enumerate(document):
            width, height = page.get_size()
            textpage = page.get_textpage()
            texts.append(textpage.get_text_range())
            lines = tuple(sorted(_lines(textpage, texts[-1], height), key=_upper_edge))
            textpage.close()
            shapes = _shapes(page, number, height)
            pages.append(PrintedPage(width * _MM, height * _MM, lines, *shapes))
            page.close()
    return "\n".join(texts), tuple(pages)


def find_pictures(pages: Sequence[PrintedPage], sizes_px: Sequence[tuple[int, int]]) -> list[PictureSpot]:
    """Find pictures by their size in pixels, each there once.

    Args:
        pages: What a file of our own making shows.
        sizes_px: Width and height of each.

    Returns:
        Their places, in the order of ``sizes_px``.

    Raises:
        SealError: One is missing, or there more than once.
    """
    spots: dict[tuple[int, int], list[PictureSpot]] = {size: [] for size in sizes_px}
    for size, spot in (item for page in pages for item in page.spots):
        if size in spots:
            spots[size].append(spot)
    for size, found in spots.items():
        if len(found) != 1:
            raise SealError(
                "模板中的二维码占位图没有出现在成品中，或出现了多次，请检查模板。",
                detail=f"{len(found)} pictures of {size} px",
            )
    return [spots[size][0] for size in sizes_px]


def _upper_edge(line: PrintedLine) -> float:
    return line.box.top


def text_inside(pdf: bytes, places: Sequence[tuple[int, Box]]) -> list[str]:
    """Return the text that touches each of some places.

    Args:
        pdf: A file of our own making.
        places: Page index and rectangle; those of a page one after the other.

    Raises:
        NotVerifiable: The file cannot be read.
    """
    found = []
    with opened(pdf) as document:
        number, height = -1, 0.0
        textpage: Any = None
        for index, box in places:
            if index != number:
                page = document[index]
                number, textpage, height = index, page.get_textpage(), page.get_size()[1]
            left, right = box.left / _MM, box.right / _MM
            top, bottom = height - box.top / _MM, height - box.bottom / _MM
            found.append(textpage.get_text_bounded(left=left, bottom=bottom, right=right, top=top))
    return found


def _lines(textpage: Any, text: str, height: float) -> Iterator[PrintedLine]:
    """Yield the lines that PDFium tells apart, each with the places of its runs."""
    at = 0
    for line in text.split("\r\n"):
        first = pdfium.FPDFText_GetCharIndexFromTextIndex(textpage.raw, at)
        length = len(line.encode("utf-16-le")) // 2
        pieces = tuple(_pieces(textpage, first, length, height)) if line.strip() else ()
        at += length + 2
        if pieces:
            lefts, tops, rights, bottoms = zip(*pieces, strict=True)
            yield PrintedLine(Box(min(lefts), min(tops), max(rights), max(bottoms)), pieces, line)


def _pieces(textpage: Any, first: int, count: int, height: float) -> Iterator[Box]:
    left, top, right, bottom = c_double(), c_double(), c_double(), c_double()
    edges = byref(left), byref(top), byref(right), byref(bottom)
    # Counting selects what is then read one by one.
    for number in range(pdfium.FPDFText_CountRects(textpage.raw, first, count)):
        pdfium.FPDFText_GetRect(textpage.raw, number, *edges)
        box = Box(
            left.value * _MM, (height - top.value) * _MM, right.value * _MM, (height - bottom.value) * _MM
        )
        if box.right > box.left and box.bottom > box.top:
            yield box


def _shapes(
    page: Any, page_index: int, height: float
) -> tuple[tuple[Box, ...], tuple[Box, ...], tuple[SizedSpot, ...]]:
    rules, pictures, spots = [], [], []
    edges = c_float(), c_float(), c_float(), c_float()
    size = c_uint(), c_uint()
    has_forms = False
    for number in range(pdfium.FPDFPage_CountObjects(page.raw)):
        item = pdfium.FPDFPage_GetObject(page.raw, number)
        kind = pdfium.FPDFPageObj_GetType(item)
        has_forms |= kind == pdfium.FPDF_PAGEOBJ_FORM
        if kind not in (pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE):
            continue
        pdfium.FPDFPageObj_GetBounds(item, *(byref(edge) for edge in edges))
        left, bottom, right, top = (edge.value for edge in edges)
        box = Box(left * _MM, (height - top) * _MM, right * _MM, (height - bottom) * _MM)
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            pictures.append(box)
            pdfium.FPDFImageObj_GetImagePixelSize(item, *(byref(side) for side in size))
            spot = PictureSpot(page_index, left, bottom, right, top)
            spots.append(((size[0].value, size[1].value), spot))
        elif min(box.right - box.left, box.bottom - box.top) < _THIN_MM:
            rules.append(box)
    return tuple(rules), tuple(pictures), tuple(_all_spots(page, page_index) if has_forms else spots)


def _all_spots(page: Any, page_index: int) -> Iterator[SizedSpot]:
    for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE]):
        width_px, height_px = item.get_px_size()
        yield (width_px, height_px), PictureSpot(page_index, *item.get_bounds())
