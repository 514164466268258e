"""The last touch on LibreOffice's PDF: the real QR, constant dates, a constant id.

One rewrite does all of it, so that nothing but a signature may follow.
"""

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pikepdf
from pikepdf import Name

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
    with pikepdf.open(io.BytesIO(pdf)) as file:
        pictures = list(_pictures(file))
        for stamp in stamps:
            found = [picture for picture, size in pictures if size == stamp.placeholder]
            if len(found) != 1:
                raise SealError(
                    "模板中的二维码占位图没有出现在成品中，或出现了多次，请检查模板。",
                    detail=f"{len(found)} image objects of {stamp.placeholder} px",
                )
            _replace_picture(found[0], stamp)
        if seal is not None:
            lay_seal(file, seal)
        _name_codes(file, marker)
        return finished(file, next((stamp.dated for stamp in stamps if stamp.dated), EPOCH))


def finished(file: pikepdf.Pdf, dated: date) -> FinishedPdf:
    """Make everything that varies constant and write the file.

    Args:
        file: The whole document, its pictures in their places.
        dated: Stands in for the times of creation and change.
    """
    _make_dates_constant(file, dated)
    _make_profiles_constant(file)
    # LibreOffice takes the language of Latin text for the document's.
    file.Root.Lang = pikepdf.String(_LANGUAGE)
    fonts, loose = _fonts(file)
    return FinishedPdf(_written(file), frozenset(fonts), frozenset(loose))


def placeholders_of(file: pikepdf.Pdf, size_px: tuple[int, int]) -> set[int]:
    """Return the object numbers of all pictures of a size."""
    return {picture.objgen[0] for picture, size in _pictures(file) if size == size_px}


def _name_codes(file: pikepdf.Pdf, marker: str) -> None:
    """Give each code an alternative text that a screen reader may speak; the docx has the code's marker there."""
    for item in _dictionaries(file):
        if item.get("/S") == Name.Figure and str(item.get("/Alt", "")) == marker:
            item.Alt = pikepdf.String(_CODE_SPOKEN)


def _written(file: pikepdf.Pdf) -> bytes:
    # LibreOffice's differ each time; without them the identifier is a digest of the file.
    for key in ("/ID", "/DocChecksum"):
        if key in file.trailer:
            del file.trailer[key]
    buffer = io.BytesIO()
    file.save(
        buffer,
        deterministic_id=True,
        fix_metadata_version=False,
        compress_streams=False,
        stream_decode_level=pikepdf.StreamDecodeLevel.none,
        object_stream_mode=pikepdf.ObjectStreamMode.disable,
    )
    return buffer.getvalue()


def _dictionaries(file: pikepdf.Pdf) -> Iterator[Any]:
    return (item for item in file.objects if isinstance(item, pikepdf.Dictionary))


def _pictures(file: pikepdf.Pdf) -> Iterator[tuple[Any, tuple[int, int]]]:
    """Yield every picture and its size in pixels."""
    for item in file.objects:
        if isinstance(item, pikepdf.Stream) and item.get("/Subtype") == Name.Image:
            yield item, (int(item.Width), int(item.Height))


def _replace_picture(old: Any, stamp: PdfStamp) -> None:
    for key in ("/SMask", "/Mask"):
        if key in old:
            raise SealError("模板中的二维码占位图不应带透明度，请检查模板。", detail=f"placeholder has {key}")
    old.stream_dict = _qr_dictionary(stamp.width_px, stamp.height_px)
    _write_packed(old, stamp.rows)


def qr_picture(file: pikepdf.Pdf, width_px: int, height_px: int, rows: bytes) -> pikepdf.Stream:
    """Return a new image object of one bit a pixel, 1 is white.

    Args:
        file: Where it will be.
        width_px: Its width.
        height_px: Its height.
        rows: Its rows, each padded to a byte.
    """
    new = pikepdf.Stream(file, b"", _qr_dictionary(width_px, height_px))
    _write_packed(new, rows)
    return new


def _qr_dictionary(width_px: int, height_px: int) -> pikepdf.Dictionary:
    return pikepdf.Dictionary(
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=width_px,
        Height=height_px,
        ColorSpace=Name.DeviceGray,
        BitsPerComponent=1,
    )


def _write_packed(stream: Any, data: bytes) -> None:
    stream.write(zlib.compress(data), filter=Name.FlateDecode)


def _make_dates_constant(file: pikepdf.Pdf, dated: date) -> None:
    # China has one time zone; the hour is midnight because none is known.
    pdf_date = pikepdf.String(f"D:{dated:%Y%m%d}000000+08'00'")
    iso_date = f"{dated:%Y-%m-%d}T00:00:00+08:00".encode()
    file.docinfo.CreationDate = file.docinfo.ModDate = pdf_date
    if "/Metadata" in file.Root:
        stream = file.Root.Metadata
        stream.write(_XMP_DATE.sub(rb"\g<1>" + iso_date + rb"\g<3>", stream.read_bytes()))


def _make_profiles_constant(file: pikepdf.Pdf) -> None:
    """Blank the creation time and id that LibreOffice writes into its sRGB profile."""
    intents: Any = file.Root.get("/OutputIntents", ())
    for intent in intents:
        if "/DestOutputProfile" in intent:
            stream = intent.DestOutputProfile
            content = bytearray(stream.read_bytes())
            content[_ICC_DATE] = bytes((7, 228, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))
            content[_ICC_PROFILE_ID] = bytes(16)
            _write_packed(stream, bytes(content))


def _fonts(file: pikepdf.Pdf) -> tuple[set[str], set[str]]:
    names: set[str] = set()
    loose: set[str] = set()
    for item in _dictionaries(file):
        if item.get("/Type") != Name.Font or _DESCENDANTS in item:
            continue
        name = str(item.get("/BaseFont", "/?"))[1:].split("+")[-1]
        names.add(name)
        holder = item.get("/FontDescriptor", {})
        if not any(key in holder for key in ("/FontFile", "/FontFile2", "/FontFile3")):
            loose.add(name)
    return names, loose
