"""Text to QR symbol and back; the only user of the QR, decoder and picture libraries.

Error correction is always M: at a fixed printed size larger modules help a camera more
than more redundancy does.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import qrcode
import zxingcpp
from PIL import Image
from qrcode.constants import ERROR_CORRECT_M

from service.errors import InvalidRequest, NotVerifiable, SealError

QUIET_ZONE = 4
"""Light modules on every side (ISO/IEC 18004 §6.3.8)."""

QR_TOO_DENSE = "qr-too-dense"
"""``type_code`` of the error for a symbol whose modules would be too small to scan."""

MAX_PIXELS = 64_000_000
"""Largest picture that is decoded: an A3 page at 600 dpi has 70 million, an A4 page 35."""

PHOTO_SCALES = (1.0, 0.5, 2.0, 0.25)
"""For a photograph: as it is, then smaller and larger, since blur and grain hide a code at one size."""

_FIRST_MASK = 2
_OTHER_MASKS = tuple(mask for mask in range(8) if mask != _FIRST_MASK)
_MIN_SEGMENT = 12  # shorter runs cost more in segment headers than their mode saves
_CHECK_SCALE = 3
_PICTURE_FORMATS = ("PNG", "JPEG")
_IS_DARK = tuple(value == 0 for value in range(256))
_Modules = tuple[tuple[bool, ...], ...]


@dataclass(frozen=True, slots=True)
class QrSymbol:
    """A QR symbol with its quiet zone.

    Attributes:
        modules: Rows from the top; ``True`` is dark.
        version: 1 to 40.
        module_mm: Printed side of one module.
    """

    modules: tuple[tuple[bool, ...], ...]
    version: int
    module_mm: float


def module_mm(text: str, picture_mm: float) -> float:
    """Tell how large a module would be, without drawing: for choosing what to leave out.

    Args:
        text: What the symbol would say.
        picture_mm: Printed side of the picture, quiet zone included.

    Returns:
        Printed side of one module; 0 when no symbol can hold the text.
    """
    version = _version(text)
    return picture_mm / _modules_per_side(version) if version else 0.0


def make_symbol(text: str, module_min_mm: float, picture_mm: float) -> QrSymbol:
    """Draw a symbol and read it back.

    Args:
        text: What it says.
        module_min_mm: Smallest module that may be printed.
        picture_mm: Printed side of the picture, quiet zone included.

    Returns:
        The smallest symbol that holds the text.

    Raises:
        InvalidRequest: With ``type_code`` `QR_TOO_DENSE`: the modules would be too small;
            the caller may leave out optional facts and try again.
        SealError: No mask gave a symbol that reads back as the text.
    """
    side_mm = module_mm(text, picture_mm)
    if side_mm < module_min_mm:
        raise InvalidRequest(
            f"验证码内容过多：在 {picture_mm:g} 毫米见方内每个码元仅 {side_mm:.2f} 毫米，"
            f"小于可扫描的 {module_min_mm:g} 毫米；请缩短标题或减少核验要素。",
            code=QR_TOO_DENSE,
        )
    for modules in _drawings(text):
        symbol = QrSymbol(modules, _version_of(modules), side_mm)
        if _reads_back(symbol, text):
            return symbol
    raise SealError("生成的二维码未能通过回读检查。", detail=f"{len(text)} characters")


def png_bytes(symbol: QrSymbol, scale_px: int = 8) -> bytes:
    """Return the symbol as a PNG whose bytes depend on the symbol alone.

    Args:
        symbol: From `make_symbol`.
        scale_px: Pixels per module.

    Returns:
        1-bit PNG without time stamp or text.
    """
    buffer = io.BytesIO()
    _picture(symbol, scale_px).save(buffer, "PNG", compress_level=6)  # 9 saves a tenth for thrice the time
    return buffer.getvalue()


def packed_rows(symbol: QrSymbol, scale: int = 1) -> tuple[int, int, bytes]:
    """Return the symbol as the samples of a PDF image (ISO 32000-1 §8.9.3).

    Args:
        symbol: From `make_symbol`.
        scale: Pixels per module.

    Returns:
        Width and height in pixels, and rows from the top, one bit per pixel, each row
        padded to whole bytes; 1 is white, as DeviceGray with one bit per component.
    """
    picture = _picture(symbol, scale)
    return picture.width, picture.height, picture.tobytes()


def decode_symbols(pixels: Image.Image) -> tuple[str, ...]:
    """Read all QR codes of an image.

    Args:
        pixels: A rendered page, a crop of it, or a photograph.

    Returns:
        The texts, without duplicates; empty when there is none.

    Raises:
        NotVerifiable: The image has more than `MAX_PIXELS`.
    """
    _refuse_oversize(pixels)
    grey = pixels if pixels.mode == "L" else _on_white(pixels).convert("L")
    for binarizer in (zxingcpp.Binarizer.LocalAverage, zxingcpp.Binarizer.GlobalHistogram):
        found = _read(grey, binarizer=binarizer)
        if found:
            return tuple(dict.fromkeys(found))
    return ()


def decode_picture(data: bytes, scales: Sequence[float] = (1.0,)) -> tuple[str, ...]:
    """Read all QR codes of a PNG or JPEG file.

    Args:
        data: Untrusted bytes.
        scales: Sizes at which it is tried, one after the other; see `PHOTO_SCALES`.

    Returns:
        The texts, without duplicates; empty when there is none.

    Raises:
        NotVerifiable: Not a PNG or JPEG, damaged, or more than `MAX_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_PICTURE_FORMATS) as picture:
            _refuse_oversize(picture)  # the size is in the header: nothing is unpacked yet
            picture.load()
            return _at_sizes(picture, scales)
    except NotVerifiable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _oversize() from error
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error ...
        raise NotVerifiable("图片无法读取，请上传完好的 PNG 或 JPEG 图片。", detail=repr(error)) from error


def _at_sizes(picture: Image.Image, scales: Sequence[float]) -> tuple[str, ...]:
    grey = _on_white(picture).convert("L")
    for scale in scales:
        size = (round(grey.width * scale), round(grey.height * scale))
        if not 0 < size[0] * size[1] <= MAX_PIXELS:
            continue
        found = decode_symbols(grey if scale == 1 else grey.resize(size, Image.Resampling.LANCZOS))
        if found:
            return found
    return ()


@lru_cache(maxsize=64)
def _version(text: str) -> int:
    """Return the smallest version that holds the text, 0 for none."""
    try:
        return _version_of(_draw(text))
    except ValueError:
        return 0


def _version_of(modules: _Modules) -> int:
    return (len(modules) - 2 * QUIET_ZONE - 17) // 4


def _modules_per_side(version: int) -> int:
    return 17 + 4 * version + 2 * QUIET_ZONE


def _drawings(text: str) -> Iterator[_Modules]:
    """Yield the symbol, then others that say the same, drawn by another library with other masks."""
    yield _draw(text)
    for mask in _OTHER_MASKS:
        code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET_ZONE, mask_pattern=mask)
        code.add_data(text, optimize=_MIN_SEGMENT)
        code.make(fit=True)
        yield tuple(tuple(map(bool, row)) for row in code.get_matrix())


@lru_cache(maxsize=4)
def _draw(text: str) -> _Modules:
    # Choosing the best of eight masks by penalty takes longer than one mask, and a symbol of random
    # digits looks the same under each.
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M", data_mask=_FIRST_MASK)
    pixels = memoryview(code.to_image(scale=1, add_quiet_zones=True))
    samples = pixels.tobytes()
    side = math.isqrt(len(samples))
    return tuple(
        tuple(map(_IS_DARK.__getitem__, samples[first : first + side]))
        for first in range(0, side * side, side)
    )


def _reads_back(symbol: QrSymbol, text: str) -> bool:
    return _read(_picture(symbol, _CHECK_SCALE).convert("L"), is_pure=True) == [text]


def _read(grey: Image.Image, **options: Any) -> list[str]:
    found = zxingcpp.read_barcodes(
        grey,
        formats=zxingcpp.BarcodeFormat.QRCode,
        text_mode=zxingcpp.TextMode.Plain,
        try_invert=False,
        **options,
    )
    return [str(barcode.text) for barcode in found]


def _picture(symbol: QrSymbol, scale: int) -> Image.Image:
    side = len(symbol.modules)
    picture = Image.frombytes("1", (side, side), _pack(symbol.modules))
    return picture if scale == 1 else picture.resize((side * scale, side * scale), Image.Resampling.NEAREST)


def _pack(rows: Sequence[Sequence[bool]]) -> bytes:
    packed = bytearray()
    for row in rows:
        bits = "".join(map("10".__getitem__, row)) + "0" * (-len(row) % 8)
        packed += int(bits, 2).to_bytes(len(bits) // 8, "big")
    return bytes(packed)


def _on_white(picture: Image.Image) -> Image.Image:
    """Lay a transparent picture on paper: transparent black would swallow the quiet zone."""
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture
    layered = picture.convert("RGBA")
    paper = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(paper, layered)


def _refuse_oversize(picture: Image.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise _oversize()


def _oversize() -> NotVerifiable:
    return NotVerifiable(
        f"图片超过 {MAX_PIXELS // 1_000_000} 百万像素，请缩小后再上传。", code="too-many-pixels"
    )
