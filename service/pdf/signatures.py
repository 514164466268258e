"""Signatures of a PDF that somebody brought. For hostile files: run it where it may be killed."""

import io
import logging
from collections.abc import Sequence

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko_certvalidator import ValidationContext

from service.evidence import PdfSignature
from service.pdf.whole import BYTE_RANGE, is_written_by_us


def examine_signatures(pdf: bytes, anchors: Sequence[bytes]) -> PdfSignature:
    """Tell what the signatures of a PDF are worth.

    Coverage is judged here and not by pyHanko's bottom line alone: that stays good when metadata
    is appended after signing.

    Args:
        pdf: Untrusted.
        anchors: DER certificates of the known issuers.

    Returns:
        The findings; a file whose signatures cannot be read has one that is not intact.
    """
    if BYTE_RANGE not in pdf:
        return PdfSignature()
    logging.disable(logging.CRITICAL)  # pyHanko logs the broken file at length
    try:
        found = PdfFileReader(io.BytesIO(pdf), strict=True).embedded_signatures
        if len(found) != 1:
            return PdfSignature(count=len(found))
        return _weigh(found[0], anchors)
    except Exception:  # a parser under attack raises whatever it stumbles over
        return PdfSignature(count=1)
    finally:
        logging.disable(logging.NOTSET)


def _weigh(signature: EmbeddedPdfSignature, anchors: Sequence[bytes]) -> PdfSignature:
    der = signature.signer_cert.dump()
    if der not in anchors:
        return PdfSignature(count=1)
    root = x509.Certificate.load(der)
    status = validate_pdf_signature(signature, ValidationContext(trust_roots=[root], allow_fetching=False))
    sound = status.intact and status.valid and status.trusted and status.bottom_line
    return PdfSignature(
        count=1,
        intact=bool(sound) and _has_one_form(signature, root),
        whole_file=status.coverage is SignatureCoverageLevel.ENTIRE_FILE,
        unchanged=status.docmdp_ok is True,
        certificate_sha256=root.sha256.hex(),
    )


def _has_one_form(signature: EmbeddedPdfSignature, certificate: x509.Certificate) -> bool:
    _, begin, end, _ = signature.byte_range
    return is_written_by_us(_range_of(signature, begin, end), signature.signed_data, certificate)


def _range_of(signature: EmbeddedPdfSignature, begin: int, end: int) -> bytes:
    stream = signature.reader.stream
    stream.seek(begin)
    found: bytes = stream.read(end - begin)
    return found
