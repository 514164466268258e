"""What must hold of a page that LibreOffice made before it may be sealed."""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from service.errors import LayoutOverflow, SealError
from service.model import TemplateSpec

_SHOWN_CHARS = 20


def check_pages(spec: TemplateSpec, data: Mapping[str, Any], pages: int) -> None:
    """Refuse a number of pages outside what the template allows.

    Raises:
        LayoutOverflow: Too few or too many; it names the longest field.
    """
    if spec.pages.minimum <= pages <= spec.pages.maximum:
        return
    pointer, text = max(strings_of(data, ""), key=lambda item: len(item[1]), default=("", ""))
    raise LayoutOverflow(
        f"成文 {pages} 页，模板只允许 {spec.pages.minimum}–{spec.pages.maximum} 页；"
        f"最长的一项是 {pointer}（{len(text)} 字，“{text[:_SHOWN_CHARS]}…”），请缩短。"
    )


def check_text(data: Mapping[str, Any], text: str) -> None:
    """Refuse a PDF in which a character of the input is nowhere to be found.

    Raises:
        SealError: It names the characters and the field.
    """
    printed = set(unicodedata.normalize("NFKC", text))
    for pointer, value in strings_of(data, ""):
        wanted = unicodedata.normalize("NFKC", value)
        lost = sorted({char for char in wanted if ord(char) > 0x2E7F and char not in printed})
        if lost:
            names = "、".join(f"{char}（U+{ord(char):04X}）" for char in lost[:10])
            raise SealError(f"成品中缺少 {pointer} 里的字：{names}。请检查模板是否印出了这一项。")


def strings_of(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield pointer and text of every string in the data."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from strings_of(item, f"{pointer}/{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from strings_of(item, f"{pointer}/{number}")
