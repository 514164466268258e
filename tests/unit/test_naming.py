"""Values picked for claims and file names."""

import pytest

from service.pipeline.naming import as_text, file_stem, pick
from service.web.answers import content_disposition


def test_pick_follows_pointers_and_gives_none_for_what_is_not_there() -> None:
    data = {"a": [{"b": "x"}], "c/d": 1}
    assert pick(data, "/a/0/b") == "x"
    assert pick(data, "/c~1d") == 1
    for pointer in (None, "/a/1", "/a/x", "/z/y", "/a/0/b/c"):
        assert pick(data, pointer) is None


def test_text_of_a_claim_is_one_line() -> None:
    assert as_text("关于\n通知  的\t事") == "关于通知 的 事"
    assert as_text(["甲", "乙"]) == "甲、乙"
    assert as_text(None) == ""


@pytest.mark.fault("H4")
@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("通知 2026", "通知2026"),
        ("../../etc/passwd", "etcpasswd"),
        ('a"b<c>d|e?f*g:h\\i', "abcdefghi"),
        ("\n\r\t", "通知"),
        ("...", "通知"),
        ("长" * 300, "长" * 60),
    ],
)
def test_file_stem_is_safe_everywhere(title: str, stem: str) -> None:
    assert file_stem("{title}", {"title": title}, "通知") == stem


def test_file_stem_takes_fields_further_down() -> None:
    data = {"host": {"name": "科技馆"}, "campaign": {"year": 2026}}
    assert file_stem("方案_{host.name}_{campaign.year}{host.none}", data, "方案") == "方案_科技馆_2026"


@pytest.mark.fault("H4")
def test_disposition_is_ascii_and_carries_the_full_name() -> None:
    header = content_disposition("通知“2026”.pdf", "notice-0a")
    assert header.isascii()
    assert 'filename="notice-0a.pdf"' in header
    assert "filename*=UTF-8''%E9%80%9A" in header
    assert "\r" not in content_disposition("a\r\nb.pdf", "x\r\ny")
