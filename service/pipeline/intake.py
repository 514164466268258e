"""The data of one document from a file that somebody filled in: JSON, a workbook, or CSV."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Any

from service.errors import BadTable, Fault, InvalidRequest
from service.model import BatchRow, TemplateSpec
from service.pipeline.render import Renderer
from service.schema import SchemaMap
from service.sheets import located, read_rows

_MANY_BY_NAME = (".ndjson", ".jsonl", ".csv", ".tsv", ".txt", ".xlsx")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Intake:
    """Data for one document.

    Attributes:
        body: As JSON.
        state: The same as values.
        faults: What is wrong with it, each with its cell where there is one; pointers into the data.
    """

    body: bytes
    state: Any
    faults: tuple[Fault, ...]


def take_in(
    renderer: Renderer, spec: TemplateSpec, content: bytes, name: str, more: Mapping[str, Any]
) -> Intake:
    """Read a file with the data of one document; of a label template, with the labels of one.

    Args:
        renderer: Checks the data.
        spec: The template.
        content: The file.
        name: Its name.
        more: Members that a table does not hold; what is in the file goes before.

    Raises:
        MalformedJson: It is JSON that cannot be read.
        BadTable: It is of no use, or holds more than one document (``too-many-rows``).
        UnsafeArchive: A workbook that must not be opened.
        OutdatedWorkbook: A workbook made for other fields than the template has.
    """
    head = content[:1_024].removeprefix(_BOM).lstrip()
    if head.startswith(b"{") and PurePath(name).suffix.lower() not in _MANY_BY_NAME:
        state = {**more, **renderer.parse(content)}
        body = json.dumps(state, ensure_ascii=True, default=float).encode() if more else content
        return Intake(body, state, ())
    member = (spec.verify.each or "").removeprefix("/") if spec.layout == "labels" else ""
    limit = SchemaMap(spec.schema).root.child(member).max_items or 1 if member else 1
    rows = list(islice(read_rows(content, spec, name=name), limit + 1))
    if len(rows) > limit:
        what = f"超过 {limit} 枚标签" if member else "不止一份数据"
        raise BadTable(f"文件里{what}，请改用“批量”。", code="too-many-rows")
    values = [row.data if isinstance(row.data, dict) else {} for row in rows]
    state = {**more, member: values} if member else values[0]
    body = json.dumps(state, ensure_ascii=True, default=float).encode()
    base = f"/{member}" if member else ""
    return Intake(body, state, tuple(_faults(renderer, spec, body, rows, base)))


def _faults(
    renderer: Renderer, spec: TemplateSpec, body: bytes, rows: Sequence[BatchRow], base: str
) -> Iterator[Fault]:
    """Yield what is wrong, first of the whole, then row by row."""
    found: tuple[Fault, ...] = ()
    try:
        renderer.check(spec.template_id, body)
    except InvalidRequest as error:
        found = error.faults
    for row in rows:
        prefix = f"{base}/{row.index}" if base else ""
        own = [fault for fault in found if f"{fault.pointer}/".startswith(f"{prefix}/")]
        inner = [Fault(fault.pointer.removeprefix(prefix), fault.keyword, fault.message) for fault in own]
        for fault in located(row, inner):
            yield Fault(
                f"{base}{fault.pointer}" if base else _below(fault.pointer), fault.keyword, fault.message
            )
        found = tuple(fault for fault in found if fault not in own)
    yield from found


def _below(pointer: str) -> str:
    """Return a pointer without its first step."""
    return pointer[pointer.index("/", 1) :] if "/" in pointer[1:] else ""
