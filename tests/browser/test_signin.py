"""Signing in as a clerk does it: once, to where he wanted to go, and nothing typed in is lost."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from service.access import new_key
from tests.serving import Server, serving

pytestmark = [pytest.mark.browser, pytest.mark.libreoffice]
TITLE = "关于组织开展活动的通知"
Guarded = tuple[Server, str]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("signin")
    words = ["template:notice", "template:plan-form", "issuer:*", "batch"]
    _, key = new_key(folder / "apikeys.json", "办公室 张三", words, date(2026, 1, 1))
    with serving(folder, soffice="/nothing", api_keys=str(folder / "apikeys.json")) as server:
        yield server, key


@pytest.fixture(params=[True, False], ids=["js", "no-js"])
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(locale="zh-CN", java_script_enabled=request.param)
    yield opened
    opened.close()


def sign_in(page: Page, key: str) -> None:
    page.fill("#key", key)
    page.get_by_role("button", name="登录").click()


def shot(page: Page, artifacts: Path, name: str) -> None:
    page.screenshot(path=artifacts / f"signin-{name}.png", full_page=True)


@pytest.mark.fault("H5")
def test_a_key_typed_once_leads_on_and_signing_out_ends_it(
    context: BrowserContext, guarded: Guarded, artifacts: Path
) -> None:
    server, key = guarded
    page = context.new_page()
    page.goto(f"{server.url}/fill/plan-form?sample=1")
    assert page.url.startswith(f"{server.url}/signin?next=")
    shot(page, artifacts, "asked")
    sign_in(page, key[:-1])
    assert page.locator(".fault").inner_text() == "密钥不对，请核对是否完整。"
    assert page.locator("#key").input_value() == ""
    shot(page, artifacts, "wrong")
    sign_in(page, key)
    page.wait_for_url(f"{server.url}/fill/plan-form?sample=1")
    assert page.locator("h1").inner_text() == "填写筹备方案"
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
    page.goto(server.url)
    assert "办公室 张三" in page.locator(".masthead").inner_text()
    assert page.locator(".card h2").all_inner_texts() == ["通知", "筹备方案"]
    shot(page, artifacts, "home")
    page.get_by_role("button", name="退出").click()
    page.wait_for_url(f"{server.url}/signin")
    assert context.cookies() == []
    page.goto(f"{server.url}/batch/notice")
    assert page.locator("h1").inner_text() == "登录"


@pytest.mark.fault("U2")
def test_what_was_typed_in_outlives_the_session(
    context: BrowserContext, guarded: Guarded, artifacts: Path, request: pytest.FixtureRequest
) -> None:
    server, key = guarded
    page = context.new_page()
    page.goto(f"{server.url}/fill/notice")
    sign_in(page, key)
    page.fill('[name="/title"]', f"{TITLE}&<b>")
    page.fill('[name="/body/0/text"]', "第一段\n第二段")
    context.clear_cookies()
    page.locator('button[value^="add:/body"]').first.click()
    if "no-js" in request.node.callspec.id:
        assert "所填内容都还在" in page.locator(".warning").inner_text()
        shot(page, artifacts, "kept")
        sign_in(page, key[1:])
        sign_in(page, key)
        shot(page, artifacts, "on")
        page.get_by_role("button", name="继续").click()
    else:
        link = page.locator(".status a")
        link.wait_for()
        assert page.input_value('[name="/title"]') == f"{TITLE}&<b>"
        shot(page, artifacts, "ended")
        with context.expect_page() as opened:
            link.first.click()
        sign_in(opened.value, key)
        opened.value.wait_for_url(f"{server.url}/")
        page.locator('button[value^="add:/body"]').first.click()
    page.locator('[name="/body/1/text"]').wait_for()
    assert page.input_value('[name="/title"]') == f"{TITLE}&<b>"
    # Pasted lines became paragraphs, as they do for whoever is signed in.
    assert [page.input_value(f'[name="/body/{row}/text"]') for row in (0, 1)] == ["第一段", "第二段"]


@pytest.mark.fault("U8")
@pytest.mark.parametrize("width", [1200, 320])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    browser: Browser, guarded: Guarded, width: int
) -> None:
    server, key = guarded
    context = browser.new_context(locale="zh-CN", viewport={"width": width, "height": 700})
    page = context.new_page()
    for step in ("asked", "wrong", "in"):
        if step == "asked":
            page.goto(f"{server.url}/fill/notice")
        else:
            sign_in(page, key if step == "in" else "x")
            page.wait_for_load_state()
        found = Axe().run(page).response["violations"]
        assert [item["id"] for item in found if item["impact"] in ("serious", "critical")] == [], step
        assert page.evaluate("document.documentElement.scrollWidth") <= width, step
    context.close()
