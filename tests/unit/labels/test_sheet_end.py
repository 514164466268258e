"""What follows the labels of a sheet, as Word counts it: no room is left over for a blank page."""

from typing import Any

import pytest
from lxml import etree

from service.archive import read_docx
from service.catalog import load_template
from service.labels import STOCK
from service.pipeline.filling import fill
from tests.conftest import ROOT

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
LABEL = {
    "unit": "云州市科学技术促进会",
    "attn": "欧阳䶮",
    "phone": "010-0000-0000",
    "address": "云江省云州市不存在路1号",
    "award": "excellent_organizer",
    "plaque_no": "2026-001",
}


@pytest.mark.parametrize("sheet", list(STOCK))
@pytest.mark.parametrize("pages", [1, 2])
def test_table_and_last_paragraph_fill_whole_pages_and_no_more(sheet: str, pages: int) -> None:
    spec = load_template(ROOT / "templates/docx/plaque-labels")
    data = {"sheet": sheet, "labels": [LABEL] * (STOCK[sheet].per_page * pages)}
    parts = read_docx(fill(spec, data, {"verify_host": "v.example.cn", "draft": False}).docx)
    document: Any = etree.fromstring(parts["word/document.xml"])
    (body,) = document
    table, last, section = body
    assert [etree.QName(item).localname for item in body] == ["tbl", "p", "sectPr"]
    assert last.find(f"{W}r") is None  # Word shows an empty paragraph there, and it cannot be left out
    style = last.find(f"{W}pPr/{W}pStyle").get(f"{W}val")
    styles: Any = etree.fromstring(parts["word/styles.xml"])
    (spacing,) = styles.iterfind(f"{W}style[@{W}styleId='{style}']/{W}pPr/{W}spacing")
    assert spacing.get(f"{W}lineRule") == "exact"
    assert (spacing.get(f"{W}before"), spacing.get(f"{W}after")) == ("0", "0")
    heights = []
    for row in table.iterfind(f"{W}tr"):
        height = row.find(f"{W}trPr/{W}trHeight")
        assert height.get(f"{W}hRule") == "exact"
        heights.append(int(height.get(f"{W}val")))
    size, margins = section.find(f"{W}pgSz"), section.find(f"{W}pgMar")
    room = int(size.get(f"{W}h")) - int(margins.get(f"{W}top")) - int(margins.get(f"{W}bottom"))
    used, reached = 0, 1
    for height in heights:
        if used + height > room:
            reached, used = reached + 1, 0
        used += height
    assert reached == pages
    assert used + int(spacing.get(f"{W}line")) <= room
