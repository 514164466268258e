"""Look into an uploaded file, in a process that may be killed.

Run as ``python -m service.pipeline.examine_child KIND FILE``; prints one JSON object:
``{"texts": […], "qr_texts": […], "flags": […]}`` or ``{"error": {"code", "message"}}``.
"""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from service.archive import read_docx
from service.errors import RequestError
from service.pdf import pdf_text, pypdf_text, render_pages
from service.verification import decode_picture, decode_symbols, docx_flags, docx_text

_DPI = (200, 300)
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")
_PICTURE_LIMIT = 50


def examine(kind: str, data: bytes) -> dict[str, list[str]]:
    """Return the texts, QR contents and flags of a file.

    Args:
        kind: ``pdf`` or ``docx``.
        data: The file.

    Raises:
        RequestError: The file cannot be read, or must not be.
    """
    return _examine_pdf(data) if kind == "pdf" else _examine_docx(data)


def _examine_pdf(data: bytes) -> dict[str, list[str]]:
    qr_texts: dict[str, None] = {}
    for dpi in _DPI:
        for page in render_pages(data, dpi):
            qr_texts.update(dict.fromkeys(decode_symbols(page)))
        if qr_texts:
            break
    texts = [pdf_text(data)]
    # PDFium has read it; the second opinion may fail.
    with contextlib.suppress(RequestError):
        texts.append(pypdf_text(data))
    return {"texts": texts, "qr_texts": list(qr_texts), "flags": []}


def _examine_docx(data: bytes) -> dict[str, list[str]]:
    parts = read_docx(data)
    pictures = [name for name in parts if name.lower().endswith(_PICTURES)]
    qr_texts: dict[str, None] = {}
    for name in pictures[:_PICTURE_LIMIT]:
        try:
            qr_texts.update(dict.fromkeys(decode_picture(parts[name])))
        except RequestError:
            continue
    return {"texts": [docx_text(parts)], "qr_texts": list(qr_texts), "flags": list(docx_flags(parts))}


def main(arguments: list[str]) -> None:
    """Examine the file named on the command line and print the result."""
    Image.MAX_IMAGE_PIXELS = 100_000_000
    kind, path = arguments
    result: dict[str, Any]
    try:
        result = dict(examine(kind, Path(path).read_bytes()))
    except RequestError as error:
        result = {"error": {"code": error.type_code, "message": str(error)}}
    output = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
    json.dump(result, output, ensure_ascii=True)
    output.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
