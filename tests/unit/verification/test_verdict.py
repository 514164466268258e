"""Every verdict, its words, and which wins over which."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from service.model import Claims, FactRule, Verdict, VerdictCode
from service.verification import (
    KeyRing,
    KeyStatus,
    TokenKey,
    Verifier,
    as_exact,
    canonical_text,
    create_development_issuer,
    decode_token,
    label_text,
    mint_token,
    revoke_document,
    rid,
    rotate_key,
    set_key_status,
    text_mac,
    verify_url,
)

from .helpers import NOTICE, sign

HOST = "https://v.example.gov.cn"
PDF_TEXT = "关于开展活动的通知\n各学会：\n  2021年5月10日前报送。\n"
DOCX_TEXT = "关于开展活动的通知\n各学会：\n2021年5月10日前报送。"
TODAY = date(2021, 5, 1)
RULES = {1: (FactRule("主送", "/to"), FactRule("地点", "/place", True), FactRule("截止", "/by"))}


@pytest.fixture
def verifier(ring: KeyRing) -> Verifier:
    return Verifier(ring, RULES)


@pytest.fixture
def claims(ring: KeyRing, key: TokenKey) -> Claims:
    return replace(
        NOTICE,
        pdf_text_mac=text_mac(ring.master, key.kid, "hp", PDF_TEXT),
        docx_text_mac=text_mac(ring.master, key.kid, "hd", DOCX_TEXT),
        facts=("各学会", "", "2021年5月10日"),
    )


def _judge(
    verifier: Verifier, token: bytes, texts: Sequence[str] = (PDF_TEXT,), kind: str = "pdf"
) -> Verdict:
    return verifier.judge_text([verify_url(HOST, token)], texts, kind, today=TODAY)  # type: ignore[arg-type]


def test_claims_are_shown_when_only_the_code_was_scanned(
    verifier: Verifier, claims: Claims, key: TokenKey
) -> None:
    token = mint_token(claims, key)
    verdict = verifier.judge_token(token, TODAY)
    assert verdict.code is VerdictCode.CLAIMS_ONLY
    assert "请逐项与纸面核对" in verdict.message
    assert "正文" in verdict.not_checked
    assert verdict.document_id == rid(decode_token(token).signed_bytes)
    assert json.loads(json.dumps(verdict.claims)) == {
        "issuer": "中国科协办公厅",
        "issuer_id": "cast",
        "issuer_uscc": None,
        "type": "通知",
        "title": NOTICE.title,
        "ref": "科协办发组字〔2021〕15号",
        "date": "2021-04-23",
        "facts": [{"caption": "主送", "value": "各学会"}, {"caption": "截止", "value": "2021年5月10日"}],
        "pages": 6,
        "expires": None,
        "seal_mode": 0,
        "draft": False,
        "template_version": 1,
        "kid": key.kid.hex(),
        "key_status": "active",
    }
    assert verifier.judge_link(verify_url(HOST, token), TODAY) == verdict


def test_facts_are_all_shown_when_the_template_has_fewer_captions(ring: KeyRing, key: TokenKey) -> None:
    verdict = Verifier(ring, {}).judge_token(mint_token(replace(NOTICE, facts=("甲", "乙")), key))
    assert verdict.claims["facts"] == [
        {"caption": "要素1", "value": "甲"},
        {"caption": "要素2", "value": "乙"},
    ]


@pytest.mark.parametrize(("kind", "text"), [("pdf", PDF_TEXT), ("docx", DOCX_TEXT)])
def test_verdict_is_text_match_when_any_candidate_agrees(
    verifier: Verifier, claims: Claims, key: TokenKey, kind: str, text: str
) -> None:
    verdict = _judge(
        verifier, mint_token(claims, key), ["别的提取结果", " " + text.replace("\n", "\n\n")], kind
    )
    assert verdict.code is VerdictCode.TEXT_MATCH
    assert verdict.authenticated_text == "关于开展活动的通知\n各学会：\n2021年5月10日前报送。"
    assert canonical_text(verdict.authenticated_text) == canonical_text(text)
    assert "正文" not in verdict.not_checked
    assert any("图片" in phrase for phrase in verdict.not_checked)


@pytest.mark.parametrize("text", [PDF_TEXT.replace("5月10日", "5月16日"), PDF_TEXT + "附件", PDF_TEXT[:9]])
def test_verdict_is_altered_when_no_candidate_agrees(
    verifier: Verifier, claims: Claims, key: TokenKey, text: str
) -> None:
    verdict = _judge(verifier, mint_token(claims, key), [text, text])
    assert verdict.code is VerdictCode.ALTERED
    assert "请上传签发的原 PDF 或 docx" in verdict.message
    assert verdict.authenticated_text is None


def test_verdict_is_altered_when_pdf_text_is_passed_for_docx(ring: KeyRing, key: TokenKey) -> None:
    one = replace(NOTICE, pdf_text_mac=text_mac(ring.master, key.kid, "hp", "甲"), docx_text_mac=bytes(8))
    assert _judge(Verifier(ring, {}), mint_token(one, key), ["甲"], "docx").code is VerdictCode.ALTERED


@pytest.mark.parametrize("texts", [[], [""], [" \n\x0c"]])
def test_body_is_called_unread_when_a_file_has_no_text(
    verifier: Verifier, claims: Claims, key: TokenKey, texts: list[str]
) -> None:
    verdict = _judge(verifier, mint_token(claims, key), texts)
    assert verdict.code is VerdictCode.CLAIMS_ONLY
    assert any("没有可比对的文字层" in phrase for phrase in verdict.not_checked)


def test_body_is_called_unread_when_the_token_has_no_digest(verifier: Verifier, key: TokenKey) -> None:
    token = mint_token(replace(NOTICE, docx_text_mac=None), key)
    assert _judge(verifier, token, ["文"], "docx").code is VerdictCode.CLAIMS_ONLY
    assert _judge(verifier, token, ["文"], "pdf").code is VerdictCode.ALTERED


@pytest.mark.parametrize("qr_texts", [[], ["https://www.cast.org.cn/"], ["690123456789", "WIFI:S:x;;"]])
def test_verdict_is_no_seal_when_no_code_is_ours(verifier: Verifier, qr_texts: list[str]) -> None:
    verdict = verifier.judge_text(qr_texts, [PDF_TEXT], "pdf")
    assert verdict.code is VerdictCode.NO_SEAL
    assert verdict.claims == {}
    assert "假" not in verdict.message


def test_other_codes_are_ignored_when_one_is_ours(verifier: Verifier, claims: Claims, key: TokenKey) -> None:
    url = verify_url(HOST, mint_token(claims, key))
    texts = ["https://www.cast.org.cn/", url, url, url.replace("https://V.EXAMPLE.GOV.CN", "http://mirror")]
    assert verifier.judge_text(texts, [PDF_TEXT], "pdf").code is VerdictCode.TEXT_MATCH


def test_verdict_is_conflict_when_two_tokens_differ(
    verifier: Verifier, claims: Claims, key: TokenKey
) -> None:
    urls = [verify_url(HOST, mint_token(one, key)) for one in (claims, replace(claims, pages=7))]
    for pair in (urls, urls[::-1], [urls[0], verify_url(HOST, bytes(120))]):
        verdict = verifier.judge_text(pair, [PDF_TEXT], "pdf")
        assert verdict.code is VerdictCode.CONFLICT
        assert verdict.claims == {}


@pytest.mark.parametrize("texts", [[PDF_TEXT], ["改过"], []])
def test_status_wins_when_the_text_matches_or_not(
    folder: Path, verifier: Verifier, claims: Claims, key: TokenKey, texts: list[str]
) -> None:
    lasting = mint_token(claims, key)
    ending = mint_token(replace(claims, expires_on=date(2021, 4, 30)), key)
    assert _judge(verifier, ending, texts).code is VerdictCode.EXPIRED
    revoke_document(folder, key.kid.hex(), rid(decode_token(lasting).signed_bytes))
    assert _judge(verifier, lasting, texts).code is VerdictCode.REVOKED
    assert _judge(verifier, lasting, texts).claims["title"] == NOTICE.title
    rotate_key(folder, "cast")
    assert _judge(verifier, lasting, texts).code is VerdictCode.REVOKED
    set_key_status(folder, key.kid.hex(), KeyStatus.COMPROMISED)
    for token in (lasting, ending):
        verdict = _judge(verifier, token, texts)
        assert verdict.code is VerdictCode.KEY_COMPROMISED
        assert "伪造" in verdict.message
        assert verdict.authenticated_text is None
        assert verdict.checked == ("签发密钥的状态",)


def test_token_stays_good_when_its_key_is_retired(
    folder: Path, verifier: Verifier, claims: Claims, key: TokenKey
) -> None:
    token = mint_token(claims, key)
    rotate_key(folder, "cast")
    verdict = _judge(verifier, token)
    assert verdict.code is VerdictCode.TEXT_MATCH
    assert verdict.claims["key_status"] == "retired"


def test_last_day_counts_when_a_token_expires(verifier: Verifier, claims: Claims, key: TokenKey) -> None:
    token = mint_token(replace(claims, expires_on=date(2021, 5, 1)), key)
    assert verifier.judge_token(token, date(2021, 5, 1)).code is VerdictCode.CLAIMS_ONLY
    assert verifier.judge_token(token, date(2021, 5, 2)).code is VerdictCode.EXPIRED
    assert verifier.judge_token(token).code is VerdictCode.EXPIRED
    assert "有效期" in verifier.judge_token(token).checked


def test_revocation_holds_when_the_token_is_signed_again(
    folder: Path, verifier: Verifier, claims: Claims, key: TokenKey
) -> None:
    """The rid covers the signed bytes: a fresh signature over them is the same document."""
    token = mint_token(claims, key)
    revoke_document(folder, key.kid.hex(), rid(decode_token(token).signed_bytes))
    payload = token[14:-66]
    again = sign(key, payload)
    assert again != token
    assert verifier.judge_token(again, TODAY).code is VerdictCode.REVOKED


def test_nothing_of_the_claims_is_shown_when_the_token_is_not_genuine(
    verifier: Verifier, claims: Claims, key: TokenKey
) -> None:
    forger = replace(key, private_key=ec.generate_private_key(ec.SECP256R1()))
    stranger = replace(key, kid=b"\0\0\0\0")
    for signer, code in ((forger, VerdictCode.BAD_TOKEN), (stranger, VerdictCode.UNKNOWN_KEY)):
        for verdict in (
            _judge(verifier, mint_token(claims, signer)),
            verifier.judge_token(mint_token(claims, signer)),
        ):
            assert verdict.code is code
            assert verdict.claims == {}
            assert verdict.document_id is None
            assert "科协" not in verdict.message


def test_key_is_the_right_one_when_two_share_a_kid(
    folder: Path, claims: Claims, key: TokenKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.verification.keyadmin.kid_of", lambda _: key.kid)
    monkeypatch.setattr("service.verification.keyfiles.kid_of", lambda _: key.kid)
    rotate_key(folder, "cast")
    ring = KeyRing.load(folder)
    newer = ring.signing_key()
    assert newer.kid == key.kid
    for signer, status in ((key, "retired"), (newer, "active")):
        verdict = Verifier(ring, {}).judge_token(mint_token(claims, signer))
        assert verdict.claims["key_status"] == status


def test_draft_says_so_whatever_the_verdict(verifier: Verifier, claims: Claims, key: TokenKey) -> None:
    token = mint_token(replace(claims, draft=True), key)
    for texts in ([PDF_TEXT], ["改过"], []):
        verdict = _judge(verifier, token, texts)
        assert verdict.message.startswith("这是草稿，不具效力")
        assert verdict.claims["draft"] is True
    assert "草稿" in as_exact(_judge(verifier, token)).message


def test_development_issuer_says_so(tmp_path: Path) -> None:
    create_development_issuer(tmp_path / "dev")
    ring = KeyRing.load(tmp_path / "dev")
    verdict = Verifier(ring, {}).judge_token(mint_token(NOTICE, ring.signing_key()))
    assert verdict.development
    assert "不具效力" in verdict.message


def test_flags_are_named_when_a_docx_holds_more_than_text(
    verifier: Verifier, claims: Claims, key: TokenKey
) -> None:
    url = verify_url(HOST, mint_token(claims, key))
    verdict = verifier.judge_text([url], [DOCX_TEXT], "docx", ("修订插入", "隐藏文字"))
    assert verdict.code is VerdictCode.TEXT_MATCH
    assert "文件含有修订插入、隐藏文字" in verdict.message
    assert verdict.not_checked[-2:] == ("修订插入", "隐藏文字")


def test_exact_is_reached_from_a_text_match_only(verifier: Verifier, claims: Claims, key: TokenKey) -> None:
    token = mint_token(claims, key)
    exact = as_exact(_judge(verifier, token))
    assert exact.code is VerdictCode.EXACT
    assert exact.message == "文件自签发后未改动。"
    assert "整个文件（PDF 数字签名）" in exact.checked
    for verdict in (
        _judge(verifier, token, ["改过"]),
        verifier.judge_token(token),
        verifier.judge_token(b""),
    ):
        with pytest.raises(ValueError, match="EXACT"):
            as_exact(verdict)


def test_label_is_compared_by_its_typed_values(ring: KeyRing, key: TokenKey, verifier: Verifier) -> None:
    values = ["中国国土经济学会", "甲", "13800000000", "北京市海淀区1号"]
    mac = text_mac(ring.master, key.kid, "lb", label_text(values))
    token = mint_token(Claims(4, ref="2021-0001", pdf_text_mac=mac), key)
    assert (
        verifier.judge_label(token, ["中国国土经济学会", " 甲", *values[2:]]).code is VerdictCode.TEXT_MATCH
    )
    assert verifier.judge_label(token, [*values[:3], "北京市海淀区2号"]).code is VerdictCode.ALTERED
    assert verifier.judge_label(b"x", values).code is VerdictCode.BAD_TOKEN
    assert verifier.judge_label(mint_token(NOTICE, key), values).code is VerdictCode.CLAIMS_ONLY
    assert _judge(verifier, token, ["整张标签的文字"]).code is VerdictCode.CLAIMS_ONLY


def test_link_is_bad_when_it_carries_no_token(verifier: Verifier) -> None:
    assert verifier.judge_link("/V/123").code is VerdictCode.BAD_TOKEN
    assert verifier.judge_link("9" * 2_401).code is VerdictCode.BAD_TOKEN
