"""Hand-made tokens and documents, built without the code under test."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import date
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from service.model import Claims
from service.verification import TokenKey

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
NAMESPACES = (
    f'xmlns:w="{W}" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:v="urn:schemas-microsoft-com:vml"'
)
NOTICE = Claims(
    doc_type=1,
    title="关于印发《2021年“全国科技工作者日”活动实施方案》的通知",
    ref="科协办发组字〔2021〕15号",
    issued_on=date(2021, 4, 23),
    pages=6,
    pdf_text_mac=bytes(range(8)),
    docx_text_mac=bytes(range(8, 16)),
)
"""A notice as the reference measures it: reference number, title, pages, two digests."""


def sign(
    key: TokenKey,
    payload: bytes,
    *,
    protected: bytes | None = None,
    unprotected: bytes = b"\xa0",
    high_s: bool = False,
    prefix: bytes = b"",
    suffix: bytes = b"",
    aad: bytes = b"wenyin/1",
) -> bytes:
    """Return a token with a good signature over any payload, in any frame."""
    head = b"\xa2\x01\x26\x04\x44" + key.kid if protected is None else protected
    structure = cbor2.dumps(["Signature1", head, aad, payload])
    r, s = decode_dss_signature(key.private_key.sign(structure, ec.ECDSA(hashes.SHA256())))
    low = min(s, ORDER - s)
    s = ORDER - low if high_s else low
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    body = b"\x84" + cbor2.dumps(head) + unprotected + cbor2.dumps(payload) + cbor2.dumps(signature)
    return prefix + body + suffix


def document_id(key: TokenKey, payload: bytes) -> str:
    """Return the rid of a payload, by the reference's formula."""
    head = b"\xa2\x01\x26\x04\x44" + key.kid
    return hashlib.sha256(cbor2.dumps(["Signature1", head, b"wenyin/1", payload])).hexdigest()[:16]


def payload_of(token: bytes) -> bytes:
    """Return the payload by a plain CBOR reading."""
    value: Any = cbor2.loads(token)
    return bytes(value[2])


def story(body: str, root: str = "document") -> bytes:
    """Return a WordprocessingML part."""
    inner = f"<w:body>{body}<w:sectPr/></w:body>" if root == "document" else body
    return f"<?xml version='1.0' encoding='UTF-8'?><w:{root} {NAMESPACES}>{inner}</w:{root}>".encode()


def paragraph(*runs: str) -> str:
    """Return a paragraph of plain runs; a run that begins with ``<`` is put in as it is."""
    made = (run if run.startswith("<") else f"<w:r><w:t>{run}</w:t></w:r>" for run in runs)
    return "<w:p>" + "".join(made) + "</w:p>"


def field(instruction: str, result: str) -> str:
    """Return a complex field."""
    return (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
        f"<w:r><w:instrText> {instruction} </w:instrText></w:r>"
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r>'
        f'<w:r><w:t>{result}</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )


def zip_of(parts: Mapping[str, bytes]) -> bytes:
    """Return a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()
