"""Parting runs around rare characters: what is changed, and what is left as it was."""

import re

import pytest

from service.archive import read_docx
from service.fonts import FaceTable, default_font_dirs, scan_fonts
from service.pipeline.faces import name_faces
from service.verification import docx_text
from tests.documents import W, docx

STYLES = f"""<w:styles {W}><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Times New Roman"
 w:hAnsi="Times New Roman" w:eastAsia="仿宋_GB2312"/></w:rPr></w:rPrDefault></w:docDefaults>
<w:style w:type="paragraph" w:default="1" w:styleId="a"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="h"><w:basedOn w:val="a"/><w:rPr><w:rFonts w:eastAsia="黑体"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="h2"><w:basedOn w:val="h"/></w:style>
<w:style w:type="character" w:styleId="k"><w:rPr><w:rFonts w:eastAsia="楷体_GB2312"/></w:rPr></w:style>
</w:styles>"""


@pytest.fixture(scope="module")
def table() -> FaceTable:
    return FaceTable(scan_fonts(default_font_dirs()))


def document(body: str) -> bytes:
    return docx(body, **{"word/styles.xml": STYLES.encode()})


def faced(body: str, table: FaceTable) -> str:
    return read_docx(name_faces(document(body), table))["word/document.xml"].decode()


def families(xml: str) -> list[tuple[str, str]]:
    runs = re.findall(r"<w:r>(.*?)</w:r>", xml, re.S)
    found = []
    for run in runs:
        font = re.search(r'w:eastAsia="([^"]*)"', run)
        text = re.search(r"<w:t\b[^>]*>([^<]*)", run)
        found.append((text[1] if text else "", font[1] if font else ""))
    return found


def test_document_without_rare_characters_is_the_same_bytes(table: FaceTable) -> None:
    plain = document("<w:p><w:r><w:t>关于召开会议的通知①√□ A1 é “—…·”</w:t></w:r></w:p>")
    assert name_faces(plain, table) is plain
    # Rare, but the fonts of the run have it.
    song = document('<w:p><w:r><w:rPr><w:rFonts w:eastAsia="宋体"/></w:rPr><w:t>堃</w:t></w:r></w:p>')
    assert name_faces(song, table) is song
    assert name_faces(b"no docx", table) == b"no docx"


def test_each_style_gets_the_stand_in_of_its_own_chain(table: FaceTable) -> None:
    text = "<w:t>陈𬀩𫝀堃</w:t>"
    body = (
        f"<w:p><w:r>{text}</w:r></w:p>"
        f'<w:p><w:pPr><w:pStyle w:val="h2"/></w:pPr><w:r>{text}</w:r></w:p>'
        f'<w:p><w:r><w:rPr><w:rStyle w:val="k"/></w:rPr>{text}</w:r></w:p>'
        f'<w:p><w:r><w:rPr><w:rFonts w:eastAsia="方正小标宋简体"/></w:rPr>{text}</w:r></w:p>'
    )
    assert families(faced(body, table)) == [
        ("陈", ""),
        ("𬀩", "LXGW WenKai Light"),
        ("𫝀", "HanaMinB"),
        ("堃", "LXGW WenKai Light"),
        ("陈𬀩", ""),
        ("𫝀", "HanaMinB"),
        ("堃", ""),
        ("陈", ""),
        ("𬀩", "LXGW WenKai"),
        ("𫝀", "HanaMinB"),
        ("堃", "LXGW WenKai"),
        ("陈𬀩", "方正小标宋简体"),
        ("𫝀", "HanaMinB"),
        ("堃", "方正小标宋简体"),
    ]


def test_properties_and_neighbours_of_a_run_stay(table: FaceTable) -> None:
    properties = '<w:rPr><w:rStyle w:val="k"/><w:b w:val="0"/><w:color w:val="FF0000"/></w:rPr>'
    body = f"<w:p><w:r>{properties}<w:t>甲</w:t><w:br/><w:t>乙𫝀 丙</w:t><w:tab/></w:r><w:r><w:t>丁</w:t></w:r></w:p>"
    xml = faced(body, table)
    assert xml.count('<w:color w:val="FF0000"/>') == 6
    assert re.search(r"甲</w:t></w:r><w:r><w:rPr>.*?</w:rPr><w:br/></w:r><w:r>", xml)
    assert re.search(r'<w:rStyle w:val="k"/><w:rFonts [^>]*HanaMinB[^>]*/><w:b w:val="0"/>', xml)
    assert re.search(r'<w:t xml:space="preserve"> 丙</w:t>', xml)
    assert docx_text(read_docx(document(body))) == docx_text(read_docx(name_faces(document(body), table)))


def test_stand_in_of_a_heavy_font_is_set_bold(table: FaceTable) -> None:
    body = '<w:p><w:r><w:rPr><w:rFonts w:eastAsia="方正小标宋简体"/></w:rPr><w:t>𫝀</w:t></w:r></w:p>'
    assert re.search(r"<w:rFonts [^>]*HanaMinB[^>]*/><w:b/>", faced(body, table))
