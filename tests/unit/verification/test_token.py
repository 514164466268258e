"""One document, one token: everything that is not the one byte form is refused."""

import base64
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import InvalidRequest, SealError
from service.model import Claims, VerdictCode
from service.verification import (
    BadTokenError,
    KeyRing,
    TokenKey,
    Verifier,
    add_issuer,
    decode_token,
    mint_token,
    rid,
)
from service.verification.urls import digits_of

from .helpers import NOTICE, ORDER, document_id, payload_of, sign

GOOD = cbor2.dumps({1: 1, 4: "通知"}, canonical=True)


def test_layout_is_the_reference_s_when_minted(key: TokenKey) -> None:
    token = mint_token(NOTICE, key)
    payload = payload_of(token)
    head = bytes.fromhex("8449a20126 0444".replace(" ", "")) + key.kid + b"\xa0" + cbor2.dumps(payload)
    assert token[: len(head)] == head
    assert token[len(head) : len(head) + 2] == b"\x58\x40"
    assert len(token) == 80 + len(payload)


def test_claims_survive_when_every_field_is_set(key: TokenKey) -> None:
    claims = replace(
        NOTICE,
        facts=("甲", "", "乙"),
        expires_on=date(2030, 1, 1),
        seal_mode=2,
        template_version=7,
        draft=True,
    )
    assert decode_token(mint_token(claims, key)).claims == claims
    assert set(cbor2.loads(payload_of(mint_token(claims, key)))) == set(range(1, 14)) - {11}


def test_claims_survive_when_almost_none_is_set(key: TokenKey) -> None:
    token = mint_token(Claims(doc_type=1), key)
    assert len(token) == 82
    assert decode_token(token).claims == Claims(doc_type=1)


def test_date_counts_from_2020_when_minted(key: TokenKey) -> None:
    assert cbor2.loads(payload_of(mint_token(replace(NOTICE, issued_on=date(2020, 1, 2)), key)))[3] == 1
    old = replace(NOTICE, issued_on=date(1999, 12, 31))
    assert decode_token(mint_token(old, key)).claims.issued_on == date(1999, 12, 31)


def test_title_is_cut_and_marked_when_longer_than_forty(key: TokenKey) -> None:
    assert decode_token(mint_token(replace(NOTICE, title="字" * 40), key)).claims.title == "字" * 40
    assert decode_token(mint_token(replace(NOTICE, title="字" * 41), key)).claims.title == "字" * 39 + "…"
    variant = "字" * 38 + "葛\U000e0101" + "字" * 9
    assert decode_token(mint_token(replace(NOTICE, title=variant), key)).claims.title == "字" * 38 + "…"


def test_text_is_one_line_in_nfc_when_minted(key: TokenKey) -> None:
    claims = replace(NOTICE, title=" 关于印发\n《e\u0301》\r\n的通知 ", facts=("Annual\nReport",))
    decoded = decode_token(mint_token(claims, key)).claims
    assert decoded.title == "关于印发《é》的通知"
    assert decoded.facts == ("Annual Report",)


@pytest.mark.parametrize(
    "change",
    [
        {"doc_type": 0},
        {"doc_type": 256},
        {"ref": "号" * 65},
        {"facts": ("长" * 121,)},
        {"facts": ("多",) * 17},
        {"facts": ("字" * 120,) * 8},
        {"facts": ("a\u202eb",)},
        {"facts": ("a\x07b",)},
        {"facts": ("\ud800",)},
        {"issued_on": date(1900, 1, 1)},
        {"pages": 0},
        {"pages": True},
        {"pdf_text_mac": b"short"},
        {"seal_mode": 3},
        {"profile": 2},
        {"template_version": 0},
    ],
)
def test_request_is_refused_when_a_claim_is_out_of_range(key: TokenKey, change: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        mint_token(replace(NOTICE, **change), key)  # type: ignore[arg-type]
    assert caught.value.type_code == "claims-invalid"


def test_seal_is_refused_when_the_issuer_may_not_sign_the_type(tmp_path: Path) -> None:
    add_issuer(tmp_path / "k", "desk", "邮寄组", doc_types=(4,))
    ring = KeyRing.load(tmp_path / "k")
    with pytest.raises(SealError, match="邮寄组"):
        mint_token(NOTICE, ring.signing_key())
    forged = sign(ring.signing_key(), payload_of(sign(ring.signing_key(), GOOD)))
    assert Verifier(ring, {}).judge_token(forged).code is VerdictCode.BAD_TOKEN


def test_hand_made_token_is_accepted_when_it_has_the_one_form(ring: KeyRing, key: TokenKey) -> None:
    """The control of all refusals below: they fail for the mutation and for nothing else."""
    token = sign(key, GOOD)
    assert decode_token(token).claims == Claims(doc_type=1, title="通知")
    assert Verifier(ring, {}).judge_token(token).code is VerdictCode.CLAIMS_ONLY


FRAMES = (
    "unprotected header",
    "high s",
    "EdDSA",
    "ES256K",
    "no kid",
    "long kid",
    "headers swapped",
    "third header",
    "trailing byte",
    "tag 18",
    "self-described",
    "indefinite array",
    "five items",
    "long protected length",
    "long payload length",
    "zero r",
    "zero s",
    "r of order",
    "cut",
    "empty",
    "huge",
)


def _frames(key: TokenKey) -> dict[str, bytes]:
    good = sign(key, GOOD)
    kid = key.kid
    long_head = b"\x84\x58\x09" + good[2:]
    return {
        "unprotected header": sign(key, GOOD, unprotected=b"\xa1\x04\x41\x01"),
        "high s": sign(key, GOOD, high_s=True),
        "EdDSA": sign(key, GOOD, protected=b"\xa2\x01\x27\x04\x44" + kid),
        "ES256K": sign(key, GOOD, protected=cbor2.dumps({1: -47, 4: kid}, canonical=True)),
        "no kid": sign(key, GOOD, protected=b"\xa1\x01\x26"),
        "long kid": sign(key, GOOD, protected=b"\xa2\x01\x26\x04\x45" + kid + b"x"),
        "headers swapped": sign(key, GOOD, protected=b"\xa2\x04\x44" + kid + b"\x01\x26"),
        "third header": sign(key, GOOD, protected=b"\xa3\x01\x26\x04\x44" + kid + b"\x05\x01"),
        "trailing byte": sign(key, GOOD, suffix=b"\x00"),
        "tag 18": sign(key, GOOD, prefix=b"\xd2"),
        "self-described": sign(key, GOOD, prefix=b"\xd9\xd9\xf7"),
        "indefinite array": b"\x9f" + good[1:] + b"\xff",
        "five items": b"\x85" + good[1:] + b"\x00",
        "long protected length": long_head,
        "long payload length": good.replace(
            b"\xa0" + cbor2.dumps(GOOD), b"\xa0\x58" + bytes([len(GOOD)]) + GOOD
        ),
        "zero r": good[:-64] + bytes(32) + good[-32:],
        "zero s": good[:-32] + bytes(32),
        "r of order": good[:-64] + ORDER.to_bytes(32, "big") + good[-32:],
        "cut": good[:-1],
        "empty": b"",
        "huge": good + bytes(5_000),
    }


@pytest.mark.parametrize("name", FRAMES)
def test_token_is_refused_when_its_frame_differs(ring: KeyRing, key: TokenKey, name: str) -> None:
    token = _frames(key)[name]
    assert token != sign(key, GOOD)
    with pytest.raises(BadTokenError):
        decode_token(token)
    verdict = Verifier(ring, {}).judge_token(token)
    assert verdict.code is VerdictCode.BAD_TOKEN
    assert verdict.claims == {}


def test_every_frame_is_listed(key: TokenKey) -> None:
    assert tuple(_frames(key)) == FRAMES


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("unknown key", cbor2.dumps({1: 1, 14: 1})),
        ("negative key", cbor2.dumps({1: 1, -1: 1})),
        ("text key", cbor2.dumps({1: 1, "1": 1})),
        ("true as key", b"\xa1\xf5\x01"),
        ("float as key", b"\xa1\xf9\x3c\x00\x01"),
        ("no type", cbor2.dumps({4: "通知"})),
        ("type true", b"\xa1\x01\xf5"),
        ("type float", b"\xa1\x01\xf9\x3c\x00"),
        ("type out of range", b"\xa1\x01\x19\x01\x00"),
        ("bignum", b"\xa1\x01\xc2\x41\x01"),
        ("non-minimal int", b"\xa1\x01\x18\x01"),
        ("non-minimal key", b"\xa1\x18\x01\x01"),
        ("non-minimal text", b"\xa2\x01\x01\x04\x78\x03\xe9\x80\x9a"),
        ("non-minimal map", b"\xb8\x01\x01\x01"),
        ("indefinite map", b"\xbf\x01\x01\xff"),
        ("indefinite text", b"\xa2\x01\x01\x04\x7f\x63\xe9\x80\x9a\xff"),
        ("duplicate key", b"\xa2\x01\x01\x01\x01"),
        ("duplicate key, other value", b"\xa2\x01\x01\x01\x02"),
        ("unsorted", b"\xa2\x04\x63\xe9\x80\x9a\x01\x01"),
        ("trailing", b"\xa1\x01\x01\x00"),
        ("array", b"\x82\x01\x01"),
        ("tagged map", b"\xc1\xa1\x01\x01"),
        ("date as text", cbor2.dumps({1: 1, 3: "2021-04-23"})),
        ("date far off", cbor2.dumps({1: 1, 3: 10**6})),
        ("null title", b"\xa2\x01\x01\x04\xf6"),
        ("empty title", b"\xa2\x01\x01\x04\x60"),
        ("title as bytes", b"\xa2\x01\x01\x04\x43\xe9\x80\x9a"),
        ("title too long", cbor2.dumps({1: 1, 4: "字" * 41})),
        ("title not NFC", cbor2.dumps({1: 1, 4: "e\u0301"})),
        ("title of two lines", cbor2.dumps({1: 1, 4: "一\n二"})),
        ("title with bidi control", cbor2.dumps({1: 1, 4: "一\u202e二"})),
        ("title not UTF-8", b"\xa2\x01\x01\x04\x61\xff"),
        ("facts as text", cbor2.dumps({1: 1, 5: "甲"})),
        ("no facts", b"\xa2\x01\x01\x05\x80"),
        ("last fact empty", cbor2.dumps({1: 1, 5: ["甲", ""]})),
        ("fact in fact", cbor2.dumps({1: 1, 5: [["甲"]]})),
        ("deep", b"\xa2\x01\x01\x05" + b"\x81" * 200 + b"\x01"),
        ("pages zero", cbor2.dumps({1: 1, 7: 0})),
        ("short digest", cbor2.dumps({1: 1, 8: b"1234567"})),
        ("long digest", cbor2.dumps({1: 1, 9: b"123456789"})),
        ("default seal mode", cbor2.dumps({1: 1, 10: 0})),
        ("default profile", cbor2.dumps({1: 1, 11: 1})),
        ("other profile", cbor2.dumps({1: 1, 11: 2})),
        ("default version", cbor2.dumps({1: 1, 12: 1})),
        ("draft false", cbor2.dumps({1: 1, 13: False})),
        ("draft one", cbor2.dumps({1: 1, 13: 1})),
    ],
)
def test_token_is_refused_when_its_payload_differs(
    ring: KeyRing, key: TokenKey, name: str, payload: bytes
) -> None:
    token = sign(key, payload)  # the signature is good: only the payload can be at fault
    with pytest.raises(BadTokenError, match="payload"):
        decode_token(token)
    assert Verifier(ring, {}).judge_token(token).code is VerdictCode.BAD_TOKEN


def test_verdict_is_unknown_key_when_the_kid_is_another(ring: KeyRing, key: TokenKey) -> None:
    other = replace(key, kid=bytes(byte ^ 1 for byte in key.kid))
    assert Verifier(ring, {}).judge_token(sign(other, GOOD)).code is VerdictCode.UNKNOWN_KEY


def test_verdict_is_bad_token_when_another_key_uses_the_kid(ring: KeyRing, key: TokenKey) -> None:
    forger = replace(key, private_key=ec.generate_private_key(ec.SECP256R1()))
    assert Verifier(ring, {}).judge_token(sign(forger, GOOD)).code is VerdictCode.BAD_TOKEN


def test_verdict_is_bad_token_when_signed_for_another_system(ring: KeyRing, key: TokenKey) -> None:
    assert Verifier(ring, {}).judge_token(sign(key, GOOD, aad=b"docseal/1")).code is VerdictCode.BAD_TOKEN


@pytest.mark.fault("V2")
def test_message_is_the_same_when_the_token_is_bad_for_any_reason(ring: KeyRing, key: TokenKey) -> None:
    verifier = Verifier(ring, {})
    forger = replace(key, private_key=ec.generate_private_key(ec.SECP256R1()))
    bad = [*_frames(key).values(), sign(forger, GOOD), sign(key, b"\xa1\x01\x19\x01\x00")]
    assert len({(v.message, v.checked, v.not_checked) for v in map(verifier.judge_token, bad)}) == 1


def test_rid_is_the_reference_s_when_computed_by_hand(key: TokenKey) -> None:
    token = mint_token(NOTICE, key)
    assert rid(decode_token(token).signed_bytes) == document_id(key, payload_of(token))


def test_signature_verifies_when_only_the_jwks_is_at_hand(ring: KeyRing, key: TokenKey) -> None:
    token = mint_token(NOTICE, key)
    protected, unprotected, payload, signature = cbor2.loads(token)
    assert unprotected == {}
    kid = cbor2.loads(protected)[4]
    (jwk,) = [jwk for jwk in ring.jwks()["keys"] if jwk["kid"] == kid.hex()]
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "="), "big") for name in ("x", "y"))
    public_key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    structure = cbor2.dumps(["Signature1", protected, b"wenyin/1", payload])
    public_key.verify(der, structure, ec.ECDSA(hashes.SHA256()))


def test_s_is_low_when_many_tokens_are_minted(key: TokenKey) -> None:
    tokens = [mint_token(replace(NOTICE, pages=pages), key) for pages in range(1, 65)]
    assert all(int.from_bytes(token[-32:], "big") <= ORDER // 2 for token in tokens)
    assert len(set(tokens)) == 64


def test_token_is_the_same_when_another_process_mints_it(folder: Path, key: TokenKey) -> None:
    script = (
        "import sys, datetime; from pathlib import Path; from service.model import Claims;"
        "from service.verification import KeyRing, mint_token;"
        "k = KeyRing.load(Path(sys.argv[1])).signing_key();"
        "c = Claims(1, '标题', '字〔2021〕1号', datetime.date(2021, 4, 23), ('甲', '乙'));"
        "print(mint_token(c, k).hex())"
    )
    command = [sys.executable, "-c", script, str(folder)]
    there = {subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() for _ in "ab"}
    here = mint_token(Claims(1, "标题", "字〔2021〕1号", date(2021, 4, 23), ("甲", "乙")), key).hex()
    assert there == {here}


@pytest.mark.fault("V2")
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_verdict_is_bad_or_unknown_when_one_digit_changes(
    ring: KeyRing, key: TokenKey, data: st.DataObject
) -> None:
    digits = digits_of(mint_token(NOTICE, key))
    place = data.draw(st.integers(0, len(digits) - 1))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != digits[place]]))
    url = f"https://V.EXAMPLE.GOV.CN/V/{digits[:place]}{digit}{digits[place + 1 :]}"
    allowed = {VerdictCode.BAD_TOKEN, VerdictCode.UNKNOWN_KEY}
    verifier = Verifier(ring, {})
    assert verifier.judge_link(url).code in allowed
    assert verifier.judge_text([url], ["正文"], "pdf").code in allowed


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.binary(min_size=3, max_size=80))
def test_decoder_never_fails_otherwise_when_fed_noise(key: TokenKey, payload: bytes) -> None:
    try:
        decode_token(sign(key, payload))
    except BadTokenError:
        return
    assert cbor2.dumps(cbor2.loads(payload), canonical=True) == payload
