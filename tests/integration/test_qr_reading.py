"""The codes as they are shipped, read from what a scanner and a telephone see."""

import pytest

from bench.qr import KINDS, read, token_url
from service.bootstrap import load_catalog
from service.settings import Settings
from service.verification import module_mm

TRIALS = 4
CATALOG = load_catalog(Settings.from_mapping({}))
SHIPPED = [("notice", "通知"), ("summary-report", "报告"), ("plan-form", "报告"), ("commendation", "通知"),
           ("plaque-labels", "标签")]  # fmt: skip


@pytest.mark.fault("V1")
@pytest.mark.parametrize("sight", ["scan", "phone"])
@pytest.mark.parametrize(("template", "kind"), SHIPPED)
def test_shipped_size_is_read_every_time(template: str, kind: str, sight: str) -> None:
    rule, url = CATALOG.get(template).qr, token_url(KINDS[kind])
    module = module_mm(url, rule.picture_mm)
    assert module >= rule.module_min_mm
    side_mm = rule.picture_mm - 8 * module
    assert read(url, side_mm, 300, sight, TRIALS)["zxing-cpp"] == TRIALS


@pytest.mark.fault("V1")
@pytest.mark.parametrize("sight", ["scan", "phone"])
def test_smallest_module_that_may_be_printed_is_read(sight: str) -> None:
    """The fullest token of the largest template at the least size that is not refused."""
    url = token_url(KINDS["报告"])
    modules = round(100 / module_mm(url, 100)) - 8
    assert read(url, modules * 0.33, 300, sight, TRIALS)["zxing-cpp"] == TRIALS
