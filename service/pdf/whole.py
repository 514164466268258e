"""A PDF that is, byte for byte, one that an issuer's key signed; in milliseconds and without a PDF parser.

The service signs whole files only, in one form. A file that ends in such a signature, with every byte
outside it signed and the signature itself written as we write it, holds nothing that the key did not
sign, whatever a parser would make of it. Anything else is left to `service.pdf.signatures`.
"""

import datetime
import hashlib
import re
from collections.abc import Sequence
from typing import Any

from asn1crypto import cms, core, x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from service.evidence import PdfSignature

BYTE_RANGE = b"/ByteRange"
"""What every signed PDF holds (ISO 32000-1 §12.8.1)."""

_RANGE = re.compile(rb"/ByteRange \[0 (\d{1,12}) (\d{1,12}) (\d{1,12})\s*\]")
_MARK = b"/ByteRange ["
_GAP_BYTES = 200_000
_STAMP_LABEL = b"wenyin-time-stamp\0"
# An arc that anyone may use: 2.25 and a UUID (ITU-T X.667 §7).
_STAMP_OWN = "2.25.204915671530862319745620389746215033089"


def examine_whole(pdf: bytes, anchors: Sequence[bytes]) -> PdfSignature | None:
    """Tell whether a file is just as one of the issuers signed it.

    Args:
        pdf: Untrusted.
        anchors: DER certificates of the known issuers.

    Returns:
        Findings that are good in every point; or those of one signature that is plainly another's or
        plainly broken; ``None`` where it is not so simple.
    """
    place = pdf.rfind(_MARK)
    found = _RANGE.match(pdf, place) if place >= 0 else None
    if found is None:
        return None
    begin, end, length = map(int, found.groups())
    if not begin < end <= begin + _GAP_BYTES:
        return None
    gap = pdf[begin:end]
    try:
        signed_data = _signed_data(gap)
        certificate = _certificate(signed_data)
        known = certificate.dump() in anchors
        digest = hashlib.sha256(pdf[:begin])
        digest.update(pdf[end:])
        good = (
            known
            and end + length == len(pdf)
            and is_written_by_us(gap, signed_data, certificate)
            and _is_signed(signed_data["signer_infos"][0], certificate, digest.digest())
        )
    except Exception:  # a parser under attack raises whatever it stumbles over
        return None
    if good:
        return PdfSignature(1, True, True, True, certificate.sha256.hex())
    if pdf.count(BYTE_RANGE) > 1:
        return None
    return PdfSignature(1, certificate_sha256=certificate.sha256.hex() if known else None)


def is_written_by_us(gap: bytes, signed_data: cms.SignedData, certificate: x509.Certificate) -> bool:
    """Tell whether a signature is in the one form in which we write it.

    What no signature can cover, itself, could otherwise hide data: after the CMS object, in its
    unsigned attributes, among its certificates. What follows from the signed attributes and the
    certificate alone is built anew, to be compared. The time stamp, if there is one, follows from
    neither: the issuer's key has signed it, too, so that no other can take its place.

    Args:
        gap: The bytes between the two signed ranges: hex digits in angle brackets.
        signed_data: What was found in them.
        certificate: The signer's.
    """
    signer = signed_data["signer_infos"][0]
    stamped = _stamped(signer, certificate)
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
                    "signature_algorithm": {"algorithm": "sha256_rsa"},
                    "signature": signer["signature"].native,
                    **({"unsigned_attrs": stamped} if stamped is not None else {}),
                }
            ],
        }
    )
    whole = cms.ContentInfo({"content_type": "signed_data", "content": rebuilt}).dump()
    return bool(gap == b"<" + whole.hex().upper().encode().ljust(len(gap) - 2, b"0") + b">")


def stamp_statement(token: cms.ContentInfo) -> bytes:
    """Return what the issuer's key signs beside a time stamp.

    Args:
        token: The time stamp.
    """
    content: bytes = token.dump()
    return _STAMP_LABEL + content


def stamp_attributes(token: cms.ContentInfo, own_signature: bytes) -> cms.CMSAttributes:
    """Return the unsigned attributes of a signature with a time stamp (ETSI EN 319 122-1 §5.3).

    Args:
        token: The time stamp.
        own_signature: The issuer's, over `stamp_statement`.
    """
    attributes = [
        {"type": "signature_time_stamp_token", "values": [token]},
        {"type": _STAMP_OWN, "values": [core.OctetString(own_signature)]},
    ]
    return cms.CMSAttributes([cms.CMSAttribute(attribute) for attribute in attributes])


def _stamped(signer: cms.SignerInfo, certificate: x509.Certificate) -> cms.CMSAttributes | None:
    """Return the unsigned attributes built anew; ``None`` where there are none.

    Raises:
        ValueError: They are not a time stamp that the issuer's key has signed.
        InvalidSignature: They are, by the look of it.
    """
    if not isinstance(signer["unsigned_attrs"], cms.CMSAttributes):
        return None
    found = {attribute["type"].native: attribute["values"] for attribute in signer["unsigned_attrs"]}
    (token,) = found["signature_time_stamp_token"]
    (own,) = found[_STAMP_OWN]
    own_signature = core.OctetString.load(own.dump()).native
    statement = stamp_statement(token)
    key = serialization.load_der_public_key(certificate.public_key.dump())
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("not RSA")
    key.verify(own_signature, statement, padding.PKCS1v15(), hashes.SHA256())
    return stamp_attributes(token, own_signature)


def _signed_data(gap: bytes) -> cms.SignedData:
    return cms.ContentInfo.load(bytes.fromhex(gap[1:-1].decode("ascii")))["content"]


def _certificate(signed_data: cms.SignedData) -> x509.Certificate:
    (choice,) = signed_data["certificates"]
    return x509.Certificate.load(choice.chosen.dump())


def _is_signed(signer: cms.SignerInfo, certificate: x509.Certificate, digest: bytes) -> bool:
    said: dict[str, Any] = {
        attribute["type"].native: attribute["values"] for attribute in signer["signed_attrs"]
    }
    if said["content_type"].native != ["data"] or said["message_digest"].native != [digest]:
        return False
    if not certificate.not_valid_before <= datetime.datetime.now(datetime.UTC) <= certificate.not_valid_after:
        return False
    key = serialization.load_der_public_key(certificate.public_key.dump())
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    # RFC 5652 §5.4: the attributes are signed as a SET OF, whatever their tag in the message.
    covered = signer["signed_attrs"].untag().dump()
    try:
        key.verify(signer["signature"].native, covered, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
