"""Text, page count, pictures and rasters of a PDF."""

import ctypes
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pypdfium2
import pypdfium2.raw
from PIL import Image

from service.errors import NotVerifiable

_POINTS_PER_INCH = 72.0
_SURROUND_PT = 6.0
_SAME_LINE_PT = 2.0
_SCREEN_COLOURS = 32
_PAGE_PICTURE = 0.8  # share of a page that a scan of it covers at least

# PDFium is not thread-safe, and its calls are short.
_PDFIUM = threading.RLock()


@dataclass(frozen=True, slots=True)
class PdfLimits:
    """Bounds on a PDF that somebody uploaded.

    Attributes:
        pages: Most pages.
        page_side_pt: Longest side of a page, in points; A0 is 3370.
        raster_px: Most pixels of one rendered page.
    """

    pages: int = 200
    page_side_pt: float = 3_400.0
    raster_px: int = 40_000_000


@dataclass(frozen=True, slots=True)
class PictureSpot:
    """Where a picture stands on a page.

    Attributes:
        page: Page index from 0.
        left_pt: Left edge, in points from the page's left.
        bottom_pt: Lower edge, in points from the page's foot.
        right_pt: Right edge.
        top_pt: Upper edge.
    """

    page: int
    left_pt: float
    bottom_pt: float
    right_pt: float
    top_pt: float


@dataclass(frozen=True, slots=True)
class TextLine:
    """One printed line, its white space left out.

    Attributes:
        text: Its characters from left to right.
        left_pt: Left edge of the first, in points from the page's left.
        right_pt: Right edge of the last.
        baseline_pt: In points from the page's foot.
        size_pt: Type size of the largest character.
    """

    text: str
    left_pt: float
    right_pt: float
    baseline_pt: float
    size_pt: float


@contextmanager
def opened(pdf: bytes) -> Iterator[Any]:
    """Open a PDF, for one thread at a time.

    Raises:
        NotVerifiable: The file cannot be read.
    """
    with _PDFIUM:
        try:
            document = pypdfium2.PdfDocument(pdf)
        except pypdfium2.PdfiumError as error:
            raise NotVerifiable(
                "PDF 文件已损坏或有密码，无法读取；请上传签发的原文件。", detail=repr(error)
            ) from error
        try:
            yield document
        finally:
            document.close()


def page_count(pdf: bytes) -> int:
    """Return the number of pages.

    Raises:
        NotVerifiable: The file cannot be read.
    """
    with opened(pdf) as document:
        return len(document)


def pdf_text(pdf: bytes, limits: PdfLimits | None = None) -> str:
    """Return the text layer as PDFium reads it, pages in order.

    Args:
        pdf: The file.
        limits: Bounds; the defaults suit an upload.

    Raises:
        NotVerifiable: The file cannot be read or is over a limit.
    """
    return "\n".join(page_texts(pdf, limits))


def page_texts(pdf: bytes, limits: PdfLimits | None = None) -> list[str]:
    """Return the text layer of each page as PDFium reads it.

    Args:
        pdf: The file.
        limits: Bounds; the defaults suit an upload.

    Raises:
        NotVerifiable: The file cannot be read or is over a limit.
    """
    with opened(pdf) as document:
        _check_limits(document, limits or PdfLimits())
        pages = []
        for page in document:
            textpage = page.get_textpage()
            pages.append(textpage.get_text_range())
            textpage.close()
            page.close()
        return pages


def printed_lines(pdf: bytes) -> list[list[TextLine]]:
    """Return the lines of each page, from the top down.

    Args:
        pdf: A file of our own making.
    """
    pages = []
    with opened(pdf) as document:
        for page in document:
            textpage = page.get_textpage()
            pages.append(list(_lines(textpage)))
            textpage.close()
            page.close()
    return pages


def _lines(textpage: Any) -> Iterator[TextLine]:
    found: list[tuple[float, float, float, float, str]] = []
    x, y, box = ctypes.c_double(), ctypes.c_double(), pypdfium2.raw.FS_RECTF()
    for index in range(textpage.count_chars()):
        char = chr(pypdfium2.raw.FPDFText_GetUnicode(textpage, index))
        if char.isprintable() and not char.isspace():
            pypdfium2.raw.FPDFText_GetCharOrigin(textpage, index, x, y)
            pypdfium2.raw.FPDFText_GetLooseCharBox(textpage, index, box)
            size_pt = pypdfium2.raw.FPDFText_GetFontSize(textpage, index)
            found.append((y.value, box.left, box.right, size_pt, char))
    found.sort(key=lambda item: -item[0])
    while found:
        same = [item for item in found if found[0][0] - item[0] < _SAME_LINE_PT]
        found = found[len(same) :]
        same.sort(key=lambda item: item[1])
        text = "".join(item[4] for item in same)
        sizes = [item[3] for item in same]
        yield TextLine(text, same[0][1], max(item[2] for item in same), same[0][0], max(sizes))


def picture_sizes(pdf: bytes) -> list[tuple[int, int]]:
    """Return (width, height) in pixels of every picture drawn, pages in order.

    Raises:
        NotVerifiable: The file cannot be read.
    """
    sizes = []
    with opened(pdf) as document:
        for page in document:
            for item in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]):
                sizes.append(item.get_px_size())
            page.close()
    return sizes


def render_spots(pdf: bytes, spots: Sequence[PictureSpot], dpi: int) -> Iterator[Image.Image]:
    """Rasterise the places of pictures one after the other, in grey; file and page are opened once."""
    with opened(pdf) as document:
        for number, group in groupby(spots, key=lambda spot: spot.page):
            page = document[number]
            try:
                for spot in group:
                    yield _rendered(page, spot, dpi)
            finally:
                page.close()


def _rendered(page: Any, spot: PictureSpot, dpi: int) -> Image.Image:
    width, height = page.get_size()
    edges = (spot.left_pt, spot.bottom_pt, width - spot.right_pt, height - spot.top_pt)
    bitmap = page.render(
        scale=dpi / _POINTS_PER_INCH,
        # A little of the page around it, as any reader sees it.
        crop=tuple(max(0.0, edge - _SURROUND_PT) for edge in edges),
        grayscale=True,
    )
    image: Image.Image = bitmap.to_pil().copy()
    return image


def render_pages(
    pdf: bytes, dpi: int, limits: PdfLimits | None = None, *, grey: bool = True
) -> Iterator[Image.Image]:
    """Rasterise page after page as a reader would see them.

    Args:
        pdf: The file.
        dpi: Dots per inch; lowered for a page whose raster would be over the limit.
        limits: Bounds.
        grey: Whether colours are left out.

    Raises:
        NotVerifiable: The file cannot be read or is over a limit.
    """
    bounds = limits or PdfLimits()
    with opened(pdf) as document:
        _check_limits(document, bounds)
        for page in document:
            width, height = page.get_size()
            scale = dpi / _POINTS_PER_INCH
            if width * height * scale * scale > bounds.raster_px:
                scale = (bounds.raster_px / (width * height)) ** 0.5
            yield page.render(scale=scale, grayscale=grey).to_pil().copy()
            page.close()


def is_scan(pdf: bytes) -> bool:
    """Tell whether the text of a PDF, if there is any, was put there by character recognition.

    Such text is invisible (text rendering mode 3, ISO 32000-1 §9.3.6) over a picture of the page.
    One such page is enough: its text is a guess and can never be compared.

    Raises:
        NotVerifiable: The file cannot be read.
    """
    with opened(pdf) as document:
        for page in document:
            try:
                if _is_recognised(page):
                    return True
            finally:
                page.close()
    return False


def _is_recognised(page: Any) -> bool:
    width, height = page.get_size()
    covered = hidden = False
    for item in page.get_objects():
        if item.type == pypdfium2.raw.FPDF_PAGEOBJ_TEXT:
            mode = pypdfium2.raw.FPDFTextObj_GetTextRenderMode(item.raw)
            if mode != pypdfium2.raw.FPDF_TEXTRENDERMODE_INVISIBLE:
                return False
            hidden = True
        elif item.type == pypdfium2.raw.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = item.get_bounds()
            covered |= (right - left) * (top - bottom) >= _PAGE_PICTURE * width * height
    return hidden and covered


def _check_limits(document: Any, limits: PdfLimits) -> None:
    pages = len(document)
    if not 1 <= pages <= limits.pages:
        raise NotVerifiable(f"PDF 有 {pages} 页，超出可核验的范围（1–{limits.pages} 页）。")
    for number in range(pages):
        if max(document.get_page_size(number)) > limits.page_side_pt:
            raise NotVerifiable(f"PDF 第 {number + 1} 页的尺寸过大，无法核验。")


def page_pngs(pdf: bytes, dpi: int, pages: Sequence[int]) -> list[bytes]:
    """Draw pages for the screen, in few colours so that they travel light.

    Args:
        pdf: A file of our own making.
        dpi: Dots per inch.
        pages: Indexes from 0; those that are not there are passed over.

    Returns:
        PNG files.
    """
    pictures = []
    with opened(pdf) as document:
        for number in pages:
            if number < len(document):
                page = document[number]
                image = page.render(scale=dpi / _POINTS_PER_INCH).to_pil()
                page.close()
                pictures.append(_png(image))
    return pictures


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.quantize(_SCREEN_COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG")
    return buffer.getvalue()
