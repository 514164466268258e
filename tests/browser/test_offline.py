"""The page that verifies alone: from the service, and from a file on disk without any network."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest
from playwright.sync_api import Browser, Page

from service.verification import (
    KeyRing,
    KeyStatus,
    revoke_document,
    set_key_status,
    token_from_url,
    verify_url,
)
from service.verification.fulltext import pack_text
from tests.browser.hands import shot
from tests.conftest import FIXTURES
from tests.serving import Server
from tests.unit.verification.helpers import payload_of, sign
from tests.web.test_attacks import TOKENS

pytestmark = [pytest.mark.browser, pytest.mark.libreoffice]
ADDRESS = "/verify/offline.html"


@pytest.fixture(scope="module")
def url(server: Server) -> str:
    minimal = (FIXTURES / "notice" / "minimal.json").read_bytes()
    return server.post_json("/v1/documents/notice?format=docx", minimal).headers["x-verify-url"]


@pytest.fixture
def saved(browser: Browser, server: Server, tmp_path: Path) -> Iterator[Page]:
    """The page as somebody saved it, in a browser that is cut off."""
    (tmp_path / "offline.html").write_bytes(server.get(ADDRESS).body)
    context = browser.new_context(offline=True, locale="zh-CN", viewport={"width": 360, "height": 740})
    opened = context.new_page()
    trouble: list[str] = []
    opened.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.goto((tmp_path / "offline.html").as_uri())
    yield opened
    context.close()
    assert trouble == []


def judge(page: Page, text: str) -> str:
    page.evaluate("document.getElementById('result').replaceChildren()")
    page.fill("#text", text)
    page.click("#check")
    page.wait_for_selector("#result [data-verdict]")
    return page.get_attribute("#result [data-verdict]", "data-verdict") or ""


def test_page_is_one_file_with_its_own_policy(page: Page, server: Server, url: str, artifacts: Path) -> None:
    answer = server.get(ADDRESS)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for outside in (b"src=", b"<link", b"@import", b"url("):
        assert outside not in answer.body.split(b"<script")[0]
    page.goto(server.url + ADDRESS)
    if page.locator("noscript p").is_visible():
        assert "JavaScript" in page.inner_text("noscript")
        return
    assert judge(page, url) == "CLAIMS_ONLY"
    shot(page, artifacts / "offline.png")


def test_saved_page_shows_what_was_signed(saved: Page, url: str, artifacts: Path) -> None:
    data = json.loads((FIXTURES / "notice" / "minimal.json").read_bytes())
    assert judge(saved, url) == "CLAIMS_ONLY"
    text = saved.inner_text("main")
    for words in (
        data["title"].replace("\n", ""),
        data["issuer"],
        "文印开发试用签发者",
        "开发试用",
        "作废情况",
    ):
        assert words in text
    assert saved.evaluate("document.documentElement.scrollWidth") <= 360
    shot(saved, artifacts / "offline-360.png")


def test_saved_page_shows_the_text_that_a_code_carries(saved: Page, server: Server, url: str) -> None:
    key = KeyRing.load(server.folder / "var" / "keys").signing_key()
    token = token_from_url(url)
    assert token
    claims = cbor2.loads(payload_of(token))
    text = "关于停水的通知\n各住户：\n7月1日停水，𠮷村除外。㐀"

    def code(**values: object) -> str:
        made = cbor2.dumps(
            {**claims, **{int(name[1:]): value for name, value in values.items()}}, canonical=True
        )
        return verify_url(server.url, sign(key, made))

    assert judge(saved, code(_1=77, _14=pack_text(text))) == "CLAIMS_ONLY"
    assert saved.inner_text("pre.text") == text
    assert judge(saved, code(_6=1, _14=pack_text(text))) == "EXPIRED"
    assert saved.locator("pre.text").count() == 0
    wrong = (
        b"",
        b"\xff",
        pack_text("甲") + b"\0",
        pack_text("甲乙丙")[:-1],
        pack_text("甲\u202e乙"),
        pack_text("甲" * 20_000),
    )
    for packed in wrong:
        assert judge(saved, code(_14=packed)) == "BAD_TOKEN", packed


def test_saved_page_refuses_every_other_form_of_token(saved: Page, server: Server, url: str) -> None:
    key = KeyRing.load(server.folder / "var" / "keys").signing_key()
    token = token_from_url(url)
    assert token
    payload = payload_of(token)
    assert judge(saved, verify_url(server.url, sign(key, payload))) == "CLAIMS_ONLY"
    for name, (forge, code) in TOKENS.items():
        assert judge(saved, verify_url(server.url, forge(key, payload))) == code, name
    stranger = dataclasses.replace(key, kid=b"\1\2\3\4")
    assert judge(saved, verify_url(server.url, sign(stranger, payload))) == "UNKNOWN_KEY"
    claims = cbor2.loads(payload)
    wrong = [{**claims, 99: 1}, {**claims, 1: 256}, {**claims, 4: "a\u202eb"}, {**claims, 8: b"short"}]
    for values in wrong:
        made = sign(key, cbor2.dumps(values, canonical=True))
        assert judge(saved, verify_url(server.url, made)) == "BAD_TOKEN", values
    backwards = cbor2.dumps(dict(reversed(claims.items())))
    assert judge(saved, verify_url(server.url, sign(key, backwards))) == "BAD_TOKEN"
    expired = cbor2.dumps({**claims, 6: 1}, canonical=True)
    assert judge(saved, verify_url(server.url, sign(key, expired))) == "EXPIRED"
    for text in ("", "1", "你好", url[:-1] + str((int(url[-1]) + 1) % 10), url + "0"):
        assert judge(saved, text) == "BAD_TOKEN"


def test_snapshot_holds_revocations_and_the_state_of_keys(page: Page, server: Server, url: str) -> None:
    folder = server.folder / "var" / "keys"
    kid = KeyRing.load(folder).signing_key().kid.hex()
    digits = url.rpartition("/")[2]
    revoke_document(folder, kid, server.get(f"/V/{digits}", "application/json").json["document_id"])
    try:
        page.goto(server.url + ADDRESS)
        if page.locator("noscript p").is_visible():
            return
        assert judge(page, url) == "REVOKED"
        set_key_status(folder, kid, KeyStatus.COMPROMISED)
        page.reload()
        assert judge(page, url) == "KEY_COMPROMISED"
    finally:
        set_key_status(folder, kid, KeyStatus.ACTIVE)
        (folder / "revoked" / f"{kid}.json").unlink()
