"""Workbooks made to fill the memory or to bring the process down: refused before their values are read."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import ServiceError, UnsafeArchive
from service.sheets import SheetLimits, read_rows
from service.sheets.scan_xlsx import check_markup
from tests.tables import LABEL_TITLES, label_cells, spec_of, with_part, workbook_of

LABELS = spec_of("plaque-labels")
SHEET = "xl/worksheets/sheet1.xml"
GOOD = workbook_of({"Sheet1": [list(LABEL_TITLES), label_cells()]})
FAR = b'<c r="XFD1048576"><v>1</v></c>'


def refused(content: bytes, limits: SheetLimits | None = None) -> str:
    with pytest.raises(ServiceError) as caught:
        list(read_rows(content, LABELS, limits=limits))
    assert caught.value.http_status == 422
    return caught.value.type_code


def planted(extra: bytes, *, before: bytes = b"</sheetData>") -> bytes:
    return with_part(GOOD, SHEET, lambda part: part.replace(before, extra + before, 1))


@pytest.mark.parametrize(
    "extra",
    [
        b'<row r="1048576">' + FAR + b"</row>",
        b'<row r="4"><c r="AAAAAAAAAAAAAAAAAA1"><v>1</v></c></row>',
        b'<row r="4"><c r="A99999999999999999999"><v>1</v></c></row>',
        b'<row r="99999999999"><c><v>1</v></c></row>',
        b'<row r="4"><c r="A0"><v>1</v></c></row>',
        b'<row r="4"><c r="&#88;FD1048576"><v>1</v></c></row>',
        b'<row r="4"><c r="A4" r="XFD1048576"><v>1</v></c></row>',
        b'<row r="4"><x:c xmlns:x="a" r = \'XFD1048576\'><v>1</v></x:c></row>',
        b'<row r="4"><!-- <c x=" -->' + FAR + b'<!-- "> --></row>',
        b'<row r="4"><?a <c x="?>' + FAR + b'<?a "> ?></row>',
        b'<row r="4"><y a="<c b=\' ">' + FAR + b"<z a=' \"/></row>",
        b'<row r="4"><y a="> <c b=\'"/>' + FAR + b"<z a=' \"/></row>",
        b'<row r="4"><![CDATA[<c x="]]>' + FAR + b"</row>",
        b'<row r="4"><c r="A4" t="s"><v>999999</v></c></row>',
        b'<row r="4"><c r="A4"><v>1</v>',
    ],
)
@pytest.mark.fault("X4")
def test_cells_that_are_nowhere_are_refused(extra: bytes) -> None:
    assert refused(planted(extra)) in ("archive-limit", "not-xlsx", "too-many-rows")


@pytest.mark.parametrize(
    "hiding",
    [
        b'<!-- <c x=" -->',
        b'<a/><?a <c x="?>',
        b'<y a="<c b=\' ">',
        b'<y a="> <c b=\'"/>',
        b"<y a=\"'>",
        b"<y a='",
        b'<![CDATA[<c x="]]>',
        b"<y <c",
        b'<?xml version="1.0" encoding="utf-16"?>',
    ],
)
def test_markup_that_could_hide_a_cell_is_no_spreadsheet(hiding: bytes) -> None:
    check_markup({"good": b'<?xml version="1.0" encoding="UTF-8"?><a b="\'" c=\'"\'><v>1 > 0</v></a>'})
    with pytest.raises(UnsafeArchive):
        check_markup({"bad": hiding + FAR})


def test_cells_without_an_address_count_too() -> None:
    wide = (
        b'<row r="4">' + b"<c><v>1</v></c>" * 16_384 + b'</row><row r="1000"><c r="A1000"><v>1</v></c></row>'
    )
    assert refused(planted(wide)) == "archive-limit"
    assert refused(planted(b'<row r="4">' + b"<c><v>1</v></c>" * 16_385 + b"</row>")) in (
        "archive-limit",
        "not-xlsx",
    )


@pytest.mark.fault("X4")
def test_formatted_but_empty_cells_cost_nothing() -> None:
    rows = list(read_rows(planted(b'<row r="1048576"><c r="XFD1048576" s="1"/></row>'), LABELS))
    assert len(rows) == 1


def test_a_long_text_shown_by_many_cells_is_counted_as_often() -> None:
    cells = b"".join(b'<row r="%d"><c r="A%d" t="s"><v>0</v></c></row>' % (n, n) for n in range(3, 3_003))
    book = with_part(
        planted(cells),
        "xl/sharedStrings.xml",
        lambda part: part.replace(b"<si><t>", b"<si><t>" + b"a" * 100_000, 1),
    )
    assert refused(book) == "archive-limit"


def test_merges_over_everything_are_bounded() -> None:
    areas = b"".join(
        b'<mergeCell ref="A1:XFD%d"/>' % (number * 7_919 % 1_048_576 + 1) for number in range(400_000)
    )
    merges = b"<mergeCells>" + areas + b"</mergeCells><pageMargins"
    book = with_part(GOOD, SHEET, lambda part: part.replace(b"<pageMargins", merges))
    assert refused(book) == "archive-limit"


@pytest.mark.fault("X4")
def test_more_rows_than_allowed() -> None:
    many = workbook_of({"Sheet1": [list(LABEL_TITLES), *(label_cells(number) for number in range(4))]})
    assert refused(many, SheetLimits(rows=3)) == "too-many-rows"
    assert refused(planted(b'<row r="1048576"><c r="H1048576"><v>1</v></c></row>')) == "too-many-rows"


PROBE = """
import re, sys
from pathlib import Path
from service.errors import ServiceError
from service.sheets import read_rows
from tests.tables import spec_of

def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

spec = spec_of("plaque-labels")
content = Path(sys.argv[1]).read_bytes()
before = peak_kb()
try:
    read_rows(content, spec)
except ServiceError as error:
    print(error.type_code, peak_kb() - before)
"""


@pytest.mark.fault("X3")
@pytest.mark.parametrize("lying", [False, True])
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, lying: bool) -> None:
    bomb = with_part(GOOD, SHEET, lambda _: b"<worksheet><sheetData>" + b" " * 250_000_000, level=1)
    assert len(bomb) < 2_000_000
    if lying:
        bomb = bomb.replace((250_000_022).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    path = tmp_path / "bomb.xlsx"
    path.write_bytes(bomb)
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)], capture_output=True, text=True, check=True
    )
    code, grown_kb = ended.stdout.split()
    assert code == ("not-xlsx" if lying else "archive-limit")
    assert int(grown_kb) < 60_000
