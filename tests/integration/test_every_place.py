"""Text of a request is itself wherever a template may print it: in the docx, and in the PDF that LibreOffice makes."""

import io
from collections.abc import Callable, Mapping

import docx
import pytest
from lxml import etree

from service.archive import read_docx, write_docx
from service.fill import fill_docx
from service.pdf import pdf_text
from tests.documents import HEAD, MAIN, OFFICE, PACKAGE, W, paragraph

pytestmark = pytest.mark.libreoffice

LITERAL = "A&B <w:p/> 1 < 2 ]]> {{7*7}} {% raw %}"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
RELATED = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
SHAPE = (
    '<w:p><w:r><w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml" type="#_x0000_t202"'
    ' style="position:absolute;width:400pt;height:40pt"><v:textbox><w:txbxContent>{}</w:txbxContent></v:textbox>'
    "</v:shape></w:pict></w:r></w:p>"
)
PLACES = ("正文", "单元格", "文本框", "首页页眉", "续页页眉", "页脚", "脚注")
GROUPS = [
    {"name": "甲组&", "units": ["一<", "二"]},
    {"name": "乙组", "units": []},
    {"name": "丙组", "units": ["三"]},
]


def field(place: str) -> str:
    return paragraph(f"{place}：{{{{ x }}}}。")


def row(*texts: str, span: int = 1) -> str:
    cells = "".join(
        f'<w:tc><w:tcPr><w:gridSpan w:val="{span}"/></w:tcPr>{paragraph(t)}</w:tc>' for t in texts
    )
    return f"<w:tr>{cells}</w:tr>"


def table() -> str:
    """A head over both columns, groups in rows, their units in rows below, a cell merged downwards."""
    merged = "".join(
        f"<w:tr><w:tc><w:tcPr><w:vMerge{how}/></w:tcPr>{paragraph(text)}</w:tc><w:tc>{paragraph(beside)}</w:tc></w:tr>"
        for how, text, beside in ((' w:val="restart"', "合并", "上"), ("", "", "下"))
    )
    rows = [
        row("单位名单", span=2),
        row("{%tr for g in groups %}"),
        row("{{ g.name }}", "{{ g.units | length }}"),
        row("{%tr for u in g.units %}"),
        row("", "{{ u }}"),
        row("{%tr endfor %}"),
        row("{%tr endfor %}"),
        merged,
    ]
    grid = "<w:tblPr/><w:tblGrid><w:gridCol/><w:gridCol/></w:tblGrid>"
    return f"<w:tbl>{grid}{''.join(rows)}</w:tbl><w:p/>"


def part(root: str, body: str) -> bytes:
    return f"{HEAD}<w:{root} {W} {RELATED}>{body}</w:{root}>".encode()


def template() -> bytes:
    cell = f"<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/></w:tblGrid><w:tr><w:tc>{field('单元格')}</w:tc></w:tr></w:tbl>"
    note = '<w:p><w:r><w:t>见注</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    section = (
        '<w:sectPr><w:headerReference w:type="default" r:id="h1"/><w:headerReference w:type="first" r:id="h2"/>'
        '<w:footerReference w:type="default" r:id="f1"/><w:titlePg/></w:sectPr>'
    )
    second = '<w:p><w:r><w:br w:type="page"/><w:t>第二页</w:t></w:r></w:p>'
    kinds = {"header1": "header", "header2": "header", "footer1": "footer", "footnotes": "footnotes"}
    overrides = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="{WORD}.{kind}+xml"/>'
        for name, kind in kinds.items()
    )
    related = "".join(
        f'<Relationship Id="{key}" Type="{OFFICE}/{kinds[name]}" Target="{name}.xml"/>'
        for key, name in {"h1": "header1", "h2": "header2", "f1": "footer1", "n1": "footnotes"}.items()
    )
    core = "http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
    parts = {
        "[Content_Types].xml": f'{HEAD}<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{MAIN}"/>{overrides}'
        '<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>',
        "_rels/.rels": f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="a" Type="{OFFICE}/officeDocument"'
        f' Target="word/document.xml"/><Relationship Id="b" Type="{PACKAGE}/relationships/metadata/core-properties"'
        ' Target="docProps/core.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{related}</Relationships>',
        "docProps/core.xml": f'{HEAD}<cp:coreProperties xmlns:cp="{core}" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<dc:title>属性：{{ x }}</dc:title></cp:coreProperties>",
    }
    body = field("正文") + cell + SHAPE.format(field("文本框")) + note + table() + second + section
    return write_docx(
        {name: text.encode() for name, text in parts.items()}
        | {
            "word/document.xml": part("document", f"<w:body>{body}</w:body>"),
            "word/header1.xml": part("hdr", field("续页页眉")),
            "word/header2.xml": part("hdr", field("首页页眉")),
            "word/footer1.xml": part("ftr", field("页脚")),
            "word/footnotes.xml": part("footnotes", f'<w:footnote w:id="2">{field("脚注")}</w:footnote>'),
        }
    )


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.fixture(scope="module")
def filled() -> bytes:
    return fill_docx(template(), {"x": LITERAL, "groups": GROUPS}, {})


def texts(parts: Mapping[str, bytes]) -> str:
    return "".join(
        "".join(map(str, etree.fromstring(content).itertext()))
        for name, content in parts.items()
        if name.endswith(".xml")
    )


@pytest.mark.fault("J11", "J12", "T3", "T13")
def test_text_and_tables_are_right_in_every_place(
    filled: bytes, convert_docx: Callable[[bytes], bytes]
) -> None:
    in_docx, in_pdf = texts(read_docx(filled)), squeezed(pdf_text(convert_docx(filled)))
    for place in PLACES:
        printed = f"{place}：{LITERAL}。"
        assert in_docx.count(printed) == 1, place
        assert squeezed(printed) in in_pdf, place
    assert f"属性：{LITERAL}" in in_docx
    opened = docx.Document(io.BytesIO(filled))
    assert opened.core_properties.title == f"属性：{LITERAL}"
    cells = [[cell.text for cell in row.cells] for row in opened.tables[1].rows]
    assert cells == [
        ["单位名单", "单位名单"], ["甲组&", "2"], ["", "一<"], ["", "二"], ["乙组", "0"], ["丙组", "1"], ["", "三"],
        ["合并", "上"], ["合并", "下"],
    ]  # fmt: skip
    assert (
        "单位名单甲组&2一<二乙组0丙组1三合并上下" in in_pdf.replace("合并下", "合并") or "丙组1三" in in_pdf
    )
    assert "49" not in in_docx + in_pdf
