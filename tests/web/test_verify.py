"""Verdicts over real HTTP on real files made by real tools."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from service.archive import read_docx, write_docx
from service.pdf import render_pages
from service.verification import decode_symbols
from tests.conftest import FIXTURES
from tests.serving import Server

pytestmark = pytest.mark.libreoffice
NOTICE = "/v1/documents/notice"


@pytest.fixture(scope="module")
def sealed(server: Server, sample: bytes) -> dict[str, bytes]:
    """The sample as PDF and docx, sealed by the running service."""
    answer = server.post_json(f"{NOTICE}?format=bundle", sample)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        files = {name.rpartition(".")[2]: archive.read(name) for name in archive.namelist()}
    return {**files, "url": answer.headers["x-verify-url"].encode()}


@pytest.fixture(scope="module")
def url_path(sealed: dict[str, bytes]) -> str:
    return "/V/" + sealed["url"].decode().rpartition("/")[2]


def export(docx: bytes, folder: Path) -> bytes:
    """Export a docx to PDF as somebody would at home."""
    (folder / "in.docx").write_bytes(docx)
    subprocess.run(
        [
            "soffice",
            f"-env:UserInstallation={(folder / 'profile').as_uri()}",
            "--headless",
            "--convert-to",
            "pdf",
            "--outdir",
            str(folder),
            str(folder / "in.docx"),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return (folder / "in.pdf").read_bytes()


def sealed_dates(docx: bytes) -> list[str]:
    """Return the dates in the body's runs."""
    return re.findall(r"\d+月\d+日", read_docx(docx)["word/document.xml"].decode())


def edited(docx: bytes, old: str, new: str) -> bytes:
    parts = read_docx(docx)
    text = parts["word/document.xml"].decode()
    assert old in text
    return write_docx({**parts, "word/document.xml": text.replace(old, new, 1).encode()})


@pytest.mark.fault("V1")
@pytest.mark.parametrize("dpi", [150, 200, 300])
def test_code_on_the_page_reads_at_each_resolution(sealed: dict[str, bytes], dpi: int) -> None:
    page = next(iter(render_pages(sealed["pdf"], dpi)))
    assert decode_symbols(page) == (sealed["url"].decode(),)


@pytest.mark.parametrize("dpi", [150, 200, 300])
def test_code_on_the_docx_opened_elsewhere_reads_too(
    sealed: dict[str, bytes], dpi: int, tmp_path: Path
) -> None:
    page = next(iter(render_pages(export(sealed["docx"], tmp_path), dpi)))
    assert decode_symbols(page) == (sealed["url"].decode(),)


def test_page_behind_the_code_says_who_issued_what_and_when(
    server: Server, url_path: str, sample: bytes
) -> None:
    data = json.loads(sample)
    verdict = server.get(url_path, "application/json").json
    assert verdict["verdict"] == "CLAIMS_ONLY"
    claims = verdict["claims"]
    assert claims["issuer"] == "文印开发试用签发者（仅供试用，不具效力）"
    assert claims["ref"] == data["doc_no"]
    assert claims["title"] == data["title"].replace("\n", "")
    assert claims["date"] == data["issued_on"]
    assert {"caption": "发文机关署名", "value": data["issuer"]} in claims["facts"]
    assert verdict["not_checked"]
    page = server.get(url_path, "text/html")
    html = page.body.decode()
    for words in (claims["issuer"], claims["ref"], claims["title"], "开发试用"):
        assert words in html
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "unsafe" not in page.headers["content-security-policy"]


@pytest.mark.fault("V2")
@pytest.mark.parametrize("place", [3, 50, 200, 400, -1])
def test_one_digit_changed_is_not_ours(server: Server, url_path: str, place: int) -> None:
    digits = list(url_path.removeprefix("/V/"))
    digits[place] = str((int(digits[place]) + 1) % 10)
    answer = server.get("/V/" + "".join(digits), "application/json")
    assert answer.status == 200
    assert answer.json["verdict"] in ("BAD_TOKEN", "UNKNOWN_KEY")
    assert answer.json["claims"] == {}
    assert "非本系统签发" in answer.json["message"]


@pytest.mark.fault("V2")
@pytest.mark.parametrize("digits", ["0", "12", "abc", "1" * 2401, "%E5%8F%B7", "1%0A2"])
def test_nonsense_behind_v_is_not_ours_either(server: Server, digits: str) -> None:
    answer = server.get(f"/V/{digits}", "application/json")
    assert answer.status == 200
    assert answer.json["verdict"] == "BAD_TOKEN"


def test_token_by_post(server: Server, sealed: dict[str, bytes]) -> None:
    assert server.post_json("/v1/verify", {"token": sealed["url"].decode()}).json["verdict"] == "CLAIMS_ONLY"
    for wrong in ({}, {"token": 5}, {"token": "1", "more": 1}):
        assert server.post_json("/v1/verify", wrong).status == 422


def test_own_pdf_is_exact_and_own_docx_matches_by_text(server: Server, sealed: dict[str, bytes]) -> None:
    for kind, code in (("pdf", "EXACT"), ("docx", "TEXT_MATCH")):
        verdict = server.upload("/v1/verify", f"a.{kind}", sealed[kind]).json
        assert verdict["verdict"] == code, (kind, verdict)
        assert verdict["authenticated_text"]


def test_only_the_signature_differs_between_two_answers_to_one_request(
    server: Server, sealed: dict[str, bytes], sample: bytes
) -> None:
    other = server.post_json(NOTICE, sample)
    bare = sealed["pdf"][: sealed["pdf"].index(b"%%EOF") + 6]
    assert other.body.startswith(bare)
    assert other.body != sealed["pdf"]
    assert other.headers["etag"] == f'"{hashlib.sha256(other.body).hexdigest()}"'


def test_a_draft_is_not_signed(server: Server, sample: bytes) -> None:
    draft = server.post_json(f"{NOTICE}?draft=true", sample).body
    assert b"/ByteRange" not in draft
    verdict = server.upload("/v1/verify", "a.pdf", draft).json
    assert verdict["verdict"] == "TEXT_MATCH"
    assert any("没有签名" in item for item in verdict["not_checked"])


@pytest.mark.parametrize("options", [[], ["--linearize"], ["--object-streams=generate"]])
def test_pdf_saved_again_by_qpdf_still_matches(
    server: Server, sealed: dict[str, bytes], tmp_path: Path, options: list[str]
) -> None:
    assert shutil.which("qpdf"), "qpdf is installed by tools/install-system.sh --test"
    (tmp_path / "in.pdf").write_bytes(sealed["pdf"])
    subprocess.run(["qpdf", *options, str(tmp_path / "in.pdf"), str(tmp_path / "out.pdf")], check=True)
    saved = (tmp_path / "out.pdf").read_bytes()
    assert saved != sealed["pdf"]
    assert server.upload("/v1/verify", "a.pdf", saved).json["verdict"] == "TEXT_MATCH"


def test_character_changed_in_the_docx_and_exported_is_altered(
    server: Server, sealed: dict[str, bytes], tmp_path: Path
) -> None:
    date = sealed_dates(sealed["docx"])[0]
    forged = edited(sealed["docx"], date, date.replace("日", "目"))
    assert server.upload("/v1/verify", "a.docx", forged).json["verdict"] == "ALTERED"
    verdict = server.upload("/v1/verify", "a.pdf", export(forged, tmp_path)).json
    assert verdict["verdict"] == "ALTERED"
    assert verdict["claims"]["issuer"]


def test_file_without_a_code_is_never_called_fake(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    import docx

    document = docx.Document()
    document.add_paragraph("普通文件")
    buffer = io.BytesIO()
    document.save(buffer)
    assert server.upload("/v1/verify", "a.docx", buffer.getvalue()).json["verdict"] == "NO_SEAL"
    plain = export(buffer.getvalue(), tmp_path)
    assert server.upload("/v1/verify", "a.pdf", plain).json["verdict"] == "NO_SEAL"


HOSTILE = {
    "text": (b"hello", 415),
    "truncated PDF": (b"%PDF-1.7\n1 0 obj\n<<", 422),
    "broken zip": (b"PK\x03\x04" + b"\0" * 50, 422),
    "old Word or encrypted": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, 422),
    "empty": (b"", 422),
}


@pytest.mark.fault("V6")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_or_broken_upload_is_refused_in_chinese(server: Server, name: str) -> None:
    content, status = HOSTILE[name]
    answer = server.upload("/v1/verify", "a.pdf", content)
    assert (answer.status, answer.type) == (status, "application/problem+json")
    assert any("\u4e00" <= char <= "\u9fff" for char in answer.json["detail"])


@pytest.mark.fault("T7", "T10", "V6")
def test_zip_bomb_and_linked_picture_are_refused(server: Server, sealed: dict[str, bytes]) -> None:
    parts = read_docx(sealed["docx"])
    bomb = write_docx({**parts, "word/big.xml": b"<a>" + b" " * 60_000_000 + b"</a>"})
    answer = server.upload("/v1/verify", "a.docx", bomb)
    assert (answer.status, answer.json["type"]) == (422, "urn:wenyin:problem:archive-limit")
    relations = parts["word/_rels/document.xml.rels"].replace(
        b"</Relationships>",
        b'<Relationship Id="x" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"'
        b' Target="http://127.0.0.1:9/a.png" TargetMode="External"/></Relationships>',
    )
    linked = write_docx({**parts, "word/_rels/document.xml.rels": relations})
    answer = server.upload("/v1/verify", "a.docx", linked)
    assert (answer.status, answer.json["type"]) == (422, "urn:wenyin:problem:external-resource")


def test_upload_without_file_or_with_two_is_422(server: Server) -> None:
    answer = server.ask(
        "POST", "/v1/verify", b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert answer.status == 422
    assert server.ask("POST", "/v1/verify", b"", {"Content-Type": "multipart/form-data"}).status == 422


def test_no_personal_data_in_the_token_or_the_log(server: Server, sealed: dict[str, bytes]) -> None:
    data = json.loads((FIXTURES / "notice" / "everything.json").read_bytes())
    answer = server.post_json(NOTICE, data)
    digits = answer.headers["x-verify-url"].rpartition("/")[2]
    claims = json.dumps(server.get(f"/V/{digits}", "application/json").json, ensure_ascii=False)
    for contact in data["contacts"]:
        for value in contact.values():
            if value != data["issuer"]:
                assert value not in claims
                assert value not in server.log
    assert digits not in server.log


@pytest.mark.fault("H3")
@pytest.mark.parametrize(
    "name",
    [
        "..\\\\..\\\\a.docx",
        "../../../tmp/wenyin-escaped",
        "/etc/x",
        "a\0b",
        "长" * 300,
        "<img src=x onerror=alert(1)>.pdf",
    ],
    ids=["backslashes", "parents", "absolute", "nul", "long", "markup"],
)
def test_name_of_an_upload_names_nothing(server: Server, name: str) -> None:
    boundary = "b"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + b"no document" + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Accept": "text/html"}
    for path in ("/v1/verify", "/verify"):
        answer = server.ask("POST", path, body, kind)
        assert answer.status == 415, answer.body
        assert name.encode() not in answer.body
    assert not Path("/tmp/wenyin-escaped").exists()
    assert server.jobs_left() == []
    assert "escaped" not in server.log
