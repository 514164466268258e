"""Two tasks of a clerk who sees the pages for the first time, counted by what the hands do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Download, Page

from tests.browser.hands import control_of, press

LONG_MS = 180_000


@dataclass
class Hand:
    """Does what a person does, and counts it.

    Attributes:
        page: The browser's window.
        clicks: Presses of the mouse, ticks and the choice of a file among them.
        fields: Fields that were typed in.
        keys: Characters typed into them.
        seen: Headings of the pages that came by.
    """

    page: Page
    clicks: int = 0
    fields: int = 0
    keys: int = 0
    seen: list[str] = field(default_factory=list)

    def look(self) -> None:
        """Note the page that is shown."""
        heading = self.page.inner_text("h1")
        if heading not in self.seen:
            self.seen.append(heading)

    def click(self, selector: str) -> None:
        self.page.click(selector)
        self.clicks += 1

    def button(self, words: str) -> None:
        press(self.page, words)
        self.clicks += 1

    def fill(self, pointer: str, value: Any) -> None:
        """Give a field its value, unless it has one: a tick is a click, a text is typed."""
        control = control_of(self.page, pointer)
        if control.first.get_attribute("type") in ("checkbox", "radio"):
            for one in value if isinstance(value, list) else [value]:
                box = self.page.locator(f'[name="{pointer}"][value="{one}"]')
                if not box.is_checked():
                    box.check()
                    self.clicks += 1
        elif not control.input_value():
            if not self.fields and not control.evaluate("one => one === document.activeElement"):
                # From one field to the next leads the Tab key; into the first one, the mouse.
                self.clicks += 1
            control.fill(str(value))
            self.fields += 1
            self.keys += len(str(value))


def plan_form(page: Page, url: str, data: dict[str, Any]) -> tuple[Hand, Download]:
    """Make the bundle of a plan form from an empty form."""
    hand = Hand(page)
    page.goto(url)
    hand.look()
    hand.click('.card:has(h2:text-is("筹备方案")) >> text=填写')
    hand.look()
    _fill(hand, data, "")
    hand.button("预览")
    page.wait_for_selector(".pages img", timeout=LONG_MS)
    hand.look()
    with page.expect_download(timeout=LONG_MS) as waiting:
        hand.button("下载 PDF 和 Word")
    return hand, waiting.value


def _fill(hand: Hand, value: Any, pointer: str) -> None:
    rows = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    if isinstance(value, dict) or rows:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            _fill(hand, item, f"{pointer}/{key}")
    else:
        hand.fill(pointer, value)


def labels(page: Page, url: str, sheet: Path) -> tuple[Hand, Download]:
    """Make the labels of a sheet."""
    hand = Hand(page)
    page.goto(url)
    hand.look()
    hand.click('.card:has(h2:text-is("牌匾邮寄标签")) >> text=批量')
    hand.look()
    page.set_input_files("#file", sheet)
    hand.clicks += 1
    if page.evaluate("typeof window.wordCount") != "function":
        hand.button("查看")
    page.wait_for_selector("#look", timeout=LONG_MS)
    hand.look()
    if (
        not page.locator("#file").evaluate("one => one.files.length")
        and not page.locator("[name=kept]").count()
    ):
        page.set_input_files("#file", sheet)
        hand.clicks += 1
    with page.expect_download(timeout=LONG_MS) as waiting:
        hand.button("生成")
    return hand, waiting.value


def three_activities(data: dict[str, Any]) -> dict[str, Any]:
    """Return a plan form with an activity in each stage."""
    first = data["activities"][0]
    return {**data, "activities": [{**first, "stage": stage} for stage in (1, 2, 3)]}


def table_row(task: str, hand: Hand) -> str:
    """Return the row of the table in ``docs/staff.md``."""
    return f"| {task} | {hand.clicks} | {hand.fields} | {hand.keys} | {len(hand.seen)} |"
