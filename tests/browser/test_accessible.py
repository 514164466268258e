"""What axe finds on the pages of verification, wide and narrow: nothing serious."""

import dataclasses
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from werkzeug.serving import make_server

from service.access import new_key, open_gate
from service.bootstrap import Services
from service.evidence import TextSpan
from service.model import Verdict, VerdictCode
from service.verification import china_today, wording
from service.web.app import create_app
from tests.browser.hands import shot

pytestmark = [pytest.mark.browser, pytest.mark.libreoffice]
CODES = list(VerdictCode)
SEVERAL = len(CODES)
CLAIMS = {
    "issuer": "文印开发试用签发者（仅供试用，不具效力）",
    "type": "通知",
    "title": "关于组织开展2021年全国科技工作者日活动的通知",
    "ref": "示例办发〔2021〕15号",
    "date": "2021-04-23",
    "facts": [{"caption": "发文机关署名", "value": "示例省科学技术协会办公室"}],
    "pages": 3,
}
WIDTHS = (1200, 360)


def verdict(code: VerdictCode) -> Verdict:
    believed = code not in (VerdictCode.NO_SEAL, VerdictCode.BAD_TOKEN, VerdictCode.UNKNOWN_KEY)
    text = "关于组织开展活动的通知\n" + "各单位结合实际组织开展主题活动。" * 20
    matched = code in (VerdictCode.EXACT, VerdictCode.TEXT_MATCH, VerdictCode.ALTERED)
    altered = (
        TextSpan("same", "各单位于"),
        TextSpan("removed", "5月8日"),
        TextSpan("added", "5月28日"),
        TextSpan("same", "前报送方案。\n"),
    )
    return Verdict(
        code,
        wording.MESSAGES[code],
        CLAIMS if believed else {},
        (wording.SIGNATURE, wording.ISSUER) if believed else (),
        (wording.PICTURES, wording.TIME),
        "0123456789abcdef" if believed else None,
        believed,
        text if matched else None,
        differences=altered if code is VerdictCode.ALTERED else (),
    )


class Desk:
    """Gives each verdict by its number, and after them one on several codes."""

    def verify_token(self, digits: str) -> Verdict:
        number = int(digits)
        if number < SEVERAL:
            return verdict(CODES[number])
        parts = tuple(dataclasses.replace(verdict(code), pages=(n, n)) for n, code in enumerate(CODES, 1))
        return dataclasses.replace(verdict(VerdictCode.CONFLICT), documents=parts)


@pytest.fixture(scope="module")
def address(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    new_key(file, "desk", ["template:*", "issuer:*"], date(2026, 1, 1))
    # A gate that takes keys, so that the pages which ask for one are there.
    gate = open_gate(
        services.settings.model_copy(update={"api_keys": file}), services.keyring.master, china_today
    )
    app = create_app(dataclasses.replace(services, desk=Desk(), gate=gate))  # type: ignore[arg-type]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def opened(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN")
    yield context.new_page()
    context.close()


def faults(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{item['id']}: {node['html'][:120]}"
        for item in found
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/signin",
        "/fill/notice",
        "/verify",
        "/verify/offline.html",
        *(f"/V/{number}" for number in range(SEVERAL + 1)),
    ],
)
def test_nothing_serious_is_found_at_any_width(
    opened: Page, address: str, path: str, artifacts: Path
) -> None:
    for width in WIDTHS:
        opened.set_viewport_size({"width": width, "height": 800})
        opened.goto(address + path)
        assert faults(opened) == [], width
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        shot(opened, artifacts / f"verify-{path.strip('/').replace('/', '-') or 'home'}-{width}.png")


def test_axe_would_find_something(opened: Page, address: str) -> None:
    opened.goto(address + "/verify")
    opened.evaluate("document.querySelector('label').remove()")
    assert any(fault.startswith("label") for fault in faults(opened))


def test_several_verdicts_are_read_without_javascript(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(f"{address}/V/{SEVERAL}")
    text = page.inner_text("main")
    for words in ("逐个验证码的结论（11 个）", "第 3 页", "已作废", "非本系统签发"):
        assert words in text
    context.close()
