"""Batches over real HTTP: checked as a whole, streamed, stopped when nobody waits."""

import base64
import csv
import http.client
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pypdf
import pytest

from service.pdf import render_pages
from service.verification import decode_symbols
from tests.conftest import FIXTURES
from tests.serving import Answer, Server, serving, wait_until
from tests.tables import LABEL_TITLES, label_cells, mend_labels, renamed, with_part, workbook_of
from tools.make_row_fixtures import FAULTY_LINES, label

pytestmark = pytest.mark.libreoffice
NOTICE = json.loads((FIXTURES / "notice" / "minimal.json").read_text("utf-8"))
PLAN_FORM = json.loads((FIXTURES / "plan-form" / "minimal.json").read_text("utf-8"))
LABELS = json.loads((FIXTURES / "plaque-labels" / "sheet-and-one.json").read_text("utf-8"))["labels"]


def notices(count: int) -> list[dict[str, Any]]:
    return [{**NOTICE, "title": f"关于第{number}项工作的通知"} for number in range(count)]


def report_of(answer: Answer) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        found: dict[str, Any] = json.loads(archive.read("report.json"))
        assert {item["file"] for item in found["items"] if item["status"] == "ok"} == {
            name for name in archive.namelist() if name.endswith(".pdf")
        }
    return found


def events(answer: Answer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.body.splitlines()]


def test_documents_come_as_a_zip_with_a_report(server: Server) -> None:
    answer = server.post_json("/v1/batches/notice", notices(4))
    assert (answer.status, answer.type) == (200, "application/zip"), answer.body
    assert "%E9%80%9A%E7%9F%A54%E4%BB%BD.zip" in answer.headers["content-disposition"]
    report = report_of(answer)
    assert (report["done"], report["failed"]) == (4, 0)
    assert sorted(item["row"] for item in report["items"]) == [0, 1, 2, 3]
    assert report["warnings"] == [f"第 1 项与第 {number} 项的主送机关相同。" for number in (2, 3, 4)]
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        by_row = {item["row"]: archive.read(item["file"]) for item in report["items"]}
    for row, pdf in by_row.items():
        verdict = server.upload("/v1/verify", "a.pdf", pdf).json
        assert (verdict["verdict"], verdict["claims"]["title"]) == ("EXACT", f"关于第{row}项工作的通知")


@pytest.mark.fault("X11")
def test_all_faults_come_at_once_before_anything_is_made(server: Server) -> None:
    rows = notices(3)
    rows[1]["issued_on"] = "2026-02-30"
    del rows[2]["issuer"]
    answer = server.post_json("/v1/batches/notice", rows)
    assert (answer.status, answer.type) == (422, "application/problem+json")
    assert [fault["pointer"] for fault in answer.json["errors"]] == ["/1/issued_on", "/2/issuer"]
    answer = server.post_json("/v1/batches/notice?on_error=skip", rows)
    report = report_of(answer)
    assert (report["done"], report["failed"]) == (1, 2)
    failed = {item["row"]: item["message"] for item in report["items"] if item["status"] == "failed"}
    assert set(failed) == {1, 2}
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        mended = archive.read("有问题的行.xlsx")
    again = server.upload("/v1/batches/notice", "有问题的行.xlsx", mended)
    assert again.status == 422
    assert {fault["pointer"].split("/")[1] for fault in again.json["errors"]} == {"0", "1"}
    assert "成文日期" in failed[1]


@pytest.mark.fault("J24")
def test_a_picture_in_a_cell_is_refused_by_its_cell(server: Server) -> None:
    cells = [*label_cells()[:-1], "图"]
    content = with_part(
        workbook_of({"Sheet1": [list(LABEL_TITLES), cells]}),
        "xl/worksheets/sheet1.xml",
        # As WPS writes a picture that is embedded in a cell.
        lambda part: re.sub(
            rb'<c r="A2" t="s"><v>\d+</v></c>',
            b'<c r="A2" t="str"><f>_xlfn.DISPIMG(&quot;ID_0A&quot;,1)</f><v>=DISPIMG(&quot;ID_0A&quot;,1)</v></c>',
            part,
        ),
    )
    (fault,) = server.upload("/v1/batches/plaque-labels", "标签.xlsx", content).json["errors"]
    assert fault["keyword"] == "image"
    assert fault["message"].startswith("A2：")
    assert "只能填文字" in fault["message"]


@pytest.mark.fault("H3", "H7", "U3", "X6")
def test_hostile_names_of_sheets_and_files_stay_names(server: Server) -> None:
    quiet = len(server.log)
    name = "=cmd|' /C calc'!A1<img src=x onerror=alert(1)>\u202e"
    rows = [list(LABEL_TITLES), label_cells(), [*label_cells(2)[:-1], ""]]
    hidden = renamed(workbook_of({"甲": rows, "乙": rows}), name, state="hidden")
    page = server.upload("/batch/plaque-labels", "名\u202e单.xlsx", hidden, "text/html").body.decode()
    assert "名&lt;U+202E&gt;单.xlsx：可以生成 1 枚标签，1 行有错" in page
    assert "隐藏的工作表“=cmd|&#39; /C calc&#39;!A1&lt;img src=x" in page
    assert "<img" not in page
    # It comes back as it was, out of sight.
    assert "\u202e" not in page.replace('value="名\u202e单.xlsx"', "")
    made = server.upload("/v1/batches/plaque-labels?on_error=skip", "a.xlsx", hidden)
    assert report_of(made)["done"] == 1
    assert "\u202e" not in json.dumps(report_of(made), ensure_ascii=False)
    with zipfile.ZipFile(io.BytesIO(made.body)) as archive:
        mended = archive.read("有问题的行.xlsx")
    with zipfile.ZipFile(io.BytesIO(mended)) as book:
        assert not any(b"cmd|" in book.read(part) or b"<f>" in book.read(part) for part in book.namelist())
    refused = server.upload(
        "/v1/batches/plaque-labels", "a.xlsx", renamed(workbook_of({"甲": rows, "乙": rows}), name)
    )
    assert refused.json["type"].endswith("many-sheets")
    assert "\u202e" not in refused.json["detail"]
    assert "calc" not in server.log[quiet:]


def test_seal_and_missing_glyphs_are_asked_for_as_of_one_document(server: Server) -> None:
    rows = notices(2)
    rows[1]["title"] += "\ue000"
    refused = server.post_json("/v1/batches/notice?on_missing_glyph=error", rows)
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/1/title")
    answer = server.post_json("/v1/batches/notice?on_missing_glyph=geta&format=bundle", rows)
    assert answer.status == 200, answer.body
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        report = json.loads(archive.read("report.json"))
        # Which of two that are made at once is done first is not said.
        plain, marked = sorted(report["items"], key=lambda item: item["row"])
        assert (len(plain["warnings"]), len(marked["warnings"])) == (0, 1)
        bundle = zipfile.ZipFile(io.BytesIO(archive.read(marked["file"])))
        manifest = json.loads(bundle.read("manifest.json"))
    assert [item["code_point"] for item in manifest["missing_glyphs"]] == ["U+E000"]
    sealed = server.post_json("/v1/batches/notice?seal=true", notices(2))
    assert (sealed.status, len(sealed.json["errors"])) == (422, 2)
    assert all("WENYIN_SEAL_DIR" in fault["message"] for fault in sealed.json["errors"])
    for path, words in (("notice?on_missing_glyph=x", "geta"), ("plaque-labels?seal=true", "seal")):
        answer = server.post_json(f"/v1/batches/{path}", notices(1))
        assert (answer.status, words in answer.json["detail"]) == (400, True), answer.body


@pytest.mark.fault("X5", "X7", "X8", "X11")
def test_a_thousand_rows_with_seven_faulty_ones(server: Server) -> None:
    thousand = (FIXTURES / "rows" / "labels-1000-with-7-faulty.xlsx").read_bytes()
    refused = server.upload("/v1/batches/plaque-labels", "标签.xlsx", thousand)
    assert refused.status == 422
    cells = [re.match(r"([A-G]\d+)：.*[\u4e00-\u9fff]", fault["message"]) for fault in refused.json["errors"]]
    assert [cell and cell[1] for cell in cells] == ["C18", "G150", "B301", "F444", "D587", "E730", "A999"]

    made = server.upload("/v1/batches/plaque-labels?on_error=skip", "标签.xlsx", thousand)
    report = report_of(made)
    assert (report["done"], report["failed"]) == (993, 7)
    with zipfile.ZipFile(io.BytesIO(made.body)) as archive:
        pages = [
            page.extract_text()
            for name in sorted(archive.namelist())
            if name.endswith(".pdf")
            for page in pypdf.PdfReader(io.BytesIO(archive.read(name))).pages
        ]
        mended = mend_labels(archive.read("有问题的行.xlsx"), FAULTY_LINES)
    assert len(pages) == -(-993 // 14)
    printed = "".join("".join(pages).split())
    assert [line for line in range(2, 1_002) if label(line - 1)[6] not in printed] == list(FAULTY_LINES)

    again = server.upload("/v1/batches/plaque-labels?merge=true", "有问题的行.xlsx", mended)
    assert (again.status, again.type) == (200, "application/pdf"), again.body
    text = "".join(pypdf.PdfReader(io.BytesIO(again.body)).pages[0].extract_text().split())
    assert all(label(line - 1)[6] in text for line in FAULTY_LINES)


@pytest.mark.fault("X4")
def test_too_many_rows_for_http_are_refused_by_number(tmp_path: Path) -> None:
    with serving(tmp_path, batch_http_rows_limit="20", soffice="/nothing") as server:
        rows = (FIXTURES / "rows" / "labels-1000-with-7-faulty.xlsx").read_bytes()
        answer = server.upload("/v1/batches/plaque-labels", "标签.xlsx", rows)
        assert (answer.status, answer.json["type"]) == (422, "urn:wenyin:problem:too-many-rows")


@pytest.mark.fault("X11")
def test_events_tell_of_each_item_and_end_with_the_file(server: Server) -> None:
    answer = server.post_json("/v1/batches/notice?merge=true", notices(3), Accept="application/x-ndjson")
    assert (answer.status, answer.type) == (200, "application/x-ndjson")
    *progress, result = events(answer)
    assert [(item["event"], item["status"]) for item in progress] == [("progress", "ok")] * 3
    assert {item["row"] for item in progress} == {0, 1, 2}
    assert (result["event"], result["done"], result["total"], result["failed"]) == ("result", 3, 3, 0)
    assert result["warnings"] == [f"第 1 项与第 {number} 项的主送机关相同。" for number in (2, 3)]
    pdf = base64.b64decode(result["content"])
    assert len(pdf) == result["size"]
    text = [page.extract_text().replace("\n", "") for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]
    assert [f"第{number}项" in text[number].replace(" ", "") for number in range(3)] == [True] * 3


def test_labels_from_an_uploaded_csv_are_one_pdf(server: Server) -> None:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, LABELS[0])
    writer.writeheader()
    writer.writerows(LABELS)
    path = "/v1/batches/plaque-labels?merge=true&sheet=L7165&copies=2&order=column"
    answer = server.upload(path, "名单.csv", stream.getvalue().encode("gb18030"))
    assert (answer.status, answer.type) == (200, "application/pdf"), answer.body
    assert answer.headers["x-failed-items"] == "0"
    pages = list(render_pages(answer.body, 200))
    assert len(pages) == 7
    assert len({url for page in pages for url in decode_symbols(page)}) == 25


def test_labels_from_50_plan_forms_carry_their_forms_addresses(server: Server) -> None:
    forms = []
    for number in range(50):
        contact = {**PLAN_FORM["contact"], "name": f"联络员{number:02d}", "mobile": f"010-0000-{number:06b}"}
        address = {"text": f"云江省云州市不存在路{number}号", "postcode": f"{number:06b}"}
        host = {"name": f"云州市第{number}科技馆"}
        award = {"award": "excellent_organizer", "plaque_no": f"2026-{number:03d}"}
        forms.append(PLAN_FORM | {"contact": contact, "mailing_address": address, "host": host} | award)
    answer = server.post_json("/v1/batches/plaque-labels?merge=true&sheet=thermal-76x130", forms)
    assert answer.status == 200, answer.body
    pages = pypdf.PdfReader(io.BytesIO(answer.body)).pages
    assert len(pages) == 50
    for number, page in enumerate(pages):
        text = "".join(page.extract_text().split())
        for words in (
            f"联络员{number:02d}",
            f"010-0000-{number:06b}",
            f"不存在路{number}号",
            f"第{number}科技馆",
            f"{number:06b}",
        ):
            assert words in text, (number, words, text)


def test_parameters_are_refused_by_name(server: Server) -> None:
    cases = {
        "notice?sheet=L7163": (400, "sheet"),
        "notice?on_error=ignore": (400, "on_error"),
        "notice?format=odt": (406, "format"),
        "notice?merge=true&format=docx": (400, "merge"),
        "plaque-labels?start_at=0": (400, "start_at"),
        "plaque-labels?start_at=15": (422, "起始标签"),
        "plaque-labels?sheet=L1": (422, "标签纸"),
        "plaque-labels?offset_x_mm=nan": (400, "offset_x_mm"),
        "nothing": (404, "nothing"),
    }
    for path, (status, words) in cases.items():
        answer = server.post_json(f"/v1/batches/{path}", notices(1))
        assert (answer.status, answer.type) == (status, "application/problem+json"), path
        assert words in answer.json["detail"] + json.dumps(answer.json["errors"], ensure_ascii=False), path
    assert server.post_json("/v1/batches/notice", []).json["type"].endswith("empty")


@pytest.mark.fault("P4")
def test_work_stops_when_the_client_has_gone(server: Server) -> None:
    quiet = len(server.log)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    body = json.dumps(notices(400), ensure_ascii=False).encode()
    connection.request("POST", "/v1/batches/notice", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.read(100).startswith(b"PK")
    answer.close()
    connection.close()

    def ended() -> dict[str, Any] | None:
        lines = [json.loads(line) for line in server.log.splitlines() if '"batch ended"' in line]
        return next((line for line in lines if line["total"] == 400), None)

    wait_until(ended, 60, "the batch ends")
    line = ended()
    assert line is not None
    assert line["done"] < 400
    assert server.jobs_left() == []
    assert server.post_json("/v1/documents/notice", NOTICE).status == 200
    # A client that leaves is no fault of the service: one line says so, and no error.
    told = [json.loads(line) for line in server.log[quiet:].rpartition("\n")[0].splitlines()]
    assert [line["client_gone"] for line in told if line.get("total") == 400] == [True]
    assert [line for line in told if line["level"] == "error"] == []
