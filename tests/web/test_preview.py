"""Templates from strangers: good ones are drawn as drafts, hostile ones are refused by name, and nothing of them stays."""

import io
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.archive import read_docx, write_docx
from service.bootstrap import Services, open_services
from service.pdf import pdf_text, render_pages
from service.settings import Settings
from service.verification import decode_symbols
from service.web.app import create_app
from tests.tables import TEMPLATES
from tests.web.conformance import check_answer

pytestmark = [pytest.mark.libreoffice, pytest.mark.timeout(600)]
NOTICE = {
    "template": (TEMPLATES / "notice" / "template.docx").read_bytes(),
    "schema": (TEMPLATES / "notice" / "schema.json").read_bytes(),
    "manifest": (TEMPLATES / "notice" / "template.toml").read_bytes(),
    "sample": (TEMPLATES / "notice" / "sample.json").read_bytes(),
}
PATH = "/v1/templates/_preview"
GROWTH_BYTES = 60_000_000
Change = Callable[[dict[str, bytes]], None]


@dataclass(frozen=True)
class Desk:
    """An application that takes templates, and the folder of its work."""

    client: FlaskClient
    folder: Path

    def send(self, accept: str = "application/json", **files: bytes) -> Any:
        data = {name: (io.BytesIO(content), "..\\..\\a.docx") for name, content in files.items()}
        answer = self.client.post(PATH, data=data, headers={"Accept": accept})
        headers = {name.lower(): value for name, value in answer.headers}
        check_answer("POST", PATH, answer.status_code, headers, answer.data)
        assert not list(self.folder.glob("work/instance-*/jobs/*"))
        return answer


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("preview")
    values = {"state_dir": folder / "var", "work_dir": folder / "work", "template_preview": "true"}
    with open_services(Settings.from_mapping(values), with_converter=False) as made:
        yield Desk(create_app(made).test_client(), folder)


def typed(text: str, change: Change = lambda parts: None) -> bytes:
    """Return a template whose one paragraph says a text."""
    parts = read_docx(NOTICE["template"])
    namespace = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    body = f"<w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p><w:sectPr/></w:body>"
    parts["word/document.xml"] = f"<w:document {namespace}>{body}</w:document>".encode()
    change(parts)
    return write_docx(parts)


def part(name: str, content: bytes) -> bytes:
    return typed("x", lambda parts: parts.update({name: content}))


def related(kind: str, target: str) -> bytes:
    base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    link = f'<Relationship Id="z" Type="{base}/{kind}" Target="{target}" TargetMode="External"/>'

    def change(parts: dict[str, bytes]) -> None:
        name = "word/_rels/document.xml.rels"
        parts[name] = parts[name].replace(b"</Relationships>", link.encode() + b"</Relationships>")

    return typed("x", change)


def zipped(*names: str, content: bytes = b"<a/>") -> bytes:
    buffer = io.BytesIO(typed("x"))
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def lying() -> bytes:
    bomb = bytearray(zipped("word/big.xml", content=b"<a>" + bytes(30_000_000) + b"</a>"))
    place = bomb.rfind(b"PK\x01\x02")
    bomb[place + 24 : place + 28] = struct.pack("<I", 10)
    return bytes(bomb)


LAUGHS = b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
OUTSIDE = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
MACROS = "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(1) }}"
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}"


def hostile() -> Iterator[Any]:
    def case(name: str, row: str, code: str, content: bytes) -> Any:
        return pytest.param(content, code, id=f"{row}-{name}")

    for number, text in enumerate(
        (
            "{{ cycler.__init__.__globals__.os.popen('touch CANARY') }}",
            "{{ (title|attr('format')).__globals__ }}",
            "{{ ''.__class__.__mro__[1].__subclasses__() }}",
            "{{ self._TemplateReference__context.environment.__class__ }}",
        )
    ):
        yield case(f"escape-{number}", "T5", "template-unsafe", typed(text))
    for name, text in (
        ("range", "{% for n in range(10**9) %}{% endfor %}"),
        ("far-range", "{% for n in range(1000000000) %}{% endfor %}"),
        ("repeat", "{{ 'a' * 1000000000 }}"),
        ("format", "{{ '%02000000000d' % 1 }}"),
        ("macros", MACROS),
        ("loops", LOOPS),
    ):
        yield case(name, "T6", "render-limit", typed(text))
    yield case("bomb", "T7", "archive-limit", part("word/big.xml", b"<a>" + bytes(90_000_000) + b"</a>"))
    yield case("lying", "T7", "not-docx", lying())
    yield case("entries", "T7", "archive-limit", zipped(*(f"word/{number}.bin" for number in range(2_100))))
    for name in (
        "word/document.xml",
        "word/_rels/document.xml.rels",
        "docProps/core.xml",
        "[Content_Types].xml",
    ):
        yield case(
            f"laughs-{name}", "T8", "dtd-forbidden", part(name, LAUGHS if "T" not in name else LAUGHS + MAIN)
        )
    yield case("xxe", "T8", "dtd-forbidden", part("word/document.xml", OUTSIDE))
    for name in ("../evil.xml", "/etc/evil", "WORD/document.xml", "word\\a.xml"):
        yield case(f"name-{name}", "T9", "archive-names", zipped(name))
    yield case("linked", "T10", "external-resource", related("image", "http://127.0.0.1:9/a.png"))
    yield case("unc", "T10", "external-resource", related("image", "\\\\host\\share\\a.png"))
    yield case("template", "T10", "active-content", related("attachedTemplate", "http://127.0.0.1:9/a.dotm"))
    yield case("vba", "T11", "active-content", part("word/vbaProject.bin", b"x"))
    yield case("activex", "T11", "active-content", part("word/activeX/activeX1.xml", b"<a/>"))
    field = '</w:t></w:r><w:fldSimple w:instr=" DDEAUTO c x"/><w:r><w:t>'
    yield case("dde", "T11", "active-content", typed(field))
    composed = "</w:t><w:instrText>{{ 'DDE' }}AUTO c x</w:instrText><w:t>"
    yield case("dde-by-tag", "T11", "active-content", typed(composed))
    for name, content in (("text", b"hello"), ("pdf", b"%PDF-1.7"), ("rtf", b"{\\rtf1}"), ("empty", b"")):
        yield case(name, "T12", "not-docx", content)
    yield case("encrypted", "T12", "encrypted", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500))


MAIN = b"<!-- application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml -->"


def memory_bytes(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    return int(found[1]) * 1024 if found else 0


@pytest.mark.fault("T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12")
@pytest.mark.parametrize(("content", "code"), list(hostile()))
def test_hostile_templates_are_refused_by_name(desk: Desk, content: bytes, code: str) -> None:
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    before = memory_bytes("VmRSS")
    answer = desk.send("application/pdf", template=content)
    assert (answer.status_code, answer.json["type"]) == (422, f"urn:wenyin:problem:{code}"), answer.json
    assert re.search(r"[\u4e00-\u9fff]", answer.json["detail"])
    assert memory_bytes("VmHWM") - before < GROWTH_BYTES
    assert not list(desk.folder.rglob("CANARY"))
    assert not (Path.cwd() / "CANARY").exists()
    assert not Path("/tmp/CANARY").exists()


def test_a_good_template_is_drawn_as_a_draft_that_nothing_vouches_for(desk: Desk) -> None:
    answer = desk.send("application/zip", **NOTICE)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.namelist() == ["findings.json", "preview.pdf"]
        pdf = archive.read("preview.pdf")
    assert "云州市科学技术促进会" in pdf_text(pdf)
    pages = list(render_pages(pdf, 60))
    assert len(pages) > 1
    for page in pages:
        # The mark is grey, and lies across the middle of every page.
        width, height = page.size
        middle = page.convert("L").crop((width // 4, height // 3, width * 3 // 4, height * 2 // 3))
        counts = middle.histogram()
        assert sum(counts[215:235]) > 0.02 * middle.width * middle.height
    assert not [code for page in render_pages(pdf, 200) for code in decode_symbols(page)]
    assert b"/ByteRange" not in pdf


def test_a_template_alone_is_judged_and_its_tags_are_drawn_as_they_are_named(desk: Desk) -> None:
    findings = desk.send(template=NOTICE["template"]).json["findings"]
    assert not [item for item in findings if "json" in item["place"] + item["message"]], findings
    faulty = desk.send(template=typed("{{ title }"), schema=NOTICE["schema"])
    assert (
        "error" in {item["severity"] for item in faulty.json["findings"]}
        if faulty.status_code == 200
        else faulty.json
    )
    answer = desk.send("application/pdf", template=typed("标题：{{ title }}"))
    assert answer.status_code == 200, answer.json
    assert "标题：〔title〕" in pdf_text(answer.data)
    needy = desk.send("application/pdf", template=NOTICE["template"])
    assert (needy.status_code, needy.json["type"]) == (422, "urn:wenyin:problem:bad-template")
    assert "sample" in needy.json["detail"]


@pytest.mark.fault("H3")
@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ({}, 415, "unsupported-media-type"),
        ({"schema": b"{}"}, 422, "invalid-request"),
        ({"template": b"x", "other": b"x"}, 422, "invalid-request"),
        ({**NOTICE, "schema": b"{"}, 422, "bad-template"),
        ({**NOTICE, "manifest": b"title = 1"}, 422, "bad-template"),
        ({**NOTICE, "sample": b'{"title": 1}'}, 422, "bad-template"),
        ({**NOTICE, "schema": b"[" * 100_000}, 422, "render-limit"),
    ],
)
def test_what_else_may_be_wrong_is_said(desk: Desk, files: dict[str, bytes], status: int, code: str) -> None:
    answer = desk.send("application/pdf", **files)
    assert (answer.status_code, answer.json["type"]) == (status, f"urn:wenyin:problem:{code}"), answer.json


def test_it_is_closed_unless_it_is_opened(services: Services) -> None:
    answer = create_app(services).test_client().post(PATH, data={"template": (io.BytesIO(b"x"), "a")})
    assert answer.status_code == 404
    assert "WENYIN_TEMPLATE_PREVIEW" in answer.get_data(as_text=True)
    assert services.trial is None
