"""What a person sees, in Debian's Chromium."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.hands import shot
from tests.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.libreoffice]
NOTICE = "/v1/documents/notice"


@pytest.fixture(scope="module")
def document(server: Server) -> tuple[bytes, str, dict[str, str]]:
    sample = server.get("/v1/templates/notice/sample").body
    answer = server.post_json(NOTICE, sample)
    return answer.body, answer.headers["x-verify-url"], json.loads(sample)


def test_the_code_opens_a_page_that_says_who_issued_it(
    page: Page, document: tuple[bytes, str, dict[str, str]], artifacts: Path
) -> None:
    _, url, data = document
    page.goto(url)
    shot(page, artifacts / "verdict.png")
    text = page.inner_text("main")
    for words in (
        "验证码真实",
        "文印开发试用签发者",
        data["doc_no"],
        data["title"].replace("\n", ""),
        "未核验",
    ):
        assert words in text
    assert "开发试用" in page.inner_text("[role=note]")
    assert "年" in text
    page.set_viewport_size({"width": 320, "height": 700})
    shot(page, artifacts / "verdict-320.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_one_digit_changed_says_not_ours(
    page: Page, document: tuple[bytes, str, dict[str, str]], artifacts: Path
) -> None:
    _, url, data = document
    page.goto(url[:-1] + str((int(url[-1]) + 1) % 10))
    shot(page, artifacts / "verdict-forged.png")
    text = page.inner_text("main")
    assert "非本系统签发" in text
    assert data["doc_no"] not in text


def test_an_uploaded_file_is_judged_on_the_page(
    page: Page, server: Server, document: tuple[bytes, str, dict[str, str]], artifacts: Path, tmp_path: Path
) -> None:
    (tmp_path / "通知.pdf").write_bytes(document[0])
    page.goto(server.url)
    page.click("text=核验文件")
    shot(page, artifacts / "verify.png")
    page.set_input_files("#file", tmp_path / "通知.pdf")
    page.click("button")
    page.wait_for_selector(".verdict")
    shot(page, artifacts / "verdict-upload.png")
    assert "文件与签发时完全一致" in page.inner_text("main")
    assert "签发时的文字" in page.inner_text("main")


def test_api_description_is_shown_without_any_other_host(page: Page, server: Server, artifacts: Path) -> None:
    page.goto(f"{server.url}/docs")
    if page.locator("noscript a").is_visible():
        page.click("noscript a")
        assert '"openapi":"3.1.0"' in page.inner_text("body")
        return
    page.wait_for_selector("text=生成通知")
    shot(page, artifacts / "docs.png")
