"""The whole way of a clerk: choose, fill in or upload, look, take away; with JavaScript and without."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from service.catalog import load_template
from service.sheets import fill_in_workbook
from tests.browser.hands import press, preview, shot, type_in
from tests.conftest import FIXTURES, ROOT
from tests.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.libreoffice]

TEMPLATES = ROOT / "templates" / "docx"
TITLES = {
    "notice": "通知",
    "plan-form": "筹备方案",
    "summary-report": "总结报告",
    "commendation": "通报表扬",
    "plaque-labels": "牌匾邮寄标签",
}
BY_HAND = {"notice": "minimal", "plan-form": "everything", "summary-report": "minimal"}


def fixture(template: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / template / f"{name}.json").read_bytes())
    return found


@pytest.fixture(scope="module")
def document_ids(server: Server) -> dict[str, str]:
    """What the API says to the same data."""
    found = {}
    for template in TITLES:
        data = fixture(template, BY_HAND.get(template, "minimal"))
        answer = server.post_json(f"/v1/documents/{template}?format=docx", data)
        pdf = server.post_json(f"/v1/documents/{template}", data)
        assert (answer.status, pdf.status) == (200, 200)
        found[template] = pdf.headers["x-document-id"]
    return found


@pytest.mark.fault("U1", "U7")
@pytest.mark.parametrize("template", TITLES)
def test_a_form_becomes_the_document_that_the_api_makes_of_the_same_data(
    page: Page, server: Server, artifacts: Path, template: str, document_ids: dict[str, str]
) -> None:
    data = fixture(template, BY_HAND.get(template, "minimal"))
    page.goto(server.url)
    page.click(f'.card:has(h2:text-is("{TITLES[template]}")) >> text=填写')
    type_in(page, data)
    shot(page, artifacts / f"form-{template}.png")
    preview(page)
    shot(page, artifacts / f"preview-{template}.png")
    assert "草稿" in page.inner_text("main")
    assert page.locator(".pages img").evaluate_all(
        "all => all.every(i => i.complete && i.naturalWidth > 500)"
    )
    with page.expect_download() as waiting:
        press(page, "下载 PDF 和 Word")
    bundle = zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes()))
    assert waiting.value.suggested_filename.endswith(".zip")
    manifest = json.loads(bundle.read("manifest.json"))
    assert manifest["document_id"] == document_ids[template]
    assert {name.rpartition(".")[2] for name in bundle.namelist()} == {"docx", "pdf", "json"}


def scripted(page: Page) -> bool:
    """Whether the page runs scripts: what ``noscript`` holds is text to a browser that does."""
    page.goto("data:text/html,<noscript><p>x</p></noscript>")
    return page.locator("p").count() == 0


def data_file(server: Server, folder: Path, template: str, kind: str) -> Path:
    """The same data in a file: JSON, or the service's own workbook filled in."""
    data = fixture(template, BY_HAND.get(template, "minimal"))
    path = folder / f"数据.{kind}"
    if kind == "json":
        path.write_text(json.dumps(data), "utf-8")
    else:
        items = data["labels"] if template == "plaque-labels" else [data]
        path.write_bytes(fill_in_workbook(load_template(TEMPLATES / template), items))
    return path


@pytest.mark.fault("U1", "U7")
@pytest.mark.parametrize(("number", "template"), list(enumerate(TITLES)))
def test_a_file_is_previewed_changed_and_taken_away(
    page: Page, server: Server, tmp_path: Path, number: int, template: str, document_ids: dict[str, str]
) -> None:
    # Every template in both kinds, half of them with JavaScript and half without.
    kind = ("json", "xlsx")[(number + scripted(page)) % 2]
    page.goto(f"{server.url}/upload/{template}")
    page.set_input_files("#file", data_file(server, tmp_path, template, kind))
    preview(page)
    press(page, "返回修改")
    page.wait_for_selector("form.fill")
    assert page.locator(".faults").count() == 0
    preview(page)
    with page.expect_download() as waiting:
        press(page, "只要 PDF")
    pdf = Path(waiting.value.path()).read_bytes()
    if template == "plaque-labels":
        assert pdf.startswith(b"%PDF")
        return
    verdict = server.upload("/v1/verify", "x.pdf", pdf).json
    assert verdict["verdict"] == "EXACT"
    assert verdict["document_id"] == document_ids[template]


@pytest.mark.fault("U2")
def test_faults_stand_beside_their_fields_and_nothing_typed_is_lost(
    page: Page, server: Server, artifacts: Path
) -> None:
    data = fixture("plan-form", "minimal")
    data["contact"] |= {"mobile": "电话123", "email": "不是邮箱"}
    data["campaign"]["year"] = "去年"
    data["activities"][0]["body"] = "䶮" * 600
    page.goto(f"{server.url}/fill/plan-form")
    type_in(page, data)
    page.fill('[name="/host/name"]', "")
    press(page, "预览")
    page.wait_for_selector(".faults")
    shot(page, artifacts / "form-faults.png")
    assert "4 处要改" in page.inner_text("#faults-head")
    assert page.inner_text('[id="f/contact/mobile-fault"]').startswith("「主办单位联系人」「手机」")
    assert "应为整数，请只填数字" in page.inner_text('[id="f/campaign/year-fault"]')
    assert "必填" in page.inner_text('[id="f/host/name-fault"]')
    assert page.get_attribute('[name="/contact/email"]', "aria-invalid") == "true"
    # In the order of the page, each a link to its field, the first one ready for typing.
    links = page.locator(".faults a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert links == ["#f/campaign/year", "#f/host/name", "#f/contact/mobile", "#f/contact/email"]
    assert page.locator(":focus").get_attribute("name") == "/campaign/year"
    for name, value in (
        ("/contact/mobile", "电话123"),
        ("/campaign/year", "去年"),
        ("/activities/0/body", "䶮" * 600),
        ("/event/scale", data["event"]["scale"]),
    ):
        assert page.input_value(f'[name="{name}"]') == value
    assert page.is_checked(f'[name="/event/modules"][value="{data["event"]["modules"][0]}"]')
    assert "over" in (page.get_attribute(".counter", "class") or "")
    assert "3 项" in page.inner_text('[id="f/activities/2"] legend >> nth=0')


def test_rows_are_added_moved_and_removed(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/fill/notice")
    assert page.locator('[id="f/body"] > .row').count() == 1
    type_in(
        page, {"body": [{"level": 1, "text": "甲"}, {"level": 0, "text": "乙"}, {"level": 2, "text": "丙"}]}
    )
    page.click('button[value="up:/body/2"]')
    expect(page.locator('[name="/body/1/text"]')).to_have_value("丙")
    page.click('button[value="remove:/body/0"]')
    page.wait_for_selector('[id="f/body/2"]', state="detached")
    texts = [page.input_value(f'[name="/body/{at}/text"]') for at in range(2)]
    levels = [page.input_value(f'[name="/body/{at}/level"]') for at in range(2)]
    assert (texts, levels) == (["丙", "乙"], ["2", "0"])
    assert page.locator(":focus").get_attribute("name") == "/body/0/level"
    # A list inside a row of a list.
    type_in(
        page,
        {"annexes": [{"title": "附件甲", "body": [{"level": 0, "text": "一"}, {"level": 1, "text": "二"}]}]},
    )
    assert page.input_value('[name="/annexes/0/body/1/text"]') == "二"


@pytest.mark.fault("U2")
@pytest.mark.parametrize("name", ["坏.json", "<img src=x onerror=alert(1)>.json"])
def test_a_file_that_cannot_be_read_is_named_and_kept(
    page: Page, server: Server, artifacts: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text('{"title": "少了括号"', "utf-8")
    page.goto(f"{server.url}/upload/notice")
    page.set_input_files("#file", tmp_path / name)
    press(page, "预览")
    page.wait_for_selector(".faults")
    shot(page, artifacts / "upload-faults.png")
    assert name in page.inner_text("#faults-head")
    assert "第 1 行" in page.inner_text(".faults")
    press(page, "预览")
