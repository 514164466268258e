"""Look into an uploaded file, in a process that may be killed.

Run as ``python -m service.pipeline.examine_child KIND FILE ANCHORS``; prints one JSON object:
``{"texts": […], "qr_texts": […], "flags": […], "scan": …, "signature": {…}}`` or
``{"error": {"code", "message"}}``. ANCHORS holds the issuers' certificates as a JSON list of
Base64: public things only, for this process opens what strangers send.
"""

import base64
import contextlib
import dataclasses
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from service.archive import read_docx
from service.errors import RequestError
from service.model import PdfSignature
from service.pdf import is_scan, page_count, pdf_text, pypdf_text, render_pages
from service.verification import PHOTO_SCALES, decode_picture, decode_symbols, docx_flags, docx_text

_DPI = (200, 300)
_MORE_DPI = (150, 400)
_FEW_PAGES = 5  # a scan's code may read at one resolution only; long files would take too long
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")
_PICTURE_LIMIT = 50


def examine(kind: str, data: bytes, anchors: Sequence[bytes] = ()) -> dict[str, Any]:
    """Return the texts, QR contents, flags and signature of a file.

    Args:
        kind: ``pdf``, ``docx`` or ``picture``.
        data: The file.
        anchors: DER certificates that a PDF signature may be made with.

    Raises:
        RequestError: The file cannot be read, or must not be.
    """
    if kind == "pdf":
        return _examine_pdf(data, anchors)
    if kind == "picture":
        found = list(decode_picture(data, PHOTO_SCALES))
        return {"texts": [], "qr_texts": found, "flags": [], "scan": True}
    return _examine_docx(data)


def _examine_pdf(data: bytes, anchors: Sequence[bytes]) -> dict[str, Any]:
    qr_texts: dict[str, None] = {}
    resolutions = (*_DPI, *_MORE_DPI) if page_count(data) <= _FEW_PAGES else _DPI
    for dpi in resolutions:
        for page in render_pages(data, dpi):
            qr_texts.update(dict.fromkeys(decode_symbols(page)))
        if qr_texts:
            break
    texts = [pdf_text(data)]
    # PDFium has read it; the second opinion may fail.
    with contextlib.suppress(RequestError):
        texts.append(pypdf_text(data))
    signature = dataclasses.asdict(_signature(data, anchors))
    scan = is_scan(data) or not any(text.strip() for text in texts)
    return {
        "texts": texts,
        "qr_texts": list(qr_texts),
        "flags": [],
        "scan": scan,
        "signature": signature,
    }


def _signature(data: bytes, anchors: Sequence[bytes]) -> PdfSignature:
    if b"/ByteRange" not in data:
        return PdfSignature()
    from service.pdf.signatures import examine_signatures  # noqa: PLC0415 - doubles the start of this process

    return examine_signatures(data, anchors)


def _examine_docx(data: bytes) -> dict[str, Any]:
    parts = read_docx(data)
    pictures = [name for name in parts if name.lower().endswith(_PICTURES)]
    qr_texts: dict[str, None] = {}
    for name in pictures[:_PICTURE_LIMIT]:
        try:
            qr_texts.update(dict.fromkeys(decode_picture(parts[name])))
        except RequestError:
            continue
    return {"texts": [docx_text(parts)], "qr_texts": list(qr_texts), "flags": list(docx_flags(parts))}


def _anchors(path: Path) -> list[bytes]:
    return [base64.b64decode(text) for text in json.loads(path.read_bytes())]


def main(arguments: list[str]) -> None:
    """Examine the file named on the command line and print the result."""
    Image.MAX_IMAGE_PIXELS = 100_000_000
    kind, path, anchors = arguments
    result: dict[str, Any]
    try:
        result = examine(kind, Path(path).read_bytes(), _anchors(Path(anchors)))
    except RequestError as error:
        result = {"error": {"code": error.type_code, "message": str(error)}}
    output = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
    json.dump(result, output, ensure_ascii=True)
    output.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
