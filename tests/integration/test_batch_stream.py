"""What a waiting client gets, and when."""

import json
from pathlib import Path

import pytest

from service.batch import BatchOptions, BatchStream, plan_batch
from service.batch.stream import FIRST_SIZES
from service.bootstrap import Services
from service.model import BatchRow
from tests.conftest import FIXTURES

pytestmark = pytest.mark.libreoffice
NOTICE = json.loads((FIXTURES / "notice" / "minimal.json").read_text("utf-8"))


def stream(services: Services, count: int, folder: Path) -> BatchStream:
    rows = [BatchRow(number, {**NOTICE, "title": f"关于第{number}项工作的通知"}) for number in range(count)]
    plan = plan_batch(services.renderer, "notice", rows, BatchOptions(), FIRST_SIZES)
    return BatchStream(plan, services.renderer, slots=2, timeout_s=120, gone=None, work_dir=folder)


def test_first_document_is_handed_out_before_the_tenth_is_made(services: Services, tmp_path: Path) -> None:
    before = services.converter.state().conversions
    chunks = stream(services, 40, tmp_path).chunks()
    assert next(chunks).startswith(b"PK")
    assert services.converter.state().conversions - before < 10
    chunks.close()  # type: ignore[attr-defined]
    assert services.converter.state().conversions - before < 20
    assert services.converter.state().active == 0
    assert list(tmp_path.iterdir()) == []
