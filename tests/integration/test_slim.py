"""Slimming a template changes what it weighs and not one pixel of what it shows."""

import io
from pathlib import Path

import docx
import pytest

from service.archive import read_docx, write_docx
from service.bootstrap import load_catalog
from service.pdf import render_pages
from service.settings import Settings
from service.slim import slim_docx
from tests.documents import paragraph, plain
from tests.engines import convert, engine


def rich() -> bytes:
    """Return a document from python-docx's default file, which has 164 styles, using a few."""
    document = docx.Document()
    document.add_heading("一级标题", 1)
    document.add_heading("二级标题", 2)
    document.add_paragraph("正文", style="Intense Quote")
    document.add_paragraph("一项", style="List Bullet")
    document.add_paragraph("第一", style="List Number")
    table = document.add_table(rows=2, cols=3, style="Medium Grid 1 Accent 1")
    for cell in table.rows[0].cells:
        cell.text = "表头"
    run = document.add_paragraph().add_run("强调")
    run.style = "Intense Emphasis"
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def style_names(content: bytes) -> set[str]:
    return {style.style_id for style in docx.Document(io.BytesIO(content)).styles}


def test_unused_styles_go_and_used_ones_stay_with_all_they_rest_on() -> None:
    before, after = rich(), slim_docx(rich())
    assert len(style_names(before)) > 150
    assert len(style_names(after)) < 30
    used = {"Heading1", "Heading2", "IntenseQuote", "ListBullet", "ListNumber", "MediumGrid1-Accent1"}
    assert used | {"Normal", "IntenseEmphasis", "Heading1Char"} <= style_names(after)
    assert len(after) < len(before)


def test_optional_parts_go_with_every_mention_of_them() -> None:
    parts = read_docx(slim_docx(rich()))
    assert "docProps/thumbnail.jpeg" not in parts
    assert not any(name.startswith("customXml") for name in parts)
    for name, content in parts.items():
        if name.endswith((".rels", "].xml")):
            assert b"thumbnail." not in content
            assert b"customXml" not in content
    docx.Document(io.BytesIO(write_docx(parts)))


def test_slimming_is_constant_and_slimming_twice_changes_nothing() -> None:
    document = rich()
    once = slim_docx(document)
    assert slim_docx(document) == once
    assert slim_docx(once) == once


def test_styles_that_a_field_may_name_are_left_alone() -> None:
    document = docx.Document(io.BytesIO(rich()))
    document.add_paragraph()._p.append(
        docx.oxml.parse_xml(
            '<w:fldSimple xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
            ' w:instr=" TOC "/>'
        )
    )
    target = io.BytesIO()
    document.save(target)
    assert style_names(slim_docx(target.getvalue())) == style_names(target.getvalue())


def test_document_without_styles_passes() -> None:
    assert slim_docx(plain("无样式")) == plain("无样式")
    assert paragraph("无样式").encode() in read_docx(slim_docx(plain("无样式")))["word/document.xml"]


def test_every_shipped_template_is_loaded_slim() -> None:
    for spec in load_catalog(Settings.from_mapping({})):
        assert slim_docx(spec.docx) == spec.docx


@pytest.mark.libreoffice
def test_no_pixel_differs(tmp_path: Path) -> None:
    documents = [rich(), (Path(__file__).parents[2] / "templates/docx/notice/template.docx").read_bytes()]
    with engine(tmp_path) as made:
        for document in documents:
            before = list(render_pages(convert(made, document), 100))
            after = list(render_pages(convert(made, slim_docx(document)), 100))
            assert len(before) == len(after)
            for one, other in zip(before, after, strict=True):
                assert one.size == other.size
                assert one.tobytes() == other.tobytes()
