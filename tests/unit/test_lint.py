"""Template lint: each rule sees its planted fault, says where it is, and passes what ships."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.archive import read_docx, write_docx
from service.catalog import load_template
from service.cli.app import cli
from service.docx import placeholder_png
from service.model import TemplateSpec
from service.pipeline.lint import Finding, lint_template
from templates.authoring import __main__ as authoring
from tests.conftest import ROOT

TEMPLATES = ROOT / "templates/docx"
BODY, STYLES, CODE = "word/document.xml", "word/styles.xml", "word/media/qr.png"
Change = Callable[[bytes], bytes]


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


@pytest.mark.parametrize(
    ("part", "change", "place", "words"),
    [
        (STYLES, swap('w:eastAsia="仿宋_GB2312"', 'w:eastAsia="华康少女体"'), "样式“Normal”", "华康少女体"),
        (STYLES, swap('w:eastAsia="仿宋_GB2312"', 'w:eastAsiaTheme="minorEastAsia"'), "样式“Normal”", "主题字体"),
        (STYLES, swap('w:eastAsia="zh-CN"', 'w:eastAsia="ja-JP"'), "样式", "语言"),
        (BODY, swap('<w:docGrid w:type="lines"', '<w:docGrid w:type="linesAndChars"'), "正文", "字符网格"),
        (BODY, swap('descr="wenyin-qr"', 'descr="else"'), "正文", "没有替代文字"),
        (BODY, swap("issuer | signature(issued_on)", "isuer | signature(issued_on)"), "正文", "“isuer”"),
        (BODY, swap("{{ note | bracketed }}", "{{ remark }}"), "正文", "“remark”"),
        (BODY, swap("{%p endfor %}", ""), "正文", "for"),
        (CODE, lambda _: placeholder_png(310, 311), "正文 段 1", "310×311"),
        (CODE, lambda png: png[:25] + bytes((6,)) + png[26:], "正文 段 1", "透明"),
        (CODE, lambda png: png.replace(b"IDAT", b"tRNS", 1), "正文 段 1", "透明"),
        (CODE, lambda _: b"\xff\xd8\xff\xe0JPEG", "正文 段 1", "PNG"),
        (BODY, swap('<wp:extent cx="1080000"', '<wp:extent cx="720000"'), "正文 段 1", "20.0×30.0"),
    ],
)  # fmt: skip
def test_each_fault_is_an_error_with_its_place(part: str, change: Change, place: str, words: str) -> None:
    errors = [finding for finding in planted(part, change) if finding.severity == "error"]
    assert [finding for finding in errors if finding.place.startswith(place) and words in finding.message], (
        errors
    )


def test_two_placeholders_are_named() -> None:
    def twice(content: bytes) -> bytes:
        found = re.search(rb"<w:r><w:drawing><wp:anchor.*?</w:drawing></w:r>", content)
        assert found is not None
        return content.replace(found[0], found[0] * 2, 1)

    (error,) = [f for f in planted(BODY, twice) if "占位图" in f.message]
    assert "有 2 个" in error.message


def test_unused_field_is_a_warning_only() -> None:
    findings = planted(BODY, swap("{{ note | bracketed }}", ""))
    assert {finding.severity for finding in findings} <= {"warning"}
    spec = load_template(TEMPLATES / "notice")
    schema = {**spec.schema, "properties": {**spec.schema["properties"], "fax": {"title": "传真"}}}
    (finding,) = lint_template(dataclasses.replace(spec, schema=schema))
    assert (finding.severity, finding.place) == ("warning", "schema.json")
    assert "“fax”" in finding.message


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
