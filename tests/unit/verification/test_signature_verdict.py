"""What a PDF signature adds to a verdict, and the signature of a revocation list."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from service.errors import ConfigError
from service.evidence import PdfSignature
from service.model import Verdict, VerdictCode
from service.verification import (
    KeyRing,
    KeyStatus,
    Verifier,
    add_issuer,
    mint_token,
    rotate_certificate,
    rotate_key,
    set_key_status,
    text_mac,
    verify_url,
)
from service.verification.jws import jws_is_good
from tests.unit.verification.helpers import NOTICE

TEXT = "关于开展活动的通知"


@pytest.fixture
def verdict(ring: KeyRing) -> Verdict:
    """TEXT_MATCH for a notice of `ring`'s issuer."""
    key = ring.signing_key("cast")
    mac = text_mac(ring.master, key.kid, "hp", TEXT)
    token = mint_token(dataclasses.replace(NOTICE, pdf_text_mac=mac), key)
    found = Verifier(ring, {}).judge_text([verify_url("https://v.example.cn", token)], [TEXT], "pdf")
    assert found.code is VerdictCode.TEXT_MATCH
    return found


def good(ring: KeyRing, issuer: str = "cast") -> PdfSignature:
    sha256 = next(item.sha256 for item in ring.certificates() if item.issuer.issuer_id == issuer)
    return PdfSignature(1, True, True, True, sha256)


def test_exact_when_the_same_issuers_signature_covers_all(ring: KeyRing, verdict: Verdict) -> None:
    judged = Verifier(ring, {}).judge_signature(verdict, good(ring))
    assert judged.code is VerdictCode.EXACT
    assert any("PDF 数字签名" in item for item in judged.checked)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": 0}, "没有签名"),
        ({"count": 2}, "不止一个"),
        ({"intact": False}, "签名之后"),
        ({"whole_file": False}, "签名之后"),
        ({"unchanged": False}, "签名之后"),
        ({"certificate_sha256": None}, "不是该签发单位"),
        ({"certificate_sha256": "0" * 64}, "不是该签发单位"),
    ],
)
def test_text_match_with_the_reason_when_one_condition_fails(
    ring: KeyRing, verdict: Verdict, change: dict[str, Any], words: str
) -> None:
    judged = Verifier(ring, {}).judge_signature(verdict, dataclasses.replace(good(ring), **change))
    assert judged.code is VerdictCode.TEXT_MATCH
    assert words in judged.not_checked[0]


def test_another_issuers_signature_is_not_this_issuers(folder: Path, ring: KeyRing, verdict: Verdict) -> None:
    add_issuer(folder, "other", "别的单位")
    judged = Verifier(ring, {}).judge_signature(verdict, good(ring, "other"))
    assert judged.code is VerdictCode.TEXT_MATCH
    assert "不是该签发单位" in judged.not_checked[0]


def test_retired_certificate_is_believed_and_a_compromised_one_is_not(
    folder: Path, ring: KeyRing, verdict: Verdict
) -> None:
    signature, old = good(ring), ring.certificates()[0].certificate_id
    rotate_certificate(folder, "cast")
    assert [item.status for item in ring.certificates()] == [KeyStatus.RETIRED, KeyStatus.ACTIVE]
    assert Verifier(ring, {}).judge_signature(verdict, signature).code is VerdictCode.EXACT
    set_key_status(folder, old, KeyStatus.COMPROMISED)
    judged = Verifier(ring, {}).judge_signature(verdict, signature)
    assert judged.code is VerdictCode.TEXT_MATCH
    assert "失效" in judged.not_checked[0]


@pytest.mark.parametrize("code", [code for code in VerdictCode if code is not VerdictCode.TEXT_MATCH])
def test_signature_mends_no_other_verdict(ring: KeyRing, verdict: Verdict, code: VerdictCode) -> None:
    other = dataclasses.replace(verdict, code=code)
    assert Verifier(ring, {}).judge_signature(other, good(ring)) == other


def test_newest_certificate_signs_within_its_validity(folder: Path, ring: KeyRing) -> None:
    first = ring.pdf_key("cast")
    new = rotate_certificate(folder, "cast")
    second = ring.pdf_key("cast")
    assert first is not None
    assert second is not None
    assert second.certificate.certificate_id == new != first.certificate.certificate_id
    begin, end = second.certificate.period()
    assert ring.pdf_key("cast", end.replace(year=end.year + 1)) is None
    assert ring.pdf_key("cast", begin.replace(year=begin.year - 1)) is None
    assert ring.pdf_key("nobody") is None


BREAKS: list[Callable[[Path], object]] = [
    lambda folder: (folder / "certificates.json").write_text('{"certificates": [{}]}'),
    lambda folder: (folder / "certificates.json").write_text("x"),
    lambda folder: next((folder / "private").glob("pdf-*.pem")).chmod(0o644),
    lambda folder: next((folder / "private").glob("pdf-*.pem")).unlink(),
    lambda folder: next((folder / "private").glob("pdf-*.pem")).write_text("x"),
]


@pytest.mark.parametrize("number", range(len(BREAKS)))
def test_broken_certificates_stop_the_start(folder: Path, number: int) -> None:
    BREAKS[number](folder)
    with pytest.raises(ConfigError, match=r"certificates\.json|pdf-"):
        KeyRing.load(folder)


def test_revocation_list_is_signed_by_the_active_key_and_nothing_else_passes(
    folder: Path, ring: KeyRing
) -> None:
    old = ring.signing_key().kid.hex()
    rotate_key(folder, "cast")
    key = ring.signing_key()
    payload, text = ring.revoked_json(old), ring.revoked_signature(old)
    assert payload
    assert text
    assert text == ring.revoked_signature(old)

    def keys_of(kid: str) -> list[ec.EllipticCurvePublicKey]:
        return [item.public_key for item in ring.find(bytes.fromhex(kid))]

    assert jws_is_good(text, payload, keys_of)
    assert not jws_is_good(text, payload + b" ", keys_of)
    assert not jws_is_good(text, payload, lambda _: [])
    head, _, tail = text.split(".")
    for wrong in ("", "..", f"{head}.x.{tail}", f"{head}..{tail[:-4]}", f"{tail}..{head}", text[1:]):
        assert not jws_is_good(wrong, payload, keys_of), wrong
    assert bytes.fromhex(key.kid.hex()) != bytes.fromhex(old)
    assert ring.revoked_json("00000000") is None
    assert ring.revoked_signature("00000000") is None
