"""What a screen reader speaks: every template's sample in its order, with headings, tables and the code named."""

import io
import re
from collections import Counter
from typing import Any

import pypdf
import pytest
from lxml import etree

from service.archive import read_docx
from service.pipeline.contract import squeezed as compared
from tests.conftest import ROOT, Rendered
from tests.reading import reading

pytestmark = pytest.mark.libreoffice

TEMPLATES = ["commendation", "notice", "plan-form", "plaque-labels", "summary-report"]
CODE = "核验二维码：扫描后可以核对本件的真伪"
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
each_template = pytest.mark.parametrize("template", TEMPLATES)


def squeezed(text: str) -> str:
    """Letters, digits and hanzi; a mark that hangs over the edge is not read with the run it ends."""
    return "".join(char for char in compared(text) if char.isalnum())


def sample(rendered: Rendered, template: str) -> tuple[bytes, Any]:
    document = rendered(ROOT / "templates/docx" / template / "sample.json")
    return document.pdf, etree.fromstring(read_docx(document.docx)["word/document.xml"])


def paragraphs(root: Any) -> list[str]:
    """Text of each paragraph that has some, in the order of the document."""
    texts = []
    for paragraph in root.iter(f"{_W}p"):
        own = paragraph.iterfind(f"{_W}r/{_W}t")
        texts.append(squeezed("".join(text.text or "" for text in own)))
    return [text for text in texts if text]


@each_template
def test_tree_is_read_in_the_order_of_the_document(rendered: Rendered, template: str) -> None:
    pdf, root = sample(rendered, template)
    spoken = squeezed("".join(element.text for element in reading(pdf)))
    for text in paragraphs(root):
        # Characters of a stand-in face follow the others of their line.
        assert Counter(spoken[: len(text)]) == Counter(text), (text, spoken[:40])
        spoken = spoken[len(text) :]
    assert not spoken


@each_template
def test_every_code_has_an_alternative_text(rendered: Rendered, template: str) -> None:
    pdf, root = sample(rendered, template)
    figures = [element for element in reading(pdf) if element.alternative]
    assert {element.alternative for element in figures} == {CODE}
    assert all(element.roles[-1] == "Figure" for element in figures)
    assert len(figures) == sum(
        1 for item in root.iter() if item.get("descr") == "wenyin-qr" and "docPr" in item.tag
    )


@pytest.mark.parametrize(
    ("template", "headings"),
    [
        (
            "notice",
            r"云州市科学技术促进会关于举办|一、|二、|三、|四、|（一）需求征集|“科技服务进万家”典型案例评选办法",
        ),
        ("commendation", "云州市科学技术促进会关于表扬|优秀组织单位名单|积极贡献单位名单"),
        ("plan-form", "2026年“科技服务进万家”特色亮点活动筹备方案|一、基本信息|二、工作方案"),
        ("summary-report", "2026年“科技服务进万家”特色亮点活动总结报告|一、|二、|三、"),
    ],
)
def test_headings_are_tagged_and_in_the_outline(rendered: Rendered, template: str, headings: str) -> None:
    pdf, _ = sample(rendered, template)
    tagged = squeezed("".join(e.text for e in reading(pdf) if {"H1", "H2"} & set(e.roles)))
    outline = [squeezed(str(title)) for title in _titles(pypdf.PdfReader(io.BytesIO(pdf)).outline)]
    assert "".join(outline) == tagged
    for wanted in headings.split("|"):
        assert [title for title in outline if title.startswith(squeezed(wanted))], wanted
    plain = squeezed("".join(e.text for e in reading(pdf) if not {"H1", "H2"} & set(e.roles)))
    assert not re.search("一基本信息|二工作方案|名单共", plain)


def _titles(items: Any) -> list[str]:
    return [t for item in items for t in (_titles(item) if isinstance(item, list) else [item.title])]


@pytest.mark.parametrize("template", ["commendation", "plan-form", "plaque-labels"])
def test_tables_have_rows_and_cells(rendered: Rendered, template: str) -> None:
    pdf, root = sample(rendered, template)
    inside = [element for element in reading(pdf) if "Table" in element.roles and element.text.strip()]
    assert inside
    for element in inside:
        at = element.roles.index("Table")
        assert element.roles[at + 1] == "TR"
        assert element.roles[at + 2] in ("TD", "TH")
    in_tables = squeezed("".join(element.text for element in inside))
    cells = [squeezed("".join(t.text or "" for t in cell.iter(f"{_W}t"))) for cell in root.iter(f"{_W}tc")]
    assert Counter(in_tables) == Counter("".join(cells))


def test_head_of_an_activity_is_a_table_head(rendered: Rendered) -> None:
    pdf, _ = sample(rendered, "plan-form")
    heads = squeezed("".join(element.text for element in reading(pdf) if "TH" in element.roles))
    assert [number for number in "一二三" if f"活动{number}" in heads] == ["一", "二", "三"]
