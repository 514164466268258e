"""Validation of one document's data: rows J8, J9, J14 to J17 and J19 to J23 of the fault matrix."""

import contextlib
import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequest, TemplateError
from service.model import Submission
from service.schema import REPORT_LIMIT, Validator, check_schema

PARAGRAPH = {
    "type": "object",
    "title": "段落",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {
        "level": {"type": "integer", "title": "层级", "minimum": 0, "maximum": 4},
        "text": {"type": "string", "title": "文字", "minLength": 1, "maxLength": 5000, "x-multiline": True},
    },
}
PROPERTIES: dict[str, Any] = {
    "title": {"type": "string", "title": "标题", "minLength": 1, "maxLength": 60},
    "body": {
        "type": "array",
        "title": "正文",
        "minItems": 1,
        "maxItems": 500,
        "items": {"$ref": "#/$defs/para"},
    },
    "issued_on": {"type": "string", "format": "date", "title": "成文日期"},
    "id_number": {
        "type": "string",
        "title": "证件号",
        "pattern": r"^\d{17}[\dX]$",
        "x-pattern-hint": "应为 18 位证件号",
    },
    "postcode": {"type": "string", "title": "邮政编码", "pattern": r"^\d{6}$"},
    "modules": {"type": "array", "title": "模块", "uniqueItems": True, "items": {"enum": ["unity", "home"]}},
    "stage": {
        "title": "阶段",
        "oneOf": [{"const": 1, "title": "第一阶段"}, {"const": 2, "title": "第二阶段"}],
    },
    "contact": {
        "type": "object",
        "title": "联系人",
        "additionalProperties": False,
        "anyOf": [{"required": ["phone"]}, {"required": ["email"]}],
        "properties": {
            "phone": {"type": "string", "title": "电话"},
            "email": {"type": "string", "title": "电子邮箱", "format": "email"},
        },
    },
    "sheet": {
        "title": "纸型",
        "anyOf": [
            {"type": "string", "enum": ["L7163", "L7160"]},
            {
                "type": "object",
                "required": ["cols"],
                "properties": {"cols": {"type": "integer", "title": "列数"}},
            },
        ],
    },
    "amount": {"type": "number", "title": "金额", "minimum": 0, "maximum": 10000000000, "multipleOf": 0.01},
}
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "通知",
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "body"],
    "properties": PROPERTIES,
    "$defs": {"para": PARAGRAPH},
}
GOOD: dict[str, Any] = {"title": "关于", "body": [{"text": "一"}]}
VALIDATOR = Validator(SCHEMA)


def drawable(char: str) -> bool:
    return ord(char) < 0x1F000 or 0x20000 <= ord(char) < 0x2FFFF


def submit(data: Any, validator: Validator = VALIDATOR) -> Submission:
    return validator.validate(data, has_glyph=drawable)


def refusal(data: Any, validator: Validator = VALIDATOR) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        submit(data, validator)
    return caught.value


def said(validator: Validator | None = None, **fields: Any) -> dict[tuple[str, str], str]:
    error = refusal({**GOOD, **fields}, validator or VALIDATOR)
    return {(fault.pointer, fault.keyword): fault.message for fault in error.faults}


def small(rule: dict[str, Any], **more: Any) -> Validator:
    return Validator({"type": "object", "properties": {"x": {"title": "某项", **rule}}, **more})


def wording(rule: dict[str, Any], value: Any) -> list[str]:
    return [fault.message for fault in refusal({"x": value}, small(rule)).faults]


def test_good_data_comes_back_in_the_order_of_the_schema() -> None:
    data = {"issued_on": "2021-04-23", "body": [{"text": "甲\r\n乙", "level": 1}], "title": "关于"}
    before = copy.deepcopy(data)
    result = submit(data)
    assert list(result.data) == ["title", "body", "issued_on"]
    assert list(result.data["body"][0]) == ["level", "text"]
    assert result.data["body"][0]["text"] == "甲\n乙"
    assert result.warnings == ()
    assert data == before


@pytest.mark.fault("J8")
def test_j8_id_number_sent_as_a_number_is_refused() -> None:
    assert said(id_number=110101199001011234) == {
        ("/id_number", "type"): "「证件号」应为文字，收到的是数字，请加上双引号"
    }


@pytest.mark.fault("J9", "J10", "J14")
def test_j9_j10_j14_bad_characters_are_named_with_their_place() -> None:
    found = said(title="甲\x00\ud800\u202e", body=[{"text": "甲\ufffe\n"}])
    assert "「标题」含有不允许的控制字符 U+0000、U+D800" in found["/title", "illegal-char"]
    assert "U+202E" in found["/title", "bidi-control"]
    assert found["/body/0/text", "illegal-char"].startswith("「正文」第 1 项「文字」")
    assert len(found) == 3


@pytest.mark.fault("J9")
def test_j9_bad_character_in_a_key() -> None:
    error = refusal({**GOOD, "a\x00": 1})
    assert ("", "illegal-char") in {(fault.pointer, fault.keyword) for fault in error.faults}


@pytest.mark.fault("J11", "J12")
@pytest.mark.parametrize(
    "text",
    ["A&B", "<w:p/>", "1 < 2", "]]>", "{{7*7}}", "{% raw %}", "{%tr for x in y %}", "=cmd|'/c calc'!A1"],
)
def test_j11_j12_markup_and_template_tags_pass_as_plain_text(text: str) -> None:
    result = submit({"title": text, "body": [{"text": text}]})
    assert result.data == {"title": text, "body": [{"text": text}]}
    assert result.warnings == ()


@pytest.mark.fault("J13")
def test_j13_line_break_only_where_the_schema_allows() -> None:
    assert ("/title", "multiline") in said(title="甲\n乙")
    assert submit({"title": "甲", "body": [{"text": "甲\n乙"}]})


@pytest.mark.fault("J15")
def test_j15_zero_width_is_stripped_with_a_warning_that_names_the_field() -> None:
    result = submit({**GOOD, "title": "关\u200b于"})
    assert result.data["title"] == "关于"
    assert result.warnings == ("「标题」中的不可见字符 U+200B 已删去",)


@pytest.mark.fault("J16", "J17")
def test_j16_j17_characters_without_a_glyph_are_listed() -> None:
    found = said(title="𠮷👨\u200d👩\U00030000", body=[{"text": "\ue000"}])
    assert "👨（U+1F468）、👩（U+1F469）、\U00030000（U+30000）" in found["/title", "no-glyph"]
    assert "U+E000" in found["/body/0/text", "no-glyph"]
    assert submit({**GOOD, "title": "𠮷\ue863"}).data["title"] == "𠮷䶮"


def test_geta_stands_for_what_no_face_draws_and_every_one_is_named() -> None:
    emoji = "".join(map(chr, range(0x1F600, 0x1F600 + 150)))
    data = {**GOOD, "title": "关\U00030000于\U00030000\ue000", "body": [{"text": "一"}, {"text": emoji}]}
    result = VALIDATOR.validate(data, has_glyph=lambda char: drawable(char) and char != "\ue000", geta=True)
    assert result.data["title"] == "关〓于〓〓"
    assert result.data["body"][1]["text"] == "〓" * 150
    title = [(item.character, item.positions) for item in result.missing if item.pointer == "/title"]
    assert title == [("\ue000", (4,)), ("\U00030000", (1, 3))]
    assert len(result.missing) == 152
    warned = "「标题」含有现有字体印不出的字符 U+E000、\U00030000（U+30000），已印成〓"
    assert result.warnings[0] == warned
    assert all(f"U+{ord(char):04X}" in result.warnings[1] for char in emoji)
    with pytest.raises(InvalidRequest):
        VALIDATOR.validate(data, has_glyph=drawable)
    # Without a face for 〓 itself nothing may be printed in its place.
    with pytest.raises(InvalidRequest):
        VALIDATOR.validate(data, has_glyph=lambda char: drawable(char) and char != "〓", geta=True)


@pytest.mark.fault("J18")
def test_j18_both_normal_forms_give_the_same_data() -> None:
    assert submit({**GOOD, "title": "e\u0301"}).data == submit({**GOOD, "title": "é"}).data


@pytest.mark.fault("J19")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"title": "中" * 10_000_000}, ("/title", "maxLength")),
        ({"body": [{"text": "x"}] * 1_000_000}, ("/body", "maxItems")),
        ({f"k{index}": index for index in range(50_000)}, ("", "additionalProperties")),
        ({"contact": {"phone": [[0] * 100] * 2_000}}, ("", "too-many-values")),
        ({"body": [{"text": "", "leve": 1}] * 500}, ("", "more")),
    ],
)
def test_j19_huge_input_is_refused_fast(fields: dict[str, Any], expected: tuple[str, str]) -> None:
    found = said(**fields)
    assert expected in found
    assert len(found) <= REPORT_LIMIT + 2


@pytest.mark.fault("J20")
def test_j20_all_faults_at_once_sorted_by_pointer() -> None:
    error = refusal(
        {
            "title": "",
            "boddy": 1,
            "body": [{"text": "甲", "level": 9}, {"levle": 1}],
            "issued_on": "2021-13-01",
            "modules": ["unity", "unity"],
        }
    )
    pointers = [fault.pointer for fault in error.faults]
    assert pointers == sorted(pointers)
    assert [(fault.pointer, fault.keyword, fault.message) for fault in error.faults] == [
        ("/boddy", "additionalProperties", "数据里没有叫 boddy 的字段，是不是 body（正文）？"),
        ("/body/0/level", "maximum", "「正文」第 1 项「层级」不能大于 4，请改正"),
        (
            "/body/1/levle",
            "additionalProperties",
            "「正文」第 2 项里没有叫 levle 的字段，是不是 level（层级）？",
        ),
        ("/body/1/text", "required", "「正文」第 2 项缺少必填项「文字」，请补上"),
        ("/issued_on", "format", "「成文日期」应是真实存在的日期，写成 2021-05-08 这样的形式"),
        ("/modules/1", "uniqueItems", "「模块」的第 1 项和第 2 项重复，请只保留一项"),
        ("/title", "minLength", "「标题」不能为空，请填写"),
    ]
    assert "7 处" in str(error)


@pytest.mark.fault("J20")
def test_j20_characters_schema_and_glyphs_together() -> None:
    found = said(title="😀\x00", body=[])
    assert {keyword for _, keyword in found} == {"no-glyph", "illegal-char", "minItems"}


def test_one_mistake_gives_one_fault() -> None:
    assert set(said(title="\x00")) == {("/title", "illegal-char")}
    assert set(said(postcode="1\n")) == {("/postcode", "multiline")}
    rule = {"type": "string", "enum": ["甲"], "minLength": 1}
    assert wording(rule, 5) == ["「某项」应为文字，收到的是数字，请加上双引号"]
    assert wording(rule, "") == ["「某项」不能为空，请填写"]


def test_unique_items_compares_as_json_does() -> None:
    unique = small({"uniqueItems": True})
    assert submit({"x": [1, True, "1", [1], {"a": 1}, {"a": [1]}]}, unique)
    for pair in ([1, Decimal("1.0")], [{"a": 1, "b": 2}, {"b": 2, "a": 1}], [[True], [True]]):
        assert refusal({"x": pair}, unique).faults[0].keyword == "uniqueItems"


@pytest.mark.fault("J21")
def test_j21_null_for_a_required_string() -> None:
    assert said(title=None) == {
        ("/title", "type"): "「标题」不能是空值 null，应为文字；选填项不填时请删去此项"
    }


@pytest.mark.fault("J22")
@pytest.mark.parametrize(
    "date", ["2026-13-40", "2026-02-30", "2023-02-29", "20260101", "2026-1-1", "２０２６-01-01", ""]
)
def test_j22_dates_that_do_not_exist(date: str) -> None:
    assert ("/issued_on", "format") in said(issued_on=date)


@pytest.mark.fault("J22")
def test_j22_leap_day_and_empty_list() -> None:
    assert submit({**GOOD, "issued_on": "2024-02-29"}).data["issued_on"] == "2024-02-29"
    assert said(body=[]) == {("/body", "minItems"): "「正文」不能为空，请至少填 1 项"}


@pytest.mark.fault("J23")
@pytest.mark.parametrize("amount", [Decimal("-0.0"), Decimal("0.07"), Decimal("10000000000.00"), 3])
def test_j23_exact_amounts_pass_unchanged(amount: Any) -> None:
    result = submit({**GOOD, "amount": amount}).data["amount"]
    assert str(result) == str(amount)


@pytest.mark.fault("J23")
@pytest.mark.parametrize(
    ("amount", "keyword"),
    [
        (Decimal("0.005"), "multipleOf"),
        (Decimal("-1"), "minimum"),
        (Decimal("1e20"), "maximum"),
        (Decimal("1e300"), "maximum"),
        (10**40, "number-too-long"),
        pytest.param(10**5000, "number-too-long", id="5000-digits"),
        (float("nan"), "not-a-number"),
        (True, "type"),
    ],
)
def test_j23_amounts_out_of_range(amount: Any, keyword: str) -> None:
    assert ("/amount", keyword) in said(amount=amount)


def test_whole_decimal_becomes_an_integer_where_one_is_asked_for() -> None:
    level = submit({"title": "甲", "body": [{"text": "甲", "level": Decimal("1.0")}]}).data["body"][0][
        "level"
    ]
    assert (type(level), level) == (int, 1)
    assert ("/body/0/level", "type") in said(body=[{"text": "甲", "level": Decimal("1.5")}])


def test_alternatives_are_explained() -> None:
    assert said(contact={}) == {("/contact", "anyOf"): "「联系人」的「电话」、「电子邮箱」至少填一项，请补上"}
    assert "1（第一阶段）、2（第二阶段）" in said(stage=3)["/stage", "oneOf"]
    assert "是不是 L7160？" in said(sheet="7160")["/sheet", "enum"]
    assert ("/sheet/cols", "type") in said(sheet={"cols": "x"})
    assert "文字 或 一组字段" in said(sheet=5)["/sheet", "anyOf"]


def test_unknown_key_in_chinese_leads_to_the_english_one() -> None:
    assert "是不是 title（标题）？" in said(标题="x")["/标题", "additionalProperties"]


def test_pattern_hint_and_full_width_digits() -> None:
    assert said(id_number="1")["/id_number", "pattern"] == "「证件号」应为 18 位证件号"
    assert ("/postcode", "pattern") in said(postcode="１０００８１")


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ({"minLength": 3}, "甲", "「某项」至少 3 个字，现有 1 个，请补充"),
        ({"maxLength": 3}, "甲乙丙丁", "「某项」最多 3 个字，现有 4 个，请删减"),
        ({"minItems": 2}, [], "「某项」至少 2 项，现有 0 项，请补充"),
        ({"maxItems": 1}, [1, 2], "「某项」最多 1 项，现有 2 项，请删减或分批提交"),
        ({"const": "甲"}, "乙", "「某项」只能是 甲，请改正"),
        ({"exclusiveMinimum": 1}, 1, "「某项」必须大于 1，请改正"),
        ({"exclusiveMaximum": 1}, 1, "「某项」必须小于 1，请改正"),
        ({"minProperties": 1}, {}, "「某项」至少要填 1 个字段，请补充"),
        ({"maxProperties": 0}, {"a": 1}, "「某项」最多填 0 个字段，请删减"),
        ({"propertyNames": {"pattern": "^a"}}, {"b": 1}, "「某项」里的字段名 b 不符合要求，请改名或删去"),
        ({"contains": {"const": 1}}, [2], "「某项」里没有必需的一项，请补上"),
        ({"contains": {"const": 1}, "minContains": 2}, [1], "「某项」里必需的那种项至少 2 个，请补上"),
        ({"contains": {"const": 1}, "maxContains": 1}, [1, 1], "「某项」里同一种项最多 1 个，请删减"),
        ({"prefixItems": [{"type": "string"}]}, [1], "「某项」第 1 项应为文字，收到的是数字，请加上双引号"),
        ({"prefixItems": [{}], "items": False}, [1, 2], "「某项」最多 1 项，现有 2 项，请删减"),
        ({"pattern": r"\S"}, "\u3000 ", "「某项」不能只有空格，请填写"),
        ({"pattern": "^a$"}, "b", "「某项」的写法不符合要求（格式 ^a$），请改正"),
        ({"not": {"type": "string"}}, "b", "「某项」填了不允许的内容，请改正"),
        ({"not": {"type": "string"}, "x-not-hint": "不能写字"}, "b", "「某项」不能写字"),
        ({"allOf": [{"type": "string"}]}, [], "「某项」应为文字，收到的是列表 […]，请改正"),
        (
            {"if": {"minimum": 5}, "then": {"multipleOf": 2}, "else": {"const": 1}},
            7,
            "「某项」必须是 2 的整数倍，请改正",
        ),
        ({"type": "integer"}, "1", "「某项」应为整数，收到的是文字，请去掉双引号"),
        ({"type": "boolean"}, {}, "「某项」应为true 或 false，收到的是一组字段 {…}，请改正"),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            [],
            "「某项」应为文字 或 空值 null，收到的是列表 […]，请改正",
        ),
        ({"enum": ["甲"]}, "乙", "「某项」的值 乙 不在可选范围内，可选：甲"),
        ({"format": "email"}, "a..b@c.cn", "「某项」应是电子邮箱地址，写成 name@example.cn 这样的形式"),
        (
            {"oneOf": [{"type": "number"}, {"minimum": 0}]},
            1,
            "「某项」同时符合几种写法，只能选其中一种，请改正",
        ),
        (
            {"anyOf": [{"minLength": 3}, {"pattern": "^a"}]},
            "b",
            "「某项」不符合任何一种允许的写法；最接近的一种要求：至少 3 个字，现有 1 个，请补充",
        ),
    ],
)
def test_each_keyword_has_its_sentence(rule: dict[str, Any], value: Any, expected: str) -> None:
    assert expected in wording(rule, value)


def test_rules_between_members_name_both() -> None:
    members = {"a": {"title": "甲项"}, "b": {"title": "乙项"}}
    both = Validator({"type": "object", "properties": members, "dependentRequired": {"a": ["b"]}})
    assert refusal({"a": 1}, both).faults[0].message == "数据填了「甲项」就必须填「乙项」，请补上"
    never = Validator({"type": "object", "properties": members, "not": {"required": ["a", "b"]}})
    assert (
        refusal({"a": 1, "b": 1}, never).faults[0].message
        == "数据的「甲项」和「乙项」不能同时填，请删去其中一项"
    )
    closed = Validator({"type": "object", "allOf": [{"properties": members}], "unevaluatedProperties": False})
    assert refusal({"a": 1, "c": 1}, closed).faults[0].pointer == "/c"
    one = Validator(
        {"type": "object", "properties": members, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    )
    assert "只能填一项" in refusal({"a": 1, "b": 1}, one).faults[0].message
    gone = Validator({"type": "object", "properties": members, "patternProperties": {"^x": False}})
    assert refusal({"x1": 1}, gone).faults[0].message == "「x1」不允许出现，请删去"


@pytest.mark.parametrize(
    ("change", "keyword"),
    [
        ({"type": 5}, "schema"),
        ({"type": "array"}, "type"),
        ({"$dynamicRef": "#x"}, "$dynamicRef"),
        ({"properties": {"a": {"type": "string"}}}, "title"),
        ({"properties": {"a": {"type": "string", "title": "English"}}}, "title"),
        ({"properties": {"a": {"title": "甲", "items": {"properties": {"b": {}}}}}}, "title"),
        ({"properties": {"a": {"title": "甲", "format": "hostname"}}}, "format"),
        ({"properties": {"a": {"title": "甲", "pattern": "("}}}, "pattern"),
        ({"properties": {"a": {"title": "甲", "pattern": r"\p{Han}"}}}, "pattern"),
        ({"properties": {"a": {"title": "甲", "$ref": "https://example.cn/x"}}}, "$ref"),
        ({"properties": {"a": {"title": "甲", "$ref": "#/$defs/none"}}}, "$ref"),
        ({"properties": {"a": {"title": "甲", "x-multiline": "yes"}}}, "x-multiline"),
        ({"properties": {"a": {"title": "甲", "x-pattern-hint": "six digits"}}}, "x-pattern-hint"),
        ({"properties": {"a": {"title": "甲", "minimun": 5}}}, "minimun"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "$schema"),
    ],
)
def test_schema_that_cannot_be_explained_is_refused(change: dict[str, Any], keyword: str) -> None:
    with pytest.raises(TemplateError) as caught:
        check_schema({"type": "object", **change})
    assert keyword in {fault.keyword for fault in caught.value.faults}


def test_reference_out_of_the_file_is_named_as_such() -> None:
    for reference in ("https://example.cn/x", "other.json", "#/properties/a"):
        with pytest.raises(TemplateError, match="只能指向本文件"):
            check_schema({"type": "object", "properties": {"a": {"title": "甲", "$ref": reference}}})


def test_title_may_stand_behind_a_reference_and_recursion_ends() -> None:
    node = {"type": "object", "title": "节点", "properties": {"next": {"$ref": "#/$defs/node"}}}
    validator = Validator(
        {"type": "object", "properties": {"head": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}
    )
    deep: dict[str, Any] = {}
    for _ in range(30):
        deep = {"next": deep}
    assert submit({"head": deep}, validator)
    for _ in range(200_000):
        deep = {"next": deep}
    assert refusal({"head": deep}, validator).faults[0].keyword == "too-deep"
    while deep:
        deep = deep["next"]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(st.characters())
    | st.sampled_from(["L7163", "unity", "2021-04-23", "甲"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters()) | st.sampled_from([*PROPERTIES, "text", "cols"]), inner, max_size=5
        )
    ),
    max_leaves=25,
)


@given(json_values)
def test_any_value_gives_a_submission_or_a_refusal(value: Any) -> None:
    with contextlib.suppress(InvalidRequest):
        assert isinstance(submit(value), Submission)


@given(st.fixed_dictionaries(dict.fromkeys(PROPERTIES, json_values)))
def test_any_members_give_a_submission_or_a_refusal(value: Any) -> None:
    try:
        submit(value)
    except InvalidRequest as error:
        for fault in error.faults:
            (fault.pointer + fault.message).encode()
