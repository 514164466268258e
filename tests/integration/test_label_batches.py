"""Labels in bulk: every code on its own label, whatever the order, and one file of many parts."""

import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pdfplumber
import pypdf
import pytest
from PIL import Image

from service.archive import read_docx, write_docx
from service.batch import (
    BatchOptions,
    ItemResult,
    Store,
    ThreadPool,
    Workbench,
    plan_batch,
)
from service.batch import plan as plan_module
from service.batch.job import BatchJob, Target
from service.bootstrap import Services
from service.errors import ConversionFailed, InvalidRequest, ServiceError
from service.labels import geometry_of
from service.model import BatchRow, OutputFormat
from service.pdf import render_pages
from service.pdf.join import PdfJoiner
from service.pipeline import press as press_module
from service.pipeline.press import SheetSettings
from service.verification import decode_symbols
from tests.conftest import FIXTURES
from tests.printed import MM

pytestmark = pytest.mark.libreoffice

DPI = 200
LABELS: list[dict[str, Any]] = json.loads(
    (FIXTURES / "plaque-labels" / "sheet-and-one.json").read_text("utf-8")
)["labels"]


def label(number: int, **changes: str) -> dict[str, Any]:
    base = LABELS[number % len(LABELS)]
    return {**base, "unit": f"{base['unit']}第{number}组", "plaque_no": f"2026-{number:03d}", **changes}


def rows(count: int) -> list[BatchRow]:
    return [BatchRow(number, label(number)) for number in range(count)]


def made(
    services: Services, folder: str, items: list[BatchRow], options: BatchOptions
) -> tuple[list[ItemResult], Store]:
    target = Target(folder)
    plan = plan_batch(services.renderer, "plaque-labels", items, options)
    pool = ThreadPool(Workbench(services.renderer, 120, target.store), 2)
    results: list[ItemResult] = []
    try:
        BatchJob(plan, target, resume=False).run(pool, results.append)
    finally:
        pool.close()
        plan.close()
    return sorted(results, key=lambda result: result.row), target.store


def read_sheets(services: Services, pdf: bytes, settings: SheetSettings) -> Iterator[tuple[int, str]]:
    """Yield place and plaque number of each label; text and code of a place must say the same."""
    geometry = geometry_of(settings.sheet)
    with pdfplumber.open(io.BytesIO(pdf)) as document:
        pictures = list(render_pages(pdf, DPI))
        for number, page in enumerate(document.pages):
            for place in range(geometry.per_page):
                left, top = geometry.place(place)
                box = (left, top, left + geometry.width, top + geometry.height)
                text = page.crop([side / MM for side in box], strict=False).extract_text()
                codes = decode_symbols(_cut(pictures[number], box))
                if not text:
                    assert codes == ()
                    continue
                (url,) = codes
                plaque_no = services.desk.verify_token(url).claims["ref"]
                assert plaque_no in text
                yield number * geometry.per_page + place, plaque_no


def _cut(picture: Image.Image, box_mm: tuple[float, float, float, float]) -> Image.Image:
    left, top, right, foot = (round(side * DPI / 25.4) for side in box_mm)
    return picture.crop((left, top, right, foot))


@pytest.fixture
def two_sheets_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "SHEETS_PER_PART", 2)


@pytest.mark.usefixtures("two_sheets_a_part")
def test_every_label_has_its_own_code_over_all_parts(services: Services) -> None:
    settings = SheetSettings(start_at=4)
    results, store = made(services, "memory://one", rows(45), BatchOptions(sheets=settings))
    assert [(result.row, result.status) for result in results] == [(number, "ok") for number in range(45)]
    parts = sorted(name for name in store.list() if name.endswith(".pdf"))
    assert [name.split("-")[1:3] for name in parts] == [["000001", "000025"], ["000026", "000045"]]
    first, second = (dict(read_sheets(services, store.get(name), settings)) for name in parts)
    assert first == {3 + number: f"2026-{number:03d}" for number in range(25)}
    assert second == {number: f"2026-{25 + number:03d}" for number in range(20)}
    logged = [json.loads(line) for line in store.get("results-0.jsonl").splitlines()]
    assert {line["row"] for line in logged} == set(range(45))
    assert {line["file"] for line in logged} == set(parts)


def test_columns_copies_and_postcodes_set_the_order(services: Services) -> None:
    settings = SheetSettings("L7165", order="column", sort="postcode", copies=2)
    codes = ["010022", "010011", "", "010000"]
    items = [label(number) | {"postcode": code} for number, code in enumerate(codes)]
    del items[2]["postcode"]
    data = [BatchRow(number, item) for number, item in enumerate(items)]
    _, store = made(services, "memory://order", data, BatchOptions(sheets=settings))
    (part,) = (name for name in store.list() if name.endswith(".pdf"))
    placed = dict(read_sheets(services, store.get(part), settings))
    down = [placed[place] for place in (0, 2, 4, 6, 1, 3, 5, 7)]
    assert down == [f"2026-{number:03d}" for number in (3, 3, 1, 1, 0, 0, 2, 2)]


@pytest.mark.java
@pytest.mark.usefixtures("two_sheets_a_part")
def test_one_file_of_many_parts_is_sound(services: Services, tmp_path: Path) -> None:
    from tests.verapdf import pdfa_faults

    whole = tmp_path / "标签.pdf"
    settings = SheetSettings("thermal-76x130")
    results, store = made(services, str(whole), rows(5), BatchOptions(merge=True, sheets=settings))
    assert [result.status for result in results] == ["ok"] * 5
    pdf = whole.read_bytes()
    assert pdfa_faults(pdf) == Counter()
    assert [item for _, item in read_sheets(services, pdf, settings)] == [f"2026-{n:03d}" for n in range(5)]
    outline = [str(item["/Title"]) for item in pypdf.PdfReader(io.BytesIO(pdf)).outline]  # type: ignore[call-overload]
    assert outline == [
        "牌匾邮寄标签-000001-000002",
        "牌匾邮寄标签-000003-000004",
        "牌匾邮寄标签-000005-000005",
    ]
    assert not any(name.endswith(".pdf") for name in store.list())


def test_joined_parts_share_what_is_equal(services: Services) -> None:
    _, store = made(services, "memory://shared", rows(3), BatchOptions(merge=True))
    part = store.get(next(name for name in store.list() if name.endswith(".pdf")))
    sizes = []
    for times in (1, 9):
        target = io.BytesIO()
        joiner = PdfJoiner(target)
        for _ in range(times):
            joiner.add(part)
        joiner.close()
        sizes.append(len(target.getvalue()))
        assert len(pypdf.PdfReader(target).pages) == times
    fonts = sum(
        len(item.get_object()._data)
        for item in itertools.chain.from_iterable(_font_files(pypdf.PdfReader(io.BytesIO(part))))
    )
    assert sizes[1] - sizes[0] < 8 * (sizes[0] - fonts) + 1_000


def _font_files(reader: pypdf.PdfReader) -> Iterator[list[Any]]:
    for number in range(1, int(str(reader.trailer["/Size"]))):
        item: Any = reader.get_object(number)
        if isinstance(item, dict):
            yield [item[key] for key in ("/FontFile", "/FontFile2", "/FontFile3") if key in item]


def test_docx_and_bundle_hold_the_same_codes(services: Services) -> None:
    for output, magic in ((OutputFormat.DOCX, b"PK"), (OutputFormat.BUNDLE, b"PK")):
        results, store = made(services, f"memory://{output}", rows(2), BatchOptions(output))
        assert store.get(results[0].file).startswith(magic)


def test_all_faults_of_all_rows_come_at_once_and_duplicates_are_named(services: Services) -> None:
    items = rows(6)
    items[1].data["postcode"] = "12"
    items[3].data["address"] = "云江省云州市" + "很长的路名" * 20
    options = BatchOptions(sheets=SheetSettings("L7160"))
    with pytest.raises(InvalidRequest) as caught:
        plan_batch(services.renderer, "plaque-labels", items, options)
    assert [(fault.pointer, fault.keyword) for fault in caught.value.faults] == [
        ("/1/postcode", "pattern"),
        ("/3/address", "label_overflow"),
    ]
    items[5].data["plaque_no"] = items[0].data["plaque_no"]
    plan = plan_batch(services.renderer, "plaque-labels", items, replace(options, skip=True))
    assert [refusal.row.index for refusal in plan.refusals] == [1, 3]
    assert plan.warnings == ["第 1 项与第 6 项的牌匾编号相同。"]
    assert [item.index for piece in plan.pieces() for item in piece.items] == [0, 2, 4, 5]
    plan.close()


def test_label_that_is_not_printed_whole_fails_alone(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_docx = vars(press_module)["fill_docx"]

    def overfilled(*arguments: Any) -> bytes:
        parts = read_docx(fill_docx(*arguments))
        body = parts["word/document.xml"].decode()
        parts["word/document.xml"] = body.replace("第7组", "第7组" + "云州市科学技术促进会" * 30).encode()
        return write_docx(parts)

    monkeypatch.setattr(press_module, "fill_docx", overfilled)
    options = BatchOptions(skip=True, sheets=SheetSettings(start_at=2, order="column"))
    results, store = made(services, "memory://overfilled", rows(9), options)
    assert [result.row for result in results if result.status == "failed"] == [7]
    assert results[7].code == "layout-overflow"
    assert "没有完整印在标签之内" in results[7].message
    assert re.search(r"第 \d+ 枚", results[7].message) is None
    (part,) = (name for name in store.list() if name.endswith(".pdf"))
    assert part.endswith("-partial.pdf")
    assert {result.file for result in results if result.status == "ok"} == {part}
    printed = sorted(text for _, text in read_sheets(services, store.get(part), options.sheets))
    assert printed == [f"2026-{number:03d}" for number in range(9) if number != 7]


@pytest.mark.fault("C12")
def test_label_that_ends_its_conversion_fails_alone(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = services.renderer.converter.convert

    def crashing(docx: bytes, *arguments: Any, **named: Any) -> bytes:
        body = read_docx(docx)["word/document.xml"].decode()
        if "第2组" in body or "第5组" in body:
            raise ConversionFailed("LibreOffice 意外退出。")
        return convert(docx, *arguments, **named)

    monkeypatch.setattr(services.renderer.converter, "convert", crashing)
    results, store = made(services, "memory://crashing", rows(6), BatchOptions(skip=True))
    failed = [(result.row, result.code) for result in results if result.status == "failed"]
    assert failed == [(2, "conversion-failed"), (5, "conversion-failed")]
    (part,) = (name for name in store.list() if name.endswith(".pdf"))
    assert len(dict(read_sheets(services, store.get(part), SheetSettings()))) == 4
    # The next run tries them again, and the part is whole.
    monkeypatch.undo()
    results, store = made(services, "memory://crashing", rows(6), BatchOptions(skip=True))
    assert [result.status for result in results] == ["ok"] * 6
    assert [name for name in store.list() if name.endswith(".pdf")] == [results[0].file]


@pytest.mark.parametrize(
    ("sheets", "pointer"),
    [
        (SheetSettings("L9999"), "/sheet"),
        (SheetSettings(start_at=15), "/start_at"),
        (SheetSettings(offset_x_mm=11.0), "/offset_mm/dx"),
    ],
)
def test_settings_of_the_sheet_are_checked_first(
    services: Services, sheets: SheetSettings, pointer: str
) -> None:
    with pytest.raises(ServiceError) as caught:
        plan_batch(services.renderer, "plaque-labels", rows(1), BatchOptions(sheets=sheets))
    assert pointer in [fault.pointer for fault in caught.value.faults]


@pytest.fixture(autouse=True)
def _fresh_memory() -> None:
    fsspec.filesystem("memory").store.clear()
