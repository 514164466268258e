"""What could go wrong at the desk: double clicks, reloads, hostile text, other sites, small screens, no mouse."""

import base64
import io
import json
import os
import random
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from service.isolation.process import descendants
from service.pdf import render_pages
from service.schema import word_count
from tests.browser.conftest import watched
from tests.browser.hands import press, preview, shot, type_in
from tests.browser.test_forms import fixture
from tests.conftest import FIXTURES
from tests.printed import Printed
from tests.serving import Server, free_port, serving

pytestmark = [pytest.mark.browser, pytest.mark.libreoffice]
FILL = "/fill/plan-form"
SERIOUS = {"serious", "critical"}
HOSTILE = "<img src=x onerror=alert(1)>"


def asked(server: Server, route: str) -> int:
    return sum(
        f'"route": "{route}"' in line and '"method": "POST"' in line for line in server.log.splitlines()
    )


@pytest.mark.fault("U5")
def test_no_reload_back_or_double_click_loses_or_doubles_anything(js_page: Page, server: Server) -> None:
    page, data = js_page, fixture("plan-form", "minimal")
    page.goto(server.url + FILL)
    type_in(page, data)
    page.fill('[name="/host/name"]', "云州市䶮科技馆")
    before = asked(server, "/fill/<template_id>")
    page.locator(".bar button").first.dblclick()
    page.wait_for_selector(".pages img")
    assert asked(server, "/fill/<template_id>") == before + 1
    page.go_back()
    expect(page.locator('[name="/host/name"]')).to_have_value("云州市䶮科技馆")
    page.reload()
    expect(page.locator('[name="/host/name"]')).to_have_value("云州市䶮科技馆")
    assert "已恢复" in page.inner_text(".status")
    assert page.input_value('[name="/activities/0/body"]') == data["activities"][0]["body"]
    preview(page)
    taken: list[Any] = []
    page.on("download", lambda download: taken.append(download.url))
    with page.expect_download():
        page.locator("button:has-text('只要 PDF')").dblclick()
    page.wait_for_selector("text=已下载")
    assert len(taken) == 1
    # A reload of the preview asks nothing and shows what was typed; so does one before it is there.
    page.reload()
    expect(page.locator('[name="/host/name"]')).to_have_value("云州市䶮科技馆")
    press(page, "预览")
    page.reload()
    expect(page.locator('[name="/host/name"]')).to_have_value("云州市䶮科技馆")
    press(page, "清除草稿")
    expect(page.locator('[name="/host/name"]')).to_have_value("")
    page.reload()
    expect(page.locator('[name="/host/name"]')).to_have_value("")


@pytest.mark.fault("U5")
def test_without_scripts_back_and_reload_are_harmless(browser: Browser, server: Server) -> None:
    with watched(browser, server, java_script_enabled=False) as page:
        page.goto(f"{server.url}/fill/notice")
        type_in(page, fixture("notice", "minimal"))
        page.fill('[name="/title"]', "关于甲的通知")
        preview(page)
        # The address as it was typed into; then a page that answered a form.
        page.go_back(wait_until="commit")
        expect(page.locator('[name="/title"]')).to_have_value("关于甲的通知")
        press(page, "添加一项")
        page.wait_for_selector('[id="f/body/1"]')
        page.fill('[name="/title"]', "关于乙的通知")
        preview(page)
        page.go_back(wait_until="commit")
        expect(page.locator('[name="/title"]')).to_have_value("关于乙的通知")
        assert page.input_value('[name="/body/0/text"]') == fixture("notice", "minimal")["body"][0]["text"]
        preview(page)
        before = asked(server, "/fill/<template_id>")
        page.reload()
        page.wait_for_selector(".pages img")
        assert asked(server, "/fill/<template_id>") == before + 1
        ids = []
        for _ in range(2):
            with page.expect_download() as waiting:
                press(page, "只要 PDF")
            said = server.upload("/v1/verify", "x.pdf", Path(waiting.value.path()).read_bytes()).json
            assert said["claims"]["title"] == "关于乙的通知"
            ids.append(said["document_id"])
        assert ids[0] == ids[1]
        assert page.locator(".pages img").count() == 1


def test_the_seal_is_offered_where_it_may_be_and_never_on_a_draft(
    page: Page, server: Server, artifacts: Path
) -> None:
    page.goto(f"{server.url}/fill/notice")
    type_in(page, fixture("notice", "minimal"))
    preview(page)
    assert "与签发单位“文印开发试用签发者（仅供试用，不具效力）”不同" in page.inner_text(".seal")
    assert page.locator("[name=seal]").count() == 0
    press(page, "返回修改")
    page.fill('[name="/issuer"]', "文印开发试用签发者（仅供试用，不具效力）")
    preview(page)
    shot(page, artifacts / "preview-seal.png")
    assert "不是电子印章" in page.inner_text(".seal")
    drawn = page.get_attribute(".pages img", "src") or ""
    assert not red(base64.b64decode(drawn.partition(",")[2]))
    for ticked in (False, True):
        page.locator("[name=seal]").set_checked(ticked)
        with page.expect_download() as waiting:
            press(page, "只要 PDF")
        pdf = Path(waiting.value.path()).read_bytes()
        assert red(png_of(pdf)) is ticked
        assert server.upload("/v1/verify", "x.pdf", pdf).json["verdict"] == "EXACT"


def red(picture: bytes) -> bool:
    """Whether there is a seal's red in a picture."""
    with Image.open(io.BytesIO(picture)) as opened:
        pixels = opened.convert("RGB").resize((300, 424)).tobytes()
    return any(r > 180 and g < 120 and b < 120 for r, g, b in zip(*[iter(pixels)] * 3, strict=True))


def png_of(pdf: bytes) -> bytes:
    made = io.BytesIO()
    next(iter(render_pages(pdf, 72, grey=False))).save(made, "PNG")
    return made.getvalue()


def test_lines_pasted_into_a_paragraph_become_paragraphs(js_page: Page, server: Server) -> None:
    js_page.goto(f"{server.url}/fill/notice")
    js_page.evaluate(
        """() => {
          const area = document.querySelector('[name="/body/0/text"]');
          const data = new DataTransfer();
          data.setData("text/plain", "第一段。\\n第二段。\\n\\n第三段。");
          area.value = "第一段。\\n第二段。\\n\\n第三段。";
          area.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
        }"""
    )
    expect(js_page.locator('[name="/body/2/text"]')).to_have_value("第三段。")
    assert js_page.input_value('[name="/body/1/text"]') == "第二段。"


def test_words_are_counted_as_the_service_counts_them(js_page: Page, server: Server) -> None:
    page = js_page
    page.goto(server.url + FILL)
    chance = random.Random(20260508)
    alphabet = "中䶮𠮷 a1é٣①½Ⅷ，。“”—…·-–'\n\t\u3000\xa0\u2028_+@.ａ１カ한\u0301"
    texts = [
        "",
        "2021年5月8日",
        "a@b.cn x-y 3.14%",
        *("".join(chance.choices(alphabet, k=chance.randrange(1, 40))) for _ in range(400)),
    ]
    wrong = [
        (text, ours, theirs)
        for text, theirs in zip(texts, page.evaluate("texts => texts.map(wordCount)", texts), strict=True)
        if (ours := word_count(text)) != theirs
    ]
    assert wrong == []
    page.fill('[name="/activities/1/body"]', "字" * 480)
    page.fill('[name="/activities/1/title"]', "Open day 2026")
    counter = page.locator('[id="f/activities/1"] .counter')
    assert "483 字" in counter.inner_text()
    page.fill('[name="/activities/1/place"]', "字" * 20)
    assert "503 字" in counter.inner_text()
    assert "over" in (counter.get_attribute("class") or "")
    assert "0 字" in page.inner_text('[id="f/activities/0"] .counter')


def longest(schema: dict[str, Any], node: dict[str, Any]) -> Any:
    """Every field there is, each at its longest, with a tag and a rare character in it."""
    node = {**schema["$defs"].get(node.get("$ref", "").rpartition("/")[2], {}), **node}
    if node.get("type") == "object":
        return {name: longest(schema, part) for name, part in node["properties"].items()}
    if node.get("type") == "array":
        item = node["items"]
        if "oneOf" in item:
            return [choice["const"] for choice in item["oneOf"]]
        return [longest(schema, item) for _ in range(3)]
    if node.get("type") == "integer":
        return node["maximum"]
    if node.get("format") == "date":
        return "2026-05-08"
    return None if "format" in node else (HOSTILE + "䶮" + "长" * 5000)[: node.get("maxLength", 60)]


@pytest.mark.fault("U3")
def test_text_is_text_in_every_field_at_its_longest(
    js_page: Page, server: Server, tmp_path: Path, artifacts: Path
) -> None:
    page = js_page
    schema = server.get("/v1/templates/plan-form/schema").json
    data = longest(schema, schema)
    data["host"]["unit_id"] = "u" * 40
    data["contact"] |= {
        "mobile": "10000000000、10000000000、10000000000",
        "email": "a" * 60 + "@mail.example.cn",
    }
    data["mailing_address"]["postcode"] = "000000"
    data["campaign"]["name"] = "䶮" * 40
    for row in data["activities"]:
        row["body"] = row["body"][:1200]
    (tmp_path / f"{HOSTILE}.json").write_text(json.dumps(data), "utf-8")
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(f"{server.url}/upload/plan-form")
    page.set_input_files("#file", tmp_path / f"{HOSTILE}.json")
    preview(page)
    shot(page, artifacts / "preview-longest.png")
    with page.expect_download() as waiting:
        press(page, "只要 PDF")
    printed = "".join(Printed(Path(waiting.value.path()).read_bytes()).text.split())
    assert printed.count(HOSTILE.replace(" ", "")) >= 20
    assert printed.count("䶮") >= 60
    press(page, "返回修改")
    page.wait_for_selector("form.fill")
    shot(page, artifacts / "form-longest.png")
    assert page.input_value('[name="/event/name"]') == data["event"]["name"]
    assert page.input_value('[name="/activities/2/body"]') == data["activities"][2]["body"]
    assert page.locator("main img").count() == 0
    page.fill('[name="/contact/mobile"]', HOSTILE)
    press(page, "预览")
    page.wait_for_selector(".faults")
    assert page.locator("main img").count() == 0


@pytest.mark.fault("U4")
def test_another_site_cannot_send_a_form(server: Server) -> None:
    own = f"http://127.0.0.1:{server.port}"
    body = b"%2Ftitle=x&do=edit"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for headers, status in (
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": own}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": own}, 200),
        ({}, 200),
    ):
        answer = server.ask("POST", "/fill/notice", body, {**kind, **headers})
        assert answer.status == status, headers


@pytest.mark.parametrize("javascript", [True, False])
def test_plain_http_in_an_intranet_is_our_own_site(
    browser: Browser, server: Server, javascript: bool
) -> None:
    context = browser.new_context(java_script_enabled=javascript)
    page = context.new_page()
    page.goto(f"http://wenyin.example.cn:{server.port}/fill/notice")
    page.fill('[name="/title"]', "通知")
    press(page, "添加一项")
    page.wait_for_selector('[id="f/body/1"]')
    page.goto(f"http://wenyin.example.cn:{server.port}/verify")
    page.set_input_files("#file", FIXTURES / "README.md")
    page.click("button")
    page.wait_for_selector("h1:not(:text-is('核验文件'))")
    assert "其他网站" not in page.inner_text("main")
    page.route(
        "http://other.example.cn/",
        lambda route: route.fulfill(
            content_type="text/html; charset=utf-8",
            body=f'<form method="post" action="http://wenyin.example.cn:{server.port}/fill/notice">'
            '<button name="do" value="edit">go</button></form>',
        ),
    )
    page.goto("http://other.example.cn/")
    page.click("button")
    page.wait_for_selector("text=来自其他网站")
    context.close()


PAGES = (
    "/",
    "/batch/plaque-labels",
    "/fill/notice",
    "/fill/plaque-labels?sample=1",
    FILL,
    "/upload/notice",
    "/verify",
)


@pytest.mark.fault("U8")
def test_no_page_has_a_serious_fault_of_access(js_page: Page, server: Server, artifacts: Path) -> None:
    page = js_page

    def judge(what: str) -> None:
        found = Axe().run(page).response["violations"]
        assert [item["id"] for item in found if item["impact"] in SERIOUS] == [], what
        for width in (320, 512):
            page.set_viewport_size({"width": width, "height": 700})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, what
        shot(page, artifacts / f"narrow-{what}.png")
        page.set_viewport_size({"width": 1280, "height": 720})

    for number, address in enumerate(PAGES):
        page.goto(server.url + address)
        if address == "/":
            for image in page.locator(".card img").all():
                image.scroll_into_view_if_needed()
                expect(image).to_have_js_property("complete", True)
                assert image.evaluate("one => one.naturalWidth") > 300
        judge(f"page-{number}")
    page.goto(f"{server.url}/fill/notice")
    press(page, "预览")
    page.wait_for_selector(".faults")
    judge("faults")
    page.goto(f"{server.url}/fill/notice?sample=1")
    preview(page)
    judge("preview")


@pytest.mark.fault("U8")
def test_keyboard_alone_leads_to_the_document(js_page: Page, server: Server) -> None:
    page, data = js_page, fixture("summary-report", "minimal")
    page.goto(f"{server.url}/fill/summary-report")
    # It begins at the first field that is empty; what stands before it is a step back.
    assert page.locator(":focus").get_attribute("name") == "/campaign/name"
    page.keyboard.press("Shift+Tab")
    reached = [page.locator(":focus").get_attribute("name")]
    for _ in range(80):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.name || ''")
        value = page.evaluate("document.activeElement.value || ''")
        if name and name != "do":
            reached.append(name)
        if name == "do" and value == "preview":
            break
    for name in ("/campaign/year", "/host/name", "/reports/0/body", "/submitted_on"):
        assert name in reached
    type_in(page, data)
    page.focus(".bar button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".pages img")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    page.keyboard.press("Tab")
    with page.expect_download():
        page.keyboard.press("Enter")


def test_pages_are_light(js_page: Page, server: Server) -> None:
    sizes: dict[str, int] = {}
    js_page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))
    js_page.goto(server.url + FILL)
    js_page.wait_for_load_state("networkidle")
    assert sum(sizes.values()) < 150_000, sizes
    assert len(sizes) >= 3


@pytest.mark.fault("U6")
def test_a_service_that_stops_and_comes_back_loses_nothing(
    browser: Browser, tmp_path: Path, artifacts: Path
) -> None:
    settings = {"port": str(free_port()), "converters": "1", "workers": "1"}
    rows = [{"title": "没有写完的通知"}, *[fixture("notice", "minimal")] * 3]
    (tmp_path / "通知.json").write_text(json.dumps(rows), "utf-8")
    context = browser.new_context(locale="zh-CN")
    page, batch = context.new_page(), context.new_page()
    with serving(tmp_path, **settings) as server:
        page.goto(server.url + FILL)
        type_in(page, fixture("plan-form", "minimal"))
        batch.goto(f"{server.url}/batch/notice")
        batch.set_input_files("#file", tmp_path / "通知.json")
        batch.wait_for_selector("#look")
        assert batch.locator("#look li").first.inner_text().startswith("第 1 项：")
        # A converter that stands still: whenever the end comes, the batch is not made.
        os.kill(converter_of(server), signal.SIGSTOP)
        with batch.expect_request("**/batch/notice"):
            press(batch, "生成 3 份")
        server.kill()
    expect(batch.locator(".status")).to_contain_text("连接中断", timeout=60_000)
    shot(batch, artifacts / "batch-interrupted.png")
    press(page, "预览")
    page.wait_for_selector("text=没有连上服务")
    assert batch.locator("[data-stop]").is_visible()
    # The batch is made by itself, whole, of the same numbers; the form takes one press.
    with batch.expect_download(timeout=180_000) as waiting, serving(tmp_path, **settings) as server:
        preview(page)
        batch.wait_for_selector("text=已下载", timeout=180_000)
        asked = server.post_json("/v1/documents/notice", fixture("notice", "minimal"))
    with zipfile.ZipFile(waiting.value.path()) as made:
        items = json.loads(made.read("report.json"))["items"]
    assert [item["document_id"] for item in items] == ["", *[asked.headers["x-document-id"]] * 3]
    context.close()


def converter_of(server: Server) -> int:
    return next(
        pid
        for pid in descendants(server.process.pid)
        if b"service.convert.server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
