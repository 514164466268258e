"""字数 and 字符数 as Word gives them."""

import pytest

from service.schema import char_count, word_count


@pytest.mark.parametrize(
    ("text", "words", "chars"),
    [
        ("2021年5月30日是第5个“全国科技工作者日”。", 21, 25),
        ("联系电话：（010）68586651", 9, 18),
        ("rczx@cast.org.cn", 1, 16),
        ("", 0, 0),
        (" \n\u3000", 0, 0),
        ("𠮷𬭚", 2, 2),
        ("甲 乙\n丙", 3, 3),
        ("- / -", 0, 3),
        ("PDF版", 2, 4),
        ("①②", 2, 2),
        ("１２３", 3, 3),
    ],
)
def test_counts_as_word_does(text: str, words: int, chars: int) -> None:
    assert (word_count(text), char_count(text)) == (words, chars)
