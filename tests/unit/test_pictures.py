"""Many placeholders in one docx: each gets its own part, in order, or the template is refused."""

import json
import re

import pytest

from service.archive import read_docx
from service.catalog import load_template
from service.docx import placeholder_png, placeholder_size, set_pictures
from service.errors import SealError
from service.pipeline.filling import fill
from tests.conftest import FIXTURES, ROOT

SPEC = load_template(ROOT / "templates/docx/plaque-labels")
DATA = json.loads((FIXTURES / "plaque-labels/full-sheet.json").read_text("utf-8"))
FILLED = fill(SPEC, DATA, {"verify_host": "v.example.cn", "draft": False})


def test_sizes_are_all_different_and_none_is_the_templates_own() -> None:
    sizes = [placeholder_size(101, number) for number in range(700)]
    assert len(set(sizes)) == 700
    assert (101, 101) not in sizes
    assert max(max(size) for size in sizes) < 160


def test_each_label_has_its_own_part_in_order() -> None:
    parts = read_docx(FILLED.docx)
    embedded = re.findall(rb'r:embed="(\w+)"', parts["word/document.xml"])
    assert embedded == [f"wenyinqr{number}".encode() for number in range(1, 25)]
    for number, size in enumerate(FILLED.placeholders, 1):
        assert parts[f"word/media/wenyinqr{number}.png"] == placeholder_png(*size)


def test_pictures_are_swapped_in_place_and_nothing_is_added() -> None:
    swapped = set_pictures(FILLED.docx, "wenyin-qr", [bytes((number,)) for number in range(24)])
    before, after = read_docx(FILLED.docx), read_docx(swapped)
    assert set(before) == set(after)
    assert after["word/media/wenyinqr24.png"] == bytes((23,))
    assert before["word/document.xml"] == after["word/document.xml"]


@pytest.mark.parametrize("count", [0, 23, 25])
def test_wrong_number_of_placeholders_is_refused(count: int) -> None:
    with pytest.raises(SealError, match="占位图"):
        set_pictures(FILLED.docx, "wenyin-qr", [b"x"] * count)
