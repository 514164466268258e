"""Text of a docx: what a reader sees, once, and the same after LibreOffice saved it again."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.archive import read_docx, write_docx
from service.errors import NotVerifiable
from service.verification import canonical_text, docx_flags, docx_text, doubtful_text

from .helpers import NAMESPACES, field, paragraph, story

RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def _text(*body: str) -> str:
    return canonical_text(docx_text({"word/document.xml": story("".join(body))}))


def _flags(body: str, **more: bytes) -> tuple[str, ...]:
    return docx_flags({"word/document.xml": story(body), **more})


def _box(text: str, fallback: str | None = None, requires: str = "wps") -> str:
    def content(inside: str) -> str:
        return f"<w:txbxContent>{paragraph(inside)}</w:txbxContent>"

    shape = (
        '<w:drawing><wp:anchor distT="0" distB="0" distL="0" distR="0" simplePos="0" relativeHeight="2" '
        'behindDoc="0" locked="0" layoutInCell="1" allowOverlap="1"><wp:simplePos x="0" y="0"/>'
        '<wp:positionH relativeFrom="column"><wp:posOffset>0</wp:posOffset></wp:positionH>'
        '<wp:positionV relativeFrom="paragraph"><wp:posOffset>0</wp:posOffset></wp:positionV>'
        '<wp:extent cx="1800000" cy="720000"/><wp:wrapNone/><wp:docPr id="1" name="box"/>'
        "<a:graphic><a:graphicData "
        'uri="http://schemas.microsoft.com/office/word/2010/wordprocessingShape">'
        '<wps:wsp><wps:cNvSpPr txBox="1"/><wps:spPr><a:xfrm><a:off x="0" y="0"/>'
        '<a:ext cx="1800000" cy="720000"/>'
        '</a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></wps:spPr>'
        f"<wps:txbx>{content(text)}</wps:txbx><wps:bodyPr/></wps:wsp>"
        "</a:graphicData></a:graphic></wp:anchor></w:drawing>"
    )
    old = f"<w:pict><v:shape><v:textbox>{content(fallback or text)}</v:textbox></v:shape></w:pict>"
    return (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="{requires}">{shape}</mc:Choice>'
        f"<mc:Fallback>{old}</mc:Fallback></mc:AlternateContent></w:r>"
    )


def test_runs_tables_and_controls_are_read_in_order() -> None:
    table = f"<w:tbl><w:tr><w:tc>{paragraph('主办')}</w:tc><w:tc>{paragraph('学会')}</w:tc></w:tr></w:tbl>"
    control = f"<w:sdt><w:sdtContent>{paragraph('控件')}</w:sdtContent></w:sdt>"
    link = "<w:hyperlink r:id='x'><w:r><w:t>链接</w:t></w:r></w:hyperlink>"
    parts = [paragraph("标", "题"), table, control, paragraph("见", link, "。")]
    assert _text(*parts) == "标题主办学会控件见链接。"
    body = "".join(parts)
    assert docx_text({"word/document.xml": story(body)}).startswith("标题\n主办\n学会\n")


@pytest.mark.parametrize(
    "instruction", ["PAGE", r"NUMPAGES \* MERGEFORMAT", r'PAGE \* "CHINESENUM3"', "sectionpages"]
)
@pytest.mark.parametrize("result", ["1", "— 12 —", "十二", "", "iv"])
def test_page_numbers_are_left_out(instruction: str, result: str) -> None:
    quoted = instruction.replace('"', "&quot;")
    simple = f'<w:fldSimple w:instr="{quoted}"><w:r><w:t>{result}</w:t></w:r></w:fldSimple>'
    assert _text(paragraph("第", field(instruction, result), "页", simple, "止")) == "第页止"


@pytest.mark.parametrize(
    ("instruction", "result"), [("PAGE", "金额改为九万元整"), ("DATE", "2021"), ("REF x", "12")]
)
def test_field_results_are_read_when_they_are_no_page_number(instruction: str, result: str) -> None:
    assert _text(paragraph("甲", field(instruction, result), "乙")) == f"甲{result}乙"


def test_fields_in_fields_and_unfinished_fields_are_read() -> None:
    inner = field("PAGE", "3")
    outer = (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>IF </w:instrText></w:r>'
        f'<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>结果</w:t></w:r>{inner}'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )
    assert _text(paragraph(outer, "后")) == "结果后"
    stray = '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    begun = '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>PAGE</w:instrText></w:r>'
    assert (
        _text(paragraph(stray, "甲", begun, "未完的内容不能丢掉"), paragraph("乙"))
        == "甲未完的内容不能丢掉乙"
    )


def test_text_box_is_read_once_and_after_the_body() -> None:
    assert _text(paragraph("前", _box("框内"), "后"), paragraph("末")) == "前后末框内"
    assert _text(paragraph("前", _box("框内", fallback="另一说法"))) == "前框内"


def test_the_shown_branch_is_read_when_the_choice_is_not_understood() -> None:
    assert _text(paragraph("前", _box("真", fallback="假", requires="a"))) == "前假"


def test_a_text_box_without_alternatives_is_read() -> None:
    content = f"<w:txbxContent>{paragraph('旧框')}</w:txbxContent>"
    old = f"<w:r><w:pict><v:textbox>{content}</v:textbox></w:pict></w:r>"
    assert _text(paragraph("前", old)) == "前旧框"


def test_deleted_text_is_not_read_and_inserted_text_is() -> None:
    deleted = '<w:del w:id="1"><w:r><w:delText>删</w:delText><w:t>删</w:t></w:r></w:del>'
    inserted = '<w:ins w:id="2"><w:r><w:t>增</w:t></w:r></w:ins>'
    moved = '<w:moveFrom w:id="3"><w:r><w:t>旧</w:t></w:r></w:moveFrom>'
    assert _text(paragraph("甲", deleted, inserted, moved, "乙")) == "甲增乙"


def test_symbols_and_hyphens_are_read() -> None:
    sym = '<w:r><w:sym w:font="宋体" w:char="4E00"/><w:noBreakHyphen/><w:tab/><w:br/></w:r>'
    private = '<w:r><w:sym w:font="Wingdings" w:char="F0A8"/></w:r>'
    assert _text(paragraph("甲", sym, private, "乙")) == "甲一\u2011乙"


def test_notes_are_read() -> None:
    notes = story(f'<w:footnote w:id="2">{paragraph("脚注")}</w:footnote>', "footnotes")
    parts = {"word/document.xml": story(paragraph("正文")), "word/footnotes.xml": notes}
    assert canonical_text(docx_text(parts)) == "正文脚注"


def _with_margins(section: str, settings: str = "") -> dict[str, bytes]:
    names = {"h1": "header1", "h2": "header2", "h3": "header3", "f1": "footer1"}
    rels = "".join(
        f'<Relationship Id="{key}" Type="{RELATIONSHIPS}/{name[:6]}" Target="{name}.xml"/>'
        for key, name in names.items()
    )
    body = f"<w:body>{paragraph('正文')}<w:sectPr>{section}</w:sectPr></w:body>"
    document = f"<w:document {NAMESPACES}>{body}</w:document>".encode()
    relationships = f'<Relationships xmlns="{PACKAGE}/relationships">{rels}</Relationships>'
    return {
        "word/document.xml": document,
        "word/_rels/document.xml.rels": relationships.encode(),
        "word/header1.xml": story(paragraph("眉"), "hdr"),
        "word/header2.xml": story(paragraph("首"), "hdr"),
        "word/header3.xml": story(paragraph("偶"), "hdr"),
        "word/footer1.xml": story(paragraph("眉"), "ftr"),
        "word/settings.xml": story(settings, "settings"),
    }


def _reference(kind: str, part: str, key: str) -> str:
    return f'<w:{part}Reference w:type="{kind}" r:id="{key}"/>'


ALL = (
    _reference("default", "header", "h1") + _reference("first", "header", "h2")
    + _reference("even", "header", "h3") + _reference("default", "footer", "f1")
)  # fmt: skip


@pytest.mark.parametrize(
    ("section", "settings", "expected"),
    [
        (ALL, "", "正文眉"),
        (ALL + "<w:titlePg/>", "", "正文眉首"),
        (ALL + '<w:titlePg w:val="0"/>', "", "正文眉"),
        (ALL, "<w:evenAndOddHeaders/>", "正文偶眉"),
        ("", "", "正文"),
        (_reference("default", "header", "absent"), "", "正文"),
    ],
)
def test_headers_and_footers_are_the_sorted_set_of_those_shown(
    section: str, settings: str, expected: str
) -> None:
    assert canonical_text(docx_text(_with_margins(section, settings))) == expected


def test_file_cannot_be_verified_when_a_part_is_broken() -> None:
    for parts in ({}, {"word/document.xml": b"<w:document"}, {"word/document.xml": b""}):
        with pytest.raises(NotVerifiable):
            docx_text(parts)
        with pytest.raises(NotVerifiable):
            docx_flags(parts)


def test_entities_are_not_expanded() -> None:
    outside = '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd"><!ENTITY f "甲">]>'
    body = f"<w:body>{paragraph('&e;&f;乙')}</w:body>"
    evil = f"{outside}<w:document {NAMESPACES}>{body}</w:document>"
    text = docx_text({"word/document.xml": evil.encode()})
    assert "root" not in text
    assert "甲" not in text


def test_deep_nesting_neither_crashes_nor_passes() -> None:
    deep = "<w:p>" * 200_000 + "</w:p>" * 200_000
    with pytest.raises(NotVerifiable):
        docx_text({"word/document.xml": story(deep)})


def test_nothing_is_flagged_when_the_file_is_clean() -> None:
    assert _flags(paragraph("甲", '<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>乙</w:t></w:r>')) == ()
    mark = "<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr><w:r><w:t>丙</w:t></w:r></w:p>"
    assert _flags(mark) == ()
    assert _flags(paragraph("甲"), **{"word/media/image1.png": b""}) == ()


STYLES = story(
    '<w:style w:styleId="Hidden"><w:rPr><w:vanish/></w:rPr></w:style>'
    '<w:style w:styleId="Heir"><w:basedOn w:val="Hidden"/></w:style>'
    '<w:style w:styleId="Plain"><w:basedOn w:val="Normal"/></w:style>',
    "styles",
)


@pytest.mark.parametrize(
    ("body", "more", "expected"),
    [
        ("<w:p><w:ins><w:r><w:t>甲</w:t></w:r></w:ins></w:p>", {}, ("修订插入",)),
        ("<w:p><w:del><w:r><w:delText>甲</w:delText></w:r></w:del></w:p>", {}, ("修订删除",)),
        ("<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>甲</w:t></w:r></w:p>", {}, ("隐藏文字",)),
        (
            '<w:p><w:r><w:rPr><w:rStyle w:val="Heir"/></w:rPr></w:r></w:p>',
            {"word/styles.xml": STYLES},
            ("隐藏文字",),
        ),
        ('<w:p><w:pPr><w:pStyle w:val="Plain"/></w:pPr></w:p>', {"word/styles.xml": STYLES}, ()),
        ('<w:altChunk r:id="x"/>', {}, ("嵌入的其他文件（altChunk）",)),
        ("<w:p/>", {"word/media/image1.png": b"", "word/media/image2.png": b""}, ("二维码以外的图片 1 张",)),
        ("<w:p/>", {"word/comments.xml": b""}, ("批注",)),
    ],
)
def test_a_phrase_names_what_the_text_does_not_tell(
    body: str, more: Mapping[str, bytes], expected: tuple[str, ...]
) -> None:
    assert _flags(body, **more) == expected


def _whole_docx() -> bytes:
    """Return a docx with all that a re-save is known to move."""
    long_table = "".join(
        f"<w:tr><w:tc><w:tcPr><w:tcW w:w='4000' w:type='dxa'/></w:tcPr>{paragraph(f'第{row}行')}</w:tc>"
        f"<w:tc><w:tcPr><w:tcW w:w='4000' w:type='dxa'/></w:tcPr>{paragraph('①10² ⽂ ﬁ')}</w:tc></w:tr>"
        for row in range(60)
    )
    parts = _with_margins(ALL + "<w:titlePg/>", "<w:evenAndOddHeaders/>")
    spaced = '<w:t xml:space="preserve">空 格  </w:t><w:tab/><w:noBreakHyphen/><w:br/><w:t>换行</w:t>'
    grid = "<w:tblGrid><w:gridCol w:w='4000'/><w:gridCol w:w='4000'/></w:tblGrid>"
    body = (
        paragraph("关于开展", "“科技工作者日”", "活动的通知")
        + paragraph("各学会：", _box("框内文字"), "\u3000\u3000请于2021年5月10日前报送𠮷𬬭。")
        + paragraph(f"<w:r>{spaced}</w:r>")
        + f"<w:tbl><w:tblPr><w:tblW w:w='8000' w:type='dxa'/></w:tblPr>{grid}{long_table}</w:tbl>"
        + paragraph("第", field("PAGE", "1"), "页，共", field("NUMPAGES", "9"), "页")
        + paragraph('<w:fldSimple w:instr="PAGE"><w:r><w:t>1</w:t></w:r></w:fldSimple>')
    )
    document = parts["word/document.xml"].decode().replace(paragraph("正文"), body)
    parts["word/document.xml"] = document.encode()
    parts["word/footer1.xml"] = story(paragraph("— ", field("PAGE", "1"), " —"), "ftr")
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="{kind}.{part}+xml"/>'
        for name, part in [
            ("word/document.xml", "document.main"),
            ("word/header1.xml", "header"), ("word/header2.xml", "header"),
            ("word/header3.xml", "header"), ("word/footer1.xml", "footer"), ("word/settings.xml", "settings"),
        ]
    )  # fmt: skip
    settings = f'<Relationship Id="s" Type="{RELATIONSHIPS}/settings" Target="settings.xml"/></Relationships>'
    rels = parts["word/_rels/document.xml.rels"].decode().replace("</Relationships>", settings)
    return write_docx(
        {
            "[Content_Types].xml": (
                f'<Types xmlns="{PACKAGE}/content-types">'
                '<Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" '
                'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
                f"{overrides}</Types>"
            ).encode(),
            "_rels/.rels": (
                f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="d" '
                f'Type="{RELATIONSHIPS}/officeDocument" Target="word/document.xml"/></Relationships>'
            ).encode(),
            **parts,
            "word/_rels/document.xml.rels": rels.encode(),
        }
    )


@pytest.mark.libreoffice
def test_text_is_the_same_when_libreoffice_saves_the_file_again(tmp_path: Path) -> None:
    source = tmp_path / "in.docx"
    source.write_bytes(_whole_docx())
    before = canonical_text(docx_text(read_docx(source.read_bytes())))
    assert "框内文字" in before
    assert "首" in before
    for turn in ("once", "twice"):
        target = tmp_path / turn
        command = [
            "soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--norestore",
            "--convert-to", "docx:MS Word 2007 XML", "--outdir", str(target), str(source),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, timeout=150)
        source = target / "in.docx"
        again = read_docx(source.read_bytes())
        assert canonical_text(docx_text(again)) == before
        assert docx_flags(again) == ()


def test_text_that_a_page_need_not_show_is_doubtful() -> None:
    hidden = "<w:r><w:rPr><w:vanish/></w:rPr><w:t>藏</w:t></w:r>"
    shown = '<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>现</w:t></w:r>'
    by_style = '<w:p><w:pPr><w:pStyle w:val="h"/></w:pPr><w:r><w:t>隐</w:t></w:r></w:p>'
    simple = '<w:p><w:fldSimple w:instr="DATE"><w:r><w:t>今日</w:t></w:r></w:fldSimple></w:p>'
    body = paragraph("文", hidden, shown) + by_style + simple + paragraph("见", field("REF a", "附表"), "。")
    styles = story('<w:style w:styleId="h"><w:rPr><w:vanish/></w:rPr></w:style>', "styles")
    parts = {"word/document.xml": story(body), "word/styles.xml": styles}
    assert canonical_text(doubtful_text(parts)) == "藏隐今日附表"
    assert canonical_text(doubtful_text(_with_margins(_reference("default", "footer", "f1")))) == "眉"
