"""Judge and fill a template that a stranger sent, in a process that may be killed.

Run by `service.pipeline.trial` as a program with one argument, a folder of its own. ``lint`` reads
``template.docx`` and whatever else was sent, and prints one JSON object: ``{"findings": […], "docx": Base64}``
or ``{"error": {"code", "message"}}``; ``mark`` reads ``made.pdf`` and ``font`` and prints ``{"pdf": Base64}``.
It holds no secret, and nothing that a template made go wrong is printed: it may quote the template.
"""

import base64
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.archive import read_docx
from service.catalog import load_template
from service.docx import marked_pictures
from service.errors import SealError, ServiceError, TemplateError
from service.fill import template_variables
from service.model import TemplateSpec
from service.pdf.draft_mark import mark_draft
from service.pipeline.filling import fill
from service.pipeline.lint import lint_template
from service.schema import Validator, parse_json
from service.slim import slim_docx

_TITLE = "模板预览"
_SIDES = ("schema.json", "template.toml", "sample.json")
_MARKER = "wenyin-qr"
_EMU_PER_MM = 36_000
_SIDE_MM = 25.0
_GIVEN = frozenset({"verify_host", "draft"})
_EXTRAS = {"verify_host": "wenyin.example.cn", "draft": False}
_TOO_MUCH = "模板的计算量或篇幅超出限度，已停止；请检查循环、重复和宏。"


def judge(folder: Path, *, only_lint: bool) -> dict[str, Any]:
    """Return the findings, and the template filled with its sample.

    Args:
        folder: Holds ``template.docx``, and may hold the other files of a template.
        only_lint: Fill nothing.

    Raises:
        ServiceError: The template must not be opened, or cannot be filled.
    """
    parts = read_docx((folder / "template.docx").read_bytes())
    absent = [name for name in _SIDES if not (folder / name).exists()]
    _complete(folder, parts)
    spec = load_template(folder)
    said = [_said(finding) for finding in lint_template(spec)]
    # Nobody wants to hear what is wrong with a file that he did not send.
    found: dict[str, Any] = {
        "findings": [
            one for one in said if not any(name in f"{one['place']} {one['message']}" for name in absent)
        ]
    }
    if not only_lint:
        filled = _filled(spec, sampled="sample.json" not in absent)
        # What the tags wrote may be more than what stood in the template.
        read_docx(filled)
        found["docx"] = base64.b64encode(slim_docx(filled)).decode()
    return found


def _said(finding: Any) -> dict[str, str]:
    said = asdict(finding)
    return {name: str(said[name]) for name in ("severity", "place", "message")}


def _filled(spec: TemplateSpec, *, sampled: bool) -> bytes:
    data = parse_json(spec.sample)
    if sampled:
        data = Validator(spec.schema, spec.rules).validate(data, has_glyph=lambda _: True).data
    try:
        return fill(spec, data, _EXTRAS).docx
    except TemplateError as error:
        if sampled or error.type_code != TemplateError.code:
            raise
        raise TemplateError(f"占位文字填不进这个模板，请一并上传样例数据（sample）：{error}") from error


def _complete(folder: Path, parts: dict[str, bytes]) -> None:
    """Put files that say nothing in the place of those that were not sent."""
    names = sorted(template_variables((folder / "template.docx").read_bytes()) - _GIVEN)
    sides = {
        "sample.json": json.dumps({name: f"〔{name}〕" for name in names}, ensure_ascii=False),
        "schema.json": json.dumps(
            {"type": "object", "properties": {name: {"title": name} for name in names}}
        ),
        "template.toml": (
            f'title = "{_TITLE}"\nversion = 1\n[verify]\ndoc_type = 255\n'
            f'[qr]\nmarker = "{_MARKER}"\npicture_mm = {_side_mm(parts):.2f}\n'
        ),
    }
    for name, text in sides.items():
        if not (folder / name).exists():
            (folder / name).write_text(text, "utf-8")


def _side_mm(parts: dict[str, bytes]) -> float:
    try:
        pictures = marked_pictures(parts, _MARKER)
    except SealError:
        return _SIDE_MM
    side_mm = pictures[0].size_emu[0] / _EMU_PER_MM if pictures else _SIDE_MM
    return side_mm if 5 < side_mm <= 100 else _SIDE_MM


def _marked(folder: Path) -> dict[str, Any]:
    marked, pages = mark_draft((folder / "made.pdf").read_bytes(), Path((folder / "font").read_text("utf-8")))
    return {"pdf": base64.b64encode(marked).decode(), "pages": pages}


def main(arguments: list[str]) -> None:
    """Do what the command line says and print the result."""
    verb, place = arguments
    folder = Path(place)
    try:
        result = _marked(folder) if verb == "mark" else judge(folder, only_lint=verb == "lint")
    except ServiceError as error:
        faults = [fault.message for fault in error.faults][:20]
        result = {"error": {"code": error.type_code, "message": str(error), "faults": faults}}
    except (MemoryError, RecursionError, OverflowError):
        result = {"error": {"code": "render-limit", "message": _TOO_MUCH, "faults": []}}
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
