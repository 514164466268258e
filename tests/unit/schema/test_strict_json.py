"""The strict JSON reader: rows J1 and J3 to J8 of the fault matrix."""

import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import MalformedJson
from service.schema import JsonLimits, parse_json


def refusal(raw: bytes, *, allow_array: bool = False) -> MalformedJson:
    with pytest.raises(MalformedJson) as caught:
        parse_json(raw, allow_array=allow_array)
    assert caught.value.faults
    assert caught.value.http_status == 400
    return caught.value


def pointers(error: MalformedJson) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.keyword) for fault in error.faults]


@pytest.mark.fault("J1")
@pytest.mark.parametrize(
    ("raw", "line", "column", "words"),
    [
        ('{\n  "a": 1,\n  "b" 2\n}', 3, 7, "冒号"),
        ('{"a": 1', 1, 8, "没有传完整"),
        ('{"a": "未完', 1, 7, "没有传完整"),
        ("{'a': 1}", 1, 2, "双引号"),
        ('{"a": tru}', 1, 7, "此处应为一个值"),
        ('{"a": 01}', 1, 8, ""),
        ('{"a": 1} x', 1, 10, "多余内容"),
        ('{"a": "x\ny"}', 1, 9, "换行"),
        (r'{"a": "\x"}', 1, 8, "转义"),
        (r'{"a": "\u12g4"}', 1, 9, "十六进制"),
        ("", 1, 1, "内容为空"),
    ],
)
def test_j1_syntax_error_names_line_and_column(raw: str, line: int, column: int, words: str) -> None:
    error = refusal(raw.encode())
    assert error.type_code == "json-syntax"
    assert f"第 {line} 行第 {column} 列" in error.faults[0].message
    assert words in str(error)


@pytest.mark.fault("J1")
def test_j1_trailing_comma_is_refused() -> None:
    assert refusal(b'{"a": 1,}').type_code == "json-syntax"


@pytest.mark.fault("J3")
def test_j3_bom_is_accepted() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.fault("J3")
@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        ('{"a":"文"}'.encode("gbk"), 6),
        (b'\xef\xbb\xbf{"a":"\xff"}', 9),
        ('{"a":1}'.encode("utf-16"), 0),
        ('{"a":1}'.encode("utf-16-le"), 0),
        ('{"a":1}'.encode("utf-32"), 0),
        (b'{"a":"\xed\xa0\x80"}', 6),
        (b'{"a":"\xc0\x80"}', 6),
    ],
)
def test_j3_other_encodings_are_refused_with_the_byte(raw: bytes, offset: int) -> None:
    error = refusal(raw)
    assert error.type_code == "encoding"
    assert f"第 {offset} 个字节" in str(error)
    assert "请使用 UTF-8" in str(error)


@pytest.mark.fault("J4")
def test_j4_duplicate_keys_are_all_named() -> None:
    error = refusal(b'{"a":1,"list":[{"b":1,"b":{"c":1,"c":2}}],"a/~":1,"a/~":1,"a":2,"a":3}')
    assert error.type_code == "duplicate-key"
    assert [pointer for pointer, _ in pointers(error)] == ["/a", "/a~1~0", "/list/0/b", "/list/0/b/c"]


@pytest.mark.fault("J5")
@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1E400", "1e-999", "0e99999999999999999999"]
)
def test_j5_not_a_number_is_named(number: str) -> None:
    error = refusal(f'{{"a":[1,{{"b":{number}}}]}}'.encode())
    assert pointers(error) == [("/a/1/b", "not-a-number")]


@pytest.mark.fault("J6")
@pytest.mark.parametrize("levels", [33, 1_000, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_j6_deep_nesting_is_refused(levels: int, opening: str) -> None:
    error = refusal((opening * levels).encode())
    assert error.type_code == "too-deep"
    assert "32 层" in str(error)


@pytest.mark.fault("J6")
def test_j6_depth_32_and_brackets_in_strings_pass() -> None:
    deep = '{"a":' + "[" * 31 + "]" * 31 + "}"
    assert parse_json(deep.encode())
    assert parse_json(('{"a":"' + '[{\\"[\\\\' * 100 + '"}').encode())


@pytest.mark.fault("J7")
def test_j7_long_number_is_refused() -> None:
    assert parse_json(b'{"a":' + b"9" * 30 + b"}") == {"a": 10**30 - 1}
    for number in ("9" * 31, "-" + "9" * 5_000, "0." + "1" * 30):
        assert pointers(refusal(f'{{"a":{number}}}'.encode())) == [("/a", "number-too-long")]


@pytest.mark.fault("J8", "J23")
def test_j8_decimals_are_kept_exactly() -> None:
    data = parse_json(b'{"a":12345678901234567890.12,"b":12.50,"c":1e20,"d":-0}')
    assert data == {
        "a": Decimal("12345678901234567890.12"),
        "b": Decimal("12.50"),
        "c": Decimal("1e20"),
        "d": 0,
    }
    assert str(data["b"]) == "12.50"


def test_kinds_of_faults_come_together() -> None:
    error = refusal(b'{"x":NaN,"y":1,"y":' + b"1" * 40 + b"}")
    assert pointers(error) == [("/x", "not-a-number"), ("/y", "duplicate-key"), ("/y", "number-too-long")]
    assert error.type_code == "not-a-number"


@pytest.mark.parametrize("raw", [b"[]", b'"a"', b"1", b"null"])
def test_outermost_value_must_be_an_object(raw: bytes) -> None:
    assert refusal(raw).type_code == "not-object"


def test_array_is_accepted_when_asked_for() -> None:
    assert parse_json(b"[{}]", allow_array=True) == [{}]
    assert refusal(b"1", allow_array=True).type_code == "not-object"


def test_lone_surrogate_is_left_to_the_cleaning_step() -> None:
    assert parse_json(rb'{"a":"\ud800"}') == {"a": "\ud800"}
    assert parse_json(rb'{"a":"\ud842\udfb7"}') == {"a": "𠮷"}


def test_pointer_with_a_lone_surrogate_can_be_encoded() -> None:
    error = refusal(rb'{"\ud800":NaN}')
    assert error.faults[0].pointer.encode() == rb"/\ud800"
    str(error).encode()


def test_report_of_many_faults_is_short() -> None:
    error = refusal(b'{"a":[' + b"NaN," * 5_000 + b"1]}")
    assert len(error.faults) == 201
    assert "4800" in error.faults[0].message


def test_limits_can_be_set() -> None:
    with pytest.raises(MalformedJson, match="2 层"):
        parse_json(b'{"a":[[1]]}', JsonLimits(depth=2))


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({"a": [{"text": '庆祝"' * 20, "n": 1.5}] * 8_000}).encode(),
        b'{"a":"' + rb"\"" * 500_000,
        b'{"a":' + b'"\\' * 500_000,
        b'{"a":[' + b"1e999," * 160_000 + b"1]}",
    ],
)
def test_a_hostile_megabyte_comes_to_an_end(raw: bytes) -> None:
    with contextlib.suppress(MalformedJson):
        parse_json(raw)


@given(
    st.binary() | st.text().map(str.encode) | st.text('{}[]":,\\ u0d8-+.e1Nan', max_size=60).map(str.encode)
)
def test_any_bytes_give_a_value_or_malformed_json(raw: bytes) -> None:
    with contextlib.suppress(MalformedJson):
        assert isinstance(parse_json(raw), dict)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**29), 10**29) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_what_was_written_is_read(data: dict[str, object]) -> None:
    assert parse_json(json.dumps(data).encode()) == data
    assert parse_json(json.dumps(data, ensure_ascii=False, indent=1).encode()) == data
