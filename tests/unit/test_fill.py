"""Filling: what is printed is the data and nothing else, whatever the data holds."""

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from service.archive import read_docx
from service.errors import TemplateError, UnsafeArchive
from service.fill import complete, fill_docx, template_variables
from service.schema import parse_json
from templates.authoring.docx_parts import Package, Style, block, control, paragraph, run

ROOT = Path(__file__).parents[2]
NOTICE = ROOT / "templates/docx/notice"
TEMPLATE = (NOTICE / "template.docx").read_bytes()
SCHEMA = json.loads((NOTICE / "schema.json").read_text("utf-8"))
EXTRAS = {"verify_host": "wenyin.example.cn", "draft": False}
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

NASTY = [
    "{{7*7}}",
    "{% raw %}",
    "{%tr for x in y %}",
    "{%p if x %}",
    "{_{7*7}_}",
    "{_% raw %_}",
    "{# no #}",
    "A&B <w:p/>",
    "1 < 2 & 3 > 2",
    "]]>",
    "&amp; &#60; &lt;",
    "“引号”‘单引号’\"'",
    "\\1 \\g<0> $1",
    "䶮㛃𬀩𠮷",
    "a  b",
]


def package(body: str, *, title: str = "", header: str = "", author: str = "") -> bytes:
    parts = {"header1": header} if header else {}
    reference = '<w:headerReference w:type="default" r:id="header1"/>' if header else ""
    return Package(
        body=f"{body}<w:sectPr>{reference}</w:sectPr>",
        styles=(Style("a", "Normal", default=True),),
        parts=parts,
        pictures={},
        title=title,
        author=author,
    ).to_docx()


def fill(body: str, data: Mapping[str, Any] | None = None, **more: str) -> dict[str, bytes]:
    return read_docx(fill_docx(package(body, **more), data or {}, {}))


def texts(part: bytes) -> list[str]:
    """The text of each paragraph; a break is a line feed, a tab a tab, a bare one of them ¶."""
    mark = {f"{W}br": "\n", f"{W}tab": "\t"}
    root = etree.fromstring(part)
    return [
        "".join(
            re.sub(r"[\n\t]", "¶", node.text or "") if node.tag == f"{W}t" else mark.get(node.tag, "")
            for node in p.iter()
        )
        for p in root.iter(f"{W}p")
    ]


def body(parts: Mapping[str, bytes]) -> list[str]:
    return texts(parts["word/document.xml"])


@pytest.mark.fault("J11", "J12", "T13")
@pytest.mark.parametrize("value", NASTY)
def test_data_is_literal_in_body_header_and_properties(value: str) -> None:
    parts = fill(paragraph("a", "{{ x }}"), {"x": value}, title="{{ x }}", header=paragraph("a", "{{ x }}"))
    assert body(parts) == [value]
    assert texts(parts["word/header1.xml"]) == [value]
    core = etree.fromstring(parts["docProps/core.xml"])
    assert core.findtext("{http://purl.org/dc/elements/1.1/}title") == value


@pytest.mark.fault("J11")
@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), max_size=60))
def test_any_text_comes_out_as_it_went_in(value: str) -> None:
    assert body(fill(paragraph("a", "{{ x }}"), {"x": value})) == [value]


@pytest.mark.fault("J12")
@pytest.mark.parametrize("value", NASTY)
def test_data_is_literal_after_every_filter(value: str) -> None:
    calls = [
        "x | balanced(30)",
        "[x, x] | joined",
        "x | bracketed",
        'x | ended("。")',
        "x | one_line",
        '[{"level": 0, "text": x}] | numbered | map(attribute="text") | join',
    ]
    for call in calls:
        assert value in body(fill(paragraph("a", f"{{{{ {call} }}}}"), {"x": value}))[0]


@pytest.mark.fault("T13")
def test_notes_and_text_boxes_are_filled_too() -> None:
    source = read_docx(package(paragraph("a", "{{ x }}")))
    note = (
        source["word/document.xml"].replace(b"w:document", b"w:footnotes").replace(b"w:body", b"w:footnote")
    )
    source["word/footnotes.xml"] = re.sub(rb"<w:sectPr>.*</w:sectPr>|<w:sectPr/>", b"", note)
    parts = read_docx(fill_docx(_zip(source), {"x": "A&B"}, {}))
    assert texts(parts["word/footnotes.xml"]) == ["A&B"]
    sample = json.loads((NOTICE / "sample.json").read_text("utf-8"))
    assert "wenyin.example.cn" in body(read_docx(fill_docx(TEMPLATE, sample, EXTRAS, schema=SCHEMA)))


@pytest.mark.fault("T2")
def test_tag_split_over_runs_is_one_tag() -> None:
    pieces = [run("{"), run("{ x"), run(" }"), run("}")]
    assert body(fill(paragraph("a", *pieces), {"x": "A&B"})) == ["A&B"]


@pytest.mark.fault("T2")
@pytest.mark.parametrize(
    "between",
    [
        '<w:proofErr w:type="spellStart"/>',
        '<w:bookmarkStart w:id="1" w:name="b"/><w:bookmarkEnd w:id="1"/>',
        '<w:commentRangeStart w:id="1"/><w:commentRangeEnd w:id="1"/>',
        f"<w:ins w:id='1' w:author='a'>{run(' ')}</w:ins>",
        "<w:del w:id='1' w:author='a'><w:r><w:delText>旧</w:delText></w:r></w:del>",
    ],
    ids=["spelling", "bookmark", "comment", "inserted", "deleted"],
)
def test_tag_with_a_mark_of_word_inside_is_one_tag(between: str) -> None:
    source = paragraph("a", run("甲{{ x") + between + run(" }}乙"))
    assert body(fill(source, {"x": "A&B"})) == ["甲A&B乙"]


@pytest.mark.fault("T1")
def test_typographic_quotes_in_a_tag_are_quotes() -> None:
    assert body(fill(paragraph("a", "{{ x | ended(“。”) }}"), {"x": "甲"})) == ["甲。"]


@pytest.mark.fault("J13")
def test_line_feed_is_a_break_and_tab_a_tab() -> None:
    assert body(fill(paragraph("a", "{{ x }}"), {"x": "甲\n乙\t丙"})) == ["甲\n乙\t丙"]


@pytest.mark.fault("T3")
def test_loop_over_table_rows_and_columns() -> None:
    cell = '<w:tc><w:tcPr><w:tcW w:w="100" w:type="dxa"/></w:tcPr>{}</w:tc>'

    def row(text: str) -> str:
        return f"<w:tr>{cell.format(paragraph('a', text))}</w:tr>"

    grid = '<w:tbl><w:tblPr/><w:tblGrid><w:gridCol w:w="100"/></w:tblGrid>'
    table = (
        f"{grid}{row('{%tr for r in rows %}')}{row('{{ r }}')}{row('{%tr endfor %}')}</w:tbl>{paragraph('a')}"
    )
    assert body(fill(table, {"rows": ["甲&", "乙<"]})) == ["甲&", "乙<", ""]
    cells = "".join(
        cell.format(paragraph("a", t)) for t in ("{%tc for r in rows %}", "{{ r }}", "{%tc endfor %}")
    )
    parts = fill(f"{grid}<w:tr>{cells}</w:tr></w:tbl>{paragraph('a')}", {"rows": ["甲&", "乙<"]})
    assert body(parts) == ["甲&", "乙<", ""]
    assert parts["word/document.xml"].count(b"<w:gridCol ") == 2


@pytest.mark.fault("J22")
def test_table_without_rows_keeps_its_head() -> None:
    def row(text: str) -> str:
        return f"<w:tr><w:tc>{paragraph('a', text)}</w:tc></w:tr>"

    rows = row("单位") + row("{%tr for r in rows %}") + row("{{ r }}") + row("{%tr endfor %}")
    table = f"<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/></w:tblGrid>{rows}</w:tbl>{paragraph('a')}"
    assert body(fill(table, {"rows": []})) == ["单位", ""]


@pytest.mark.fault("J8", "J23")
def test_number_is_printed_digit_for_digit() -> None:
    sent = ["12345678901234567890.12", "12.50", "0.005", "10000000000", "-0.07", "0"]
    data = parse_json(f'{{"list":[{",".join(sent)}]}}'.encode())
    assert body(fill(paragraph("a", "{{ list | join('、') }}"), data)) == ["、".join(sent)]


def test_same_input_gives_same_bytes_in_another_process() -> None:
    code = (
        "import json,hashlib,sys;from pathlib import Path;from service.fill import fill_docx;"
        "d=Path('templates/docx/notice');"
        "o=fill_docx((d/'template.docx').read_bytes(),json.loads((d/'sample.json').read_text('utf-8')),"
        "{'verify_host':'wenyin.example.cn','draft':False},schema=json.loads((d/'schema.json').read_text('utf-8')));"
        "print(hashlib.sha256(o).hexdigest())"
    )
    sample = json.loads((NOTICE / "sample.json").read_text("utf-8"))
    here = [hashlib.sha256(fill_docx(TEMPLATE, sample, EXTRAS, schema=SCHEMA)).hexdigest() for _ in range(2)]
    there = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {*here, there.stdout.strip()} == {here[0]}


def test_drawing_ids_are_unique_even_in_loops() -> None:
    shape = '<w:r><w:drawing><wp:docPr id="7" name="x"/></w:drawing></w:r>'
    parts = fill(
        block("for n in [1, 2, 3]", paragraph("a", shape)), header=paragraph("a", shape, run("{{ 1 }}"))
    )
    ids = re.findall(rb'<wp:docPr id="(\d+)"', parts["word/document.xml"] + parts["word/header1.xml"])
    assert len(ids) == 4 == len(set(ids))


def test_drawing_ids_are_unique_also_in_parts_without_tags() -> None:
    shape = '<w:r><w:drawing><wp:docPr id="7" name="x"/></w:drawing></w:r>'
    parts = fill(block("for n in [1, 2]", paragraph("a", shape)), header=paragraph("a", shape * 2))
    ids = re.findall(rb'<wp:docPr id="(\d+)"', parts["word/document.xml"] + parts["word/header1.xml"])
    assert len(ids) == 4 == len(set(ids))


@pytest.mark.fault("T1", "T4")
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ nmae }}", "nmae"),
        ("{{ contact.fone }}", "fone"),
        ("{% if nmae %}x{% endif %}", "nmae"),
        ("{{ x | no_such_filter }}", "no_such_filter"),
        ("{% for %}", ""),
        ("{% if x %}", ""),
        ("{{ x", ""),
        ("{{ x }} }}", "}}"),
        ("{%tr if x %}", ""),
        ("{% raw %}{{ x }}{% endraw %}", "{{"),
    ],
)
def test_broken_template_is_a_template_error(text: str, names: str) -> None:
    with pytest.raises(TemplateError) as caught:
        fill(paragraph("a", text), {"x": "1", "contact": {"phone": "1"}})
    assert names in caught.value.detail + str(caught.value)
    assert re.search(r"[\u4e00-\u9fff]", str(caught.value))


@pytest.mark.fault("T1", "T6")
@pytest.mark.parametrize(
    "text",
    [
        "{% for a in x %}" * 30 + "{% endfor %}" * 30,
        "{{ " + "(" * 3_000 + "x" + ")" * 3_000 + " }}",
        "{{ " + "-" * 30_000 + "1 }}",
    ],
    ids=["blocks", "brackets", "signs"],
)
def test_template_nested_too_deep_is_named(text: str) -> None:
    with pytest.raises(TemplateError, match="嵌套过深"):
        fill(paragraph("a", text), {"x": []})


@pytest.mark.fault("T5", "T6")
@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ (x | attr('format')).__globals__ }}",
        "{{ x.format.__self__.__class__ }}",
        "{{ 'a' * 10000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{% for n in range(10000000000) %}{% endfor %}",
        "{% set _ = names.append(1) %}",
        "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
        "{{ cycler.__init__.__globals__.os.system('touch escaped') }}",
    ],
)
def test_expression_that_leaves_the_sandbox_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TemplateError) as caught:
        fill(paragraph("a", text), {"x": "1", "names": []})
    assert list(tmp_path.iterdir()) == []
    assert ("__" in text) <= (caught.value.type_code == "template-unsafe")


@pytest.mark.fault("T13")
def test_tag_in_a_part_that_is_not_filled_is_refused() -> None:
    parts = read_docx(package(paragraph("a", "x")))
    parts["word/settings.xml"] = parts["word/settings.xml"].replace(b"100", b"{{ x }}")
    with pytest.raises(TemplateError, match=r"word/settings\.xml"):
        fill_docx(_zip(parts), {"x": "1"}, {})


def test_unbalanced_xml_is_refused_not_mended() -> None:
    cell = f"<w:tc>{paragraph('a', '{% endif %}')}</w:tc>"
    broken = paragraph("a", "{% if x %}") + f"<w:tbl><w:tr>{cell}</w:tr></w:tbl>"
    assert fill(broken, {"x": "1"})
    with pytest.raises(TemplateError):
        fill(broken, {"x": ""})


def test_text_is_never_cut_at_a_bad_character() -> None:
    with pytest.raises(TemplateError):
        fill(paragraph("a", "{{ x }}"), {"x": "甲\x0b乙"})


def test_file_that_is_no_docx_is_refused() -> None:
    with pytest.raises(UnsafeArchive):
        fill_docx(b"%PDF-1.7", {}, {})


def test_absent_fields_are_none_at_every_depth() -> None:
    schema = {
        "properties": {"a": {}, "list": {"items": {"$ref": "#/$defs/one"}}},
        "$defs": {
            "one": {"allOf": [{"properties": {"b": {}}}], "properties": {"c": {"properties": {"d": {}}}}}
        },
    }
    assert complete({"list": [{"c": {}}, {"b": 1}]}, schema) == {
        "a": None,
        "list": [{"b": None, "c": {"d": None}}, {"b": 1, "c": None}],
    }


@pytest.mark.fault("J21")
def test_absent_field_prints_nothing_and_is_false() -> None:
    parts = read_docx(
        fill_docx(
            package(paragraph("a", "[{{ x }}]{% if x %}no{% endif %}")),
            {},
            {},
            schema={"properties": {"x": {}}},
        )
    )
    assert body(parts) == ["[]"]


def test_extras_win_over_data() -> None:
    assert body(read_docx(fill_docx(package(paragraph("a", "{{ x }}")), {"x": "data"}, {"x": "extra"}))) == [
        "extra"
    ]


def test_field_named_like_a_dict_method_is_the_field() -> None:
    assert body(
        fill(paragraph("a", "{{ r.items }}{{ r.values }}"), {"r": {"items": "甲", "values": "乙"}})
    ) == ["甲乙"]


def test_variables_are_those_of_all_parts() -> None:
    docx = package(
        control("set y = 1") + paragraph("a", "{{ x }}{{ y }}{% for i in items %}{{ i }}{% endfor %}"),
        title="{{ t }}",
        header=paragraph("a", "{{ h }}"),
    )
    assert template_variables(docx) == {"x", "items", "t", "h"}


def test_notice_asks_only_for_what_its_schema_declares() -> None:
    assert template_variables(TEMPLATE) == set(SCHEMA["properties"]) | set(EXTRAS)


def test_indent_and_size_directives_become_properties() -> None:
    text = paragraph(
        "a", run("{% ind"), run("ent a, [b, 2] | max %}{% size s %}甲{{ x }}"), jc='w:val="right"'
    )
    xml = fill(text, {"a": 5, "b": 7, "s": 10.5, "x": "乙"})["word/document.xml"].decode()
    assert (
        '<w:spacing w:line="210" w:lineRule="exact"/><w:ind w:left="5" w:right="7" w:firstLine="0"/><w:jc'
        in xml
    )
    assert '<w:sz w:val="21"/><w:szCs w:val="21"/>' in xml
    assert body({"word/document.xml": xml.encode()}) == ["甲乙"]


def test_title_of_two_lines_is_one_line_in_the_properties() -> None:
    sample = {**json.loads((NOTICE / "sample.json").read_text("utf-8")), "title": "关于甲\n乙的通知"}
    core = etree.fromstring(
        read_docx(fill_docx(TEMPLATE, sample, EXTRAS, schema=SCHEMA))["docProps/core.xml"]
    )
    assert core.findtext("{http://purl.org/dc/elements/1.1/}title") == "关于甲乙的通知"


@pytest.mark.fault("J11", "J12")
def test_literal_fixture_is_literal_in_the_docx() -> None:
    data = json.loads((ROOT / "fixtures/notice/literal.json").read_text("utf-8"))
    parts = read_docx(fill_docx(TEMPLATE, data, EXTRAS, schema=SCHEMA))
    printed = "\n".join(body(parts))
    assert printed.count(data["title"]) >= 25
    assert "49" not in printed
    core = etree.fromstring(parts["docProps/core.xml"])
    assert core.findtext("{http://purl.org/dc/elements/1.1/}title") == data["title"]
    assert core.findtext("{http://purl.org/dc/elements/1.1/}creator") == data["issuer"]


def _zip(parts: Mapping[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()
