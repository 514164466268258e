"""Data to form and back: nothing is lost, nothing is made up."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from service.catalog import load_template
from service.errors import Fault
from service.pipeline.form import Form
from service.pipeline.formview import CUSTOM, FIRST, FormView
from service.schema import outline
from tests.conftest import FIXTURES, ROOT

TEMPLATES = ROOT / "templates" / "docx"
NAMES = ("notice", "plan-form", "summary-report", "commendation", "plaque-labels")
TODAY = date(2026, 5, 8)
DATA = [
    path
    for name in NAMES
    for path in [TEMPLATES / name / "sample.json", *sorted((FIXTURES / name).glob("*.json"))]
]
# What leaving a field out means is written out by a form that shows it.
DEFAULTS = {"sheet": "L7163", "start_at": 1, "allow_over_limit": False, "calibration": False}


def form(name: str) -> Form:
    return Form(load_template(TEMPLATES / name))


def sent(view: FormView) -> list[tuple[str, str]]:
    """What a browser sends for a form as it is shown."""
    entries = []
    for node in view.root.walk():
        if node.group:
            continue
        if node.asked.kind in ("checks", "choice", "flag"):
            entries += [(node.pointer, text) for text in sorted(node.picked)]
        else:
            entries.append((node.pointer, node.text.replace("\n", "\r\n")))
    return entries


@pytest.mark.parametrize("path", DATA, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_data_goes_through_the_form_unchanged(path: Path) -> None:
    name = path.parent.name
    made = form(name)
    data = json.loads(path.read_bytes())
    back = json.loads(made.submission(made.read(sent(made.view(data)))))
    for missing in (back.keys() ^ data.keys()) & DEFAULTS.keys():
        assert {**data, **back}[missing] == DEFAULTS[missing]
        back.pop(missing, None), data.pop(missing, None)
    assert back == data


def test_an_empty_form_asks_for_every_field_of_one_row() -> None:
    made = form("plan-form")
    state = made.blank(TODAY)
    assert [row["stage"] for row in state["activities"]] == [1, 2, 3]
    empty = json.loads(made.submission(state))
    assert empty["activities"] == [{"stage": 1}]
    assert "organizer" not in empty
    assert empty["contact"] == {}
    assert made.tidied(state)["activities"] == state["activities"]


def test_an_empty_form_has_the_day_in_it_where_a_day_must_be() -> None:
    plan, notice, labels = (form(name).blank(TODAY) for name in ("plan-form", "notice", "plaque-labels"))
    assert plan["campaign"] == {"year": 2026}
    assert plan["submitted_on"] == "2026-05-08"
    assert notice == {"issued_on": "2026-05-08"}
    assert labels == {}
    made = form("plan-form")
    focused = [node.pointer for node in made.view(plan, focus=FIRST).root.walk() if node.focus]
    assert focused == ["/campaign/name"]


def test_empty_rows_go_behind_the_others_so_that_faults_find_their_place() -> None:
    made = form("plan-form")
    state = made.read(
        [("/activities/0/stage", "1"), ("/activities/4/title", "甲"), ("/activities/7/title", " ")]
    )
    assert state["activities"] == [{"stage": 1}, {"title": "甲"}, {}]
    assert json.loads(made.submission(state))["activities"] == [{"title": "甲"}]
    tidied = made.tidied(state)
    assert tidied["activities"] == [{"title": "甲"}, {"stage": 1}, {}]
    view = made.view(tidied, [Fault("/activities/0/body", "required", "缺少")])
    assert [(node.pointer, message) for node, message in view.summary] == [("/activities/0/body", "缺少")]


def test_rows_are_added_moved_and_removed_at_any_depth() -> None:
    made = form("notice")
    state: dict[str, Any] = {"annexes": [{"title": "甲", "body": [{"text": "一"}, {"text": "二"}]}]}
    assert made.change(state, "down", "/annexes/0/body/0") == "/annexes/0/body/1"
    assert [row["text"] for row in state["annexes"][0]["body"]] == ["二", "一"]
    assert made.change(state, "add", "/annexes/0/body") == "/annexes/0/body/2"
    assert made.change(state, "remove", "/annexes/0/body/1") == "/annexes/0/body/1"
    assert state["annexes"][0]["body"] == [{"text": "二"}, {}]
    assert made.change(state, "add", "/contacts") == "/contacts/0"
    before = json.dumps(state)
    for verb, pointer in (
        ("remove", "/annexes/9"),
        ("up", "/annexes/0"),
        ("down", "/title"),
        ("add", "/title"),
        ("add", ""),
        ("remove", ""),
        ("add", "/annexes/x/body"),
        ("up", "/annexes/-1"),
    ):
        made.change(state, verb, pointer)
    assert json.dumps(state) == before


def test_values_are_read_as_what_they_are() -> None:
    made = form("plaque-labels")
    size = [(f"/sheet/{name}", "20.5") for name in ("width_mm", "height_mm")]
    state = made.read(
        [("/sheet", CUSTOM), *size, ("/sheet/cols", " 3 "), ("/start_at", "三"), ("/calibration", "1")]
    )
    assert state["sheet"] == {"cols": 3, "width_mm": 20.5, "height_mm": 20.5}
    assert (state["start_at"], state["calibration"]) == ("三", True)
    assert made.read([("/sheet", "不存在的纸")])["sheet"] == "不存在的纸"
    view = made.view(state, [Fault("/sheet/rows", "required", "缺少")])
    assert view.summary[0][0].pointer == "/sheet/rows"


def test_one_line_drops_breaks_and_a_paragraph_splits_at_them() -> None:
    made = form("notice")
    state = made.read([("/issuer", "云州市\r\n科协 "), ("/title", "甲\r\n乙"), ("/recipients", "一 \r\n\r\n 二"),
                       ("/body/0/text", "第一段\r\n\r\n第二段"), ("/body/0/level", "2")])  # fmt: skip
    assert state["issuer"] == "云州市科协"
    assert state["title"] == "甲\n乙"
    assert state["recipients"] == ["一", "二"]
    assert state["body"] == [{"level": 2, "text": "第一段"}, {"level": 2, "text": "第二段"}]


def test_numbers_pasted_with_the_text_become_levels() -> None:
    made = form("notice")
    pasted = "各单位：\n一、总体要求\n（一）时间。六月\n1.地点\n（1）甲馆\n2026年\n3.5公里\n十分重要"
    rows = made.read([("/body/0/text", pasted), ("/body/0/level", "0")])["body"]
    assert [(row["level"], row["text"]) for row in rows] == [
        (0, "各单位："), (1, "总体要求"), (2, "时间。六月"), (3, "地点"), (4, "甲馆"), (0, "2026年"),
        (0, "3.5公里"), (0, "十分重要"),
    ]  # fmt: skip
    # What is typed as one line stays as it is.
    assert made.read([("/body/0/text", "一、总体要求")])["body"] == [{"text": "一、总体要求"}]


def test_no_name_and_no_value_breaks_the_form() -> None:
    made = form("notice")
    for name in (
        "",
        "/",
        "//",
        "/#",
        "/body",
        "/body/x",
        "/body/00001",
        "/title/0",
        "title",
        "/~2",
        "/a" * 5000,
    ):
        made.view(made.read([(name, "x"), ("/title", "y")]))
    states: list[Any] = [[], None, 5, {"title": [1]}, {"body": {"a": 1}}, {"body": [3, None]}, {"urgency": "特"},
                  {"recipients": "一"}, {"issued_on": "昨天"}, {"title": "\ud800"}]  # fmt: skip
    for state in states:
        view = made.view(state, [Fault("/body/77/x", "x", "有问题"), Fault("", "y", "另一个")])
        assert {message for _, message in view.summary} == {"有问题", "另一个"}
        "".join(node.text for node in view.root.walk()).encode()


def test_any_schema_has_a_form() -> None:
    root = outline(
        {
            "type": "object",
            "properties": {
                "free": {"title": "任意", "type": "object", "patternProperties": {"^a": {"type": "string"}}},
                "pair": {
                    "title": "一对",
                    "type": "array",
                    "prefixItems": [{"type": "string"}, {"type": "integer"}],
                },
                "either": {"title": "两可", "oneOf": [{"type": "string"}, {"type": "integer"}]},
                "deep": {"$ref": "#/$defs/deep", "title": "层层"},
                "days": {"title": "日期", "type": "array", "items": {"type": "string", "format": "date"}},
            },
            "$defs": {
                "deep": {"type": "object", "properties": {"deep": {"$ref": "#/$defs/deep", "title": "层"}}}
            },
        }
    )
    kinds = {name: member.kind for name, member in root.members}
    assert kinds == {"free": "raw", "pair": "raw", "either": "raw", "deep": "object", "days": "raw"}
