"""Sealing and verifying: token, keys, text digests, QR code, verdict.

Knows nothing of PDF, HTTP or settings: other stages extract the text and rasterise the
pages, and hand the results in.
"""

from service.verification.certificates import PdfCertificate, PdfKey
from service.verification.docxtext import docx_flags, docx_text, doubtful_text
from service.verification.issuers import Issuer, KeyStatus, TokenKey, VerifyKey
from service.verification.keyadmin import (
    add_issuer,
    create_development_issuer,
    give_development_certificate,
    import_certificate,
    revoke_document,
    rotate_certificate,
    rotate_key,
    set_key_status,
)
from service.verification.keys import KeyRing, china_today
from service.verification.payload import MOST_TYPES, TYPE_NAMES
from service.verification.qr import (
    PHOTO_SCALES,
    QR_TOO_DENSE,
    QrSymbol,
    decode_picture,
    decode_symbols,
    make_symbol,
    module_mm,
    packed_rows,
    png_bytes,
)
from service.verification.seal import Seal, make_seal
from service.verification.several import ExaminedFile, FoundCode, judge_file
from service.verification.text import canonical_text, label_text, readable_text, text_mac
from service.verification.token import BadTokenError, DecodedToken, decode_token, mint_token, rid
from service.verification.trust import Trust, TrustFolder
from service.verification.urls import token_from_url, verify_url
from service.verification.verdict import FileKind, Verifier, as_exact

__all__ = [
    "MOST_TYPES",
    "PHOTO_SCALES",
    "QR_TOO_DENSE",
    "TYPE_NAMES",
    "BadTokenError",
    "DecodedToken",
    "ExaminedFile",
    "FileKind",
    "FoundCode",
    "Issuer",
    "KeyRing",
    "KeyStatus",
    "PdfCertificate",
    "PdfKey",
    "QrSymbol",
    "Seal",
    "TokenKey",
    "Trust",
    "TrustFolder",
    "Verifier",
    "VerifyKey",
    "add_issuer",
    "as_exact",
    "canonical_text",
    "china_today",
    "create_development_issuer",
    "decode_picture",
    "decode_symbols",
    "decode_token",
    "docx_flags",
    "docx_text",
    "doubtful_text",
    "give_development_certificate",
    "import_certificate",
    "judge_file",
    "label_text",
    "make_seal",
    "make_symbol",
    "mint_token",
    "module_mm",
    "packed_rows",
    "png_bytes",
    "readable_text",
    "revoke_document",
    "rid",
    "rotate_certificate",
    "rotate_key",
    "set_key_status",
    "text_mac",
    "token_from_url",
    "verify_url",
]
