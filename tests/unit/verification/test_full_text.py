"""The whole text in a token: its packing, its room in the code, and the places where a file differs."""

import itertools
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequest
from service.model import Claims, FactRule, QrRule, VerdictCode
from service.verification import (
    QR_TOO_DENSE,
    KeyRing,
    TokenKey,
    Verifier,
    canonical_text,
    decode_token,
    make_seal,
    mint_token,
    readable_text,
    text_mac,
    verify_url,
)
from service.verification.differences import best_differences
from service.verification.fulltext import is_packed_text, pack_text, unpack_text
from tests.conftest import ROOT

from .helpers import NOTICE, payload_of, sign

HOST = "https://v.example.gov.cn"
TODAY = date(2021, 5, 1)
TEXT = (
    "关于报送活动方案的通知\n各学会：\n请于2021年5月10日前将活动方案报送我办，逾期不再受理。\n"
    "报送地点为云州市和平路8号，联系人须到场。\n某单位办公厅\n2021年4月23日\n— 1 —"
)
LONG = "".join(chr(0x4E00 + 37 * number % 9000) for number in range(700))


@pytest.fixture
def claims(ring: KeyRing, key: TokenKey) -> Claims:
    return replace(NOTICE, pdf_text_mac=text_mac(ring.master, key.kid, "hp", TEXT), text=TEXT)


def judge(ring: KeyRing, token: bytes, text: str, kind: str = "pdf") -> tuple[VerdictCode, str, str, str]:
    """Return verdict, message, the signed text and the file's, both put together from the marks."""
    verdict = Verifier(ring, {}).judge_text([verify_url(HOST, token)], [text], kind, today=TODAY)  # type: ignore[arg-type]
    old = "".join(span.text for span in verdict.differences if span.kind != "added")
    new = "".join(span.text for span in verdict.differences if span.kind != "removed")
    return verdict.code, verdict.message, old, new


@given(st.text())
def test_every_readable_text_comes_back(text: str) -> None:
    readable = readable_text(text)
    assert is_packed_text(pack_text(readable)) is bool(canonical_text(readable))
    if canonical_text(readable):
        assert unpack_text(pack_text(readable)) == readable


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        pack_text(""),
        pack_text("\n"),
        pack_text("甲") + b"\0",
        pack_text("一份通知的全文")[:-1],
        pack_text("e\u0301"),
        pack_text("甲\u202e乙"),
        pack_text("甲\0乙"),
        pack_text("甲" * 10_000),
        "甲",
        None,
    ],
)
def test_any_other_packing_is_refused(ring: KeyRing, key: TokenKey, packed: object) -> None:
    assert not is_packed_text(packed)
    payload = {**cbor2.loads(payload_of(mint_token(NOTICE, key))), 14: packed}
    token = sign(key, cbor2.dumps(payload, canonical=True))
    assert Verifier(ring, {}).judge_token(token).code is VerdictCode.BAD_TOKEN


def test_scanned_code_shows_the_text_that_was_signed(ring: KeyRing, key: TokenKey, claims: Claims) -> None:
    token = mint_token(claims, key)
    assert decode_token(token).claims.text == TEXT
    verdict = Verifier(ring, {}).judge_token(token, TODAY)
    assert (verdict.code, verdict.authenticated_text) == (VerdictCode.CLAIMS_ONLY, TEXT)
    assert "签发时的全文" in verdict.message
    assert "正文" in verdict.not_checked
    scan = Verifier(ring, {}).judge_text([verify_url(HOST, token)], [], "scan", today=TODAY)
    assert scan.authenticated_text == TEXT


def test_text_changed_in_the_token_is_no_token_of_ours(ring: KeyRing, key: TokenKey, claims: Claims) -> None:
    token = mint_token(claims, key)
    payload = cbor2.loads(payload_of(token))
    for text in (TEXT.replace("10日", "16日"), TEXT + "作废"):
        changed = cbor2.dumps({**payload, 14: pack_text(text)}, canonical=True)
        head = b"\x84\x49\xa2\x01\x26\x04\x44" + key.kid + b"\xa0"
        forged = head + cbor2.dumps(changed) + token[-66:]
        assert decode_token(forged).claims.text == text
        verdict = Verifier(ring, {}).judge_token(forged, TODAY)
        assert (verdict.code, verdict.authenticated_text) == (VerdictCode.BAD_TOKEN, None)


def test_withdrawn_document_shows_no_text(ring: KeyRing, key: TokenKey, claims: Claims) -> None:
    verdict = Verifier(ring, {}).judge_token(mint_token(replace(claims, expires_on=date(2021, 4, 30)), key))
    assert (verdict.code, verdict.authenticated_text) == (VerdictCode.EXPIRED, None)


def test_altered_file_is_marked_where_it_differs(ring: KeyRing, key: TokenKey, claims: Claims) -> None:
    found = TEXT.replace("5月10日", "5月16日").replace("，联系人须到场", "").replace("某单位", "某单位综合")
    verdict = Verifier(ring, {}).judge_text(
        [verify_url(HOST, mint_token(claims, key))], ["别的东西", found], "pdf", today=TODAY
    )
    assert verdict.code is VerdictCode.ALTERED
    assert "不同之处已在下面逐处标出" in verdict.message
    assert verdict.authenticated_text == TEXT
    changes = [(span.kind, span.text) for span in verdict.differences if span.kind != "same"]
    assert changes == [
        ("removed", "10"),
        ("added", "16"),
        ("removed", "，联系人须到场"),
        ("added", "综合"),
    ]


def test_page_numbers_of_the_pdf_are_no_change_of_a_docx(
    ring: KeyRing, key: TokenKey, claims: Claims
) -> None:
    found = TEXT.replace("\n— 1 —", "\n— —").replace("8号", "9号")
    code, message, old, new = judge(ring, mint_token(claims, key), found, "docx")
    assert code is VerdictCode.ALTERED
    assert "文本框" in message
    assert old == TEXT.replace("\n— 1 —", "")
    assert new == old.replace("8号", "9号")


@pytest.mark.parametrize("other", ["另一份完全不同的文件。" * 5, TEXT * 20, "".join(reversed(TEXT * 2))])
def test_another_document_is_not_marked(ring: KeyRing, key: TokenKey, claims: Claims, other: str) -> None:
    code, message, old, _ = judge(ring, mint_token(claims, key), other)
    assert (code, old) == (VerdictCode.ALTERED, "")
    assert "相差很大" in message


@given(st.lists(st.sampled_from([*TEXT, "甲", "A", "1"]), max_size=60), st.integers(0, len(TEXT)))
def test_marks_make_up_both_texts(inserted: list[str], place: int) -> None:
    found = TEXT[:place] + "".join(inserted) + TEXT[place + len(inserted) // 2 :]
    spans = best_differences(TEXT, [found], same_medium=True)
    if spans:
        old = "".join(span.text for span in spans if span.kind != "added")
        new = "".join(span.text for span in spans if span.kind != "removed")
        assert old == TEXT
        assert canonical_text(new) == canonical_text(found)
        assert all(one.kind != two.kind for one, two in itertools.pairwise(spans))


def test_text_alone_is_compared_without_the_secret_of_the_digests(
    ring: KeyRing, key: TokenKey, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeyRing, "master", None)
    token = mint_token(claims, key)
    assert judge(ring, token, TEXT.replace("\n", " \n"))[0] is VerdictCode.TEXT_MATCH
    assert judge(ring, token, TEXT.replace("10日", "11日"))[0] is VerdictCode.ALTERED
    assert judge(ring, token, TEXT, "docx")[0] is VerdictCode.CLAIMS_ONLY


def test_text_without_room_is_refused_or_left_out_as_the_manifest_says(key: TokenKey) -> None:
    rules = (FactRule("地点", "/place", optional=True),)
    claims = replace(NOTICE, facts=("云州",), text=LONG[:300])
    roomy, tight = QrRule("qr", 42, 0.33, 997), QrRule("qr", 30, 0.33, 997)
    whole = make_seal(claims, rules, key, HOST, roomy)
    assert decode_token(whole.token).claims.text == LONG[:300]
    assert whole.dropped == ()
    with pytest.raises(InvalidRequest, match="全文（300 字）放不进 30 毫米") as caught:
        make_seal(claims, rules, key, HOST, tight)
    assert caught.value.type_code == QR_TOO_DENSE
    left = make_seal(claims, rules, key, HOST, tight, full_text="optional")
    assert left.dropped == ("全文",)
    assert decode_token(left.token).claims == replace(claims, text=None)
    with pytest.raises(InvalidRequest, match="700 字"):
        make_seal(replace(claims, text=LONG), rules, key, HOST, roomy)
    with pytest.raises(InvalidRequest, match="发文字号"):
        make_seal(replace(claims, ref="号" * 99), rules, key, HOST, roomy)


def test_a_whole_page_of_a_notice_fits_the_largest_code(key: TokenKey) -> None:
    request = (ROOT / "templates/docx/notice/sample.json").read_text("utf-8")
    text = readable_text(request)[:640]
    seal = make_seal(replace(NOTICE, text=text), (), key, HOST, QrRule("qr", 42, 0.33, 997))
    assert seal.symbol.module_mm >= 0.33
    assert len(seal.url) < 2_430


def test_manifest_of_items_takes_no_full_text(tmp_path: Path) -> None:
    from service.catalog import load_template
    from service.errors import TemplateError

    folder = tmp_path / "plaque-labels"
    shutil.copytree(ROOT / "templates/docx/plaque-labels", folder)
    manifest = folder / "template.toml"
    manifest.write_text(
        manifest.read_text("utf-8").replace("[verify]", "[verify]\nfull_text = true", 1), "utf-8"
    )
    with pytest.raises(TemplateError, match="verify"):
        load_template(folder)
