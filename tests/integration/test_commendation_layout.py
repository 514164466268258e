"""The commendation as LibreOffice prints it: lists in two level columns, in order, to the last unit."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.fill import fill_docx
from tests.printed import LINE_MM, MM, TOLERANCE_MM, TYPE_AREA_BOTTOM_MM, Printed, near

pytestmark = pytest.mark.libreoffice

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "templates/docx/commendation"
FIXTURES = ROOT / "fixtures/commendation"
RIGHT_COLUMN_MM = 28 + 156 / 2
Make = Callable[..., Printed]


def data(name: str) -> dict[str, Any]:
    source = FOLDER / "sample.json" if name == "sample" else FIXTURES / f"{name}.json"
    loaded: dict[str, Any] = json.loads(source.read_text("utf-8"))
    return loaded


@pytest.fixture(scope="session")
def commended(convert_docx: Callable[[bytes], bytes]) -> Make:
    done: dict[str, Printed] = {}
    schema = json.loads((FOLDER / "schema.json").read_text("utf-8"))

    def make(name: str, **changes: Any) -> Printed:
        key = json.dumps([name, changes], ensure_ascii=False, sort_keys=True)
        if key not in done:
            extras = {"verify_host": "wenyin.example.cn", "draft": False}
            filled = fill_docx(
                (FOLDER / "template.docx").read_bytes(), {**data(name), **changes}, extras, schema=schema
            )
            done[key] = Printed(convert_docx(filled))
        return done[key]

    return make


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_list_page_stands_like_an_annex(commended: Make) -> None:
    page = commended("sample")
    lines = page.lines(3)
    texts = ["".join(char["text"] for char in chars) for _, chars in lines]
    assert texts[:3] == ["附件1", "优秀组织单位名单", "（共24个）"]
    assert lines[0][1][0]["x0"] * MM == near(28)
    assert lines[1][0] - lines[0][0] == pytest.approx(2 * LINE_MM, abs=0.5)
    assert lines[2][0] - lines[1][0] == pytest.approx(LINE_MM, abs=0.5)
    assert lines[3][0] - lines[2][0] == pytest.approx(2 * LINE_MM, abs=0.5)
    middle = (lines[1][1][0]["x0"] + lines[1][1][-1]["x1"]) / 2 * MM
    assert middle == pytest.approx(106, abs=0.5)


def test_columns_stay_aligned_and_level_over_all_pages(commended: Make) -> None:
    page = commended("long")
    units = data("long")["awards"][0]["units"]
    assert len(units) == 200
    found: list[str] = []
    for number in range(2, 7):
        lines = page.lines(number)[3 if number == 2 else 0 :]
        assert len(lines) <= 22
        for _, chars in lines:
            left = [char for char in chars if char["x0"] * MM < RIGHT_COLUMN_MM - TOLERANCE_MM]
            right = chars[len(left) :]
            assert left[0]["x0"] * MM == near(28.05)
            assert right[0]["x0"] * MM == near(RIGHT_COLUMN_MM)
            assert left[-1]["x1"] * MM < RIGHT_COLUMN_MM - 4
            baselines = {round(page.baseline(number, char), 2) for char in chars}
            assert max(baselines) - min(baselines) < 0.1
            found += ["".join(char["text"] for char in half) for half in (left, right)]
    assert found == units
    assert len(page.lines(3)) == 22


def test_long_name_takes_its_row_and_hangs(commended: Make) -> None:
    page = commended("sample")
    name = "云州高新技术产业开发区生物医药与医疗器械产业技术创新服务联盟科学技术促进会"
    lines = [(at, chars, "".join(char["text"] for char in chars)) for at, chars in page.lines(3)]
    (first,) = [index for index, (_, _, text) in enumerate(lines) if text.startswith(name[:20])]
    assert lines[first][2] + lines[first + 1][2] == name
    assert lines[first + 1][1][0]["x0"] * MM == near(28 + 640 / 1440 * 25.4)
    assert all(chars[-1]["x1"] * MM < 184 + TOLERANCE_MM for _, chars, _ in lines)


def test_full_list_ends_with_its_page_and_one_more_unit_turns_it(commended: Make) -> None:
    full = commended("full-page")
    assert len(full.pages) == 2
    assert len(full.lines(2)) == 20  # 22 with the two blank ones
    assert full.lines(2)[-1][0] == pytest.approx(259.8, abs=0.5)
    over = commended("page-and-one")
    assert len(over.pages) == 3
    assert squeezed(over.pages[2].extract_text()).startswith(data("page-and-one")["awards"][0]["units"][34])


@pytest.mark.parametrize("units", [1, 26, 27, 28, 29, 33, 34])
def test_imprint_never_touches_a_list(commended: Make, units: int) -> None:
    names = data("long")["awards"][0]["units"][:units]
    page = commended(
        "minimal",
        awards=[{"award": "active_contributor", "units": names}],
        cc=["甲" * 20, "乙" * 30],
        printed_by="云州市科技馆",
    )
    last = len(page.pages)
    rules = page.rules(last)
    assert rules[-1][2] == near(TYPE_AREA_BOTTOM_MM)
    assert all(at < rules[0][2] for at, _ in page.lines(last) if at < rules[-1][2] - 40)
    assert squeezed(page.text).count("抄送") == 1
    assert all(page.chars for page in page.pages)
    for name in names:
        assert name in squeezed(page.text)


def test_pages_follow_the_order_of_the_attachments(commended: Make) -> None:
    page = commended("everything")
    heads = [
        tuple("".join(char["text"] for char in chars) for _, chars in page.lines(number)[:2])
        for number in range(3, 7)
    ]
    assert heads == [
        ("附件1", "优秀组织单位名单"),
        ("附件2", "推荐表"),
        ("附件3", "积极贡献单位名单"),
        ("附件4", "评议办法"),
    ]
    text = squeezed(page.pages[1].extract_text())
    assert "附件：1.优秀组织单位名单2.推荐表3.积极贡献单位名单4.评议办法" in text


def test_single_list_has_no_number(commended: Make) -> None:
    page = commended("minimal")
    assert "附件：积极贡献单位名单" in squeezed(page.pages[0].extract_text())
    assert "".join(char["text"] for char in page.lines(2)[0][1]) == "附件"


def test_rare_and_literal_text_is_printed(commended: Make) -> None:
    rare = data("rare-characters")
    wanted = set("".join(rare["awards"][0]["units"]))
    assert wanted <= set("".join(page.extract_text() for page in commended("rare-characters").pages[1:]))
    literal = squeezed("A&B <w:p/> {{7*7}} 䶮㛃𬀩")
    # as the notice, and two units and one
    assert squeezed(commended("literal").text).count(literal) == 26 + 3
