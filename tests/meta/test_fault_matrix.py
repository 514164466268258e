"""The fault matrix says what the tests prove, no more and no less."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.fault_matrix import TESTS, marked_tests, sections
from tools.update_docs import fault_matrix

ROWS = {
    row.number: row for found in sections((TESTS / "faults.toml").read_text("utf-8")) for row in found.rows
}


def test_page_is_what_the_marks_say() -> None:
    text = (ROOT / "docs" / "fault-matrix.md").read_text("utf-8")
    assert fault_matrix() in text, "run python -m tools.update_docs"


def test_every_mark_names_a_row_and_every_row_has_a_test_or_a_reason() -> None:
    proved = marked_tests(TESTS)
    assert set(proved) <= set(ROWS)
    assert [number for number, row in ROWS.items() if number not in proved and not row.reason] == []


def test_matrix_has_all_its_rows() -> None:
    lengths = {"J": 25, "T": 16, "X": 11, "C": 15, "P": 9, "H": 9, "U": 9, "V": 7}
    assert list(ROWS) == [f"{letter}{n}" for letter, last in lengths.items() for n in range(1, last + 1)]


def test_marks_are_found_wherever_they_may_stand(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "test_planted.py").write_text(
        "pytestmark = [pytest.mark.libreoffice, pytest.mark.fault('J1')]\n"
        "CASES = [pytest.param(1, marks=pytest.mark.fault('J2'))]\n"
        "@pytest.mark.parametrize('x', CASES)\n"
        "def test_a(x): ...\n"
        "@pytest.mark.fault('J3', 'J4')\n"
        "class TestB:\n"
        "    @pytest.mark.parametrize('x', [pytest.param(1, marks=[pytest.mark.fault('J5')])])\n"
        "    def test_c(self, x): ...\n",
        "utf-8",
    )
    a, c = "sub/test_planted.py::test_a", "sub/test_planted.py::test_c"
    assert marked_tests(tmp_path) == {"J1": [a, c], "J2": [a], "J3": [c], "J4": [c], "J5": [c]}


@pytest.mark.parametrize(
    "text",
    [
        "NUMBER = 'J1'\n@pytest.mark.fault(NUMBER)\ndef test_a(): ...",
        "@pytest.mark.fault('J1')\ndef helper(): ...",
    ],
)
def test_mark_that_cannot_be_counted_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "test_planted.py").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"test_planted\.py"):
        marked_tests(tmp_path)
