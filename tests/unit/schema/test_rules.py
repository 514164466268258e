"""Rules of a template beyond its schema: each counted and worded, and none of them ever crashes."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bootstrap import load_catalog
from service.catalog import load_template
from service.errors import InvalidRequest, TemplateError
from service.model import Submission
from service.rules import NotAfter, Stages, WordLimit
from service.schema import Validator, check_schema
from service.schema.place import SchemaMap
from service.schema.rules import check_rules
from service.settings import Settings
from tests.conftest import ROOT

SCHEMA: dict[str, Any] = {
    "title": "方案",
    "type": "object",
    "properties": {
        "sent": {"title": "报送时间", "type": "string"},
        "campaign": {
            "title": "活动",
            "type": "object",
            "properties": {"deadline": {"title": "截止日期", "type": "string"}},
        },
        "items": {
            "title": "项目",
            "type": "array",
            "items": {
                "title": "项目",
                "type": "object",
                "properties": {
                    "stage": {"title": "阶段", "type": "integer"},
                    "name": {"title": "名称", "type": "string"},
                    "body": {"title": "内容", "type": "string", "x-multiline": True},
                },
            },
        },
        "more": {"title": "允许超出字数", "type": "boolean"},
    },
}
EACH = WordLimit(("/name", "/body"), 10, each="/items/*")
TOTAL = WordLimit(("/items/*/name", "/items/*/body"), 10, is_error=True, unless="/more")
STAGES = Stages("/items/*/stage", (1, 2, 3))
DATES = NotAfter("/sent", "/campaign/deadline")


def check(data: dict[str, Any], *rules: WordLimit | Stages | NotAfter) -> Submission:
    return Validator(SCHEMA, rules).validate(data, has_glyph=lambda _: True)


def test_parts_of_an_item_are_counted_together() -> None:
    fits = {"items": [{"name": "五个汉字了", "body": "2021 年a@b.cn\n又一"}]}
    assert check(fits, EACH).warnings == ()
    (warning,) = check({"items": [{}, {"name": "五个汉字了", "body": "又是五个字\n多"}]}, EACH).warnings
    assert warning == (
        "「项目」第 2 项共 11 字（「名称」、「内容」合计；字符数 11，不计空格），原则上不超过 10 字，建议删减 1 字"
    )


def test_each_item_has_the_limit_for_itself() -> None:
    ten = "一二三四五六七八九十"
    assert check({"items": [{"body": ten}] * 3}, EACH).warnings == ()
    assert len(check({"items": [{"body": ten + "百"}] * 3}, EACH).warnings) == 3


def test_total_is_refused_with_count_limit_and_way_out() -> None:
    data = {"items": [{"name": "一二三四五六"}, {"body": "七八九十百千"}]}
    with pytest.raises(InvalidRequest) as caught:
        check(data, TOTAL)
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.keyword) == ("/items", "word_limit")
    assert fault.message == (
        "「项目」共 12 字（「名称」、「内容」合计；字符数 12，不计空格），最多 10 字，请删减 2 字；"
        "确需超出的，请将「允许超出字数」填 true（是）"
    )
    assert check({**data, "more": True}, TOTAL).warnings == ()
    with pytest.raises(InvalidRequest):
        check({**data, "more": False}, TOTAL)


def test_rule_faults_come_together_with_schema_faults() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check({"items": [{"name": "一二三四五六七八九十百", "stage": "一"}]}, TOTAL)
    assert [(f.pointer, f.keyword) for f in caught.value.faults] == [
        ("/items", "word_limit"),
        ("/items/0/stage", "type"),
    ]


@pytest.mark.parametrize(
    ("stages", "warnings"),
    [
        ([1, 2, 3], []),
        ([3, 1, 2], []),
        ([1, 2], ["「项目」中没有第三阶段的，原则上每个阶段 1 项，请核对是否遗漏"]),
        (
            [1, 2, 1, 3, 1],
            ["「项目」第 1、3、5 项都在第一阶段，原则上每个阶段 1 项，请核对所填阶段"],
        ),
        (
            [2, 2],
            [
                "「项目」中没有第一阶段的，原则上每个阶段 1 项，请核对是否遗漏",
                "「项目」第 1、2 项都在第二阶段，原则上每个阶段 1 项，请核对所填阶段",
                "「项目」中没有第三阶段的，原则上每个阶段 1 项，请核对是否遗漏",
            ],
        ),
    ],
)
def test_stages_doubled_or_left_out_are_named(stages: list[int], warnings: list[str]) -> None:
    assert list(check({"items": [{"stage": stage} for stage in stages]}, STAGES).warnings) == warnings


@pytest.mark.parametrize(
    ("sent", "late"), [("2021-05-09", False), ("2021-05-10", False), ("2021-05-11", True)]
)
def test_date_after_its_deadline_is_named(sent: str, late: bool) -> None:
    data = {"sent": sent, "campaign": {"deadline": "2021-05-10"}}
    said = "「报送时间」 2021年5月11日晚于「截止日期」 2021年5月10日，请核对日期，或尽快报送"
    assert check(data, DATES).warnings == ((said,) if late else ())
    assert check({"sent": sent}, DATES).warnings == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["items", "stage", "body", "sent", "campaign", "deadline"]), inner, max_size=3
        )
    ),
)


@given(JSON)
def test_any_data_is_judged_without_a_crash(data: Any) -> None:
    check_rules((EACH, TOTAL, STAGES, DATES), data, SchemaMap(SCHEMA).root)


@pytest.mark.parametrize(
    "rule",
    [
        WordLimit(("/name", "/text"), 10, each="/items/*"),
        WordLimit(("/items/*/text",), 10),
        Stages("/things/*/stage", (1,)),
        NotAfter("/sent", "/campaign/end"),
        NotAfter("/sent", "/campaign/deadline", unless="/less"),
    ],
)
def test_rule_about_an_unknown_field_is_refused(rule: WordLimit | Stages | NotAfter) -> None:
    with pytest.raises(TemplateError, match=r"rules 指向 schema 中没有的字段：/"):
        check_schema(SCHEMA, (rule,))


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('kind = "word_limit"\neach = "/body/*"\nparts = ["/text"]\nlimit = 0', "limit"),
        ('kind = "total_word_limit"\nparts = []\nlimit = 5', "parts"),
        ('kind = "total_words"\nparts = ["/title"]\nlimit = 5', "rules.0"),
        ('kind = "stages"\npointer = "/body"\nstages = [1]', "pointer"),
        ('kind = "not_after"\npointer = "/issued_on"', "limit"),
        ('kind = "not_after"\npointer = "/issued_on"\nlimit = "/printed_on"\nseverity = "fatal"', "severity"),
        ('kind = "not_after"\npointer = "/issued_on"\nlimit = "/nowhere"', "/nowhere"),
    ],
)
def test_broken_rule_leaves_the_template_out(tmp_path: Path, toml: str, words: str) -> None:
    for name in ("good", "bad"):
        shutil.copytree(ROOT / "templates/docx/notice", tmp_path / name)
    manifest = tmp_path / "bad/template.toml"
    manifest.write_text(f"{manifest.read_text('utf-8')}\n[[rules]]\n{toml}\n", "utf-8")
    catalog = load_catalog(Settings.from_mapping({"templates_dir": tmp_path}))
    assert [spec.template_id for spec in catalog] == ["good"]
    assert words in catalog.faults["bad"]


def test_rules_are_read_from_the_manifest(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "templates/docx/notice", tmp_path / "notice")
    manifest = tmp_path / "notice/template.toml"
    rules = (
        '[[rules]]\nkind = "total_word_limit"\nparts = ["/body/*/text"]\nlimit = 9\nseverity = "error"\n'
        '[[rules]]\nkind = "not_after"\npointer = "/issued_on"\nlimit = "/printed_on"\nunless = "/note"\n'
    )
    manifest.write_text(f"{manifest.read_text('utf-8')}\n{rules}", "utf-8")
    assert load_template(tmp_path / "notice").rules == (
        WordLimit(("/body/*/text",), 9, is_error=True),
        NotAfter("/issued_on", "/printed_on", unless="/note"),
    )
