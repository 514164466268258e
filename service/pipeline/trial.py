"""A template from somebody who need not be trusted: judged, filled and drawn, and nothing of it stays.

What reads the template is a process of its own, with limits and without secrets or network; what converts the
filled docx is a LibreOffice of its own for each document. This process opens none of it.
"""

import base64
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from service.convert import Converter, ConverterPlan, make_engine
from service.errors import BadTemplate, ConverterBusy, ConverterUnavailable, Fault, UnsafeArchive
from service.fonts import FaceTable
from service.isolation.process import Limits
from service.isolation.sandbox import SandboxMode
from service.isolation.workspace import Workspace
from service.model import Deadline
from service.pipeline.faces import FacedConverter
from service.pipeline.limited_child import ChildFailed, LimitedChild, open_sandbox

PARTS = {
    "template": "template.docx",
    "schema": "schema.json",
    "manifest": "template.toml",
    "sample": "sample.json",
}
"""What may be sent: name of the field to name of the file."""

TRIAL_S = 20.0
"""Time for one step, seconds."""

_LIMITS = Limits(address_space_bytes=1_500_000_000, cpu_s=5, file_bytes=80_000_000, open_files=64)
_ANSWER_BYTES = 80_000_000
_CHILD = LimitedChild("trial_child", _LIMITS, TRIAL_S, _ANSWER_BYTES)
_OVER = "模板的计算量或篇幅超出限度，已停止；请检查循环、重复和宏。"
_ARCHIVE_CODES = frozenset(
    {
        "not-docx",
        "encrypted",
        "archive-limit",
        "archive-names",
        "dtd-forbidden",
        "active-content",
        "external-resource",
    }
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a template.

    Attributes:
        findings: ``severity``, ``place`` and ``message`` of each.
        pdf: The pages, marked as a draft; empty where they were not asked for.
        pages: How many.
    """

    findings: tuple[Mapping[str, str], ...]
    pdf: bytes = b""
    pages: int = 0


class TrialRoom:
    """Where templates are tried, one at a time in this process.

    Args:
        work_dir: Parent of the folder for what was sent.
        mode: Whether the child lives in bubblewrap.
        converter: One that nobody else uses, not yet started; ``None`` where no pages are asked for.
        font: A file with the characters of the draft mark.
    """

    def __init__(
        self,
        work_dir: Path,
        mode: SandboxMode,
        converter: Converter | None = None,
        font: Path | None = None,
    ) -> None:
        self._workspace = Workspace(work_dir)
        self._sandbox = open_sandbox(mode, self._workspace, [font.parent] if font else [])
        self._converter = converter
        self._started = False
        self._font = font
        self._turn = threading.Lock()

    @classmethod
    def equipped(cls, plan: ConverterPlan, canary: bytes, table: FaceTable) -> "TrialRoom":
        """Return a room that draws: with a process for each document, and nobody else's documents in it.

        Args:
            plan: Of the service's own converter.
            canary: Proves that the converter keeps to itself.
            table: Of the fonts.
        """
        apart = make_engine(replace(plan, engine="soffice", slots=1), canary, lambda: (), lambda *_: None)
        return cls(Path(plan.work_dir), plan.sandbox, FacedConverter(apart, table), table.file_of("黑体"))

    def lint(self, files: Mapping[str, bytes]) -> Trial:
        """Judge a template.

        Args:
            files: Content by the names of `PARTS`.

        Raises:
            UnsafeArchive: The docx must not be opened.
            BadTemplate: It cannot be read, or took more than it may.
        """
        return Trial(tuple(self._ask("lint", files)["findings"]))

    def draw(self, files: Mapping[str, bytes], deadline: Deadline) -> Trial:
        """Judge a template, fill it with its sample and draw the pages.

        Args:
            files: As in `lint`.
            deadline: Covers everything.

        Raises:
            UnsafeArchive: As in `lint`.
            BadTemplate: As in `lint`, or it cannot be filled.
            ConversionError: LibreOffice makes no pages of it.
        """
        with self._one_at_a_time(deadline):
            found = self._ask("fill", files)
            made = self._opened().convert(base64.b64decode(found["docx"]), deadline, label="preview")
            marked = self._ask("mark", {"made.pdf": made, "font": str(self._font).encode()})
        return Trial(tuple(found["findings"]), base64.b64decode(marked["pdf"]), int(marked["pages"]))

    def close(self) -> None:
        """Clear away."""
        if self._converter is not None and self._started:
            self._converter.close()
        self._workspace.close()

    @contextmanager
    def _one_at_a_time(self, deadline: Deadline) -> Iterator[None]:
        if not self._turn.acquire(timeout=max(0.0, deadline.remaining_s() - TRIAL_S)):
            raise ConverterBusy("正在预览的模板过多，请稍后重试。", retry_after_s=10)
        try:
            yield
        finally:
            self._turn.release()

    def _opened(self) -> Converter:
        if self._converter is None or self._font is None:
            raise ConverterUnavailable("没有可用的字体或转换器，不能预览；请管理员运行 wenyin doctor。")
        if not self._started:
            self._converter.start()
            self._started = True
        return self._converter

    def _ask(self, verb: str, files: Mapping[str, bytes]) -> dict[str, Any]:
        named = {PARTS.get(name, name): content for name, content in files.items()}
        try:
            found = _CHILD.ask(self._workspace, self._sandbox, named, lambda box: (verb, str(box)))
        except ChildFailed as error:
            raise BadTemplate(_OVER, code="render-limit", detail=_last_line(str(error))) from error
        if "error" in found:
            raise _refusal(found["error"])
        return found


def _last_line(output: str) -> str:
    # A traceback ends with the kind of error; what it says may quote the template.
    return (output.strip().splitlines() or [""])[-1].partition(":")[0][:80]


def _refusal(error: Mapping[str, Any]) -> UnsafeArchive | BadTemplate:
    code, message = str(error["code"]), str(error["message"])
    if code in _ARCHIVE_CODES:
        return UnsafeArchive(message, code=code)
    faults = [Fault("", "bad-template", text) for text in error["faults"]]
    known = code if code in ("template-unsafe", "render-limit") else None
    return BadTemplate(message, code=known, faults=faults)
