"""What a person does with a form: type in, tick, add rows, press buttons."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page


def type_in(page: Page, data: dict[str, Any], pointer: str = "") -> None:
    """Fill in a form as far as the data goes."""
    for key, value in data.items():
        here = f"{pointer}/{key}"
        if isinstance(value, dict):
            own = page.locator(f'select[name="{here}"]')
            if own.count():
                own.select_option("#")
                if not page.locator(f'[name^="{here}/"]').first.is_visible():
                    page.click("details.custom summary")
            type_in(page, value, here)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            add_rows(page, here, len(value))
            for index, row in enumerate(value):
                type_in(page, row, f"{here}/{index}")
        else:
            _control(page, here, value)


def add_rows(page: Page, pointer: str, count: int) -> None:
    group = page.locator(f'[id="f{pointer}"]')
    for number in range(1, count + 1):
        if not page.locator(f'[id="f{pointer}/{number - 1}"]').count():
            group.locator(f'button[value="add:{pointer}"]').click()
            page.wait_for_selector(f'[id="f{pointer}/{number - 1}"]')


def control_of(page: Page, pointer: str) -> Locator:
    """Return the control of a value; of ticks, each."""
    return page.locator(f'[name="{pointer}"]')


def _control(page: Page, pointer: str, value: Any) -> None:
    control = control_of(page, pointer)
    kind = control.first.get_attribute("type")
    if kind in ("checkbox", "radio"):
        wanted = value if isinstance(value, list) else ["1"] if value is True else [value]
        for one in wanted:
            if one is not False:
                page.check(f'[name="{pointer}"][value="{one}"]')
    elif control.evaluate("control => control.tagName") == "SELECT":
        control.select_option(str(value))
    else:
        control.fill("\n".join(value) if isinstance(value, list) else str(value))


def press(page: Page, words: str) -> None:
    """Press a visible button by its words."""
    page.click(f'button:not(.unseen):has-text("{words}")')


def preview(page: Page) -> None:
    press(page, "预览")
    page.wait_for_selector(".pages img")


def shot(page: Page, path: Path) -> None:
    """Picture the whole page as it reads, with what sticks to the window's edge at its own place."""
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.screenshot(path=path, full_page=True)
    page.evaluate("scrollTo(0, 0)")


def shown_text(page: Page, selector: str = "main") -> str:
    return page.inner_text(selector)
