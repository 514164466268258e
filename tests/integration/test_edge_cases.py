"""What a clerk will send one day: each case is right on the page, or refused by name; never ugly in silence."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from service.bootstrap import Services
from service.errors import InvalidRequest
from service.model import Deadline
from tests.conftest import FIXTURES, ROOT
from tests.printed import LINE_MM, MM, TOLERANCE_MM, TYPE_AREA_BOTTOM_MM, Printed, near

pytestmark = pytest.mark.libreoffice

TEXT = "科学技术促进社会发展服务群众需要普及知识弘扬精神倡导方法"  # 28 characters: one line
URL = ("https://www.example.org/" + "abcdefghij" * 10)[:120]
UNITS = [f"{a}{b}区科学技术促进会" for a in "东西南北中" for b in "山河江湖海平安宁"]
Make = Callable[..., Printed]


def request(template: str, name: str, **changes: Any) -> dict[str, Any]:
    sample = ROOT / f"templates/docx/{template}/sample.json"
    source = sample if name == "sample" else FIXTURES / template / f"{name}.json"
    data = {**json.loads(source.read_text("utf-8")), **changes}
    return {key: value for key, value in data.items() if value is not None}


@pytest.fixture(scope="module")
def rendered(services: Services) -> Make:
    """Render a request as it would be served: sealed, signed and checked."""
    done: dict[str, Printed] = {}

    def make(template: str, name: str, **changes: Any) -> Printed:
        body = json.dumps(request(template, name, **changes), ensure_ascii=False, sort_keys=True)
        if body not in done:
            document = services.renderer.render(template, body.encode(), Deadline.after(240))
            done[body] = Printed(document.pdf)
        return done[body]

    return make


def texts(page: Printed, number: int) -> list[str]:
    return ["".join(char["text"] for char in chars) for _, chars in page.lines(number)]


def widest_gap_mm(page: Printed, number: int) -> float:
    """The widest hole between two neighbours of a line that are no caption and value."""
    lines = [chars for _, chars in page.lines(number)]
    return max(float(b["x0"] - a["x1"]) * MM for chars in lines for a, b in pairwise(chars))


@pytest.mark.parametrize(
    ("title", "lines"),
    [
        ("云州市科技馆关于开展科普活动的通知", ["云州市科技馆关于开展科普活动的通知"]),
        (
            "云州市科学技术促进会关于举办2026年科技服务进万家系列活动的通知",
            ["云州市科学技术促进会关于举办", "2026年科技服务进万家系列活动的通知"],
        ),
        (
            "云州市科学技术促进会\n关于开展2026年科技服务进万家\n系列活动的通知",
            ["云州市科学技术促进会", "关于开展2026年科技服务进万家", "系列活动的通知"],
        ),
        # Three lines would hold it, but cut 科学技术 in two.
        (
            "云州市科学技术促进会关于转发《云江省科学技术促进会关于印发〈2026年全省科技服务进万家系列活动实施方案〉的通知》的通知",
            [
                "云州市科学技术促进会关于转发",
                "《云江省科学技术促进会关于印发",
                "〈2026年全省科技服务进万家系列",
                "活动实施方案〉的通知》的通知",
            ],
        ),
    ],
)
def test_title_of_one_line_and_of_several(rendered: Make, title: str, lines: list[str]) -> None:
    page = rendered("notice", "sample", title=title)
    found = texts(page, 1)
    first = found.index(lines[0])
    assert found[first : first + len(lines)] == lines
    places = page.lines(1)
    assert [after[0] - before[0] for before, after in pairwise(places[first : first + len(lines)])] == [
        near(LINE_MM)
    ] * (len(lines) - 1)
    for _, chars in places[first : first + len(lines)]:
        assert (chars[0]["x0"] + chars[-1]["x1"]) / 2 * MM == pytest.approx(106, abs=2.5)
    assert places[first + len(lines)][0] - places[first + len(lines) - 1][0] == near(2 * LINE_MM)


def test_no_recipient_is_refused(services: Services) -> None:
    with pytest.raises(InvalidRequest) as caught:
        services.renderer.check("notice", json.dumps(request("notice", "sample", recipients=[])).encode())
    assert [(fault.pointer, fault.keyword) for fault in caught.value.faults] == [("/recipients", "minItems")]


def test_few_recipients_stand_under_the_title(rendered: Make) -> None:
    page = rendered("notice", "sample", recipients=UNITS[:10])
    assert any(line.startswith(UNITS[0]) for line in texts(page, 1))
    assert "主送" not in "".join(page.text.split())


def test_recipients_that_fill_page_one_move_to_the_imprint(rendered: Make) -> None:
    """GB/T 9704-2012 7.3.2 and 7.4.2: page 1 must show text, so 主送 stands over 抄送, no rule between."""
    page = rendered("notice", "sample", recipients=UNITS)
    last = len(page.pages)
    assert any(line.startswith("为把科技服务送到社区") for line in texts(page, 1))
    joined = "".join(texts(page, last))
    assert "、".join(UNITS) + "。抄送：" in joined
    assert joined.index("主送：") < joined.index("抄送：")
    left, right = page.find(last, "主送：")[0], page.find(last, "抄送：")[0]
    assert left == near(right)
    rules = page.rules(last)
    assert len(rules) == 3
    assert rules[-1][2] == near(TYPE_AREA_BOTTOM_MM)
    top, copy = page.find(last, "主送：")[2], page.find(last, "抄送：")[2]
    assert not any(top < rule[2] < copy for rule in rules)
    assert rules[0][2] < top


def test_long_printer_is_counted_in_the_room_of_the_imprint(rendered: Make) -> None:
    name = "云州市科学技术促进会办公室秘书处文印室综合科第一文印组第二文印组第三文印组"
    # 13 lines, the signature, and an imprint of three: one more would not fit.
    for lines in (9, 10, 11):
        body = [{"level": 0, "text": TEXT[:26]}] * lines
        page = rendered(
            "notice", "minimal", body=body, printed_by=name, printed_on="2026-06-30", cc=["甲" * 5]
        )
        last = len(page.pages)
        rules = page.rules(last)
        assert len(rules) == 3
        above = [at for at, chars in page.lines(last) if "年6月28" in "".join(c["text"] for c in chars)]
        assert all(at < rules[0][2] for at in above)
        assert "".join(texts(page, last)).count("文印组") == 3


@pytest.mark.parametrize("count", [0, 1, 12])
def test_attachments(rendered: Make, count: int) -> None:
    names = [f"{TEXT[: 10 + number]}推荐表" for number in range(count)]
    page = rendered("notice", "sample", attachments=names, annexes=None)
    everything = ["".join(texts(page, number)) for number in range(1, len(page.pages) + 1)]
    assert "".join(everything).count("附件") == min(count, 1)
    (signed,) = [n for n, text in enumerate(everything, 1) if "2026年5月8日" in text]
    if count:
        first = next(n for n, text in enumerate(everything, 1) if "附件：" in text)
        starts = [
            page.find(n, names[-1][:10]) for n in (first, signed) if names[-1][:10] in everything[n - 1]
        ]
        assert starts
    lines = texts(page, signed)
    assert lines.index("2026年5月8日") >= 3


def test_body_of_thirty_pages(rendered: Make) -> None:
    page = rendered("notice", "sample", body=[{"level": 0, "text": TEXT * 8}] * 72)
    assert len(page.pages) >= 30
    assert all(len(page.lines(number)) == 22 for number in range(2, 30))
    assert "".join("".join(texts(page, n)) for n in range(1, len(page.pages) + 1)).count(TEXT[-5:]) == 72 * 8
    assert page.find(30, "—30—")[0] == near(33.0)


def test_600_characters_without_a_mark_fill_their_lines(rendered: Make) -> None:
    page = rendered("notice", "minimal", body=[{"level": 0, "text": (TEXT * 30)[:600]}])
    lines = [*texts(page, 1)[2:], *texts(page, 2)]
    assert [len(line) for line in lines[:21]] == [26, *([28] * 20)]
    assert "".join(lines).startswith((TEXT * 30)[:600])


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("place", ["first", "last"])
def test_unbreakable_address_leaves_no_holes(rendered: Make, level: int, place: str) -> None:
    long = {"level": level, "text": f"请登录网站{URL[:60] if place == 'last' else URL}填写。届时关闭"}
    other = {"level": 0, "text": "特此通知。"}
    page = rendered("notice", "minimal", body=[other, long] if place == "last" else [long, other])
    assert widest_gap_mm(page, 1) < 8
    for _, chars in page.lines(1):
        assert chars[0]["x0"] * MM >= 28 - TOLERANCE_MM
        assert chars[-1]["x1"] * MM <= 184 + TOLERANCE_MM
    assert URL[:60] in "".join(texts(page, 1))


def test_words_without_a_break_stay_on_the_page(rendered: Make) -> None:
    page = rendered(
        "notice",
        "minimal",
        recipients=["A" * 60, "B" * 60],
        cc=["https://" + "c" * 110],
        printed_by="d" * 40,
        note="e" * 150,
        issuer="F" * 80,
    )
    assert widest_gap_mm(page, 1) < 8
    assert "2026年6月28日" in texts(page, 1)
    for _, chars in page.lines(1):
        assert chars[0]["x0"] * MM >= 28 - TOLERANCE_MM
        assert chars[-1]["x1"] * MM <= 184 + TOLERANCE_MM


def test_words_without_a_break_stay_in_their_cells(rendered: Make) -> None:
    data = request("plan-form", "sample")
    data["event"]["name"] = "x" * 100
    data["contact"]["name"] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    data["activities"][0] |= {"body": f"请看{URL}。", "title": "y" * 80, "time": "z" * 80}
    page = rendered("plan-form", "sample", **data)
    for sheet in page.pages:
        for table in sheet.find_tables():
            for char in sheet.chars:
                middle = (char["top"] + char["bottom"]) / 2
                if char["text"].strip() and table.bbox[1] < middle < table.bbox[3]:
                    homes = [c for c in table.cells if c[1] - 1 <= middle <= c[3] + 1]
                    assert any(c[0] <= char["x0"] and char["x1"] <= c[2] + 0.8 for c in homes), char["text"]


def test_report_with_an_unbreakable_heading(rendered: Make) -> None:
    data = request("summary-report", "sample")
    data["reports"][0] |= {"title": "Q" * 60, "body": f"请看{URL}。"}
    data["host"] = {"name": "x" * 60}
    page = rendered("summary-report", "sample", **data)
    assert widest_gap_mm(page, 1) < 8
    assert "2026年6月28日" in texts(page, len(page.pages))


@pytest.mark.parametrize("sheet", ["L7159", "L7163"])
def test_address_of_80_characters(services: Services, rendered: Make, sheet: str) -> None:
    label = request("plaque-labels", "minimal")["labels"][0]
    label["address"] = ("云江省云州市滨湖区不存在大道1001号" + "甲乙丙丁戊己庚辛壬癸" * 8)[:80]
    if sheet == "L7159":
        with pytest.raises(InvalidRequest) as caught:
            rendered("plaque-labels", "minimal", sheet=sheet, labels=[label])
        (fault,) = caught.value.faults
        assert (fault.pointer, fault.keyword) == ("/labels/0/address", "label_overflow")
        assert "「收件地址」仍过长，请缩短，或改用更大的标签纸" in fault.message
    else:
        page = rendered("plaque-labels", "minimal", sheet=sheet, labels=[label])
        assert label["address"] in "".join(page.text.split())
