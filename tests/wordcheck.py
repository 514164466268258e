"""What Word would complain about in a docx: openxml-audit, and the few faults that it lets pass.

openxml-audit is the Open XML SDK's validator in Python. Drawing ids used twice within a part, parts of an undeclared
content type and pictures behind a relationship of another kind make Word repair a file, and are judged here.
"""

import mimetypes
import posixpath
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from lxml import etree
from openxml_audit import OpenXmlValidator

from service.archive import read_docx

_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


@cache
def _validator() -> OpenXmlValidator:
    return OpenXmlValidator()


def word_faults(docx: bytes) -> list[str]:
    """Return every fault with its part and place; empty for a file that Word opens without a word."""
    with tempfile.NamedTemporaryFile(suffix=".docx") as file:
        Path(file.name).write_bytes(docx)
        audited = [f"{e.part_uri} {e.path}: {e.description}" for e in _validator().validate(file.name).errors]
    parts = read_docx(docx)
    return [*audited, *_repeated_ids(parts), *_undeclared(parts), *_wrong_pictures(parts)]


def _repeated_ids(parts: Mapping[str, bytes]) -> Iterator[str]:
    found = Counter(
        item.get("id")
        for name, content in parts.items()
        if name.startswith("word/") and name.endswith(".xml")
        for item in etree.fromstring(content).iter(f"{_WP}docPr")
    )
    return (f"drawing id {number} is used {times} times" for number, times in found.items() if times > 1)


def _undeclared(parts: Mapping[str, bytes]) -> Iterator[str]:
    types = etree.fromstring(parts["[Content_Types].xml"])
    extensions = {item.get("Extension", "").lower(): item.get("ContentType") for item in types}
    names = {item.get("PartName") for item in types}
    for name in parts:
        if name == "[Content_Types].xml" or f"/{name}" in names:
            continue
        declared = extensions.get(posixpath.splitext(name)[1][1:].lower())
        if declared is None:
            yield f"/{name} has no content type"
        elif name.startswith("word/media/") and declared != mimetypes.guess_type(name)[0]:
            yield f"/{name} is declared as {declared}"


def _wrong_pictures(parts: Mapping[str, bytes]) -> Iterator[str]:
    for name, content in parts.items():
        if not name.startswith("word/") or not name.endswith(".xml"):
            continue
        folder, file = posixpath.split(name)
        relationships = parts.get(f"{folder}/_rels/{file}.rels")
        kinds = {}
        if relationships is not None:
            kinds = {item.get("Id"): item.get("Type", "") for item in etree.fromstring(relationships)}
        for blip in etree.fromstring(content).iter(f"{_A}blip"):
            used = blip.get(f"{_R}embed")
            if not kinds.get(used, "").endswith("/image"):
                yield f"/{name}: {used} is no picture"
