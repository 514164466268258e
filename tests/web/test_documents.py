"""POST /v1/documents over real HTTP, real LibreOffice behind it."""

import base64
import hashlib
import io
import json
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docx
import pypdfium2
import pytest

from service.archive import read_docx
from service.docx import picture_part
from service.pdf import render_pages
from service.verification import decode_picture, docx_text
from tests.conftest import FIXTURES
from tests.serving import Server, serving, wait_until

pytestmark = pytest.mark.libreoffice
NOTICE = "/v1/documents/notice"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


def minimal(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((FIXTURES / "notice" / "minimal.json").read_bytes())
    return {**value, **changes}


def test_sample_becomes_a_pdf_with_all_promised_headers(server: Server, sample: bytes) -> None:
    answer = server.post_json(NOTICE, sample)
    assert answer.status == 200, answer.body
    assert answer.type == "application/pdf"
    assert answer.body.startswith(b"%PDF-")
    digest = hashlib.sha256(answer.body).digest()
    assert answer.headers["content-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    assert answer.headers["etag"] == f'"{digest.hex()}"'
    assert answer.headers["x-verify-url"].startswith(f"http://127.0.0.1:{server.port}/V/")
    assert len(answer.headers["x-document-id"]) == 16
    assert answer.headers["x-warnings"] == "0"
    disposition = answer.headers["content-disposition"]
    title = json.loads(sample)["title"].replace("\n", "")
    assert quote(title[:6], safe="") in disposition
    assert f'filename="notice-{answer.headers["x-document-id"]}.pdf"' in disposition
    text = "".join(text_of(answer.body).split())
    assert "".join(title.split()) in text


def test_accept_and_format_choose_the_form_and_format_wins(server: Server, sample: bytes) -> None:
    by_accept = server.post_json(NOTICE, sample, Accept=DOCX)
    assert by_accept.type == DOCX
    docx.Document(io.BytesIO(by_accept.body))
    by_format = server.post_json(f"{NOTICE}?format=bundle", sample, Accept="application/pdf")
    assert by_format.type == "application/zip"
    assert server.post_json(f"{NOTICE}?format=odt", sample).status == 406
    refused = server.post_json(NOTICE, sample, Accept="text/html")
    assert (refused.status, refused.type) == (406, "application/problem+json")


def test_bundle_holds_both_forms_and_a_true_manifest(server: Server, sample: bytes) -> None:
    answer = server.post_json(f"{NOTICE}?format=bundle", sample)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        names = archive.namelist()
        for item in manifest["files"]:
            content = archive.read(item["name"])
            assert hashlib.sha256(content).hexdigest() == item["sha256"]
    assert [name.rpartition(".")[2] for name in names] == ["docx", "pdf", "json"]
    assert manifest["document_id"] == answer.headers["x-document-id"]
    assert manifest["verify_url"] == answer.headers["x-verify-url"]


@pytest.mark.fault("V5")
def test_same_input_gives_same_id_and_token_and_docx(server: Server, sample: bytes) -> None:
    reordered = json.dumps(dict(reversed(json.loads(sample).items()))).encode()
    answers = [server.post_json(f"{NOTICE}?format=docx", body) for body in (sample, sample, reordered)]
    assert len({answer.headers["x-document-id"] for answer in answers}) == 1
    assert len({answer.headers["x-verify-url"] for answer in answers}) == 1
    assert len({answer.body for answer in answers}) == 1
    other = server.post_json(f"{NOTICE}?format=docx", minimal())
    assert other.headers["x-document-id"] != answers[0].headers["x-document-id"]


def test_docx_holds_the_same_code_as_the_pdf(server: Server, sample: bytes) -> None:
    answer = server.post_json(f"{NOTICE}?format=docx", sample)
    parts = read_docx(answer.body)
    picture = parts[picture_part(parts, "wenyin-qr")]
    assert decode_picture(picture) == (answer.headers["x-verify-url"],)


def grey_share(pdf: bytes) -> list[float]:
    """Return the share of light grey pixels of each page: the watermark's colour, nothing else's."""
    shares = []
    for page in render_pages(pdf, 50):
        counts = page.histogram()
        shares.append(sum(counts[200:235]) / (page.width * page.height))
    return shares


def test_seal_picture_is_refused_where_none_is_configured(server: Server, sample: bytes) -> None:
    answer = server.post_json(f"{NOTICE}?seal=true", sample)
    assert answer.status == 422
    assert answer.json["type"].endswith("seal-unavailable")
    assert "WENYIN_SEAL_DIR" in answer.json["detail"]
    assert server.post_json(f"{NOTICE}?seal=/etc/seal.png", sample).status == 400


def test_draft_is_marked_on_every_page_and_in_the_token(server: Server, sample: bytes) -> None:
    answer = server.post_json(f"{NOTICE}?draft=true", sample)
    assert answer.status == 200
    plain = server.post_json(NOTICE, sample)
    for marked, unmarked in zip(grey_share(answer.body), grey_share(plain.body), strict=True):
        assert marked > 0.04
        assert unmarked < 0.02
    digits = answer.headers["x-verify-url"].rpartition("/")[2]
    verdict = server.get(f"/V/{digits}", "application/json").json
    assert verdict["claims"]["draft"] is True
    assert "草稿" in verdict["message"]
    assert answer.headers["x-document-id"] != plain.headers["x-document-id"]


@pytest.mark.fault("C5")
def test_eight_at_once_are_eight_right_documents_and_nothing_is_left(server: Server) -> None:
    titles = [f"关于第{number}号事项的通知" for number in "一二三四五六七八"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda title: server.post_json(NOTICE, minimal(title=title)), titles))
    for title, answer in zip(titles, answers, strict=True):
        assert answer.status == 200, answer.body
        text = "".join(text_of(answer.body).split())
        assert title in text
        assert not any(other in text for other in titles if other != title)
    assert len({answer.headers["x-document-id"] for answer in answers}) == 8
    wait_until(lambda: not server.jobs_left(), 3, "job folders removed")
    assert not [line for line in server.children().values() if "soffice" in line]


@pytest.mark.fault("C2")
def test_hanging_soffice_is_504_at_the_deadline_and_the_next_request_works(tmp_path: Path) -> None:
    fake = Path(__file__).parent.parent / "supervision" / "hang_on_mark.py"
    with serving(tmp_path, soffice=str(fake), timeout_s="6", converters="1") as server:
        started_s = time.monotonic()
        answer = server.post_json(NOTICE, minimal(title="关于长时间等待的通知"))
        assert 5 <= time.monotonic() - started_s <= 16
        assert (answer.status, answer.type) == (504, "application/problem+json")
        assert "时限" in answer.json["detail"]
        wait_until(lambda: not server.jobs_left(), 3, "job folders removed")
        wait_until(lambda: not hanging(server), 3, "the hanging group is gone")
        assert server.post_json(NOTICE, minimal()).status == 200


def hanging(server: Server) -> list[str]:
    return [line for line in server.children().values() if "sleep" in line]


@pytest.mark.fault("J16")
def test_missing_glyph_is_refused_or_printed_as_geta(server: Server) -> None:
    body = minimal(title="关于\U00030000事项的通知", issuer="云州市\U00031350馆")
    refused = server.post_json(NOTICE, body)
    assert refused.status == 422
    faults = [(fault["pointer"], fault["keyword"]) for fault in refused.json["errors"]]
    assert faults == [("/issuer", "no-glyph"), ("/title", "no-glyph")]
    assert "U+31350" in refused.json["errors"][0]["message"]
    assert server.post_json(f"{NOTICE}?on_missing_glyph=drop", body).status == 400
    answer = server.post_json(f"{NOTICE}?on_missing_glyph=geta&format=bundle", body)
    assert answer.status == 200, answer.body
    assert answer.headers["x-warnings"] == "2"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        files = {name.rpartition(".")[2]: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["json"])
    assert manifest["missing_glyphs"] == [
        {"pointer": "/title", "character": "\U00030000", "code_point": "U+30000", "positions": [2]},
        {"pointer": "/issuer", "character": "\U00031350", "code_point": "U+31350", "positions": [3]},
    ]
    assert all(code in "".join(manifest["warnings"]) for code in ("U+30000", "U+31350"))
    for text in (text_of(files["pdf"]), docx_text(read_docx(files["docx"]))):
        assert "关于〓事项的通知" in text
        assert "云州市〓馆" in text
    digits = answer.headers["x-verify-url"].rpartition("/")[2]
    claims = server.get(f"/V/{digits}", "application/json").json["claims"]
    assert claims["title"] == "关于〓事项的通知"


LITERAL = "A&B <w:p/> {{7*7}} 䶮㛃𬀩"


@pytest.mark.fault("J11", "J12")
def test_markup_and_template_syntax_come_out_literally(server: Server) -> None:
    body = (FIXTURES / "notice" / "literal.json").read_bytes()
    fields = body.decode().count(LITERAL)
    assert fields > 10
    answer = server.post_json(f"{NOTICE}?format=bundle", body)
    assert answer.status == 200, answer.body.decode()
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        files = {name.rpartition(".")[2]: archive.read(name) for name in archive.namelist()}
    literal = "".join(LITERAL.split())
    for text in (docx_text(read_docx(files["docx"])), text_of(files["pdf"])):
        squeezed = "".join(text.split())
        assert squeezed.count(literal) >= fields
        # Nothing of the markup was evaluated or swallowed beside the literal ones.
        assert squeezed.count("{{") == squeezed.count(literal)
    assert docx.Document(io.BytesIO(files["docx"])).core_properties.title == json.loads(body)["title"]
