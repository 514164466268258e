"""Files with several codes of ours: each gets its verdict, and the whole gets none that is better than its worst."""

import io
import json
from typing import Any

import pypdf
import pytest

from service.pdf import render_pages
from service.verification import KeyRing, revoke_document
from tests.conftest import FIXTURES
from tests.serving import Server
from tests.web.test_attacks import code_picture, judge, picture_bytes, raster, resaved, stamped, written

pytestmark = pytest.mark.libreoffice
LABELS = json.loads((FIXTURES / "plaque-labels" / "everything.json").read_bytes())


def notice(server: Server, title: str) -> bytes:
    data = json.loads((FIXTURES / "notice" / "minimal.json").read_bytes())
    return server.post_json("/v1/documents/notice", {**data, "title": title}).body


@pytest.fixture(scope="module")
def notices(server: Server) -> tuple[bytes, bytes]:
    return notice(server, "关于开展第一项活动的通知"), notice(server, "关于开展第二项活动的通知")


@pytest.fixture(scope="module")
def sheet(server: Server) -> bytes:
    return server.post_json("/v1/documents/plaque-labels", LABELS).body


def merged(*files: bytes, blank_after: int | None = None) -> bytes:
    writer = pypdf.PdfWriter()
    for number, content in enumerate(files, 1):
        writer.append(io.BytesIO(content))
        if number == blank_after:
            writer.add_blank_page(595, 842)
    return written(writer)


def listed(verdict: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(item["verdict"], item["page"], item["last_page"]) for item in verdict["documents"]]


def refs(verdict: dict[str, Any]) -> list[str]:
    return sorted(item["claims"]["ref"] for item in verdict["documents"])


NUMBERS = sorted(label["plaque_no"] for label in LABELS["labels"])


def test_untouched_sheet_of_labels_is_exact_and_lists_every_label(server: Server, sheet: bytes) -> None:
    verdict = judge(server, sheet)
    assert verdict["verdict"] == "EXACT", verdict
    assert refs(verdict) == NUMBERS
    assert {item["verdict"] for item in verdict["documents"]} == {"EXACT"}
    assert verdict["claims"]["issuer"]
    for label in LABELS["labels"]:
        assert label["phone"] not in json.dumps(verdict, ensure_ascii=False)


def test_sheet_in_any_other_form_proves_the_claims_only(server: Server, sheet: bytes) -> None:
    docx = server.post_json("/v1/documents/plaque-labels?format=docx", LABELS).body
    scan = picture_bytes(list(render_pages(sheet, 300))[-1], "PNG")
    for name, content in (("a.pdf", resaved(sheet)), ("a.docx", docx), ("a.png", scan)):
        verdict = judge(server, content, name)
        assert verdict["verdict"] == "CLAIMS_ONLY", (name, verdict["message"])
        assert {item["verdict"] for item in verdict["documents"]} == {"CLAIMS_ONLY"}
        assert refs(verdict) == NUMBERS if name != "a.png" else set(refs(verdict)) <= set(NUMBERS)


def test_false_label_among_true_ones_is_found(server: Server, sheet: bytes) -> None:
    forged = "https://V.EXAMPLE.CN/V/1" + "234567890" * 33
    verdict = judge(server, stamped(sheet, code_picture(forged), (200, 5, 100, 100)))
    assert verdict["verdict"] == "BAD_TOKEN"
    assert sorted(item["verdict"] for item in verdict["documents"]) == [
        "BAD_TOKEN",
        *["CLAIMS_ONLY"] * len(NUMBERS),
    ]


def test_merged_documents_each_match(server: Server, notices: tuple[bytes, bytes]) -> None:
    verdict = judge(server, merged(*notices))
    assert (verdict["verdict"], listed(verdict)) == (
        "TEXT_MATCH",
        [("TEXT_MATCH", 1, 1), ("TEXT_MATCH", 2, 2)],
    )
    titles = [item["claims"]["title"] for item in verdict["documents"]]
    assert titles == ["关于开展第一项活动的通知", "关于开展第二项活动的通知"]
    assert all("活动" in item["authenticated_text"] for item in verdict["documents"])
    assert "title" not in verdict["claims"]


def test_page_that_belongs_to_none_of_them_is_named(server: Server, notices: tuple[bytes, bytes]) -> None:
    verdict = judge(server, merged(*notices, blank_after=1))
    assert (verdict["verdict"], listed(verdict)) == ("ALTERED", [("TEXT_MATCH", 1, 1), ("TEXT_MATCH", 3, 3)])
    assert "第 2 页不属于" in verdict["message"]


def test_document_within_a_larger_file_is_named(server: Server, notices: tuple[bytes, bytes]) -> None:
    verdict = judge(server, merged(notices[0], blank_after=1))
    # A blank page adds no text.
    assert verdict["verdict"] == "TEXT_MATCH"
    foreign = io.BytesIO()
    pypdf.PdfWriter(clone_from=io.BytesIO(notices[1])).write(foreign)
    covered = stamped(foreign.getvalue(), code_picture("x").point(lambda _: 255), (380, 680, 150, 150))
    verdict = judge(server, merged(notices[0], covered))
    assert (verdict["verdict"], listed(verdict)) == ("ALTERED", [("TEXT_MATCH", 1, 1)])
    assert "第 1 页的文字与签发时的一份文件一致" in verdict["message"]


def test_one_of_two_withdrawn_or_changed_shows_on_the_whole(
    server: Server, notices: tuple[bytes, bytes]
) -> None:
    swapped = stamped(notices[1], code_picture("x").point(lambda _: 255), (380, 680, 150, 150))
    url = server.post_json(
        "/v1/documents/notice?format=docx", (FIXTURES / "notice" / "minimal.json").read_bytes()
    )
    wrong = stamped(swapped, code_picture(url.headers["x-verify-url"]), (400, 700, 85, 85))
    verdict = judge(server, merged(notices[0], wrong))
    assert (verdict["verdict"], listed(verdict)) == ("ALTERED", [("TEXT_MATCH", 1, 1), ("ALTERED", 2, 2)])
    folder = server.folder / "var" / "keys"
    kid = KeyRing.load(folder).signing_key().kid.hex()
    both = judge(server, merged(*notices))["documents"]
    revoke_document(folder, kid, both[1]["document_id"])
    try:
        verdict = judge(server, merged(*notices))
        assert (verdict["verdict"], listed(verdict)) == ("REVOKED", [("TEXT_MATCH", 1, 1), ("REVOKED", 2, 2)])
        page = server.upload("/verify", "a.pdf", merged(*notices), accept="text/html").body.decode()
        assert "逐个验证码的结论（2 个）" in page
        for words in ("第 1 页", "第 2 页", "已作废", "关于开展第一项活动的通知"):
            assert words in page
    finally:
        (folder / "revoked" / f"{kid}.json").unlink()


def test_scan_with_fewer_pages_than_were_issued_says_so(server: Server) -> None:
    sample = server.get("/v1/templates/notice/sample").body
    pdf = server.post_json("/v1/documents/notice", sample).body
    scan = picture_bytes(raster(pdf, 300).convert("RGB"), "PDF", resolution=300)
    verdict = judge(server, scan)
    assert verdict["verdict"] == "CLAIMS_ONLY"
    assert verdict["claims"]["pages"] > 1
    assert "上传的只有 1 页" in verdict["message"]
