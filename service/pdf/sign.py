"""The signature over the finished PDF: PAdES B-B (ETSI EN 319 142-1 §6), invisible, certifying.

Nothing may touch the file afterwards. The private key stays with the caller.
"""

import asyncio
import io
from collections.abc import Callable
from typing import Any

from asn1crypto import cms, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, Signer

from service.errors import SealError
from service.pdf.timestamp import TOKEN_BYTES, StampRule, time_stamp
from service.pdf.whole import stamp_attributes, stamp_statement

SIGNATURE_FIELD = "wenyin"
"""Name of the one signature field."""

_DIGEST = "sha256"
# Set aside for the CMS object beside the certificate; a 3,072-bit signature and the attributes take
# about 1,000. Without a number pyHanko signs twice to find out.
_BESIDE_CERTIFICATE_BYTES = 1_600


class _Appender(IncrementalPdfFileWriter):
    """Appends the signature and nothing else: title, dates and the PDF/A mark stay as they are."""

    def _update_meta(self) -> None:
        """Leave the metadata alone; pyHanko would write itself and the present time into it."""


class _CallbackSigner(Signer):
    """Hands the bytes to be signed to a function, so that no key object is parsed per document."""

    def __init__(
        self, certificate_der: bytes, sign: Callable[[bytes], bytes], stamping: StampRule | None = None
    ) -> None:
        certificate = x509.Certificate.load(certificate_der)
        super().__init__(signing_cert=certificate)
        self._sign = sign
        self._stamping = stamping

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: ARG002 - the base class asks for it
        assert digest_algorithm == _DIGEST  # noqa: S101 - fixed below
        return self._sign(data)

    async def unsigned_attrs(
        self, digest_algorithm: str, signature: bytes, *_: Any, **__: Any
    ) -> cms.CMSAttributes | None:
        assert digest_algorithm == _DIGEST  # noqa: S101 - fixed below
        if self._stamping is None:
            return None
        token = time_stamp(signature, self._stamping)
        return stamp_attributes(token, self._sign(stamp_statement(token)))


def sign_pdf(
    pdf: bytes,
    certificate_der: bytes,
    sign: Callable[[bytes], bytes],
    stamping: StampRule | None = None,
) -> bytes:
    """Append the signature to a finished PDF.

    Args:
        pdf: The file; it remains the beginning of the result, byte for byte.
        certificate_der: The signer's X.509 certificate, RSA.
        sign: RSASSA-PKCS1-v1_5 with SHA-256 over the bytes it is given.
        stamping: Where a time stamp over the signature comes from (PAdES B-T); ``None`` has none.

    Returns:
        The signed file. It holds the time of signing, so that two calls differ.

    Raises:
        SealError: The file cannot be signed; with ``type_code`` `TIME_STAMP_FAILED` for want of a time stamp.
    """
    metadata = PdfSignatureMetadata(
        field_name=SIGNATURE_FIELD,
        md_algorithm=_DIGEST,
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
    )
    signer = PdfSigner(metadata, _CallbackSigner(certificate_der, sign, stamping))
    output = io.BytesIO()
    try:
        writer = _Appender(io.BytesIO(pdf))
        beside = _BESIDE_CERTIFICATE_BYTES + (TOKEN_BYTES if stamping else 0)
        reserved = 2 * (len(certificate_der) + beside)  # in hex digits
        asyncio.run(signer.async_sign_pdf(writer, output=output, bytes_reserved=reserved))
    except SealError:
        raise
    except Exception as error:  # a library's errors of a dozen kinds, all of them ours to answer for
        raise SealError("成品未能加上 PDF 数字签名。", detail=repr(error)) from error
    return output.getvalue()
