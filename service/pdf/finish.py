"""The last touch on LibreOffice's PDF: the real QR, constant dates, a constant id.

One rewrite does all of it, so that nothing but a signature may follow.
"""

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pypdf
from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from service.errors import SealError
from service.pdf.seal_picture import SealStamp, lay_seal

EPOCH = date(2020, 1, 1)
"""Stands in for the date of a document that has none."""

_LANGUAGE = "zh-CN"
_CODE_SPOKEN = "核验二维码：扫描后可以核对本件的真伪"
_XMP_DATE = re.compile(rb"(<xmp:(CreateDate|ModifyDate|MetadataDate)>)[^<]*(</xmp:\2>)")
_ICC_DATE = slice(24, 36)
_ICC_PROFILE_ID = slice(84, 100)
_DESCENDANTS = "/DescendantFonts"


@dataclass(frozen=True, slots=True)
class PdfStamp:
    """What to put into the PDF.

    Attributes:
        placeholder_px: Pixel side of the placeholder picture.
        width_px: Width of the 1-bit picture that takes its place.
        height_px: Its height.
        rows: Its rows, one bit a pixel, each row padded to a byte, 1 is white.
        dated: Stands in for the times of creation and change, so that the same input gives the same bytes.
        placeholder_height_px: Height of the placeholder, if it is no square.
    """

    placeholder_px: int
    width_px: int
    height_px: int
    rows: bytes
    dated: date | None = None
    placeholder_height_px: int | None = None

    @property
    def placeholder(self) -> tuple[int, int]:
        """Width and height of the placeholder in pixels."""
        return self.placeholder_px, self.placeholder_height_px or self.placeholder_px


@dataclass(frozen=True, slots=True)
class FinishedPdf:
    """The finished file and what was seen while it was written.

    Attributes:
        pdf: The bytes.
        fonts: Names of the fonts, subset prefix removed.
        loose_fonts: Names of fonts that are not embedded.
    """

    pdf: bytes
    fonts: frozenset[str]
    loose_fonts: frozenset[str]


def finish_pdf(pdf: bytes, *stamps: PdfStamp, seal: SealStamp | None = None, marker: str = "") -> FinishedPdf:
    """Swap each placeholder for its QR and make everything that varies constant, in one rewrite.

    Args:
        pdf: LibreOffice's output.
        stamps: What to put in; the first has the date.
        seal: The seal picture to lay over the text, if there is one.
        marker: Alternative text of the placeholders.

    Returns:
        The finished file.

    Raises:
        SealError: A placeholder is not there exactly once.
    """
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    writer = pypdf.PdfWriter(clone_from=reader)
    writer.pdf_header = reader.pdf_header
    pictures = list(_pictures(writer))
    for stamp in stamps:
        found = [place for place, size in pictures if size == stamp.placeholder]
        if len(found) != 1:
            raise SealError(
                "模板中的二维码占位图没有出现在成品中，或出现了多次，请检查模板。",
                detail=f"{len(found)} image objects of {stamp.placeholder} px",
            )
        _replace_picture(writer, found[0], stamp)
    if seal is not None:
        lay_seal(writer, seal)
    _name_codes(writer, marker)
    return finished(writer, next((stamp.dated for stamp in stamps if stamp.dated), EPOCH))


def finished(writer: pypdf.PdfWriter, dated: date) -> FinishedPdf:
    """Make everything that varies constant and write the file.

    Args:
        writer: Holds the whole document, its pictures in their places.
        dated: Stands in for the times of creation and change.
    """
    _make_dates_constant(writer, dated)
    _make_profiles_constant(writer)
    # LibreOffice takes the language of Latin text for the document's.
    writer.root_object[NameObject("/Lang")] = TextStringObject(_LANGUAGE)
    fonts, loose = _fonts(writer)
    _set_id(writer)
    return FinishedPdf(_written(writer), frozenset(fonts), frozenset(loose))


def placeholders_of(writer: pypdf.PdfWriter, size_px: tuple[int, int]) -> set[int]:
    """Return the object numbers of all pictures of a size."""
    return {place + 1 for place, size in _pictures(writer) if size == size_px}


def _name_codes(writer: pypdf.PdfWriter, marker: str) -> None:
    """Give each code an alternative text that a screen reader may speak; the docx has the code's marker there."""
    for item in _objects(writer):
        if isinstance(item, DictionaryObject) and item.get("/S") == "/Figure" and item.get("/Alt") == marker:
            item[NameObject("/Alt")] = TextStringObject(_CODE_SPOKEN)


def _set_id(writer: pypdf.PdfWriter) -> None:
    """Derive the file identifier from all streams: pages, fonts, pictures, metadata."""
    digest = hashlib.sha256()
    for item in _objects(writer):
        if isinstance(item, StreamObject):
            digest.update(item._data)
    value = ByteStringObject(digest.digest()[:16])
    writer._ID = ArrayObject((value, value))


def _written(writer: pypdf.PdfWriter) -> bytes:
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def _objects(writer: pypdf.PdfWriter) -> Iterator[Any]:
    return (item for item in writer._objects if item is not None)


def _pictures(writer: pypdf.PdfWriter) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield place in the writer and size in pixels of every picture."""
    for place, item in enumerate(writer._objects):
        if isinstance(item, StreamObject) and item.get("/Subtype") == "/Image":
            yield place, (_integer(item["/Width"]), _integer(item["/Height"]))


def _integer(value: Any) -> int:
    return int(value)


def _replace_picture(writer: pypdf.PdfWriter, number: int, stamp: PdfStamp) -> None:
    old: Any = writer._objects[number]
    for key in ("/SMask", "/Mask"):
        if key in old:
            raise SealError("模板中的二维码占位图不应带透明度，请检查模板。", detail=f"placeholder has {key}")
    packed = qr_picture(stamp.width_px, stamp.height_px, stamp.rows)
    packed.indirect_reference = IndirectObject(number + 1, 0, writer)
    writer._objects[number] = packed


def qr_picture(width_px: int, height_px: int, rows: bytes) -> StreamObject:
    """Return an image object of one bit a pixel, 1 is white.

    Args:
        width_px: Its width.
        height_px: Its height.
        rows: Its rows, each padded to a byte.
    """
    new = StreamObject()
    new.set_data(rows)
    new.update(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Image"),
            NameObject("/Width"): NumberObject(width_px),
            NameObject("/Height"): NumberObject(height_px),
            NameObject("/ColorSpace"): NameObject("/DeviceGray"),
            NameObject("/BitsPerComponent"): NumberObject(1),
        }
    )
    return new.flate_encode()


def _make_dates_constant(writer: pypdf.PdfWriter, dated: date) -> None:
    # China has one time zone; the hour is midnight because none is known.
    pdf_date = TextStringObject(f"D:{dated:%Y%m%d}000000+08'00'")
    iso_date = f"{dated:%Y-%m-%d}T00:00:00+08:00".encode()
    writer.add_metadata({"/CreationDate": pdf_date, "/ModDate": pdf_date})
    metadata = writer.root_object.get("/Metadata")
    if metadata is not None:
        stream = metadata.get_object()
        stream.set_data(_XMP_DATE.sub(rb"\g<1>" + iso_date + rb"\g<3>", stream.get_data()))


def _make_profiles_constant(writer: pypdf.PdfWriter) -> None:
    """Blank the creation time and id that LibreOffice writes into its sRGB profile."""
    for intent in writer.root_object.get("/OutputIntents", []):
        profile = intent.get_object().get("/DestOutputProfile")
        if profile is None:
            continue
        stream = profile.get_object()
        content = bytearray(stream.get_data())
        content[_ICC_DATE] = bytes((7, 228, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))
        content[_ICC_PROFILE_ID] = bytes(16)
        stream.set_data(bytes(content))


def _fonts(writer: pypdf.PdfWriter) -> tuple[set[str], set[str]]:
    names: set[str] = set()
    loose: set[str] = set()
    for item in _objects(writer):
        if not isinstance(item, DictionaryObject) or item.get("/Type") != "/Font" or _DESCENDANTS in item:
            continue
        name = str(item.get("/BaseFont", "/?"))[1:].split("+")[-1]
        names.add(name)
        descriptor = item.get("/FontDescriptor")
        holder = descriptor.get_object() if descriptor is not None else {}
        if not any(key in holder for key in ("/FontFile", "/FontFile2", "/FontFile3")):
            loose.add(name)
    return names, loose
