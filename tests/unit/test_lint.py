"""Template lint: each rule sees its planted fault, says where it is, and passes what ships."""

import dataclasses
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
import pytest
from click.testing import CliRunner
from lxml import etree

from service.archive import read_docx, write_docx
from service.catalog import load_template
from service.cli.app import cli
from service.docx import placeholder_png
from service.model import FactRule, SealRule, TemplateSpec
from service.pipeline.annotate import annotated
from service.pipeline.lint import lint_template
from service.pipeline.lint_places import Finding
from templates.authoring import __main__ as authoring
from tests.conftest import ROOT
from tests.wordcheck import word_faults

TEMPLATES = ROOT / "templates/docx"
BODY, STYLES, CODE = "word/document.xml", "word/styles.xml", "word/media/qr.png"
Change = Callable[[bytes], bytes]
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def planted(part: str, change: Change, name: str = "notice") -> tuple[Finding, ...]:
    spec = load_template(TEMPLATES / name)
    parts = read_docx(spec.docx)
    changed = change(parts[part])
    assert changed != parts[part]
    parts[part] = changed
    return lint_template(dataclasses.replace(spec, docx=write_docx(parts)))


def swap(old: str, new: str) -> Change:
    return lambda content: content.replace(old.encode(), new.encode(), 1)


@pytest.mark.parametrize("name", list(authoring.BUILDERS))
def test_shipped_templates_pass(name: str) -> None:
    assert lint_template(load_template(TEMPLATES / name)) == ()


@pytest.mark.fault("T1", "T4", "T14", "T15")
@pytest.mark.parametrize(
    ("part", "change", "place", "words"),
    [
        (STYLES, swap('w:eastAsia="仿宋_GB2312"', 'w:eastAsia="华康少女体"'), "样式“Normal”", "华康少女体"),
        (STYLES, swap('w:eastAsia="仿宋_GB2312"', 'w:eastAsiaTheme="minorEastAsia"'), "样式“Normal”", "主题字体"),
        (STYLES, swap('w:eastAsia="zh-CN"', 'w:eastAsia="ja-JP"'), "样式", "语言"),
        (BODY, swap('<w:docGrid w:type="lines"', '<w:docGrid w:type="linesAndChars"'), "正文", "字符网格"),
        (BODY, swap('descr="wenyin-qr"', 'descr="else"'), "正文", "没有替代文字"),
        (BODY, swap("issuer | signature(issued_on)", "isuer | signature(issued_on)"), "正文 第 ", "“isuer”"),
        (BODY, swap("{{ note | bracketed }}", "{{ remark }}"), "正文 第 ", "“remark”"),
        (BODY, swap("{{ c.email }}", "{{ c.e_mail }}"), "sample.json", "e_mail"),
        (STYLES, swap("</w:rPr></w:style>", '<w:lang w:eastAsia="ja-JP"/></w:rPr></w:style>'), "样式“Normal”", "ja-jp"),
        (BODY, swap("{%p endfor %}", ""), "正文", "for"),
        (CODE, lambda _: placeholder_png(310, 311), "正文 第 1 段", "310×311"),
        (CODE, lambda png: png[:25] + bytes((6,)) + png[26:], "正文 第 1 段", "透明"),
        (CODE, lambda png: png.replace(b"IDAT", b"tRNS", 1), "正文 第 1 段", "透明"),
        (CODE, lambda _: b"\xff\xd8\xff\xe0JPEG", "正文 第 1 段", "PNG"),
        (BODY, swap('<wp:extent cx="1080000"', '<wp:extent cx="720000"'), "正文 第 1 段", "20.0×30.0"),
    ],
)  # fmt: skip
def test_each_fault_is_an_error_with_its_place(part: str, change: Change, place: str, words: str) -> None:
    errors = [finding for finding in planted(part, change) if finding.severity == "error"]
    assert [finding for finding in errors if finding.place.startswith(place) and words in finding.message], (
        errors
    )


@pytest.mark.fault("T4")
def test_undeclared_field_of_an_object_is_found_to_the_cell() -> None:
    findings = planted(BODY, swap("{{ host.name }}", "{{ host.nme }}"), "plan-form")
    (error,) = [finding for finding in findings if "“host.nme”" in finding.message]
    assert re.fullmatch(r"正文 第 \d+ 段（表 1 行 1 格 2）", error.place)


@pytest.mark.fault("T1")
def test_fields_are_not_guessed_at_where_tags_do_not_match() -> None:
    errors = [f for f in planted(BODY, swap("{%p endfor %}", "{%p endfro %}")) if f.severity == "error"]
    assert errors
    assert [finding for finding in errors if "没有的字段" in finding.message] == []
    assert all(re.match(r"正文 第 \d+ 段", finding.place) for finding in errors), errors


@pytest.mark.fault("T15")
def test_two_placeholders_are_named() -> None:
    def twice(content: bytes) -> bytes:
        found = re.search(rb"<w:r><w:drawing><wp:anchor.*?</w:drawing></w:r>", content)
        assert found is not None
        return content.replace(found[0], found[0] * 2, 1)

    (error,) = [f for f in planted(BODY, twice) if "占位图" in f.message]
    assert "有 2 个" in error.message
    assert error.place == "正文 第 1 段"


@pytest.mark.fault("T15")
def test_placeholder_in_a_header_is_refused() -> None:
    spec = load_template(TEMPLATES / "notice")
    parts = read_docx(spec.docx)
    found = re.search(rb"<w:r><w:drawing><wp:anchor.*?</w:drawing></w:r>", parts[BODY])
    assert found is not None
    parts[BODY] = parts[BODY].replace(found[0], b"")
    parts["word/footer1.xml"] = parts["word/footer1.xml"].replace(b"</w:p>", found[0] + b"</w:p>", 1)
    findings = lint_template(dataclasses.replace(spec, docx=write_docx(parts)))
    assert [f for f in findings if f.place == "页脚 第 1 段" and "应放在正文中" in f.message]
    assert [f for f in findings if f.place == "正文" and "没有替代文字" in f.message]


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"sample": b'{"title": 1}'}, "sample.json", "必填"),
        ({"sample": b"{"}, "sample.json", "JSON"),
        ({"file_name": "{doc_no}{titel}"}, "template.toml", "file_name “{titel}”"),
        ({"seal": SealRule("/isuer", "/issued_on")}, "template.toml", "seal.unit"),
        ({"title": "志愿服务证明"}, "template.toml", "显示为“通知”"),
        ({"schema": {"type": "object", "properties": {"title": {"type": "text"}}}}, "schema.json", "2020-12"),
    ],
)  # fmt: skip
def test_files_beside_the_docx_are_judged_too(change: dict[str, Any], place: str, words: str) -> None:
    findings = lint_template(dataclasses.replace(load_template(TEMPLATES / "notice"), **change))
    assert [f for f in findings if f.place.startswith(place) and words in f.message], findings


def test_pointer_of_a_fact_must_lead_to_a_field() -> None:
    spec = load_template(TEMPLATES / "notice")
    rule = dataclasses.replace(spec.verify, facts=(FactRule("署名", "/isuer"),))
    (finding,) = lint_template(dataclasses.replace(spec, verify=rule))
    assert (finding.place, finding.severity) == ("template.toml", "error")
    assert "/isuer" in finding.message


def test_comments_stand_where_the_findings_are(tmp_path: Path) -> None:
    spec = load_template(TEMPLATES / "notice")
    parts = read_docx(spec.docx)
    parts[BODY] = parts[BODY].replace(b"{{ printed_by }}", b"{{ printer }}")
    parts[BODY] = parts[BODY].replace(b"{{ note | bracketed }}", b"{{ remark }}")
    parts[STYLES] = parts[STYLES].replace("仿宋_GB2312".encode(), "华康少女体".encode(), 1)
    docx_bytes = write_docx(parts)
    findings = lint_template(dataclasses.replace(spec, docx=docx_bytes))
    content = annotated(docx_bytes, findings)
    assert word_faults(content) == []
    comments = list(docx.Document(io.BytesIO(content)).comments)
    texts = [comment.text for comment in comments]
    assert sum(text.count("：") >= 1 for text in texts) == len(texts) >= 3
    body = etree.fromstring(read_docx(content)[BODY])
    paragraphs = {}
    for start in body.iter(f"{W}commentRangeStart"):
        owner = next(start.iterancestors(f"{W}p"))
        paragraphs[int(start.get(f"{W}id", ""))] = "".join(map(str, owner.itertext()))
    for comment in comments:
        if "“remark”" in comment.text:
            assert "{{ remark }}" in paragraphs[comment.comment_id]
        if "华康少女体" in comment.text:
            assert "样式“Normal”：" in comment.text
    assert any("“printer”" in text for text in texts)


def test_command_writes_the_annotated_copy_beside_the_report(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(TEMPLATES / "notice", folder)
    before = (folder / "template.docx").read_bytes()
    target = tmp_path / "reviewed.docx"
    run = CliRunner().invoke(cli, ["templates", "lint", str(folder), "--annotate", str(target)])
    assert run.exit_code == 0
    assert list(docx.Document(str(target)).comments) == []
    own = CliRunner().invoke(
        cli, ["templates", "lint", str(folder), "--annotate", str(folder / "template.docx")]
    )
    assert own.exit_code == 2
    assert (folder / "template.docx").read_bytes() == before
    assert CliRunner().invoke(cli, ["templates", "lint", "--annotate", str(target)]).exit_code == 2


def test_placeholder_command_draws_what_lint_accepts(tmp_path: Path) -> None:
    run = CliRunner().invoke(cli, ["templates", "placeholder", "-o", str(tmp_path / "qr.png")])
    assert run.exit_code == 0
    picture = (tmp_path / "qr.png").read_bytes()
    assert planted(CODE, lambda _: picture) == ()


@pytest.mark.fault("T4")
def test_unused_field_is_a_warning_only() -> None:
    findings = planted(BODY, swap("{{ note | bracketed }}", ""))
    assert {finding.severity for finding in findings} <= {"warning"}
    spec = load_template(TEMPLATES / "notice")
    schema = {**spec.schema, "properties": {**spec.schema["properties"], "fax": {"title": "传真"}}}
    (finding,) = lint_template(dataclasses.replace(spec, schema=schema))
    assert (finding.severity, finding.place) == ("warning", "schema.json")
    assert "“fax”" in finding.message


@pytest.mark.fault("T1")
def test_fault_in_a_table_is_found_to_the_cell() -> None:
    findings = planted(BODY, swap("{{ printed_by }}", "{{ printed_by "))
    assert any("表" in finding.place and "格" in finding.place for finding in findings), findings


def test_command_ends_with_five_when_there_are_errors(tmp_path: Path) -> None:
    spec: TemplateSpec = load_template(TEMPLATES / "notice")
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in spec.directory.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    good = CliRunner().invoke(cli, ["templates", "lint", str(folder)])
    assert (good.exit_code, good.output) == (0, "通过\tmine\n")
    parts = read_docx(spec.docx)
    parts[BODY] = parts[BODY].replace(b'descr="wenyin-qr"', b'descr=""')
    (folder / "template.docx").write_bytes(write_docx(parts))
    bad = CliRunner().invoke(cli, ["templates", "lint", str(folder)])
    assert bad.exit_code == 5
    assert "错误\tmine\t正文" in bad.output
    everything = CliRunner().invoke(cli, ["templates", "lint"])
    assert everything.exit_code == 0
    assert everything.output.count("通过") == len(authoring.BUILDERS)
