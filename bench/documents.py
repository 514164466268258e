"""The documents that every contestant converts."""

import io
import json
from pathlib import Path

import docx
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from service.bootstrap import load_catalog
from service.fill import fill_docx
from service.settings import Settings
from service.slim import slim_docx

_ROWS = 12
_TEXT = "本单位结合实际组织开展主题活动，面向科技工作者提供服务，及时总结经验并报送材料。"


def form() -> bytes:
    """Return a page with a table, the size of a plan form, slimmed as a template would be."""
    document = docx.Document()
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "仿宋_GB2312", Pt(12)
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), "仿宋_GB2312")
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    title = document.add_paragraph().add_run("系列活动筹备方案")
    title.font.size = Pt(22)
    title._element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "方正小标宋简体")
    table = document.add_table(rows=_ROWS, cols=4, style="Table Grid")
    for number, row in enumerate(table.rows):
        for cell, text in zip(
            row.cells, (f"第{number}项", "主题活动", _TEXT[:16], _TEXT[16:30]), strict=True
        ):
            cell.text = text
    document.add_paragraph(_TEXT * 3)
    target = io.BytesIO()
    document.save(target)
    return slim_docx(target.getvalue())


def notice() -> bytes:
    """Return the shipped notice filled by its sample: several pages, six faces, pictures."""
    spec = load_catalog(Settings.from_mapping({})).get("notice")
    extras = {"verify_host": "v.example.cn", "draft": False}
    return fill_docx(spec.docx, json.loads(spec.sample), extras, schema=spec.schema)


def write(folder: Path) -> list[Path]:
    """Write all documents into a folder."""
    found = []
    for name, content in (("表格", form()), ("通知", notice())):
        path = folder / f"{name}.docx"
        path.write_bytes(content)
        found.append(path)
    return found
