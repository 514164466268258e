"""The PDF signature: what it covers, who made it, what breaks it."""

import io
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest
from asn1crypto import cms
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, signers

from service.errors import SealError
from service.evidence import PdfSignature
from service.pdf.sign import _CallbackSigner, sign_pdf
from service.pdf.signatures import examine_signatures
from service.pdf.whole import examine_whole
from service.verification import KeyRing, PdfKey, add_issuer

GOOD = {"count": 1, "intact": True, "whole_file": True, "unchanged": True}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[PdfKey, PdfKey]:
    """Two issuers' keys."""
    folder = tmp_path_factory.mktemp("keys") / "keys"
    add_issuer(folder, "a", "甲单位")
    add_issuer(folder, "b", "乙单位")
    ring = KeyRing.load(folder)
    found = ring.pdf_key("a"), ring.pdf_key("b")
    assert found[0] is not None
    assert found[1] is not None
    return found[0], found[1]


@pytest.fixture(scope="module")
def bare() -> bytes:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    writer.add_blank_page(200, 200)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def signed(keys: tuple[PdfKey, PdfKey], bare: bytes) -> bytes:
    return sign_pdf(bare, keys[0].certificate.der, keys[0].sign)


def test_signature_is_good_over_the_whole_file(
    keys: tuple[PdfKey, PdfKey], bare: bytes, signed: bytes
) -> None:
    assert signed.startswith(bare)
    found = examine_signatures(signed, [key.certificate.der for key in keys])
    assert found == PdfSignature(**GOOD, certificate_sha256=keys[0].certificate.sha256)  # type: ignore[arg-type]
    assert examine_whole(signed, [key.certificate.der for key in keys]) == found
    assert examine_signatures(bare, []) == PdfSignature()
    assert examine_whole(bare, [keys[0].certificate.der]) is None


def is_good(found: PdfSignature | None) -> bool:
    return found is not None and found.intact and found.whole_file and found.unchanged


def test_quick_look_is_never_kinder_than_the_long_one(
    keys: tuple[PdfKey, PdfKey], bare: bytes, signed: bytes
) -> None:
    ours = [keys[0].certificate.der]
    assert is_good(examine_whole(signed, ours))
    for place in range(len(bare), len(signed)):
        changed = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
        assert not is_good(examine_whole(changed, ours)), place
    for place in range(0, len(bare), 7):
        assert not is_good(examine_whole(signed[:place] + signed[place + 1 :], ours)), place
    for other in (signed + b"\n", signed + signed, b" " + signed, b"", b"/ByteRange [0 1 2 3]"):
        assert not is_good(examine_whole(other, ours))


def test_quick_look_and_long_one_agree_on_what_is_wrong(
    keys: tuple[PdfKey, PdfKey], bare: bytes, signed: bytes
) -> None:
    ours = [keys[0].certificate.der]
    stranger = sign_pdf(bare, keys[1].certificate.der, keys[1].sign)
    assert examine_whole(stranger, ours) == examine_signatures(stranger, ours) == PdfSignature(count=1)
    forged = sign_pdf(bare, keys[0].certificate.der, keys[1].sign)
    for broken in (forged, signed + b"\n", signed.replace(b"/MediaBox", b"/MediaBax", 1)):
        quick, thorough = examine_whole(broken, ours), examine_signatures(broken, ours)
        assert quick is not None
        assert quick.certificate_sha256 == thorough.certificate_sha256 == keys[0].certificate.sha256
        assert not is_good(quick)
        assert not is_good(thorough)
    # Two of them, or none that can be read, are left to the long look.
    for unclear in (add_metadata(signed) + b"/ByteRange", b"%PDF-1.7 /ByteRange"):
        assert examine_whole(unclear, ours) is None


def test_signature_of_an_unknown_certificate_shows_nothing(
    keys: tuple[PdfKey, PdfKey], signed: bytes
) -> None:
    assert examine_signatures(signed, [keys[1].certificate.der]) == PdfSignature(count=1)


def test_signature_by_another_key_under_our_certificate_is_not_intact(
    keys: tuple[PdfKey, PdfKey], bare: bytes
) -> None:
    forged = sign_pdf(bare, keys[0].certificate.der, keys[1].sign)
    assert not examine_signatures(forged, [key.certificate.der for key in keys]).intact


@pytest.mark.parametrize("seed", range(20))
def test_no_byte_may_change(keys: tuple[PdfKey, PdfKey], signed: bytes, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        content = bytearray(signed)
        content[chance.randrange(len(signed))] ^= 1 << chance.randrange(8)
        found = examine_signatures(bytes(content), [keys[0].certificate.der])
        assert not (found.intact and found.whole_file and found.unchanged)


def test_letter_case_and_padding_of_the_signature_may_not_change(
    keys: tuple[PdfKey, PdfKey], signed: bytes
) -> None:
    begin = signed.index(b"/Contents <") + len(b"/Contents <")
    end = signed.index(b">", begin)
    digits = signed[begin:end]
    used = digits.rstrip(b"0")
    for changed in (used.swapcase().ljust(len(digits), b"0"), digits[:-2] + b"41", digits[:-1] + b" "):
        content = signed[:begin] + changed + signed[end:]
        assert content != signed
        assert not examine_signatures(content, [keys[0].certificate.der]).intact


def add_metadata(pdf: bytes) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(pdf), incremental=True)
    writer.add_metadata({"/Subject": "x"})
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("change", [lambda pdf: pdf + b"\n", lambda pdf: pdf + b"%x", add_metadata])
def test_nothing_may_be_appended(
    keys: tuple[PdfKey, PdfKey], signed: bytes, change: Callable[[bytes], bytes]
) -> None:
    changed = change(signed)
    assert changed.startswith(signed)
    assert not examine_signatures(changed, [keys[0].certificate.der]).whole_file


def test_second_signature_is_counted(keys: tuple[PdfKey, PdfKey], bare: bytes) -> None:
    content = bare
    for name, key in zip("ab", keys, strict=True):
        signer = _CallbackSigner(key.certificate.der, key.sign)
        writer = IncrementalPdfFileWriter(io.BytesIO(content))
        metadata = PdfSignatureMetadata(field_name=name, md_algorithm="sha256")
        content = signers.sign_pdf(writer, metadata, signer).getvalue()
    assert examine_signatures(content, [key.certificate.der for key in keys]) == PdfSignature(count=2)


def test_poppler_calls_the_signature_valid(signed: bytes, tmp_path: Path) -> None:
    assert shutil.which("pdfsig"), "poppler-utils is installed by tools/install-system.sh"
    (tmp_path / "a.pdf").write_bytes(signed)
    said = subprocess.run(
        ["pdfsig", str(tmp_path / "a.pdf")], capture_output=True, text=True, check=False
    ).stdout
    for words in (
        "Signature is Valid",
        "Total document signed",
        "ETSI.CAdES.detached",
        "SHA-256",
        "甲单位",
    ):
        assert words in said


def test_file_stays_pdf_1_7_and_the_field_is_invisible(signed: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(signed))
    root = reader.root_object
    assert root.get("/Version", "/1.7") == "/1.7"
    (field,) = root["/AcroForm"]["/Fields"]  # type: ignore[index]
    widget = field.get_object()
    assert [float(side) for side in widget["/Rect"]] == [0, 0, 0, 0]
    assert root["/Perms"]["/DocMDP"]["/Reference"][0].get_object()["/TransformParams"]["/P"] == 1  # type: ignore[index]


def test_what_is_no_pdf_is_not_signed(keys: tuple[PdfKey, PdfKey]) -> None:
    with pytest.raises(SealError):
        sign_pdf(b"%PDF-1.7\n", keys[0].certificate.der, keys[0].sign)
    assert examine_signatures(b"%PDF-1.7 /ByteRange", []) == PdfSignature(count=1)


def test_container_is_the_one_that_the_library_makes(
    keys: tuple[PdfKey, PdfKey], bare: bytes, signed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.pdf.sign._MouldSigner", _CallbackSigner)
    by_library = sign_pdf(bare, keys[0].certificate.der, keys[0].sign)

    def same_for_all(pdf: bytes) -> tuple[bytes, bytes]:
        found = re.search(rb"/Contents <([0-9a-fA-F]+)>", pdf)
        assert found
        container = cms.ContentInfo.load(bytes.fromhex(found[1].decode()))
        (signer,) = container["content"]["signer_infos"]
        (digest,) = (
            item["values"][0].native
            for item in signer["signed_attrs"]
            if item["type"].native == "message_digest"
        )
        rest = container.dump().replace(digest, b"").replace(signer["signature"].native, b"")
        return rest, digest

    (moulded, digest), (expected, other_digest) = same_for_all(signed), same_for_all(by_library)
    assert moulded == expected
    # The two files differ by the time of signing.
    assert len(digest) == len(other_digest) == 32
    assert examine_signatures(by_library, [keys[0].certificate.der]).intact
