"""What two real tasks take of a clerk's hands: as few steps as the documentation says, with scripts and without."""

import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page

from service.pdf import page_count
from tests.browser.tasks import labels, plan_form, table_row, three_activities
from tests.browser.test_batch_page import sheet
from tests.browser.test_forms import fixture, scripted
from tests.conftest import ROOT
from tests.serving import Server

pytestmark = [pytest.mark.browser, pytest.mark.libreoffice]
SAID = (ROOT / "docs" / "staff.md").read_text("utf-8")


def test_a_plan_form_of_three_activities_takes_the_steps_that_are_said(page: Page, server: Server) -> None:
    data = three_activities(fixture("plan-form", "minimal"))
    hand, download = plan_form(page, server.url, data)
    with zipfile.ZipFile(download.path()) as bundle:
        assert "manifest.json" in bundle.namelist()
        assert json.loads(bundle.read("manifest.json"))["document_id"]
    assert table_row("筹备方案，三项活动", hand) in SAID, hand


def test_three_hundred_labels_take_the_steps_that_are_said(
    page: Page, server: Server, tmp_path: Path
) -> None:
    words = "300 枚标签" if scripted(page) else "300 枚标签，不运行 JavaScript"
    hand, download = labels(page, server.url, sheet(tmp_path / "名单.xlsx", 300))
    assert page_count(Path(download.path()).read_bytes()) == 22
    assert table_row(words, hand) in SAID, hand
