"""The shipped templates: built from source, valid for Word, and no larger than they need to be."""

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from lxml import etree

from service.archive import read_docx
from service.catalog import load_template
from service.fill import fill_docx
from service.pipeline.filling import fill
from service.schema.place import SchemaMap
from templates.authoring import __main__ as authoring
from templates.authoring import notice
from templates.authoring.docx_parts import _ORDER, block, paragraph, properties
from templates.authoring.drawing import gray_png

ROOT = Path(__file__).parents[2]
FOLDERS = {name: ROOT / "templates/docx" / name for name in authoring.BUILDERS}
TEMPLATES = {name: (folder / "template.docx").read_bytes() for name, folder in FOLDERS.items()}
SCHEMAS = {name: json.loads((folder / "schema.json").read_text("utf-8")) for name, folder in FOLDERS.items()}
MANIFESTS = {
    name: tomllib.loads((folder / "template.toml").read_text("utf-8")) for name, folder in FOLDERS.items()
}
NOTICE, SCHEMA = FOLDERS["notice"], SCHEMAS["notice"]
REFUSED = {"address-too-long"}
REQUESTS = [
    (name, path)
    for name, folder in FOLDERS.items()
    for path in (folder / "sample.json", *sorted((ROOT / "fixtures" / name).glob("*.json")))
    if path.stem not in REFUSED
]
EXTRAS = {"verify_host": "wenyin.example.cn", "draft": True}
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
REL = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


def filled(name: str, path: Path) -> dict[str, bytes]:
    data = json.loads(path.read_text("utf-8"))
    return read_docx(fill(load_template(FOLDERS[name]), data, EXTRAS).docx)


each_fixture = pytest.mark.parametrize(
    ("name", "path"), REQUESTS, ids=[f"{name}-{path.stem}" for name, path in REQUESTS]
)
each_template = pytest.mark.parametrize("name", TEMPLATES)
each_document = pytest.mark.parametrize(
    "name", [name for name, manifest in MANIFESTS.items() if manifest.get("layout") != "labels"]
)


def test_shipped_template_is_what_its_source_builds(tmp_path: Path) -> None:
    assert authoring.main([str(tmp_path)]) == 0
    for name in authoring.BUILDERS:
        shipped = (ROOT / "templates/docx" / name / "template.docx").read_bytes()
        assert (tmp_path / name / "template.docx").read_bytes() == shipped, (
            f"{name}: run python -m templates.authoring"
        )


def test_build_is_the_same_in_another_process(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "templates.authoring", str(tmp_path)], cwd=ROOT, check=True)
    assert (tmp_path / "notice/template.docx").read_bytes() == notice.build()


@each_template
def test_every_style_is_used_and_every_used_style_exists(name: str) -> None:
    parts = read_docx(TEMPLATES[name])
    styles = etree.fromstring(parts["word/styles.xml"])
    defined = {style.get(f"{W}styleId") for style in styles.iter(f"{W}style")}
    used = {"a"} | {based.get(f"{W}val") for based in styles.iter(f"{W}basedOn")}
    for part, content in parts.items():
        if part.startswith("word/") and part.endswith(".xml") and "styles" not in part:
            root = etree.fromstring(content)
            used |= {ref.get(f"{W}val") for tag in ("pStyle", "rStyle") for ref in root.iter(f"{W}{tag}")}
    assert used == defined


@each_template
def test_runs_carry_no_formatting_of_their_own(name: str) -> None:
    for run in etree.fromstring(read_docx(TEMPLATES[name])["word/document.xml"]).iter(f"{W}rPr"):
        assert [etree.QName(child).localname for child in run] == ["rStyle"]


@each_template
def test_template_can_be_opened_in_word_before_it_is_filled(name: str) -> None:
    for part, content in read_docx(TEMPLATES[name]).items():
        if part.endswith(".xml"):
            for element in etree.fromstring(content).iter():
                assert not [value for value in element.attrib.values() if "{{" in value or "{%" in value]


@each_fixture
def test_filled_docx_keeps_the_order_of_the_standard(name: str, path: Path) -> None:
    for part, content in filled(name, path).items():
        if not part.endswith(".xml"):
            continue
        for kind, order in _ORDER.items():
            for element in etree.fromstring(content).iter(f"{W}{kind}"):
                places = [order.split().index(etree.QName(child).localname) for child in element]
                assert places == sorted(set(places)), etree.tostring(element)


@each_fixture
def test_filled_docx_has_no_leftovers_and_unique_ids(name: str, path: Path) -> None:
    parts = filled(name, path)
    for part, content in parts.items():
        if part.endswith(".xml"):
            text = "".join(map(str, etree.fromstring(content).itertext())).replace("{{7*7}}", "")
            assert not re.search(r"\{\{|\{%|%\}|\}\}|None", text), part
    ids = [
        element.get("id")
        for part, content in parts.items()
        if part.startswith("word/") and part.endswith(".xml")
        for element in etree.fromstring(content).iter(f"{WP}docPr")
    ]
    assert ids
    assert max(Counter(ids).values()) == 1


@each_fixture
def test_every_cell_and_text_box_ends_in_a_paragraph(name: str, path: Path) -> None:
    root = etree.fromstring(filled(name, path)["word/document.xml"])
    for tag in ("tc", "txbxContent"):
        for container in root.iter(f"{W}{tag}"):
            assert container[-1].tag == f"{W}p"
    for table in root.iter(f"{W}tbl"):
        assert table.find(f"{W}tr") is not None


@each_template
def test_every_part_is_declared_and_every_relationship_has_its_part(name: str) -> None:
    parts = read_docx(TEMPLATES[name])
    types = parts["[Content_Types].xml"].decode()
    declared = set(re.findall(r'PartName="/([^"]+)"', types)) | {
        n for n in parts if n.endswith((".png", ".rels"))
    }
    assert declared | {"[Content_Types].xml"} == set(parts)
    targets = dict(
        re.findall(r'Id="(\w+)"[^>]*?Target="([^"]+)"', parts["word/_rels/document.xml.rels"].decode())
    )
    assert {f"word/{target}" for target in targets.values()} <= set(parts)
    used = set(re.findall(r'r:(?:id|embed)="(\w+)"', parts["word/document.xml"].decode()))
    assert used <= set(targets)


@each_document
def test_draft_mark_is_there_only_in_a_draft(name: str) -> None:
    data = json.loads((FOLDERS[name] / "sample.json").read_text("utf-8"))
    for draft in (True, False):
        parts = read_docx(fill_docx(TEMPLATES[name], data, {**EXTRAS, "draft": draft}, schema=SCHEMAS[name]))
        marks = [b'string="\xe8\x8d\x89\xe7\xa8\xbf"' in parts[f"word/header{n}.xml"] for n in (1, 2)]
        assert marks == [draft, draft]


@each_document
def test_placeholder_is_a_gray_png_of_the_size_in_the_manifest(name: str) -> None:
    parts = read_docx(TEMPLATES[name])
    side = MANIFESTS[name]["qr"]["placeholder_px"]
    assert parts["word/media/qr.png"] == gray_png(side)
    head = parts["word/media/qr.png"][16:26]
    assert (int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big")) == (side, side)
    assert (head[8], head[9]) == (8, 0)
    document = etree.fromstring(parts["word/document.xml"])
    marked = [
        anchor
        for anchor in document.iter(f"{WP}anchor")
        if [e for e in anchor.iter(f"{WP}docPr") if e.get("descr") == MANIFESTS[name]["qr"]["marker"]]
    ]
    assert len(marked) == 1
    extent = next(marked[0].iter(f"{WP}extent"))
    assert (extent.get("cx"), extent.get("cy")) == (str(MANIFESTS[name]["qr"]["picture_mm"] * 36_000),) * 2


@each_template
def test_manifest_names_the_fonts_of_the_template(name: str) -> None:
    styles = read_docx(TEMPLATES[name])["word/styles.xml"].decode()
    named = set(re.findall(r'w:(?:ascii|hAnsi|eastAsia|cs)="([^"]+)"', styles)) - {"zh-CN"}
    assert named == set(MANIFESTS[name]["fonts"])


@each_template
def test_pointers_of_the_manifest_are_fields_of_the_schema(name: str) -> None:
    rule = MANIFESTS[name]["verify"]
    named = [rule.get(key) for key in ("title", "ref", "date")] + [fact["pointer"] for fact in rule["facts"]]
    for pointer in filter(None, named):
        place = SchemaMap(SCHEMAS[name]).root
        if "each" in rule:
            place = place.child(rule["each"][1:]).child(0)
        for step in pointer.split("/")[1:]:
            assert step in place.members, pointer
            place = place.child(step)


def _objects(schema: Any) -> list[Mapping[str, Any]]:
    # What has no type is a condition on an object that is described elsewhere.
    is_object = isinstance(schema, dict) and "properties" in schema and "type" in schema
    found = [schema] if is_object else []
    children = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    return found + [inner for child in children for inner in _objects(child)]


@each_template
def test_schema_is_strict_and_titled_in_chinese(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    objects = _objects(SCHEMAS[name])
    assert len(objects) >= 4
    for schema in objects:
        assert schema["additionalProperties"] is False
        for key, field in schema["properties"].items():
            assert re.search(r"[\u4e00-\u9fff]", field["title"]), key
            assert "description" in field or "$ref" in field, key


@each_fixture
def test_fixture_obeys_the_schema(name: str, path: Path) -> None:
    data = json.loads(path.read_text("utf-8"))
    checker = Draft202012Validator(SCHEMAS[name], format_checker=FormatChecker())
    assert [error.message for error in checker.iter_errors(data)] == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("doc_no", "云科促发[2026]12号"),
        ("doc_no", "云科促发〔2026〕012号"),
        ("doc_no", "云科促发〔26〕第12号"),
        ("title", "甲\n"),
        ("title", " "),
        ("issuer", "甲\n乙"),
        ("issuer", "甲\n"),
        ("issuer", "甲" * 81),
        ("doc_no", "云科促发〔2026〕12号\n"),
        ("issued_on", "2026-02-30"),
        ("recipients", []),
        ("body", []),
        ("contacts", [{"unit": "甲", "name": "乙"}]),
        ("contacts", [{"unit": "甲", "name": "乙", "phone": "1", "fax": "1"}]),
        ("urgency", "十万火急"),
        ("classification", "内部"),
        ("unknown", "甲"),
    ],
)
def test_schema_refuses(field: str, value: Any) -> None:
    data = {**json.loads((NOTICE / "sample.json").read_text("utf-8")), field: value}
    checker = Draft202012Validator(SCHEMA, format_checker=FormatChecker())
    places = {
        str(error.absolute_path[0]) if error.absolute_path else "" for error in checker.iter_errors(data)
    }
    assert places == ({field} if field in SCHEMA["properties"] else {""})


def test_fixtures_are_all_listed_with_their_purpose() -> None:
    readme = (ROOT / "fixtures/README.md").read_text("utf-8")
    for name, path in REQUESTS:
        assert path.name == "sample.json" or f"`{name}/{path.name}`" in readme


def test_builders_refuse_unknown_properties_and_escape_text() -> None:
    with pytest.raises(ValueError):
        properties("pPr", {"nonsense": ""})
    assert "a &lt; b" in block("if a < b", paragraph("a", "x"))
