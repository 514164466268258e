"""What must not be opened is refused by name before anything parses it."""

import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from service.archive import ArchiveLimits, read_docx, write_docx
from service.convert import canary_docx
from service.errors import UnsafeArchive

MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
RELATIONSHIP = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
PAGE = '<w:fldChar w:fldCharType="begin"/><w:instrText> PAGE </w:instrText><w:fldChar w:fldCharType="end"/>'


def parts(**changes: bytes) -> dict[str, bytes]:
    types = f'<Types><Override PartName="/word/document.xml" ContentType="{MAIN}"/></Types>'.encode()
    base = {"[Content_Types].xml": types, "word/document.xml": b"<w:document/>"}
    return {**base, **{name.replace("__", "/").replace("DOT", "."): value for name, value in changes.items()}}


def code_of(data: bytes, limits: ArchiveLimits | None = None) -> str:
    with pytest.raises(UnsafeArchive) as caught:
        read_docx(data, limits)
    assert any("\u4e00" <= char <= "\u9fff" for char in str(caught.value))
    return caught.value.type_code


def document(body: str) -> bytes:
    return write_docx(parts(word__documentDOTxml=f'<w:body xmlns:w="{W}">{body}</w:body>'.encode()))


def related(kind: str, target: str, mode: str = "External") -> bytes:
    mark = f' TargetMode="{mode}"' if mode else ""
    text = f'<Relationships><Relationship Id="r" Type="{RELATIONSHIP}/{kind}" Target="{target}"{mark}/></Relationships>'
    return write_docx(parts(**{"word___rels__documentDOTxmlDOTrels": text.encode()}))


def test_good_docx_round_trips_and_its_bytes_depend_on_the_parts_alone() -> None:
    data = write_docx(parts())
    assert read_docx(data) == parts()
    assert data == write_docx(read_docx(data))


@pytest.mark.fault("T12")
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-docx"),
        (b"plain text", "not-docx"),
        (b"<html><img src='file:///etc/passwd'></html>", "not-docx"),
        (b"{\\rtf1}", "not-docx"),
        (b"%PDF-1.7", "not-docx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "encrypted"),
        (b"PK\x03\x04" + bytes(40), "not-docx"),
        (write_docx(parts())[:200], "not-docx"),
        (
            write_docx({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<a/>"}),
            "not-docx",
        ),
    ],
)
def test_what_is_no_docx_is_told_so(data: bytes, code: str) -> None:
    assert code_of(data) == code


@pytest.mark.fault("T7")
def test_bombs_are_stopped_by_real_bytes_not_declared_ones() -> None:
    bomb = bytearray(write_docx(parts(word__bigDOTxml=b"<a>" + bytes(30_000_000) + b"</a>")))
    assert code_of(bytes(bomb)) == "archive-limit"
    # The central directory lies about the size.
    place = bomb.rfind(b"PK\x01\x02")
    bomb[place + 24 : place + 28] = struct.pack("<I", 10)
    assert code_of(bytes(bomb)) in ("archive-limit", "not-docx")


@pytest.mark.fault("T7")
def test_counts_and_totals_are_bounded() -> None:
    many = {f"word/x{number}.bin": b"" for number in range(30)}
    assert code_of(write_docx({**parts(), **many}), ArchiveLimits(entries=20)) == "archive-limit"
    assert code_of(write_docx(parts(aDOTbin=b"abc" * 100)), ArchiveLimits(total_bytes=300)) == "archive-limit"


@pytest.mark.fault("T7")
def test_fifty_thousand_members() -> None:
    assert code_of(write_docx({**parts(), **{f"x{n}": b"" for n in range(50_000)}})) == "archive-limit"


PROBE = """
import re, sys
from pathlib import Path
from service.archive import read_docx
from service.errors import UnsafeArchive

def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

content = Path(sys.argv[1]).read_bytes()
before = peak_kb()
try:
    read_docx(content)
except UnsafeArchive as error:
    print(error.type_code, peak_kb() - before)
"""


@pytest.mark.fault("T7")
@pytest.mark.parametrize("lying", [False, True])
def test_a_bomb_costs_little_memory(tmp_path: Path, lying: bool) -> None:
    bomb = write_docx(parts(word__bigDOTxml=bytes(200_000_000)))
    assert len(bomb) < 250_000
    if lying:
        bomb = bomb.replace((200_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    (tmp_path / "bomb.docx").write_bytes(bomb)
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path / "bomb.docx")], capture_output=True, text=True, check=True
    )
    code, grown_kb = ended.stdout.split()
    assert code == ("not-docx" if lying else "archive-limit")
    assert int(grown_kb) < 20_000


@pytest.mark.fault("T9")
@pytest.mark.parametrize("name", ["../evil.xml", "/etc/evil", "word\\evil.xml", "C:/evil", "a/../../b"])
def test_names_that_leave_the_archive(name: str) -> None:
    assert code_of(write_docx({**parts(), name: b"x"})) == "archive-names"


@pytest.mark.fault("T9")
def test_name_with_a_nul_in_it() -> None:
    hidden = write_docx({**parts(), "word/a#.xml": b"<a/>"}).replace(b"word/a#.xml", b"word/a\0.xml")
    assert code_of(hidden) == "archive-names"


@pytest.mark.fault("T9")
def test_one_name_twice() -> None:
    buffer = io.BytesIO(write_docx(parts()))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("WORD/document.xml", b"<w:document>other</w:document>")
    assert code_of(buffer.getvalue()) == "archive-names"


@pytest.mark.fault("T8")
@pytest.mark.parametrize(
    "text",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>',
        b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>',
    ],
)
def test_document_type_definitions(text: bytes) -> None:
    for name in ("word__documentDOTxml", "docProps__coreDOTxml", "word___rels__documentDOTxmlDOTrels"):
        assert code_of(write_docx(parts(**{name: text}))) == "dtd-forbidden"
    types = text + parts()["[Content_Types].xml"]
    assert code_of(write_docx({**parts(), "[Content_Types].xml": types})) == "dtd-forbidden"


@pytest.mark.fault("T8")
def test_a_part_in_utf_16_cannot_hide_one() -> None:
    text = '<!DOCTYPE a [<!ENTITY x "y">]><a/>'.encode("utf-16")
    assert code_of(write_docx(parts(word__documentDOTxml=text))) == "not-docx"


@pytest.mark.fault("T10", "T11")
@pytest.mark.parametrize(
    ("kind", "target", "code"),
    [
        ("image", "http://127.0.0.1:9/a.png", "external-resource"),
        ("image", "file:///etc/passwd", "external-resource"),
        ("image", "\\\\server\\share\\a.png", "external-resource"),
        ("hyperlink", "javascript:alert(1)", "external-resource"),
        ("hyperlink", "file:///etc/passwd", "external-resource"),
        ("attachedTemplate", "http://127.0.0.1:9/a.dotm", "active-content"),
        ("oleObject", "http://127.0.0.1:9/a.bin", "active-content"),
        ("aFChunk", "a.html", "active-content"),
        ("subDocument", "a.docx", "active-content"),
    ],
)
def test_relationships_that_point_outside_or_run(kind: str, target: str, code: str) -> None:
    assert code_of(related(kind, target)) == code


def test_links_a_reader_clicks_are_allowed() -> None:
    for target in ("https://example.cn/a", "http://example.cn", "mailto:rc@example.cn"):
        assert read_docx(related("hyperlink", target))


@pytest.mark.fault("T11")
def test_embedded_objects_and_macros() -> None:
    assert code_of(related("package", "embeddings/a.xlsx", "")) == "active-content"
    assert code_of(write_docx(parts(word__vbaProjectDOTbin=b"x"))) == "active-content"
    assert code_of(write_docx(parts(word__embeddings__aDOTbin=b"x"))) == "active-content"
    assert code_of(write_docx(parts(word__activeX__activeX1DOTxml=b"<a/>"))) == "active-content"
    macro = parts()["[Content_Types].xml"].replace(b"document.main", b"document.macroEnabled.main")
    assert code_of(write_docx({**parts(), "[Content_Types].xml": macro})) == "active-content"


@pytest.mark.fault("T11")
@pytest.mark.parametrize(
    "field", ["INCLUDETEXT", "INCLUDEPICTURE", "DDEAUTO", "DDE", "LINK", "includetext", "IMPORT"]
)
def test_fields_that_load_something(field: str) -> None:
    in_pieces = f"<w:instrText>{field[:2]}</w:instrText></w:r><w:r><w:instrText>{field[2:]} x</w:instrText>"
    for text in (
        f"<w:p><w:instrText> {field} x </w:instrText></w:p>",
        f'<w:p><w:fldSimple w:instr=" {field} x"/></w:p>',
        f"<w:p><w:fldSimple w:instr = '&#{ord(field[0])};{field[1:]} x'/></w:p>",
        f'<w:p><w:r>{PAGE}</w:r><w:r><w:fldChar w:fldCharType="begin"/>{in_pieces}</w:r></w:p>',
        f'<w:p xmlns:v="{W}"><v:instrText><![CDATA[{field} x]]></v:instrText></w:p>',
    ):
        assert code_of(document(text)) == "active-content"
    assert read_docx(document(f"<w:p><w:r>{PAGE}<w:t>LINK DDE</w:t></w:r></w:p>"))


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        (' Id=">" TargetMode="External" Target="file:///etc/passwd" Type="a/image"', "external-resource"),
        (' TargetMode="&#69;xternal" Target="http://127.0.0.1:9/" Type="a/image"', "external-resource"),
        (' TargetMode = "External" Target="&#102;ile:///etc/passwd" Type="a/hyperlink"', "external-resource"),
        (" Target='x' Type='a/ole&#79;bject'", "active-content"),
    ],
)
@pytest.mark.parametrize("name", ["Relationship", "p:Relationship", "p-a.b:Relationship"])
def test_no_way_of_writing_a_relationship_hides_it(name: str, attributes: str, code: str) -> None:
    prefix = name.rpartition(":")[0]
    bound = f' xmlns:{prefix}="p"' if prefix else ""
    text = f"<Relationships><{name}{bound}{attributes}/></Relationships>".encode()
    assert code_of(write_docx(parts(**{"word___rels__documentDOTxmlDOTrels": text}))) == code


@pytest.mark.parametrize(
    "text",
    [
        b'<?xml version="1.0" encoding="UTF-7"?>+ADw-+ACE-DOCTYPE a+AD4-<a/>',
        '<?xml version="1.0" encoding="cp037"?><!DOCTYPE a><a/>'.encode("cp037"),
        b'\xef\xbb\xbf<?xml version="1.0" encoding="gbk"?><a/>',
        b"<Relationships><Relationship",
    ],
)
def test_text_that_a_parser_would_read_otherwise_is_refused(text: bytes) -> None:
    assert code_of(write_docx(parts(**{"word___rels__documentDOTxmlDOTrels": text}))) == "not-docx"


def test_the_canary_is_as_hostile_as_it_must_be() -> None:
    assert code_of(canary_docx(["黑体"])) == "external-resource"
