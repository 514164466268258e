"""The summary report as LibreOffice prints it, measured against the body rules of GB/T 9704-2012."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from service.bootstrap import Services
from service.errors import InvalidRequest
from service.fill import fill_docx
from service.model import Deadline
from service.pdf import render_pages
from service.verification import decode_symbols
from tests.printed import FACES, LINE_MM, MM, TOLERANCE_MM, Printed, near

pytestmark = pytest.mark.libreoffice

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "templates/docx/summary-report"
NAMES = ["sample", *sorted(path.stem for path in (ROOT / "fixtures/summary-report").glob("*.json"))]
Convert = Callable[[bytes], bytes]
Make = Callable[..., Printed]


def request(name: str, **changes: Any) -> dict[str, Any]:
    path = REPORT / "sample.json" if name == "sample" else ROOT / f"fixtures/summary-report/{name}.json"
    data = {**json.loads(path.read_text("utf-8")), **changes}
    return {key: value for key, value in data.items() if value is not None}


def bytes_of(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()


@pytest.fixture(scope="session")
def printed(convert_docx: Convert) -> Make:
    """Fill and convert a fixture once; keywords change fields, or with ``None`` take them away."""
    done: dict[str, Printed] = {}
    template = (REPORT / "template.docx").read_bytes()
    schema = json.loads((REPORT / "schema.json").read_text("utf-8"))
    extras = {"verify_host": "wenyin.example.cn", "draft": False}

    def make(name: str, **changes: Any) -> Printed:
        key = json.dumps([name, changes], ensure_ascii=False, sort_keys=True)
        if key not in done:
            docx = fill_docx(template, request(name, **changes), extras, schema=schema)
            done[key] = Printed(convert_docx(docx))
        return done[key]

    return make


def text_of(page: Printed, number: int) -> list[str]:
    return ["".join(char["text"] for char in chars) for _, chars in page.lines(number)]


def test_page_has_22_lines_of_28_characters(printed: Make) -> None:
    report = {"stage": 1, "title": "科技讲座", "body": "科技服务群众" * 200}
    lines = printed("minimal", reports=[report]).lines(2)
    assert len(lines) == 22
    assert {len(chars) for _, chars in lines} == {28}
    assert (lines[0][0], lines[-1][0]) == (near(45.3), near(259.8))
    assert lines[0][1][0]["x0"] * MM == near(28.05)
    assert lines[0][1][-1]["x1"] * MM == near(183.6)
    pitches = [after[0] - before[0] for before, after in pairwise(lines)]
    assert pitches == [pytest.approx(LINE_MM, abs=0.05)] * 21


def test_head_and_parts_stand_where_they_should(printed: Make) -> None:
    page = printed("sample")
    left, right, first = page.find(1, "2026年“科技服务进万家”")
    assert (left + right) / 2 == pytest.approx(106, abs=1.2)
    assert page.find(1, "特色亮点活动总结报告")[2] - first == near(LINE_MM)
    two_in = near(28 + 640 / 1440 * 25.4)
    for start in ("一、服务团", "时间：2026年", "地点：云州市", "活动成效：群众"):
        assert page.find(1, start)[0] == two_in
    heading = page.find(1, "一、服务团")[2]
    assert heading - page.find(1, "特色亮点活动总结报告")[2] == pytest.approx(2 * LINE_MM, abs=0.5)
    assert page.find(1, "—1—")[1:] == (near(179.1), near(270.9))
    left, _, baseline = page.find(2, "—2—")
    assert (left, baseline) == (near(33.0), near(270.9))
    assert page.find(1, "wenyin.example.cn")[1] == near(155.3)


def test_signature_is_centred_over_a_date_four_characters_in(printed: Make) -> None:
    page = printed("sample")
    name, date = page.find(2, "云州市科学技术促进会（盖章）"), page.find(2, "2026年6月28日")
    assert date[1] == near(184 - 4 * 320 / 1440 * 25.4)
    assert (name[0] + name[1]) / 2 == pytest.approx((date[0] + date[1]) / 2, abs=1.5)
    assert date[2] - name[2] == near(LINE_MM)


def test_captions_of_the_contact_are_equally_wide(printed: Make) -> None:
    page = printed("sample")
    ends = [
        next(char["x0"] for char in chars if char["text"] == "：") * MM
        for _, chars in page.lines(2)
        if "".join(char["text"] for char in chars).startswith(
            ("联系人", "办公电话", "手机", "传真", "电子邮箱")
        )
    ]
    assert len(ends) == 5
    assert max(ends) - min(ends) < 0.5


def test_page_that_is_full_and_one_line_more(printed: Make) -> None:
    full, over = printed("full-page"), printed("just-over")
    assert (len(full.pages), len(over.pages)) == (1, 2)
    assert full.lines(1)[-1][0] == near(259.8)
    assert text_of(over, 2)[-2:] == ["云州市科技馆（盖章）", "2026年6月28日"]
    assert len(text_of(over, 2)) == 3


@pytest.mark.parametrize("results", [None, "听众满意。"])
@pytest.mark.parametrize("lines", range(11, 18))
def test_signature_never_stands_alone_on_a_page(printed: Make, lines: int, results: str | None) -> None:
    body = "\n".join(["科学技术促进社会发展服务群众需要普及知识弘扬精神倡"] * lines)
    report = {"stage": 1, "title": "科技讲座", "body": body}
    page = printed("minimal", reports=[{**report, **({"results": results} if results else {})}])
    last = text_of(page, len(page.pages))
    assert last[-1] == "2026年6月28日"
    assert len(last) > 2


def test_optional_parts_leave_nothing_behind(printed: Make) -> None:
    assert text_of(printed("minimal"), 1) == [
        "2026年“科技服务进万家”",
        "特色亮点活动总结报告",
        "一、科技讲座（第一阶段）",
        "举办讲座1场，听众100人。",
        "云州市科技馆（盖章）",
        "2026年6月28日",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaves_the_type_area_and_no_page_is_blank(printed: Make, name: str) -> None:
    page = printed(name)
    for number, sheet in enumerate(page.pages, 1):
        assert page.lines(number)
        for _, chars in page.lines(number):
            assert chars[0]["x0"] * MM >= 28 - TOLERANCE_MM
            # a mark at the end of a line may hang by its width
            assert chars[-1]["x1"] * MM <= (
                190 if chars[-1]["text"] in "，。；：、）”》" else 184 + TOLERANCE_MM
            )
        used = {char["fontname"].split("+")[-1] for char in sheet.chars}
        assert all(font.startswith(FACES) for font in used), used


def test_every_character_of_the_request_is_printed(printed: Make) -> None:
    rare = request("rare-characters")
    assert set(rare["host"]["name"]) <= set(printed("rare-characters").text)
    literal = re.sub(r"\s", "", request("literal")["host"]["name"])
    text = re.sub(r"\s", "", printed("literal").text)
    # campaign, host, contact 3; of three reports 3 titles, 2 times, 2 places, 3 bodies, 3 results
    assert text.count(literal) == 18
    assert "49" not in text


@pytest.mark.parametrize("name", NAMES)
def test_rendered_whole_with_a_code_that_decodes(services: Services, name: str) -> None:
    document = services.renderer.render("summary-report", bytes_of(request(name)), Deadline.after(120))
    first = next(iter(render_pages(document.pdf, 200)))
    assert document.verify_url in decode_symbols(first)
    assert document.file_stem.startswith("总结报告_")


def test_token_holds_public_facts_alone(services: Services) -> None:
    data = request("everything")
    document = services.renderer.render("summary-report", bytes_of(data), Deadline.after(120))
    said = json.dumps(services.desk.verify_token(document.verify_url).claims, ensure_ascii=False, default=str)
    assert data["host"]["name"] in said
    assert data["campaign"]["name"] in said
    assert "2026-07-02" in said
    for private in data["contact"].values():
        assert private not in said


def test_over_2000_is_refused_unless_it_is_allowed(services: Services) -> None:
    # With the heading 科技讲座 the first has 2000 字, the second one more.
    fits, over = (
        request("minimal", reports=[{"stage": 1, "title": "科技讲座", "body": "字" * count}])
        for count in (1996, 1997)
    )
    assert services.renderer.check("summary-report", bytes_of(fits)).warnings == ()
    with pytest.raises(InvalidRequest) as caught:
        services.renderer.check("summary-report", bytes_of(over))
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.keyword) == ("/reports", "word_limit")
    for said in ("「活动总结」", "2001 字", "最多 2000 字", "删减 1 字", "「允许超出字数」"):
        assert said in fault.message
    assert services.renderer.check("summary-report", bytes_of({**over, "allow_over_limit": True}))


def test_results_and_places_count_too(services: Services) -> None:
    part = "字" * 500
    report = {"stage": 1, "title": "题", "body": part, "results": part}
    with pytest.raises(InvalidRequest) as caught:
        services.renderer.check("summary-report", bytes_of(request("minimal", reports=[report, report])))
    assert "2002 字" in caught.value.faults[0].message
