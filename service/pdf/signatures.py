"""Signatures of a PDF that somebody brought. For hostile files: run it where it may be killed."""

import io
import logging
from collections.abc import Sequence

from asn1crypto import cms, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko_certvalidator import ValidationContext

from service.model import PdfSignature

_MARK = b"/ByteRange"


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
    if _MARK not in pdf:
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
    """Return whether the part that no signature can cover, itself, is as we write it.

    The hex digits between the two signed ranges could otherwise hide data: after the CMS object,
    in its unsigned attributes, among its certificates. What follows from the signed attributes
    and the certificate alone is built anew and compared.
    """
    content = signature.signed_data
    signer = content["signer_infos"][0]
    rebuilt = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": "data"},
            "certificates": [certificate],
            "signer_infos": [
                {
                    "version": "v1",
                    "sid": {
                        "issuer_and_serial_number": {
                            "issuer": certificate.issuer,
                            "serial_number": certificate.serial_number,
                        }
                    },
                    "digest_algorithm": {"algorithm": "sha256"},
                    "signed_attrs": signer["signed_attrs"],
                    "signature_algorithm": signer["signature_algorithm"],
                    "signature": signer["signature"].native,
                }
            ],
        }
    )
    whole = cms.ContentInfo({"content_type": "signed_data", "content": rebuilt}).dump()
    _, begin, end, _ = signature.byte_range
    gap = _range_of(signature, begin, end)
    return bool(gap == b"<" + whole.hex().upper().encode().ljust(len(gap) - 2, b"0") + b">")


def _range_of(signature: EmbeddedPdfSignature, begin: int, end: int) -> bytes:
    stream = signature.reader.stream
    stream.seek(begin)
    found: bytes = stream.read(end - begin)
    return found
