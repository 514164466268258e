"""The plan form against the official form: its wording to the letter, its table to the millimetre."""

import io
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import docx
import pytest
from docx.oxml.ns import qn

from service.bootstrap import Services
from service.errors import InvalidRequest
from service.fill import fill_docx
from service.model import Deadline
from service.pdf import render_pages
from service.verification import decode_symbols
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
FORM = ROOT / "templates/docx/plan-form"
FIXTURES = sorted((ROOT / "fixtures/plan-form").glob("*.json"))
NAMES = ["sample", *(path.stem for path in FIXTURES)]
Convert = Callable[[bytes], bytes]
Make = Callable[..., Printed]

# The cells of the official form that hold words, row by row.
OFFICIAL_CELLS = [
    "主办单位名称",
    "主题活动名称",
    "主题活动模块\n（请在相应模块划√，可多选）",
    "团结引领（）",
    "建家办事（）",
    "为民服务（）",
    "开放合作（）",
    "表彰发布（）",
    "承办单位名称",
    "拟举办时间",
    "拟举办地点",
    "面向群体",
    "科协系统干部（）科技工作者（）海外同行（）",
    "预计活动规模",
    "主办单位\n联系人",
    "姓  名",
    "办公电话",
    "手  机",
    "传    真",
    "电子邮箱",
    "主办单位\n邮寄地址",
]
OFFICIAL_NOTE = (
    "注：将根据主办单位联系人和邮寄地址等信息，邮寄优秀组织单位或积极贡献单位牌匾，请务必详实准确。"
)


def request(name: str, **changes: Any) -> dict[str, Any]:
    path = FORM / "sample.json" if name == "sample" else ROOT / f"fixtures/plan-form/{name}.json"
    data = {**json.loads(path.read_text("utf-8")), **changes}
    return {key: value for key, value in data.items() if value is not None}


def filled(name: str, **changes: Any) -> bytes:
    schema = json.loads((FORM / "schema.json").read_text("utf-8"))
    extras = {"verify_host": "wenyin.example.cn", "draft": False}
    return fill_docx((FORM / "template.docx").read_bytes(), request(name, **changes), extras, schema=schema)


@pytest.fixture(scope="session")
def printed(convert_docx: Convert) -> Make:
    """Fill and convert a fixture once; keywords change fields, or with ``None`` take them away."""
    done: dict[str, Printed] = {}

    def make(name: str, **changes: Any) -> Printed:
        key = json.dumps([name, changes], ensure_ascii=False, sort_keys=True)
        if key not in done:
            done[key] = Printed(convert_docx(filled(name, **changes)))
        return done[key]

    return make


def cells(table: Any) -> list[str]:
    """Return the text of each cell, those merged downwards once."""
    found = []
    for cell in table._tbl.iter(qn("w:tc")):
        merge = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
        if merge is None or merge.get(qn("w:val")) == "restart":
            paragraphs = cell.findall(qn("w:p"))
            found.append(
                "\n".join("".join(text.text or "" for text in p.iter(qn("w:t"))) for p in paragraphs)
            )
    return found


def test_every_cell_has_the_wording_of_the_official_form() -> None:
    empty = {"name": "", "modules": [], "time": "", "place": "", "audiences": [], "scale": ""}
    blank = filled(
        "minimal",
        host={"name": ""},
        event=empty,
        contact={"name": "", "office_phone": "", "mobile": "", "email": ""},
        mailing_address={"text": ""},
    )
    document = docx.Document(io.BytesIO(blank))
    table = document.tables[0]
    assert [text.replace("（　）", "（）") for text in cells(table) if text] == OFFICIAL_CELLS
    assert len(cells(table)) == 33
    lines = [paragraph.text for paragraph in document.paragraphs if paragraph.text.strip()]
    assert lines == [
        "2026年“科技服务进万家”\n特色亮点活动筹备方案",
        "单位盖章：\t报送时间：2026年5月8日",
        "一、基本信息",
        OFFICIAL_NOTE,
        "二、工作方案",
    ]


def test_heading_is_the_official_one_with_its_year_and_campaign() -> None:
    document = docx.Document(
        io.BytesIO(filled("minimal", campaign={"year": 2021, "name": "全国科技工作者日"}))
    )
    title = next(paragraph.text for paragraph in document.paragraphs if paragraph.text.strip())
    assert title == "2021年“全国科技工作者日”\n特色亮点活动筹备方案"
    assert document.core_properties.title == "2021年“全国科技工作者日”特色亮点活动筹备方案"


def test_ticks_stand_where_they_belong() -> None:
    table = docx.Document(io.BytesIO(filled("sample"))).tables[0]
    assert [text for text in cells(table) if "（" in text and len(text) == 7] == [
        "团结引领（√）",
        "建家办事（　）",
        "为民服务（√）",
        "开放合作（　）",
        "表彰发布（√）",
    ]
    assert "科协系统干部（√）科技工作者（√）海外同行（　）" in cells(table)


def test_each_value_stands_beside_its_label() -> None:
    data = request("everything")
    found = cells(docx.Document(io.BytesIO(filled("everything"))).tables[0])
    after = {label: value for label, value in pairwise(found) if label in OFFICIAL_CELLS}
    contact, event = data["contact"], data["event"]
    assert {label: after[label] for label in OFFICIAL_CELLS if label in after} == {
        "主办单位名称": data["host"]["name"],
        "主题活动名称": event["name"],
        "主题活动模块\n（请在相应模块划√，可多选）": "团结引领（√）",
        "承办单位名称": data["organizer"]["name"],
        "拟举办时间": event["time"],
        "拟举办地点": event["place"],
        "面向群体": "科协系统干部（√）科技工作者（√）海外同行（√）",
        "预计活动规模": event["scale"],
        "主办单位\n联系人": "姓  名",
        "姓  名": contact["name"],
        "办公电话": contact["office_phone"],
        "手  机": contact["mobile"],
        "传    真": contact["fax"],
        "电子邮箱": contact["email"],
        "主办单位\n邮寄地址": "000000　" + data["mailing_address"]["text"],
    }


def test_optional_fields_leave_their_cells_empty() -> None:
    found = cells(docx.Document(io.BytesIO(filled("minimal"))).tables[0])
    assert found[found.index("承办单位名称") + 1] == ""
    assert found[found.index("传    真") + 1] == ""
    assert found[found.index("主办单位\n邮寄地址") + 1] == "云州市示例区样张路0号"


def test_page_one_stands_where_it_should(printed: Make) -> None:
    page = printed("sample")
    left, _, first = page.find(1, "2026年“科技服务进万家”")
    right, second = page.find(1, "特色亮点活动筹备方案")[1:]
    assert second - first == near(LINE_MM)
    assert left + page.find(1, "2026年“科技服务进万家”")[1] == pytest.approx(2 * 106, abs=2.5)
    assert right < 184
    assert page.find(1, "单位盖章：")[0] == near(28.05)
    assert page.find(1, "报送时间：2026年5月8日")[1] == near(184)
    assert page.find(1, "一、基本信息")[0] == near(28.05)
    assert page.find(1, "注：将根据")[0] == near(28.05)
    assert page.find(1, "—1—")[1:] == (near(179.1), near(270.9))
    left, _, baseline = page.find(2, "—2—")
    assert (left, baseline) == (near(33.0), near(270.9))
    assert page.find(1, "wenyin.example.cn")[1] == near(155.3)


def test_place_of_the_seal_is_free(printed: Make) -> None:
    page = printed("sample")
    _, right, baseline = page.find(1, "单位盖章：")
    on_the_line = [
        char["x0"] * MM
        for char in page.pages[0].chars
        if char["text"].strip() and abs(page.baseline(1, char) - baseline) < 6 and char["x0"] * MM > right
    ]
    assert min(on_the_line) - right > 60  # a round seal is 42 mm wide


@pytest.mark.parametrize("name", NAMES)
def test_tables_fill_the_type_area_and_do_not_leave_it(printed: Make, name: str) -> None:
    page = printed(name)
    for number in range(1, len(page.pages) + 1):
        for left, right, middle, _ in page.rules(number):
            assert 27.9 <= left <= right <= 184.1
            assert TYPE_AREA_TOP_MM - 0.1 <= middle <= TYPE_AREA_BOTTOM_MM + 0.1
        outer = [rule for rule in page.rules(number) if rule[3] > 0.3]
        for rule in outer:
            assert rule[:2] == (near(28.0), near(184.0))
            assert rule[3] == pytest.approx(0.35, abs=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_no_text_is_outside_its_cell(printed: Make, name: str) -> None:
    for page in printed(name).pages:
        for table in page.find_tables():
            left, top, right, bottom = table.bbox
            for char in page.chars:
                middle = (char["top"] + char["bottom"]) / 2
                if not char["text"].strip() or not top < middle < bottom:
                    continue
                home = [
                    cell
                    for cell in table.cells
                    if cell[0] <= char["x0"] < cell[2] and cell[1] - 1 <= middle <= cell[3] + 1
                ]
                assert home, (char["text"], char["x0"] * MM, middle * MM)
                assert any(char["x1"] <= cell[2] + TOLERANCE_MM / MM for cell in home), char["text"]
                assert left <= char["x0"]
                assert char["x1"] <= right


@pytest.mark.parametrize("name", NAMES)
def test_no_page_is_blank_and_only_the_chosen_faces_are_used(printed: Make, name: str) -> None:
    page = printed(name)
    assert all(page.lines(number) for number in range(1, len(page.pages) + 1))
    used = {char["fontname"].split("+")[-1] for sheet in page.pages for char in sheet.chars}
    assert all(font.startswith(FACES) for font in used), used


def test_page_that_is_full_and_one_line_more(printed: Make) -> None:
    full, over = printed("full-page"), printed("just-over")
    assert (len(full.pages), len(over.pages)) == (2, 3)
    assert full.rules(2)[-1][2] > TYPE_AREA_BOTTOM_MM - 20 * MM  # not one line of 20 pt is left
    assert [len(chars) for _, chars in over.lines(3)][1:] == [
        len("组织专家走访村（社区），登记群众需求，逐项提出办法，及时反馈结果。")
    ]


@pytest.mark.parametrize("lines", range(20, 29))
def test_table_never_leaves_an_empty_page_behind(printed: Make, lines: int) -> None:
    data = request("minimal")
    body = "\n".join(["科学技术促进社会发展服务群众需要普及知识弘扬精神"] * lines)
    activity = {**data["activities"][0], "body": body, "title": "科技讲座" * 9}
    page = printed("minimal", activities=[activity])
    assert all(page.lines(number) for number in range(1, len(page.pages) + 1))
    assert "".join(c["text"] for _, chars in page.lines(len(page.pages)) for c in chars).endswith("精神")


def test_head_of_a_broken_table_is_repeated(printed: Make) -> None:
    page = printed("long")
    breaks = 0
    for number in range(2, len(page.pages) + 1):
        first = "".join(char["text"] for _, chars in page.lines(number)[:3] for char in chars)
        last_before = "".join(char["text"] for _, chars in page.lines(number - 1) for char in chars)
        opened = re.findall("活动([一二三四五])", last_before)
        if opened and f"活动{opened[-1]}" in first:
            breaks += 1
            assert "阶段）" in first
            assert "时间" not in first
    assert breaks == 3


@pytest.mark.parametrize("characters", [100, 300, 500])
def test_activity_of_the_asked_length_is_whole_on_one_page(printed: Make, characters: int) -> None:
    body = "\n".join([("科技服务群众" * 100)[: characters // 5]] * 5)
    activity = {**request("minimal")["activities"][0], "body": body}
    page = printed("minimal", activities=[activity] * 6)
    heads = sum("".join(lines).count("（第一阶段）") for lines in texts(page))
    assert heads == 6  # none is repeated, for none is broken


def test_largest_cells_of_an_activity_are_printed_whole(printed: Make) -> None:
    activity = {
        "stage": 1,
        "title": "甲" * 100,
        "time": "乙" * 100,
        "place": "丙" * 200,
        "participants": "丁" * 200,
        "body": "\n".join(["戊" * 90] * 6),
    }
    page = printed("minimal", activities=[activity, activity])
    text = "".join("".join(lines) for lines in texts(page))
    assert [text.count(char) for char in "甲乙丙丁戊"] == [400, 200, 400, 400, 1080]  # heads twice
    assert all(page.lines(number) for number in range(1, len(page.pages) + 1))


def texts(page: Printed) -> list[list[str]]:
    """Return the text of each line of each page."""
    return [
        ["".join(char["text"] for char in chars) for _, chars in page.lines(number)]
        for number in range(1, len(page.pages) + 1)
    ]


def test_head_and_elements_of_an_activity_stay_together(printed: Make) -> None:
    page = printed("long")
    for number in range(1, len(page.pages) + 1):
        lines = ["".join(char["text"] for char in chars) for _, chars in page.lines(number)]
        for place, line in enumerate(lines):
            if line.startswith("时间"):
                assert lines[place + 1].startswith("地点")
                assert lines[place + 2].startswith("人员")
                assert lines[place + 3]


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_one_table_for_each_activity(count: int) -> None:
    activity = request("minimal")["activities"][0]
    document = docx.Document(io.BytesIO(filled("minimal", activities=[activity] * count)))
    assert len(document.tables) == 1 + count
    assert cells(document.tables[-1])[:2] == [
        f"活动{'一二三四五六七'[count - 1]}" if count < 8 else "活动二十",
        "科技讲座（第一阶段）",
    ]


def test_contact_block_is_whole_whatever_it_holds(printed: Make) -> None:
    page = printed("long")
    # The block is taller than what is left of page 1: it goes over as a whole, and its label with it.
    assert "电子邮箱" not in page.pages[0].extract_text()
    text = re.sub(r"\s", "", page.pages[1].extract_text())
    assert "联系人" in text
    for label in ("姓名", "办公电话", "手机", "传真", "电子邮箱", "邮寄地址"):
        assert label in text


def test_every_character_of_the_request_is_printed(printed: Make) -> None:
    rare = request("rare-characters")
    assert set(rare["host"]["name"]) <= set(printed("rare-characters").text)
    literal = re.sub(r"\s", "", request("literal")["host"]["name"])
    text = re.sub(r"\s", "", printed("literal").text)
    # host, event 4, organizer, campaign, contact 3, address, and of three activities 5 each; three of the
    # contact's are broken over lines, where the text of the next cell comes between
    assert text.count(literal) >= 4 + 1 + 1 + 1 + 1 + 15
    assert "49" not in text


@pytest.mark.parametrize("name", NAMES)
def test_rendered_whole_with_a_code_that_decodes(services: Services, name: str) -> None:
    body = json.dumps(request(name), ensure_ascii=False).encode()
    document = services.renderer.render("plan-form", body, Deadline.after(120))
    first = next(iter(render_pages(document.pdf, 200)))
    assert document.verify_url in decode_symbols(first)
    assert document.file_stem.startswith("筹备方案_")


@pytest.mark.parametrize(
    ("pointer", "value", "keyword"),
    [
        ("/campaign/year", "2026", "type"),
        ("/campaign/name", "“全国科技工作者日”", "pattern"),
        ("/host/unit_id", "云州", "pattern"),
        ("/event/modules", [], "minItems"),
        ("/event/modules/1", "unity", "uniqueItems"),
        ("/event/modules/0", "party", "oneOf"),
        ("/event/audiences/0", "everybody", "oneOf"),
        ("/contact/mobile", "20000000000", "pattern"),
        ("/contact/mobile", "10000000000\n", "multiline"),
        ("/contact/email", "nobody", "format"),
        ("/contact/qq", "1", "additionalProperties"),
        ("/mailing_address/postcode", "00000", "pattern"),
        ("/activities", [], "minItems"),
        ("/activities/0/stage", 4, "maximum"),
        ("/activities/0/body", " \n ", "pattern"),
        ("/submitted_on", "2026-02-30", "format"),
    ],
)
def test_wrong_values_are_refused_by_name(services: Services, pointer: str, value: Any, keyword: str) -> None:
    data: Any = request("sample")
    data["event"]["modules"][0] = "unity"
    *way, last = pointer.split("/")[1:]
    place = data
    for step in way:
        place = place[int(step)] if step.isdecimal() else place[step]
    place[int(last) if last.isdecimal() else last] = value
    with pytest.raises(InvalidRequest) as caught:
        services.renderer.check("plan-form", json.dumps(data).encode())
    assert (pointer, keyword) in {(fault.pointer, fault.keyword) for fault in caught.value.faults}


def test_token_holds_public_facts_alone(services: Services) -> None:
    body = json.dumps(request("everything"), ensure_ascii=False).encode()
    document = services.renderer.render("plan-form", body, Deadline.after(120))
    claims = services.desk.verify_token(document.verify_url).claims
    said = json.dumps(claims, ensure_ascii=False, default=str)
    data = request("everything")
    assert data["host"]["name"] in said
    assert data["event"]["name"] in said
    assert "2026-05-12" in said
    for private in (*data["contact"].values(), data["mailing_address"]["text"]):
        assert private not in said


def test_rules_warn_and_let_pass(services: Services) -> None:
    warnings = services.renderer.check("plan-form", json.dumps(request("long")).encode()).warnings
    assert re.sub(r"（.*?）", "", warnings[0]) == (
        "「特色亮点活动」第 2 项共 548 字，原则上不超过 500 字，建议删减 48 字"
    )
    assert len(warnings) == 6
    assert services.renderer.check("plan-form", json.dumps(request("sample")).encode()).warnings == ()
    late = services.renderer.check("plan-form", json.dumps(request("everything")).encode()).warnings
    assert any("晚于「筹备方案截止日期」" in text for text in late)
