"""What each attack on a real file, by a real tool, gets: the verdict it is named for, never a better one."""

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pypdf
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image, ImageFilter
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from service.model import Claims, QrRule
from service.pdf import render_pages
from service.pdf.sign import sign_pdf
from service.verification import (
    KeyRing,
    TokenKey,
    add_issuer,
    decode_symbols,
    make_symbol,
    mint_token,
    png_bytes,
    token_from_url,
    verify_url,
)
from service.verification.issuers import Issuer, kid_of
from tests.conftest import FIXTURES
from tests.serving import Server
from tests.unit.verification.helpers import payload_of, sign
from tests.web.test_verify import edited, export

pytestmark = pytest.mark.libreoffice
NOTICE = "/v1/documents/notice"
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def genuine(server: Server) -> Files:
    """A short notice as PDF and docx, with the text of its code."""
    answer = server.post_json(f"{NOTICE}?format=bundle", MINIMAL)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        files = {name.rpartition(".")[2]: archive.read(name) for name in archive.namelist()}
    return {**files, "url": answer.headers["x-verify-url"].encode()}


@pytest.fixture(scope="module")
def ring(server: Server, genuine: Files) -> KeyRing:
    return KeyRing.load(server.folder / "var" / "keys")


def judge(server: Server, content: bytes, name: str = "a.pdf") -> dict[str, Any]:
    answer = server.upload("/v1/verify", name, content)
    assert answer.status == 200, answer.body.decode()
    found: dict[str, Any] = answer.json
    return found


def tool(folder: Path, content: bytes, *command: str) -> bytes:
    """Run a program over ``in.pdf``; it writes ``out.pdf``."""
    assert shutil.which(command[0]), f"{command[0]} is installed by tools/install-system.sh --test"
    (folder / "in.pdf").write_bytes(content)
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return (folder / "out.pdf").read_bytes()


def written(writer: pypdf.PdfWriter) -> bytes:
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def resaved(content: bytes) -> bytes:
    return written(pypdf.PdfWriter(clone_from=pypdf.PdfReader(io.BytesIO(content))))


def page_of(picture: Image.Image) -> pypdf.PageObject:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PDF", resolution=72)
    return pypdf.PdfReader(buffer).pages[0]


def stamped(
    content: bytes, picture: Image.Image, box: tuple[float, float, float, float], *, incremental: bool = False
) -> bytes:
    """Lay a picture over the first page; ``box`` is left, bottom, width, height in points."""
    source = io.BytesIO(content)
    writer = pypdf.PdfWriter(source, incremental=True) if incremental else pypdf.PdfWriter(clone_from=source)
    left, bottom, width, height = box
    place = pypdf.Transformation().scale(width / picture.width, height / picture.height)
    writer.pages[0].merge_transformed_page(page_of(picture), place.translate(left, bottom))
    return written(writer)


def code_picture(text: str) -> Image.Image:
    rule = QrRule(marker="x", placeholder_px=1, picture_mm=40, module_min_mm=0.1)
    symbol = make_symbol(text, rule.module_min_mm, rule.picture_mm)
    return Image.open(io.BytesIO(png_bytes(symbol, 6)))


def another_code(ring: KeyRing) -> str:
    token = mint_token(Claims(doc_type=1, title="另一份文件"), ring.signing_key())
    return verify_url("http://127.0.0.1:1", token)


def raster(content: bytes, dpi: int = 200) -> Image.Image:
    return next(iter(render_pages(content, dpi)))


WHITE = Image.new("RGB", (10, 10), "white")
BODY = (80, 300, 430, 200)

SAVED_AGAIN: dict[str, Callable[[bytes, Path], bytes]] = {
    "qpdf": lambda pdf, at: tool(at, pdf, "qpdf", "--object-streams=generate", "in.pdf", "out.pdf"),
    "qpdf-qdf": lambda pdf, at: tool(at, pdf, "qpdf", "--qdf", "in.pdf", "out.pdf"),
    "ghostscript": lambda pdf, at: tool(
        at, pdf, "gs", "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-sDEVICE=pdfwrite", "-o", "out.pdf", "in.pdf"
    ),
    "pdftocairo": lambda pdf, at: tool(at, pdf, "pdftocairo", "-pdf", "in.pdf", "out.pdf"),
    "pypdf": lambda pdf, at: resaved(pdf),
}


def test_genuine_files_get_the_best_verdict_for_their_kind(server: Server, genuine: Files) -> None:
    assert judge(server, genuine["pdf"])["verdict"] == "EXACT"
    assert judge(server, genuine["docx"], "a.docx")["verdict"] == "TEXT_MATCH"


def test_poppler_calls_the_served_signature_valid(genuine: Files, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(genuine["pdf"])
    said = subprocess.run(["pdfsig", "a.pdf"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Signature is Valid" in said.stdout
    assert "Total document signed" in said.stdout


@pytest.mark.parametrize("name", SAVED_AGAIN)
def test_saved_again_matches_by_text_only(server: Server, genuine: Files, name: str, tmp_path: Path) -> None:
    saved = SAVED_AGAIN[name](genuine["pdf"], tmp_path)
    assert saved != genuine["pdf"]
    verdict = judge(server, saved)
    assert verdict["verdict"] == "TEXT_MATCH"
    assert "PDF 数字签名" in verdict["not_checked"][0]
    assert verdict["authenticated_text"]


def test_docx_saved_again_by_libreoffice_matches_by_text(
    server: Server, genuine: Files, tmp_path: Path
) -> None:
    (tmp_path / "in.docx").write_bytes(genuine["docx"])
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = ["soffice", profile, "--headless", "--convert-to", "docx:MS Word 2007 XML", "--outdir", "out"]
    subprocess.run([*command, "in.docx"], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    saved = (tmp_path / "out" / "in.docx").read_bytes()
    assert judge(server, saved, "a.docx")["verdict"] == "TEXT_MATCH"


def test_changed_word_exported_again_is_altered(server: Server, genuine: Files, tmp_path: Path) -> None:
    title = json.loads(MINIMAL)["title"]
    forged = edited(genuine["docx"], title[0], "假")
    assert judge(server, forged, "a.docx")["verdict"] == "ALTERED"
    assert judge(server, export(forged, tmp_path))["verdict"] == "ALTERED"


@pytest.mark.parametrize("mark", [b"/Creator", b"/ByteRange [0", b"/Type /SigRef", b"%%EOF"])
def test_one_byte_flipped_is_never_exact(server: Server, genuine: Files, mark: bytes) -> None:
    place = genuine["pdf"].rindex(mark) + len(mark) - 1
    content = bytearray(genuine["pdf"])
    content[place] ^= 1
    answer = server.upload("/v1/verify", "a.pdf", bytes(content))
    assert answer.status in (200, 422)
    assert answer.status == 422 or answer.json["verdict"] == "TEXT_MATCH"


@pytest.mark.fault("V3")
@pytest.mark.parametrize("incremental", [False, True])
def test_white_box_over_the_text_is_amber_and_shows_the_text(
    server: Server, genuine: Files, incremental: bool
) -> None:
    covered = stamped(genuine["pdf"], WHITE, BODY, incremental=incremental)
    assert covered.startswith(genuine["pdf"]) is incremental
    verdict = judge(server, covered)
    assert verdict["verdict"] == "TEXT_MATCH"
    assert json.loads(MINIMAL)["title"].split("\n")[0][:6] in verdict["authenticated_text"].replace("\n", "")


def test_metadata_appended_after_signing_is_not_exact(server: Server, genuine: Files) -> None:
    writer = pypdf.PdfWriter(io.BytesIO(genuine["pdf"]), incremental=True)
    writer.add_metadata({"/Subject": "x"})
    content = written(writer)
    assert content.startswith(genuine["pdf"])
    verdict = judge(server, content)
    assert verdict["verdict"] == "TEXT_MATCH"
    assert any("签名之后" in item for item in verdict["not_checked"])


def test_signed_again_by_a_stranger_is_not_exact(server: Server, genuine: Files, tmp_path: Path) -> None:
    add_issuer(tmp_path / "keys", "dev", "文印开发试用签发者（仅供试用，不具效力）")
    stranger = KeyRing.load(tmp_path / "keys").pdf_key("dev")
    assert stranger is not None
    bare = genuine["pdf"][: genuine["pdf"].index(b"%%EOF") + 6]
    verdict = judge(server, sign_pdf(bare, stranger.certificate.der, stranger.sign))
    assert verdict["verdict"] == "TEXT_MATCH"
    assert any("不是该签发单位" in item for item in verdict["not_checked"])


@pytest.mark.fault("V3")
def test_code_on_another_document_is_altered(server: Server, genuine: Files, tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    document.add_paragraph("关于发放奖金的通知")
    buffer = io.BytesIO()
    document.save(buffer)
    plain = export(buffer.getvalue(), tmp_path)
    forged = stamped(plain, code_picture(genuine["url"].decode()), (400, 600, 113, 113))
    assert judge(server, forged)["verdict"] == "ALTERED"


def test_second_code_on_the_page_is_a_conflict(server: Server, genuine: Files, ring: KeyRing) -> None:
    forged = stamped(genuine["pdf"], code_picture(another_code(ring)), (60, 60, 113, 113))
    assert judge(server, forged)["verdict"] == "CONFLICT"


@pytest.mark.fault("V7")
def test_code_outside_the_page_or_under_a_white_box_is_not_seen(
    server: Server, genuine: Files, ring: KeyRing
) -> None:
    other = code_picture(another_code(ring))
    outside = stamped(genuine["pdf"], other, (-300, 100, 113, 113))
    assert judge(server, outside)["verdict"] == "TEXT_MATCH"
    hidden = stamped(stamped(genuine["pdf"], other, (60, 60, 113, 113)), WHITE, (50, 50, 140, 140))
    assert judge(server, hidden)["verdict"] == "TEXT_MATCH"


def test_merged_file_that_holds_ours_is_altered(server: Server, genuine: Files, tmp_path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(genuine["pdf"]))
    writer.append(io.BytesIO(genuine["pdf"]))
    verdict = judge(server, written(writer))
    assert verdict["verdict"] == "ALTERED"
    assert "合并" in verdict["message"]


TOKENS: dict[str, tuple[Callable[[TokenKey, bytes], bytes], str]] = {
    "other s": (lambda key, payload: sign(key, payload, high_s=True), "BAD_TOKEN"),
    "unprotected header": (lambda key, payload: sign(key, payload, unprotected=b"\xa1\x01\x26"), "BAD_TOKEN"),
    "other algorithm": (
        lambda key, payload: sign(key, payload, protected=b"\xa2\x01\x27\x04\x44" + key.kid),
        "BAD_TOKEN",
    ),
    "no algorithm": (
        lambda key, payload: sign(key, payload, protected=cbor2.dumps({4: key.kid})),
        "BAD_TOKEN",
    ),
    "other system": (lambda key, payload: sign(key, payload, aad=b"other/1"), "BAD_TOKEN"),
    "more bytes": (lambda key, payload: sign(key, payload, suffix=b"\0"), "BAD_TOKEN"),
}


@pytest.mark.fault("V2")
@pytest.mark.parametrize("name", TOKENS)
def test_tokens_in_any_other_form_are_not_ours(
    server: Server, genuine: Files, ring: KeyRing, name: str
) -> None:
    forge, code = TOKENS[name]
    token = token_from_url(genuine["url"].decode())
    assert token
    made = verify_url(server.url, forge(ring.signing_key(), payload_of(token)))
    assert server.post_json("/v1/verify", {"token": made}).json["verdict"] == code


@pytest.mark.fault("V2")
def test_stranger_cannot_use_our_kid_nor_be_known_by_his_own(
    server: Server, genuine: Files, ring: KeyRing
) -> None:
    token = token_from_url(genuine["url"].decode())
    assert token
    private_key = ec.generate_private_key(ec.SECP256R1())
    own_kid = kid_of(private_key.public_key())
    for kid, code in ((ring.signing_key().kid, "BAD_TOKEN"), (own_kid, "UNKNOWN_KEY")):
        forged = sign(TokenKey(kid, private_key, Issuer("x", "冒名单位")), payload_of(token))
        verdict = server.post_json("/v1/verify", {"token": verify_url(server.url, forged)}).json
        assert (verdict["verdict"], verdict["claims"]) == (code, {})


def picture_bytes(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def recognised(content: bytes, text: str) -> bytes:
    """A scan with a layer of recognised, invisible text, as an office copier makes it."""
    picture = raster(content)
    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(595, 842)
    scan = page_of(picture)
    place = pypdf.Transformation().scale(595 / picture.width, 842 / picture.height)
    page.merge_transformed_page(scan, place)
    name = NameObject
    font = DictionaryObject(
        {
            name("/Type"): name("/Font"),
            name("/Subtype"): name("/Type1"),
            name("/BaseFont"): name("/Helvetica"),
        }
    )
    resources: Any = page["/Resources"]
    resources[name("/Font")] = DictionaryObject({name("/F1"): font})
    drawn: Any = page.get_contents()
    layer = StreamObject()
    layer.set_data(drawn.get_data() + f"\nBT 3 Tr /F1 9 Tf ({text}) Tj ET".encode())
    page[name("/Contents")] = writer._add_object(layer)
    return written(writer)


SCANS: dict[str, Callable[[bytes], bytes]] = {
    "png": lambda pdf: picture_bytes(raster(pdf), "PNG"),
    "jpeg, turned and blurred": lambda pdf: picture_bytes(
        raster(pdf, 300).rotate(11, expand=True, fillcolor=200).filter(ImageFilter.GaussianBlur(1)),
        "JPEG",
        quality=60,
    ),
    "jpeg, upside down": lambda pdf: picture_bytes(raster(pdf).rotate(180), "JPEG"),
    "pdf of pictures": lambda pdf: picture_bytes(raster(pdf, 300).convert("RGB"), "PDF", resolution=300),
    "pdf with recognised text": lambda pdf: recognised(pdf, "some recognised words"),
}


@pytest.mark.fault("V1")
@pytest.mark.parametrize("name", SCANS)
def test_scan_or_photo_proves_the_claims_only(server: Server, genuine: Files, name: str) -> None:
    verdict = judge(server, SCANS[name](genuine["pdf"]), "a")
    assert verdict["verdict"] == "CLAIMS_ONLY"
    assert "扫描件或照片" in verdict["message"]
    assert any("识别出的文字" in item for item in verdict["not_checked"])
    assert verdict["claims"]["title"]


def test_scan_without_or_with_two_codes(server: Server, genuine: Files, ring: KeyRing) -> None:
    blank = Image.new("RGB", (1000, 1400), "white")
    assert judge(server, picture_bytes(blank, "PNG"), "a.png")["verdict"] == "NO_SEAL"
    for place, text in ((50, genuine["url"].decode()), (800, another_code(ring))):
        blank.paste(code_picture(text).convert("RGB"), (50, place))
    assert len(decode_symbols(blank)) == 2
    assert judge(server, picture_bytes(blank, "PNG"), "a.png")["verdict"] == "CONFLICT"


@pytest.mark.fault("J24")
@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + b"\0" * 99, b"\xff\xd8\xff" + b"\0" * 99])
def test_broken_picture_is_refused(server: Server, content: bytes) -> None:
    assert server.upload("/v1/verify", "a.png", content).status == 422
