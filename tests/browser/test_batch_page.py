"""Sheets at the desk: looked at, mended, made; with JavaScript and without."""

import io
import json
import zipfile
from pathlib import Path

import pytest
import xlsxwriter
from playwright.sync_api import Page, expect
from python_calamine import CalamineWorkbook

from service.pdf import page_count
from tests.browser.hands import press, preview, shot
from tests.browser.test_accessible import faults as serious_faults
from tests.browser.test_forms import scripted
from tests.printed import Printed
from tests.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.libreoffice]
HOSTILE = "<img src=x onerror=alert(1)>"
# Another order than the template's, and a title above.
HEAD = ("牌匾编号", "收件地址", "表扬名称", "收件人", "联系电话", "收件单位", "邮政编码")


def sheet(path: Path, count: int, bad: tuple[int, ...] = ()) -> Path:
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        page.write(0, 0, "牌匾寄送名单")
        page.write_row(1, 0, HEAD)
        for number in range(1, count + 1):
            address = "" if number in bad else f"云江省云州市示例区不存在路{number}号"
            award = ("积极贡献单位", "优秀组织单位")[number % 2]
            unit = f"云州市第{number}示例中学"
            row = (f"2026-{number:03}", address, award, "欧阳䶮", "010-0000-0000", unit, "010000")
            page.write_row(number + 1, 0, row)
    return path


def choose(page: Page, path: Path) -> None:
    """Choose a sheet and have it looked at: by itself where scripts run."""
    runs = page.evaluate("typeof window.wordCount") == "function"
    page.set_input_files("#file", path)
    if not runs:
        press(page, "查看")
    page.wait_for_selector("#look, #faults")


@pytest.mark.fault("U1")
def test_a_sheet_is_looked_at_mended_and_printed(
    page: Page, server: Server, artifacts: Path, tmp_path: Path
) -> None:
    runs = scripted(page)
    page.goto(server.url)
    page.click('.card:has(h2:text-is("牌匾邮寄标签")) >> text=批量')
    choose(page, sheet(tmp_path / "名单.xlsx", 30, bad=(3, 17)))
    shot(page, artifacts / "batch-look.png")
    assert page.inner_text("#look-head") == "名单.xlsx：可以生成 28 枚标签，2 行有错"
    faults = page.locator("#look li").all_inner_texts()
    assert [text[:3] for text in faults] == ["B5：", "B19"]
    assert faults[0] == "B5：缺少必填项「收件地址」，请补上"
    first = page.locator(".rows tbody tr").first.inner_text().split("\t")
    assert (first[0], "优秀组织单位" in first, "欧阳䶮" in first) == ("3", True, True)
    # Without scripts a browser forgets the file; the page brings it along.
    with page.expect_download() as waiting:
        press(page, "下载有错的行")
    mended = CalamineWorkbook.from_path(waiting.value.path()).get_sheet_by_index(0).to_python()
    assert len(mended) == 3
    assert "2026-003" in mended[1]
    with page.expect_download() as waiting:
        press(page, "生成 28 枚标签")
    pdf = Path(waiting.value.path()).read_bytes()
    assert page_count(pdf) == 2
    text = "".join(Printed(pdf).text.split())
    assert "云州市第30示例中学" in text
    assert "云州市第17示例中学" not in text
    assert waiting.value.suggested_filename == "牌匾邮寄标签28份.pdf"
    if runs:
        page.wait_for_selector("text=已下载")


def test_documents_come_as_a_zip(page: Page, server: Server, tmp_path: Path) -> None:
    body = {"recipients": ["各科室"], "issuer": "云州市办公室", "issued_on": "2026-05-08"}
    rows = [
        {**body, "title": f"关于第{number}事的通知", "body": [{"level": 0, "text": "特此通知。"}]}
        for number in (1, 2)
    ]
    (tmp_path / "通知.json").write_text(json.dumps(rows), "utf-8")
    page.goto(f"{server.url}/batch/notice")
    choose(page, tmp_path / "通知.json")
    assert "可以生成 2 份" in page.inner_text("#look-head")
    with page.expect_download() as waiting:
        press(page, "生成 2 份")
    names = zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes())).namelist()
    assert sorted(name.rpartition(".")[2] for name in names) == ["json", "pdf", "pdf"]
    assert sum(name.startswith("关于第") for name in names) == 2


@pytest.mark.fault("U3")
def test_hostile_headers_and_cells_are_text(js_page: Page, server: Server, tmp_path: Path) -> None:
    path = tmp_path / f"{HOSTILE}.csv"
    path.write_text(",".join([*HEAD, HOSTILE]) + "\n", "utf-8")
    js_page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    js_page.goto(f"{server.url}/batch/plaque-labels")
    choose(js_page, path)
    assert js_page.inner_text("#faults").count(HOSTILE) == 2
    row = ("1", "某地1号", "优秀组织单位", HOSTILE, "010-0000-0000", "某单位", "010000")
    other = tmp_path / "恶意2.csv"
    other.write_text(",".join(HEAD) + "\n" + ",".join(row) + "\n", "utf-8")
    js_page.set_input_files("#file", other)
    expect(js_page.locator(".rows")).to_contain_text(HOSTILE)
    assert js_page.locator("main img").count() == 0


@pytest.mark.fault("U8")
def test_nothing_serious_is_found_before_and_after_a_batch(
    js_page: Page, server: Server, tmp_path: Path, artifacts: Path
) -> None:
    def look(state: str) -> None:
        for width in (1200, 320):
            js_page.set_viewport_size({"width": width, "height": 800})
            assert serious_faults(js_page) == [], (state, width)
            assert js_page.evaluate("document.documentElement.scrollWidth") <= width, (state, width)
            shot(js_page, artifacts / f"batch-{state}-{width}.png")

    js_page.goto(f"{server.url}/batch/plaque-labels")
    choose(js_page, sheet(tmp_path / "名单.xlsx", 4, bad=(2, 3)))
    expect(js_page.locator("#look-head")).to_contain_text("2 行有错")
    look("faulty")
    with js_page.expect_download(timeout=120_000):
        press(js_page, "生成 2 枚标签")
    expect(js_page.locator(".status")).to_contain_text("已下载")
    look("done")
    (tmp_path / "空.xlsx").write_bytes(b"")
    js_page.set_input_files("#file", tmp_path / "空.xlsx")
    expect(js_page.locator("#faults")).to_be_visible()
    look("refused")


@pytest.mark.fault("U6")
def test_a_broken_batch_is_made_again_by_itself_and_can_be_stopped(
    js_page: Page, server: Server, tmp_path: Path, artifacts: Path
) -> None:
    page = js_page
    page.goto(f"{server.url}/batch/plaque-labels")
    choose(page, sheet(tmp_path / "名单.xlsx", 3))
    half = '{"event": "progress", "done": 2, "failed": 0, "total": 3, "status": "ok"}\n'
    page.route(
        "**/batch/*",
        lambda route: (
            route.fulfill(content_type="application/x-ndjson", body=half)
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    press(page, "生成 3 枚标签")
    expect(page.locator(".status")).to_contain_text("连接中断，已做到第 2 份。服务恢复后自动从头再做")
    shot(page, artifacts / "batch-broken.png")
    press(page, "停止")
    expect(page.locator(".status")).to_contain_text("已停止。选好的文件还在")
    press(page, "生成 3 枚标签")
    expect(page.locator(".status")).to_contain_text("连接中断")
    with page.expect_download(timeout=120_000) as waiting:
        page.unroute("**/batch/*")
    assert waiting.value.suggested_filename == "牌匾邮寄标签3份.pdf"
    expect(page.locator(".status")).to_contain_text("已下载")
    expect(page.locator("[data-stop]")).to_be_hidden()


@pytest.mark.fault("U9")
def test_the_blank_workbook_filled_in_comes_back_unchanged(
    page: Page, server: Server, tmp_path: Path
) -> None:
    page.goto(f"{server.url}/upload/plaque-labels")
    with page.expect_download() as waiting:
        page.click("text=空白工作簿")
    values = [
        "云州市䶮科技馆",
        "欧阳䶮",
        "010-0000-0000",
        "010000",
        "云州市示例区不存在路1号",
        "优秀组织单位",
        "2026-001",
    ]
    filled = tmp_path / "填好.xlsx"
    titles = CalamineWorkbook.from_path(waiting.value.path()).get_sheet_by_index(0).to_python()[0]
    names = ["unit", "attn", "phone", "postcode", "address", "award", "plaque_no"]
    assert [str(title).rstrip("*") for title in titles] == [
        "收件单位", "收件人", "联系电话", "邮政编码", "收件地址", "表扬名称", "牌匾编号",
    ]  # fmt: skip
    cells = "".join(
        f'<c r="{chr(65 + at)}2" t="inlineStr"><is><t>{value}</t></is></c>' for at, value in enumerate(values)
    )
    with zipfile.ZipFile(waiting.value.path()) as blank, zipfile.ZipFile(filled, "w") as target:
        for name in blank.namelist():
            content = blank.read(name)
            if name == "xl/worksheets/sheet1.xml":
                assert b"</sheetData>" in content
                content = content.replace(b"</sheetData>", f'<row r="2">{cells}</row></sheetData>'.encode())
            target.writestr(name, content)
    page.set_input_files("#file", filled)
    preview(page)
    press(page, "返回修改")
    page.wait_for_selector("form.fill")
    for name, value in zip(names, values, strict=True):
        if name != "award":
            assert page.input_value(f'[name="/labels/0/{name}"]') == value
    assert page.is_checked('[name="/labels/0/award"][value="excellent_organizer"]')
