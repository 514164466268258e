"""No name in China is printed as a box or lost: every character of the standard list and rare ones, in a notice."""

import json
import random
import re
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.archive import read_docx, write_docx
from service.bootstrap import Services
from service.errors import InvalidRequest, SealError, TextLost
from service.fonts import FaceTable, default_font_dirs, scan_fonts
from service.model import Deadline
from tests.conftest import FIXTURES
from tests.glyphs import NO_SHAPE, Drawn, Outlines, alike, drawn_characters

pytestmark = pytest.mark.libreoffice

LIST = Path(__file__).parents[1] / "data" / "tongyong-guifan-8105.txt"
RARE = "䶮㛃𬀩𬬭𫖯𫍯𬭚𣗋堃喆甪垚翀镕瑢𠮷〇"
EXTENSIONS = {
    "A": (0x3400, 0x4DBF),
    "B": (0x20000, 0x2A6DF),
    "C": (0x2A700, 0x2B739),
    "D": (0x2B740, 0x2B81D),
    "E": (0x2B820, 0x2CEA1),
    "F": (0x2CEB0, 0x2EBE0),
}
STYLES = {0: "仿宋_GB2312", 1: "黑体", 2: "楷体_GB2312"}
PARAGRAPH = 500
CAPTION = "扫码核验"


def standard() -> str:
    lines = LIST.read_text("utf-8").splitlines()
    return "".join(line for line in lines if not line.startswith("#"))


def drawn_by_lot() -> str:
    lot = random.Random(8105)
    ranges = EXTENSIONS.values()
    return "".join(
        map(chr, (code for first, last in ranges for code in lot.sample(range(first, last + 1), 200)))
    )


@pytest.fixture(scope="module")
def table() -> FaceTable:
    return FaceTable(scan_fonts(default_font_dirs()))


@pytest.fixture(scope="module")
def outlines() -> Iterator[Outlines]:
    made = Outlines(scan_fonts(default_font_dirs()))
    yield made
    made.close()


def notice(services: Services, **changes: Any) -> bytes:
    data = json.loads((FIXTURES / "notice" / "minimal.json").read_bytes()) | changes
    body = json.dumps(data, ensure_ascii=False).encode()
    return services.renderer.render("notice", body, Deadline.after(240)).pdf


def paragraphs(text: str, level: int) -> list[dict[str, Any]]:
    return [{"level": level, "text": text[at : at + PARAGRAPH]} for at in range(0, len(text), PARAGRAPH)]


def in_order(drawn: list[Drawn], text: str) -> list[Drawn]:
    """Return the drawn characters that are the text, without the caption of the QR code and page numbers."""
    wanted = set(text)
    found = [item for item in drawn if item.char in wanted]
    caption = "".join(item.char for item in found).find(CAPTION)
    if caption >= 0 and CAPTION not in text:
        del found[caption : caption + len(CAPTION)]
    at = "".join(item.char for item in found).find(text)
    assert at >= 0, "not all of the text is in the text layer in its order"
    return found[at : at + len(text)]


def faults(
    drawn: list[Drawn], font: str, table: FaceTable, outlines: Outlines
) -> Iterator[tuple[str, str, str]]:
    for item in drawn:
        stand_in = table.stand_in(item.char, font, "Times New Roman")
        family = stand_in.family if stand_in else table.families(font)[0]
        if family not in outlines.names[item.face].families:
            yield item.char, item.face, f"not {family}"
        elif not alike(item.shape, outlines.shape(item.face, item.char)):
            yield item.char, item.face, "another outline"
        elif item.shape == NO_SHAPE or alike(item.shape, outlines.shape(item.face, "")):
            yield item.char, item.face, "glyph missing"


def test_list_is_the_whole_standard() -> None:
    assert len(standard()) == len(set(standard())) == 8105
    assert len(set(drawn_by_lot())) == 1200


@pytest.mark.fault("J16")
@pytest.mark.parametrize("level", STYLES)
def test_every_character_is_drawn_by_its_own_face_or_the_named_stand_in(
    services: Services, table: FaceTable, outlines: Outlines, level: int
) -> None:
    # The other styles get what their own faces lack: the rest of the list differs in nothing.
    chars = standard() if level == 0 else "".join(char for char in standard() if not table.is_plain(char))
    text = chars + RARE + drawn_by_lot()
    drawn = in_order(drawn_characters(notice(services, body=paragraphs(text, level))), text)
    assert list(faults(drawn, STYLES[level], table, outlines)) == []


def test_rare_characters_in_a_title_are_as_heavy_as_the_title(
    services: Services, table: FaceTable, outlines: Outlines
) -> None:
    title = f"关于{RARE}{drawn_by_lot()[::30]}的通知"
    drawn = in_order(drawn_characters(notice(services, title=title)), title)
    assert list(faults(drawn, "方正小标宋简体", table, outlines)) == []


def shrinkable() -> list[dict[str, Any]]:
    """Return paragraphs of which each puts other marks at the ends of lines, with digits whose gaps could shrink."""
    sentence = "全市科学技术促进会系统按照统一部署，广泛开展活动，组织服务队126支，走访村（社区）638个，解决技术难题1127项，受到广大群众欢迎。"
    return [{"level": 0, "text": "会" * start + sentence * 2} for start in range(28)]


def marks(pdf: bytes) -> tuple[int, int]:
    drawn = [item.char for item in drawn_characters(pdf)]
    return drawn.count("，"), drawn.count("。")


def test_no_mark_is_lost_at_the_end_of_a_justified_line(services: Services) -> None:
    assert marks(notice(services, body=shrinkable())) == (28 * 2 * 5, 28 * 2)


def test_lost_mark_is_won_back_or_named(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template whose table has cell margins keeps Word's own way of setting lines, and LibreOffice its fault."""
    table = (
        b'<w:style w:type="table" w:styleId="cells"><w:name w:val="cells"/><w:tblPr><w:tblCellMar>'
        b'<w:left w:w="85" w:type="dxa"/></w:tblCellMar></w:tblPr></w:style>'
    )

    def with_margin(docx: bytes) -> bytes:
        parts = read_docx(docx)
        styles = parts["word/styles.xml"].replace(b"</w:styles>", table + b"</w:styles>")
        return write_docx({**parts, "word/styles.xml": styles})

    renderer = copy(services.renderer)
    renderer.catalog = services.catalog.with_docx(with_margin)
    planted = replace(services, renderer=renderer)
    assert marks(notice(planted, body=shrinkable())) == (28 * 2 * 5, 28 * 2)
    monkeypatch.setattr("service.pipeline.tries.keep_blanks", lambda _: None)
    with pytest.raises(
        TextLost, match=r"没有印出 “。”（U\+3002）。「正文」第 \d+ 项「文字」在“[^”]*欢迎。”处"
    ) as refused:
        notice(planted, body=shrinkable())
    (fault,) = refused.value.faults
    assert re.fullmatch(r"/body/\d+/text", fault.pointer)


@pytest.mark.fault("T14", "C14")
def test_page_by_a_face_that_stands_in_for_nothing_is_refused(services: Services) -> None:
    """It lies in the folder of ours and has all hanzi, but in the shapes of another country."""

    def with_japanese(docx: bytes) -> bytes:
        parts = read_docx(docx)
        styles = parts["word/styles.xml"].replace("仿宋_GB2312".encode(), b"Noto Sans CJK JP")
        return write_docx({**parts, "word/styles.xml": styles})

    renderer = copy(services.renderer)
    renderer.catalog = services.catalog.with_docx(with_japanese)
    with pytest.raises(SealError, match="替代字体以外的字体：NotoSansCJKjp-Regular。"):
        notice(replace(services, renderer=renderer))


@pytest.mark.fault("J16", "J17")
@pytest.mark.parametrize("char", ["\U00030000", "\U0002ebf0", "\U000323af", "\U0002a6de\U0003134a"])
def test_what_no_face_has_is_refused_by_name(services: Services, char: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        notice(services, title=f"关于{char}的通知")
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.keyword) == ("/title", "no-glyph")
    assert f"U+{ord(char[-1]):04X}" in fault.message
