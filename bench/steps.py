"""Count what two real tasks take of a clerk's hands: clicks, fields, keys and pages; rows of docs/staff.md.

usage: python -m bench.steps
"""

import json
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.browser.tasks import labels, plan_form, table_row, three_activities
from tests.browser.test_batch_page import sheet
from tests.conftest import FIXTURES
from tests.serving import serving


def main() -> None:
    data = three_activities(json.loads((FIXTURES / "plan-form" / "minimal.json").read_bytes()))
    with (
        tempfile.TemporaryDirectory() as name,
        serving(Path(name)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        rows = sheet(Path(name) / "名单.xlsx", 300)
        for scripts, words in ((True, ""), (False, "，不运行 JavaScript")):
            page = browser.new_context(java_script_enabled=scripts).new_page()
            print(table_row(f"筹备方案，三项活动{words}", plan_form(page, server.url, data)[0]))
            print(table_row(f"300 枚标签{words}", labels(page, server.url, rows)[0]))
        browser.close()


if __name__ == "__main__":
    main()
