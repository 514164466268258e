"""The notice as LibreOffice prints it, measured in millimetres against GB/T 9704-2012."""

import io
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageChops
from pypdf import PdfReader

from service.fill import fill_docx
from tests.printed import (
    FACES,
    LINE_MM,
    MM,
    TOLERANCE_MM,
    TYPE_AREA_BOTTOM_MM,
    TYPE_AREA_TOP_MM,
    Printed,
    near,
)

pytestmark = pytest.mark.libreoffice

ROOT = Path(__file__).parents[2]
NOTICE = ROOT / "templates/docx/notice"
FIXTURES = ROOT / "fixtures/notice"
Convert = Callable[[bytes], bytes]


@pytest.fixture(scope="session")
def printed(convert_docx: Convert) -> Callable[..., Printed]:
    """Fill and convert a fixture once; keywords change fields, or with ``None`` take them away."""
    done: dict[str, Printed] = {}

    def make(name: str, *, draft: bool = False, **changes: Any) -> Printed:
        key = json.dumps([name, draft, changes], ensure_ascii=False, sort_keys=True)
        if key not in done:
            done[key] = Printed(convert_docx(fill(name, draft=draft, **changes)))
        return done[key]

    return make


def fill(name: str, *, draft: bool = False, **changes: Any) -> bytes:
    source = NOTICE / "sample.json" if name == "sample" else FIXTURES / f"{name}.json"
    data = {**json.loads(source.read_text("utf-8")), **changes}
    data = {key: value for key, value in data.items() if value is not None}
    schema = json.loads((NOTICE / "schema.json").read_text("utf-8"))
    extras = {"verify_host": "wenyin.example.cn", "draft": draft}
    return fill_docx((NOTICE / "template.docx").read_bytes(), data, extras, schema=schema)


Make = Callable[..., Printed]


def test_page_has_22_lines_of_28_characters(printed: Make) -> None:
    lines = printed("full-page").lines(2)
    assert len(lines) == 22
    assert {len(chars) for _, chars in lines} == {28}
    assert lines[0][0] == near(45.3)
    assert lines[-1][0] == near(259.8)
    assert lines[0][1][0]["x0"] * MM == near(28.05)
    assert lines[0][1][-1]["x1"] * MM == near(183.6)
    pitches = [after[0] - before[0] for before, after in pairwise(lines)]
    assert pitches == [pytest.approx(LINE_MM, abs=0.05)] * 21


def test_head_stands_where_the_standard_puts_it(printed: Make) -> None:
    page = printed("sample")
    (red,) = page.rules(1)
    assert red[:2] == (near(28.0), near(184.0))
    mark = [char for char in page.pages[0].chars if char["size"] > 30]
    assert "".join(char["text"] for char in mark) == "云州市科学技术促进会文件"
    assert {char["non_stroking_color"] for char in mark} == {(1.0, 0.0, 0.0)}
    assert mark[0]["x0"] * MM >= 28 - TOLERANCE_MM
    assert mark[-1]["x1"] * MM <= 184 + TOLERANCE_MM
    number = page.find(1, "云科促发")[2]
    # 4 mm between the characters' foot (0.12 em below the baseline) and the line, 7.2.6
    assert red[2] - (number + 0.12 * 16 * MM) == pytest.approx(4, abs=0.6)
    title = page.find(1, "云州市科学技术促进会关于举办")[2]
    assert title - red[2] == pytest.approx(2.8 * LINE_MM, abs=0.5)  # two lines and the ascent of the third
    assert page.find(1, "各市级学会")[2] - page.find(1, "系列活动的通知")[2] == near(2 * LINE_MM)


@pytest.mark.parametrize(
    "name", ["国家科技馆文件", "云州市科学技术促进会文件", "云州市科学技术促进会" * 2 + "文件"]
)
def test_mark_begins_35_mm_below_the_type_area(printed: Make, name: str) -> None:
    page = printed("sample", letterhead=name).pages[0].to_image(resolution=300).original.convert("RGB")
    red, green, _ = page.split()
    is_red = red.point(lambda value: 255 * (value > 200))
    is_pure = green.point(lambda value: 255 * (value < 90))
    box = ImageChops.darker(is_red, is_pure).getbbox()
    assert box
    assert box[1] * 25.4 / 300 - TYPE_AREA_TOP_MM == pytest.approx(35, abs=0.5)


def test_page_numbers_are_outside_seven_mm_below(printed: Make) -> None:
    page = printed("sample")
    left, right, baseline = page.find(1, "—1—")
    assert (right, baseline) == (near(179.1), near(270.9))
    assert left < right
    left, _, baseline = page.find(2, "—2—")
    assert (left, baseline) == (near(33.0), near(270.9))


def test_signature_is_centred_over_a_date_four_characters_in(printed: Make) -> None:
    page = printed("sample")
    name = page.find(3, "云州市科学技术促进会")
    date = page.find(3, "2026年5月8日")
    assert date[1] == near(184 - 4 * 320 / 1440 * 25.4)
    assert (name[0] + name[1]) / 2 == pytest.approx((date[0] + date[1]) / 2, abs=1.0)
    assert date[2] - name[2] == near(LINE_MM)


@pytest.mark.parametrize("characters", [4, 14, 26, 40, 80])
def test_issuer_of_any_length_stays_inside_the_type_area(printed: Make, characters: int) -> None:
    page = printed("minimal", issuer=("云州市科学技术促进会" * 8)[:characters])
    signature = page.lines(1)[3:]
    assert sum(len(chars) for _, chars in signature) == characters + len("2026年6月28日")
    for _, chars in signature:
        assert chars[0]["x0"] * MM >= 28 - TOLERANCE_MM
        assert chars[-1]["x1"] * MM <= 184 + TOLERANCE_MM


def test_imprint_ends_on_the_type_area_of_the_last_page(printed: Make) -> None:
    page = printed("sample")
    last = len(page.pages)
    assert 3 <= last <= 4
    first, middle, bottom = page.rules(last)
    for rule in (first, middle, bottom):
        assert rule[:2] == (near(28.0), near(184.0))
    assert bottom[2] == near(TYPE_AREA_BOTTOM_MM)
    assert [first[3], middle[3], bottom[3]] == [pytest.approx(t, abs=0.05) for t in (0.35, 0.25, 0.35)]
    assert page.find(last, "抄送：")[0] == near(28 + 280 / 1440 * 25.4)
    assert page.find(last, "印发")[1] == near(184 - 280 / 1440 * 25.4)


@pytest.mark.parametrize("lines", range(12, 23))
def test_imprint_never_touches_the_text(printed: Make, lines: int) -> None:
    text = "科学技术促进社会发展服务群众需要普及知识弘扬精神倡导"  # 26 characters: one line with its indent
    page = printed(
        "minimal",
        body=[{"level": 0, "text": text}] * (lines - 7),
        cc=["甲" * 20, "乙" * 30],
        printed_by="云州市科技馆",
    )
    last = len(page.pages)
    top = page.rules(last)[0][2]
    body = [baseline for baseline, _ in page.lines(last) if baseline < top]
    assert all(baseline <= top for baseline in body)
    assert len(page.rules(last)) == 3
    assert page.rules(last)[-1][2] == near(TYPE_AREA_BOTTOM_MM)
    if last == 1:
        assert page.find(1, "2026年6月28日")[2] < top
    assert not any(page.rules(other) for other in range(1, last))


def test_attachment_lines_hang_under_the_name(printed: Make) -> None:
    page = printed("sample", attachments=["甲" * 40, "乙" * 40])
    first = page.find(3, "甲" * 10)
    assert page.find(3, "附件：1.")[0] == near(28 + 640 / 1440 * 25.4)
    assert page.find(3, "乙" * 10)[0] == near(first[0])
    assert [line[1][0]["x0"] * MM for line in page.lines(3) if {c["text"] for c in line[1]} == {"甲"}] == [
        near(first[0])
    ]


def test_annex_has_its_own_page_with_the_title_on_line_three(printed: Make) -> None:
    page = printed("sample")
    lines = page.lines(4)
    assert "".join(char["text"] for char in lines[0][1]) == "附件3"
    assert lines[0][1][0]["x0"] * MM == near(28.0)
    assert lines[1][0] - lines[0][0] == pytest.approx(2 * LINE_MM, abs=0.5)
    assert lines[2][0] - lines[1][0] == pytest.approx(2 * LINE_MM, abs=0.5)


@pytest.mark.fault("C14")
def test_only_the_chosen_faces_are_embedded(printed: Make) -> None:
    for name in ("sample", "rare-characters"):
        used = {char["fontname"].split("+")[-1] for page in printed(name).pages for char in page.chars}
        assert all(font.startswith(FACES) for font in used), used
        for font in PdfReader(io.BytesIO(printed(name).pdf)).pages[0]["/Resources"]["/Font"].values():  # type: ignore[index]
            assert "+" in font.get_object()["/BaseFont"]


def test_sans_is_for_black_headings_alone(printed: Make) -> None:
    page = printed("sample")
    sans = {char["text"] for page in page.pages for char in page.chars if "Sans" in char["fontname"]}
    headings = "加急附件一二三四、活动目标主要内容时间安排工作要求评选标准评选程序"
    assert sans <= set(headings)


def test_every_rare_character_is_drawn(printed: Make) -> None:
    data = json.loads((FIXTURES / "rare-characters.json").read_text("utf-8"))
    assert set(data["body"][0]["text"]) <= set(printed("rare-characters").text)


def test_literal_text_is_printed_as_it_is(printed: Make) -> None:
    text = re.sub(r"\s", "", printed("literal").text)
    literal = re.sub(r"\s", "", "A&B <w:p/> {{7*7}} 䶮㛃𬀩")
    # letterhead, document number, title, recipients 2, body 5, attachments 2, issuer, contact 3, note,
    # annex title and body 6, copies 2, printed by
    assert text.count(literal) == 26
    assert "49" not in text


def test_qr_placeholder_is_one_image_of_its_size(printed: Make) -> None:
    reader = PdfReader(io.BytesIO(printed("sample").pdf))
    references: list[Any] = [image.indirect_reference for page in reader.pages for image in page.images]
    objects: dict[int, Any] = {reference.idnum: reference.get_object() for reference in references}
    images = [(image["/Width"], image["/Height"], "/SMask" in image) for image in objects.values()]
    assert images == [(311, 311, False)]
    (picture,) = printed("sample").pages[0].images
    assert [picture[k] * MM for k in ("x0", "x1", "top", "bottom")] == [
        near(v) for v in (155.8, 185.8, 5, 35)
    ]
    assert printed("sample").find(1, "wenyin.example.cn")[1] == near(155.3)


def test_draft_has_a_mark_on_every_page_and_nothing_moves(printed: Make) -> None:
    plain, draft = printed("sample"), printed("sample", draft=True)
    assert len(plain.pages) == len(draft.pages)
    for number, (page, other) in enumerate(zip(draft.pages, plain.pages, strict=True), 1):
        grey = [shape for shape in page.curves if shape["x1"] - shape["x0"] > 100]
        assert grey, number
        assert not [shape for shape in other.curves if shape["x1"] - shape["x0"] > 100]
        assert [c["matrix"] for c in page.chars] == [c["matrix"] for c in other.chars]


@pytest.mark.parametrize(
    ("absent", "gone"),
    [
        ("letterhead", "促进会文件"),
        ("doc_no", "云科促发"),
        ("urgency", "加急"),
        ("attachments", "附件："),
        ("contacts", "联系电话"),
        ("note", "此件公开发布"),
        ("annexes", "附件3"),
        ("cc", "抄送"),
        ("printed_by", "促进会办公室"),
        ("printed_on", "2026年5月9日"),
    ],
)
def test_optional_part_leaves_nothing_behind(printed: Make, absent: str, gone: str) -> None:
    whole, less = printed("sample"), printed("sample", **{absent: None})
    assert gone in re.sub(r"\s", "", whole.text)
    assert gone not in re.sub(r"\s", "", less.text)
    assert len(less.pages) <= len(whole.pages)
    assert all(page.chars and less.lines(number) for number, page in enumerate(less.pages, 1))


def test_bare_notice_has_no_rules_and_one_page(printed: Make) -> None:
    page = printed("minimal")
    assert len(page.pages) == 1
    assert page.rules(1) == []
    assert page.find(1, "关于调整值班电话的通知")[2] < 60


def test_title_keeps_its_distance_without_a_red_head(printed: Make) -> None:
    page = printed("minimal", classification="机密★1年", urgency="特急")
    title = page.find(1, "关于调整值班电话的通知")[2]
    assert title - page.find(1, "特急")[2] == near(2 * LINE_MM)
    assert page.find(1, "特急")[2] - page.find(1, "机密★1年")[2] == near(LINE_MM)
    assert page.rules(1) == []
    page = printed("minimal", doc_no="云科馆〔2026〕5号")
    assert len(page.rules(1)) == 1
    assert page.find(1, "关于调整值班电话的通知")[2] - page.rules(1)[0][2] == near(2.8 * LINE_MM)


def test_rules_differ_with_what_the_imprint_holds(printed: Make) -> None:
    assert len(printed("minimal", cc=["甲"]).rules(1)) == 2
    assert len(printed("minimal", printed_by="甲", printed_on="2026-06-30").rules(1)) == 2
    assert len(printed("minimal", cc=["甲"], printed_by="甲").rules(1)) == 3


def test_long_letterhead_stays_on_one_line(printed: Make) -> None:
    name = "云州市科学技术促进会云州市科技馆云州市青少年活动中心文件"
    page = printed("sample", letterhead=name)
    left, right, _ = page.find(1, name)
    assert left >= 28 - TOLERANCE_MM
    assert right <= 184 + TOLERANCE_MM


def test_long_document_is_whole(printed: Make) -> None:
    page = printed("long")
    assert len(page.pages) >= 10
    assert "电池回收" in page.text
    assert "1.第1次服务" in re.sub(r"\s", "", page.text)
    assert page.rules(len(page.pages))[-1][2] == near(TYPE_AREA_BOTTOM_MM)
