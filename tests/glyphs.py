"""What a PDF's embedded fonts draw, character by character, and what the installed faces would draw."""

import ctypes
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pypdf
import pypdfium2
import pypdfium2.raw as pdfium
from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont
from pypdf.generic import NameObject, StreamObject

from service.fonts import FontFace

_PRIVATE = 0xE000
_EM = 1000.0  # PDFium gives outlines on an em of 1, whatever size it is asked for
_BF_CHAR = re.compile(r"<([0-9A-Fa-f]{2})>\s*<([0-9A-Fa-f]+)>")
_BF_SECTION = re.compile(r"beginbfchar(.*?)endbfchar", re.S)

Shape = tuple[float, ...]
"""Bounds and area of an outline's points on an em of 1000: tells glyphs apart, however they are written."""

NO_SHAPE: Shape = (0.0,) * 5
"""Nothing drawn."""


@dataclass(frozen=True)
class Drawn:
    """One character on a page.

    Attributes:
        char: What the text layer says it is.
        face: PostScript name of the embedded font.
        shape: What the embedded font draws for it.
    """

    char: str
    face: str
    shape: Shape


def drawn_characters(pdf: bytes) -> list[Drawn]:
    """Return every character in reading order with the outline that a viewer gets from the embedded font.

    The copy that PDFium reads has another text layer, one private-use character for each code, so that each
    outline can be asked for by the code that the content stream uses, whatever the text layer claims.
    """
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    writer = pypdf.PdfWriter(clone_from=reader)
    fonts: list[tuple[str, dict[int, str]]] = []
    for item in list(writer._objects):
        if isinstance(item, dict) and item.get("/Type") == "/Font":
            assert "/DescendantFonts" not in item, "composite font"
            texts = _texts(item["/ToUnicode"].get_object().get_data().decode("ascii"))
            fonts.append((str(item["/BaseFont"]).rpartition("+")[2], texts))
            item[NameObject("/BaseFont")] = NameObject(f"/{len(fonts) - 1}")
            item[NameObject("/ToUnicode")] = writer._add_object(_private_text())
    copy = io.BytesIO()
    writer.write(copy)
    document = pypdfium2.PdfDocument(copy.getvalue())
    try:
        return [
            Drawn(fonts[number][1][code], fonts[number][0], shape)
            for page in document
            for number, code, shape in _codes(page.get_textpage())
        ]
    finally:
        document.close()


def _texts(cmap: str) -> dict[int, str]:
    pairs = [pair for section in _BF_SECTION.findall(cmap) for pair in _BF_CHAR.findall(section)]
    return {int(code, 16): bytes.fromhex(text).decode("utf-16-be") for code, text in pairs}


def _private_text() -> StreamObject:
    lines = "".join(f"<{code:02X}> <{_PRIVATE + code:04X}>\n" for code in range(256))
    stream = StreamObject()
    stream.set_data(
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
        b"1 begincodespacerange <00> <FF> endcodespacerange\n"
        + f"256 beginbfchar\n{lines}endbfchar\n".encode()
        + b"endcmap CMapName currentdict /CMap defineresource pop end end"
    )
    return stream


def _codes(page: Any) -> Iterator[tuple[int, int, Shape]]:
    shapes: dict[tuple[int, int], Shape] = {}
    name = ctypes.create_string_buffer(16)
    for index in range(page.count_chars()):
        code = pdfium.FPDFText_GetUnicode(page.raw, index) - _PRIVATE
        if not 0 <= code < 256:
            continue  # a space or line break of PDFium's own
        font = pdfium.FPDFTextObj_GetFont(pdfium.FPDFText_GetTextObject(page.raw, index))
        pdfium.FPDFFont_GetBaseFontName(font, name, len(name))
        number = int(name.value)
        if (number, code) not in shapes:
            shapes[number, code] = _shape_of(pdfium.FPDFFont_GetGlyphPath(font, _PRIVATE + code, 1.0))
        yield number, code, shapes[number, code]


def _shape_of(path: Any) -> Shape:
    pen = _EndPen(None)
    x, y = ctypes.c_float(), ctypes.c_float()
    in_curve = 0
    for number in range(pdfium.FPDFGlyphPath_CountGlyphSegments(path) if path else 0):
        segment = pdfium.FPDFGlyphPath_GetGlyphPathSegment(path, number)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        in_curve = (in_curve + 1) % 3 if kind == pdfium.FPDF_SEGMENT_BEZIERTO else 0
        if in_curve == 0:
            pdfium.FPDFPathSegment_GetPoint(segment, x, y)
            pen.add((x.value, y.value), starts=kind == pdfium.FPDF_SEGMENT_MOVETO)
    return pen.shape(_EM)


class _EndPen(BasePen):  # type: ignore[misc]
    """Gathers where lines and curves end: the same points in every way to write an outline."""

    def __init__(self, glyphs: Any) -> None:
        super().__init__(glyphs)
        self._contours: list[list[tuple[float, float]]] = []

    def add(self, point: tuple[float, float], *, starts: bool = False) -> None:
        if starts:
            self._contours.append([])
        self._contours[-1].append(point)

    def _moveTo(self, point: tuple[float, float]) -> None:  # noqa: N802 - the library's name
        self.add(point, starts=True)

    def _lineTo(self, point: tuple[float, float]) -> None:  # noqa: N802
        self.add(point)

    def _curveToOne(self, _one: Any, _two: Any, point: tuple[float, float]) -> None:  # noqa: N802
        self.add(point)

    def shape(self, scale: float) -> Shape:
        points = [point for contour in self._contours for point in contour]
        if not points:
            return NO_SHAPE
        columns, rows = zip(*points, strict=True)
        area = 0.0
        for contour in self._contours:
            for (x0, y0), (x1, y1) in zip(contour, contour[1:] + contour[:1], strict=True):
                area += (x0 * y1 - x1 * y0) / 2
        edges = (min(columns), min(rows), max(columns), max(rows))
        return (*(edge * scale for edge in edges), area * scale * scale)


class Outlines:
    """What the installed faces draw.

    Args:
        faces: From `service.fonts.scan_fonts`.
    """

    def __init__(self, faces: Sequence[FontFace]) -> None:
        self._open: dict[str, tuple[Any, Any, Any]] = {}
        self.names = {self._name(face): face for face in faces}

    def shape(self, postscript_name: str, char: str) -> Shape:
        """Return the outline of a character in a face; of ".notdef" for an empty string."""
        font, glyphs, cmap = self._font(postscript_name)
        pen = _EndPen(glyphs)
        glyphs[cmap[ord(char)] if char else font.getGlyphOrder()[0]].draw(pen)
        return pen.shape(_EM / font["head"].unitsPerEm)

    def _name(self, face: FontFace) -> str:
        with TTFont(face.path, fontNumber=face.index, lazy=True) as font:
            return str(font["name"].getDebugName(6))

    def _font(self, postscript_name: str) -> tuple[Any, Any, Any]:
        if postscript_name not in self._open:
            face = self.names[postscript_name]
            font = TTFont(face.path, fontNumber=face.index, lazy=True)
            self._open[postscript_name] = font, font.getGlyphSet(), font.getBestCmap()
        return self._open[postscript_name]

    def close(self) -> None:
        for font, _, _ in self._open.values():
            font.close()


def alike(one: Shape, other: Shape) -> bool:
    """Whether two outlines are the same glyph; LibreOffice rounds each stroke, and the faults add up."""
    *bounds, area = one
    *other_bounds, other_area = other
    near = all(abs(a - b) <= 10 for a, b in zip(bounds, other_bounds, strict=True))
    return near and abs(abs(area) - abs(other_area)) <= 0.03 * abs(area) + 500
