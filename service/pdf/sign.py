"""The signature over the finished PDF: PAdES B-B (ETSI EN 319 142-1 §6), invisible, certifying.

Nothing may touch the file afterwards. The private key stays with the caller.
"""

import asyncio
import hashlib
import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
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


@dataclass(frozen=True, slots=True)
class _Mould:
    """A signature over nothing, of which all but two numbers stays as it is from one document to the next.

    Attributes:
        attributes: The signed attributes, DER.
        container: The CMS object, DER.
        digest: Stands in both where the document's digest belongs.
        signature: Stands where the signature belongs.
    """

    attributes: bytes
    container: bytes
    digest: bytes
    signature: bytes

    def fill(self, digest: bytes, sign: Callable[[bytes], bytes]) -> bytes:
        """Return the CMS object over a document's digest."""
        signature = sign(self.attributes.replace(self.digest, digest))
        assert len(signature) == len(self.signature)  # noqa: S101 - one key, one length
        return self.container.replace(self.digest, digest).replace(self.signature, signature)


@lru_cache(maxsize=64)
def _mould(certificate_der: bytes) -> _Mould:
    """Have pyHanko sign once; putting the same objects together costs ten times as much as signing."""
    seen: list[bytes] = []
    certificate = x509.Certificate.load(certificate_der)
    digest = secrets.token_bytes(hashlib.new(_DIGEST).digest_size)
    signature = secrets.token_bytes(certificate.public_key.byte_size)

    def pretend(attributes: bytes) -> bytes:
        seen.append(attributes)
        return signature

    plain = _CallbackSigner(certificate_der, pretend)
    made = asyncio.run(plain.async_sign(digest, _DIGEST, use_pades=True))
    mould = _Mould(seen[0], made.dump(), digest, signature)
    counts = mould.attributes.count(digest), mould.container.count(digest), mould.container.count(signature)
    assert counts == (1, 1, 1)  # noqa: S101 - or the parts cannot be told apart
    return mould


class _MouldSigner(Signer):
    """Fills a mould; knows nothing of attributes that differ by document, so none may be asked for."""

    def __init__(self, certificate_der: bytes, sign: Callable[[bytes], bytes]) -> None:
        super().__init__(signing_cert=x509.Certificate.load(certificate_der))
        self._mould = _mould(certificate_der)
        self._sign = sign

    async def async_sign(
        self, data_digest: bytes, digest_algorithm: str, *_: Any, **__: Any
    ) -> cms.ContentInfo:
        assert digest_algorithm == _DIGEST  # noqa: S101 - fixed below
        return cms.ContentInfo.load(self._mould.fill(data_digest, self._sign))


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
    output = io.BytesIO()
    try:
        # A time stamp is an attribute that differs by document.
        made_by = (
            _CallbackSigner(certificate_der, sign, stamping)
            if stamping
            else _MouldSigner(certificate_der, sign)
        )
        signer = PdfSigner(metadata, made_by)
        writer = _Appender(io.BytesIO(pdf))
        beside = _BESIDE_CERTIFICATE_BYTES + (TOKEN_BYTES if stamping else 0)
        reserved = 2 * (len(certificate_der) + beside)  # in hex digits
        asyncio.run(signer.async_sign_pdf(writer, output=output, bytes_reserved=reserved))
    except SealError:
        raise
    except Exception as error:  # a library's errors of a dozen kinds, all of them ours to answer for
        raise SealError("成品未能加上 PDF 数字签名。", detail=repr(error)) from error
    return output.getvalue()
