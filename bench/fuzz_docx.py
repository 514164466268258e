"""Docx packages with something hidden in them, and what an XML parser sees in those that the guard lets in."""

import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from lxml import etree

from service.archive import ArchiveLimits, read_docx, write_docx
from service.errors import UnsafeArchive

_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_RELS = "word/_rels/document.xml.rels"
_LIMITS = ArchiveLimits(entries=20, total_bytes=2_000_000, entry_bytes=1_000_000)
_PARTS = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Override PartName="/word/document.xml" ContentType="{_MAIN}"/></Types>'
    ).encode(),
    _RELS: (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{_R}/hyperlink" TargetMode="External" Target="https://example.cn/"/>'
        f'<Relationship Id="r2" Type="{_R}/image" Target="media/a.png"/></Relationships>'
    ).encode(),
    "word/document.xml": (
        f'<?xml version="1.0"?><w:document xmlns:w="{_W}"><w:body><w:p><w:r><w:instrText> PAGE </w:instrText></w:r>'
        '<w:fldSimple w:instr=" PAGE "/></w:p></w:body></w:document>'
    ).encode(),
}
_WORDS = [
    *(
        b' TargetMode="External"',
        b' TargetMode="&#69;xternal"',
        b" TargetMode='External'",
        b'Id=">" ',
        b"<!-- -->",
    ),
    *(
        b"file:///etc/passwd",
        b"http://127.0.0.1:9/",
        b"/oleObject",
        b"/attachedTemplate",
        b"/image",
        b"&#47;frame",
    ),
    *(
        b'<!DOCTYPE a [<!ENTITY x "y">]>',
        b"<!ENTITY",
        b"&x;",
        b' encoding="UTF-7"',
        b' encoding="gbk"',
        b"<![CDATA[",
    ),
    *(
        b"DDEAUTO",
        b"INCLUDE",
        b"TEXT",
        b"LINK ",
        b"</w:instrText><w:instrText>",
        b'w:instr=" DDE x"',
        b"<w:instrText>",
    ),
    *(
        b"w:instr=' LINK x'",
        b'xmlns:v="' + _W.encode() + b'"',
        b"v:instrText",
        b"<a:Relationship ",
        b"&#76;INK ",
    ),
    *(b"<?xml version='1.0' encoding='utf-16'?>", b"\xff\xfe", b"+ADw-", b">", b"<", b"]]>", b"\0"),
]
_NAMES = [
    "word/a.xml",
    "../a.xml",
    "/a.xml",
    "WORD/document.xml",
    "a\\b.xml",
    "C:/a",
    "word/vbaProject.bin",
    "x/./y",
    "a\0b",
]
_FORBIDDEN_TYPES = (
    "oleObject",
    "package",
    "vbaProject",
    "control",
    "aFChunk",
    "attachedTemplate",
    "frame",
    "subDocument",
)
_RUNS = re.compile(r"\s*(?:INCLUDE\w*|DDE\w*|LINK|IMPORT|DATABASE|RD)\b", re.I)
_SIGNATURES = (b"PK\x01\x02", b"PK\x03\x04")
Edited = Callable[[bytes, Sequence[Any]], bytes]


def docx_cases(edited: Edited, edits: Callable[..., st.SearchStrategy[Any]]) -> st.SearchStrategy[bytes]:
    """Return docx files with edits in their parts, in their names and in the archive itself."""
    part = st.sampled_from(list(_PARTS))
    size = st.none() | st.tuples(st.sampled_from(_SIGNATURES), st.integers(0, 40), st.integers(0, 2**32 - 1))

    def made(
        planted: dict[str, str], name: str, inner: Any, extra: str | None, outer: Any, lie: Any
    ) -> bytes:
        parts = {**_PARTS}
        for place, text in planted.items():
            head, found, tail = parts[place].rpartition(b"</Relationships>" if place == _RELS else b"</w:p>")
            parts[place] = head + text.encode() + found + tail
        parts[name] = edited(parts[name], inner)
        if extra is not None:
            parts[extra] = b"<a/>"
        data = write_docx(parts)
        if lie is not None:
            signature, offset, value = lie
            at = data.find(signature) + offset
            data = data[:at] + struct.pack("<I", value) + data[at + 4 :]
        return edited(data, outer)

    planted = st.fixed_dictionaries({}, optional={_RELS: _relationships(), "word/document.xml": _fields()})
    extra = st.none() | st.none() | st.none() | st.sampled_from(_NAMES)
    return st.builds(
        made, planted, part, st.just([]) | edits(_WORDS), extra, st.just([]) | edits([b"PK"], 1), size
    )


def _written(name: str, value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return an attribute in one of the ways that XML has for writing it."""

    def made(text: str, quote: str, coded: int, space: str) -> str:
        # One character as a reference; the parser reads it as itself.
        at = coded % (len(text) or 1)
        if coded and text:
            text = f"{text[:at]}&#{ord(text[at])};{text[at + 1 :]}"
        return f" {name}{space}={space}{quote}{text}{quote}"

    coded = st.just(0) | st.integers(1, 60)
    return st.builds(made, value, st.sampled_from("\"'"), coded, st.sampled_from(["", " ", "\n"]))


def _relationships() -> st.SearchStrategy[str]:
    kind = st.sampled_from([*_FORBIDDEN_TYPES, "image", "hyperlink"]).map(lambda name: f"{_R}/{name}")
    target = st.sampled_from(
        ["file:///etc/passwd", "http://127.0.0.1:9/", "a.png", "mailto:a@example.cn", "\\\\h\\s"]
    )
    attributes = st.tuples(
        _written("Id", st.sampled_from(["r9", ">", "/>", " TargetMode='Internal'"])),
        _written("Type", kind),
        _written("Target", target),
        _written("TargetMode", st.sampled_from(["External", "EXTERNAL", "Internal", " External"])),
    ).flatmap(st.permutations)
    names = st.sampled_from(
        ["Relationship", "p:Relationship", "p-a:Relationship", "Relationship/", "Relationship\n"]
    )

    def made(name: str, written: Sequence[str]) -> str:
        prefix = name.partition(":")[0] if ":" in name else ""
        bound = (
            f' xmlns:{prefix}="http://schemas.openxmlformats.org/package/2006/relationships"'
            if prefix
            else ""
        )
        return f"<{name.rstrip('/')}{bound}{''.join(written)}/>"

    return st.builds(made, names, attributes)


def _fields() -> st.SearchStrategy[str]:
    word = st.sampled_from(["DDEAUTO c", "INCLUDETEXT a", "LINK b", "PAGE", " RD x", "dde y"])
    prefix = st.sampled_from(["w", "v", "w-1"])
    bound = {name: "" if name == "w" else f' xmlns:{name}="{_W}"' for name in ("w", "v", "w-1")}

    def simple(name: str, attribute: str) -> str:
        return f"<{name}:fldSimple{bound[name]}{attribute.replace(' instr', f' {name}:instr', 1)}/>"

    def split(name: str, text: str, at: int) -> str:
        pieces = (text[:at], text[at:]) if at else (text,)
        return "".join(
            f"<w:r><{name}:instrText{bound[name]}>{one}</{name}:instrText></w:r>" for one in pieces
        )

    return st.builds(simple, prefix, _written("instr", word)) | st.builds(
        split, prefix, word, st.integers(0, 5)
    )


def check_docx(data: bytes) -> bool:
    """Read a docx; whether it was let in. What was let in is harmless to a parser, too."""
    try:
        parts = read_docx(data, _LIMITS)
    except UnsafeArchive:
        return False
    assert sum(map(len, parts.values())) <= _LIMITS.total_bytes
    for name, content in parts.items():
        assert ".." not in name.split("/")
        assert not name.startswith("/")
        if name.endswith((".xml", ".rels")):
            _check_tree(name, content)
    return True


def _check_tree(name: str, content: bytes) -> None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        return  # no reader after the guard gets further
    assert root.getroottree().docinfo.internalDTD is None, "a document type definition was let in"
    for element in root.iter(etree.Element):
        local = etree.QName(element).localname
        if name.endswith(".rels") and local == "Relationship":
            _check_relationship(element)
        instruction = element.get(f"{{{_W}}}instr", "")
        assert not _RUNS.match(instruction), f"a field that loads was let in: {instruction}"
    for paragraph in root.iter(f"{{{_W}}}p"):
        pieces = [str(text) for item in paragraph.iter(f"{{{_W}}}instrText") for text in item.itertext()]
        written = "".join(pieces)
        assert not _RUNS.match(written), f"a field that loads was let in: {written}"


def _check_relationship(element: Any) -> None:
    kind = element.get("Type", "").rpartition("/")[2]
    assert kind not in _FORBIDDEN_TYPES, f"a relationship that runs was let in: {kind}"
    if element.get("TargetMode", "").strip().lower() == "external":
        scheme = element.get("Target", "").partition(":")[0].lower()
        assert kind == "hyperlink", "an outside resource was let in"
        assert scheme in ("http", "https", "mailto"), f"a link to {scheme} was let in"
