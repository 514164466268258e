"""A CSV file as a grid, in whatever encoding and with whatever separator the office's programs wrote it."""

import codecs
import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from service.errors import BadTable
from service.sheets.columns import Layout
from service.sheets.headers import matched_columns
from service.sheets.read_json import open_content
from service.sheets.source import Content

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATORS = (",", ";", "\t")
_CHUNK_BYTES = 1 << 16
_HEAD_ROWS = 10
_SURELY_UTF8 = 4
csv.field_size_limit(min(1_000_000, sys.maxsize))


@dataclass(frozen=True, slots=True)
class CsvGrid:
    """The records of a CSV file, read as they are asked for.

    Attributes:
        content: The file.
        encoding: Python's name of its encoding.
        separator: Between two fields.
    """

    content: Content
    encoding: str
    separator: str
    name: str = ""
    from_1904: bool = False

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield row number, as a spreadsheet shows it, and fields of each record.

        Raises:
            BadTable: ``bad-csv``, a field that is never closed or far too long.
        """
        with open_content(self.content) as stream:
            text = io.TextIOWrapper(stream, self.encoding, newline="")
            number = 0
            try:
                for record in csv.reader(text, delimiter=self.separator):
                    number += 1
                    yield number, record
            except csv.Error as error:
                raise BadTable(
                    f"CSV 第 {number + 1} 行无法读取，请检查引号是否成对，或另存为 .xlsx 后提交。",
                    code="bad-csv",
                    detail=str(error),
                ) from error


def open_csv(content: Content, layout: Layout) -> CsvGrid:
    """Return the grid of a CSV file.

    Args:
        content: The file.
        layout: Whose columns tell the separator.

    Raises:
        BadTable: ``encoding`` with the first byte that cannot be decoded, or ``bad-csv``.
    """
    encoding = detect_encoding(content)
    return CsvGrid(content, encoding, _separator(content, encoding, layout))


def detect_encoding(content: Content) -> str:
    """Return the encoding that the whole of a text file decodes in.

    UTF-8 and UTF-16 with a byte order mark, then UTF-16 without, UTF-8, GB18030.

    Raises:
        BadTable: ``encoding``, with the first byte that cannot be decoded.
    """
    with open_content(content) as stream:
        head = stream.read(4_096)
    marked = next((name for bom, name in _BOMS if head.startswith(bom)), "")
    if not marked and b"\0" in head:
        marked = "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"
    if marked:
        flaw = _first_flaw(content, marked)
        if flaw is None:
            return marked
        raise _undecodable(f"第 {flaw[0]} 个字节（从 0 数起）起不是有效的 {marked.upper()} 编码")
    flaw = _first_flaw(content, "utf-8")
    if flaw is None:
        return "utf-8"
    offset, decoded = flaw
    # GB18030 takes nearly any bytes: a UTF-8 file with one bad byte must not come out as other words.
    if decoded >= _SURELY_UTF8:
        raise _undecodable(f"第 {offset} 个字节（从 0 数起）起不是有效的 UTF-8 编码")
    other = _first_flaw(content, "gb18030")
    if other is None:
        return "gb18030"
    raise _undecodable(f"第 {offset} 个字节起不是 UTF-8 编码，第 {other[0]} 个字节起也不是 GB18030 编码")


def _undecodable(reason: str) -> BadTable:
    message = f"文件的文字编码无法识别：{reason}，请另存为“CSV UTF-8”或 .xlsx 后提交。"
    return BadTable(message, code="encoding")


def _first_flaw(content: Content, encoding: str) -> tuple[int, int] | None:
    """Return the offset of the first undecodable byte, and how many characters beyond ASCII came before."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = beyond = 0
    with open_content(content) as stream:
        while True:
            chunk = stream.read(_CHUNK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                good = error.object[: error.start].decode(encoding, "ignore")
                return offset - pending + error.start, beyond + _beyond_ascii(good)
            if not chunk:
                return None
            beyond += _beyond_ascii(text)
            offset += len(chunk)


def _beyond_ascii(text: str) -> int:
    return 0 if text.isascii() else sum(char > "\x7f" for char in text)


def _separator(content: Content, encoding: str, layout: Layout) -> str:
    best = (-1, -1, ",")
    for separator in _SEPARATORS:
        known = widest = 0
        for number, record in CsvGrid(content, encoding, separator).rows():
            known = max(known, matched_columns(record, layout.main, layout.keys(0)))
            widest = max(widest, len(record))
            if number == _HEAD_ROWS:
                break
        if (known, widest) > best[:2]:
            best = (known, widest, separator)
    return best[2]
