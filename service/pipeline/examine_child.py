"""Look into an uploaded file, in a process that may be killed.

Run as ``python -m service.pipeline.examine_child KIND FILE ANCHORS``, or forked from the warm process of
`service.pipeline.examine_server`; the answer is one JSON object::

    {"codes": [[text, page]…], "pages": …, "texts": [[text of a page…]…], "flags": […], "scan": …,
     "signature": {…}, "thorough": …}

or ``{"error": {"code", "message"}}``. Pages count from 1; texts are those of one extractor after the
other. ANCHORS holds the issuers' certificates as a JSON list of Base64: public things only, for this
process opens what strangers send.
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
from service.evidence import PdfSignature
from service.pdf import is_scan, page_count, page_texts, render_pages
from service.pdf.whole import BYTE_RANGE, examine_whole
from service.verification import PHOTO_SCALES, decode_picture, decode_symbols, docx_flags, docx_text

MAX_PIXELS = 100_000_000
"""Largest picture that Pillow unpacks."""

_DPI = (200, 300)
_MORE_DPI = (150, 400)
_FEW_PAGES = 5  # a scan's code may read at one resolution only; long files would take too long
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff")
_PICTURE_LIMIT = 50
# One empty page: what PDFium loads for its first document, it loads here.
_BLANK = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>"
)


def examine(
    kind: str, data: bytes, anchors: Sequence[bytes] = (), *, thorough: bool = True
) -> dict[str, Any]:
    """Return the texts, QR contents, flags and signature of a file.

    Args:
        kind: ``pdf``, ``docx`` or ``picture``.
        data: The file.
        anchors: DER certificates that a PDF signature may be made with.
        thorough: Whether a PDF's text is read by a second library, and a signature looked into that is
            not simply good; that takes several times as long as all the rest.

    Raises:
        RequestError: The file cannot be read, or must not be.
    """
    if kind == "pdf":
        return _examine_pdf(data, anchors, thorough=thorough)
    if kind == "picture":
        found = decode_picture(data, PHOTO_SCALES)
        return {"codes": [[text, 1] for text in found], "pages": 1, "texts": [], "scan": True}
    return _examine_docx(data)


def _examine_pdf(data: bytes, anchors: Sequence[bytes], *, thorough: bool) -> dict[str, Any]:
    pages = page_count(data)
    texts = [page_texts(data)]
    signature = _signature(data, anchors, thorough=thorough)
    if thorough:
        from service.pdf.second import pypdf_text  # noqa: PLC0415 - half the memory of the warm process

        # PDFium has read it; the second opinion may fail.
        with contextlib.suppress(RequestError):
            texts.append(pypdf_text(data))
    return {
        "codes": _codes(data, pages),
        "pages": pages,
        "texts": texts,
        "scan": is_scan(data) or not any(text.strip() for pages_read in texts for text in pages_read),
        "signature": None if signature is None else dataclasses.asdict(signature),
        "thorough": thorough,
    }


def _codes(data: bytes, pages: int) -> list[list[Any]]:
    """Return the text and page of each code; a sheet full of small ones is looked at more closely."""
    found: dict[tuple[str, int], None] = {}
    for dpi in (*_DPI, *_MORE_DPI) if pages <= _FEW_PAGES else _DPI:
        before = len(found)
        for number, page in enumerate(render_pages(data, dpi), 1):
            found.update(dict.fromkeys((text, number) for text in decode_symbols(page)))
        if found and (len(found) <= 1 or len(found) == before):
            break
    return [[text, number] for text, number in sorted(found, key=lambda item: item[1])]


def _signature(data: bytes, anchors: Sequence[bytes], *, thorough: bool) -> PdfSignature | None:
    if BYTE_RANGE not in data:
        return PdfSignature()
    whole = examine_whole(data, anchors)
    if whole is not None or not thorough:
        return whole
    from service.pdf.signatures import examine_signatures  # noqa: PLC0415 - half the memory of the warm process

    return examine_signatures(data, anchors)


def _examine_docx(data: bytes) -> dict[str, Any]:
    parts = read_docx(data)
    pictures = [name for name in parts if name.lower().endswith(_PICTURES)]
    codes: dict[str, None] = {}
    for name in pictures[:_PICTURE_LIMIT]:
        try:
            codes.update(dict.fromkeys(decode_picture(parts[name])))
        except RequestError:
            continue
    return {
        "codes": [[text, None] for text in codes],
        "pages": None,
        "texts": [[docx_text(parts)]],
        "flags": list(docx_flags(parts)),
    }


def answer(kind: str, data: bytes, anchors: Sequence[str], *, thorough: bool) -> dict[str, Any]:
    """Return what `examine` finds, or the error that it ends with, ready for JSON.

    Args:
        kind: See `examine`.
        data: The file.
        anchors: Certificates, Base64.
        thorough: See `examine`.
    """
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        return examine(kind, data, [base64.b64decode(text) for text in anchors], thorough=thorough)
    except RequestError as error:
        return {"error": {"code": error.type_code, "message": str(error)}}


def warm_up() -> None:
    """Load what the first upload would have to wait for."""
    for page in render_pages(_BLANK, 72):
        decode_symbols(page)
    Image.init()


def main(arguments: list[str]) -> None:
    """Examine the file named on the command line and print the result."""
    kind, path, anchors = arguments
    result = answer(kind, Path(path).read_bytes(), json.loads(Path(anchors).read_bytes()), thorough=True)
    output = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
    json.dump(result, output, ensure_ascii=True)
    output.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
