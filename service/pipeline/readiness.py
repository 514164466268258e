"""Readiness: proved by a conversion that keeps what it must and loses what it must."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from service.convert import CANARY_IMAGE_PX, CANARY_TEXT, Converter, canary_docx
from service.errors import ConverterBusy, QueueTimeout, ServiceError
from service.model import Deadline
from service.pdf import pdf_text, picture_sizes

_GOOD_FOR_S = 30.0
_BAD_FOR_S = 2.0
_CANARY_S = 30.0


@dataclass(frozen=True, slots=True)
class ReadyState:
    """Whether documents can be made now.

    Attributes:
        ready: The answer.
        reason: Chinese sentence.
        checked_at_s: Monotonic seconds of the last canary.
    """

    ready: bool
    reason: str
    checked_at_s: float


class Readiness:
    """Runs the canary at most once in a while and remembers what it found.

    Args:
        converter: What is tested.
        fonts: Font names in which the canary's sentence is set.
    """

    def __init__(self, converter: Converter, fonts: Sequence[str]) -> None:
        self._converter = converter
        self._fonts = tuple(fonts)
        self._lock = threading.Lock()
        self._state: ReadyState | None = None

    def check(self) -> ReadyState:
        """Return the present state; a stale one is renewed by one caller while others get the last."""
        state = self._state
        if state is not None and not _stale(state):
            return state
        if not self._lock.acquire(blocking=state is None):
            return state or ReadyState(False, "正在自检。", time.monotonic())
        try:
            if self._state is None or _stale(self._state):
                self._state = self._run()
            return self._state
        finally:
            self._lock.release()

    def _run(self) -> ReadyState:
        try:
            pdf = self._converter.convert(canary_docx(self._fonts), Deadline.after(_CANARY_S))
            reason = self._fault_of(pdf)
        except (ConverterBusy, QueueTimeout) as error:
            # Busy is not broken: others' conversions are running.
            if self._state is not None and self._state.ready:
                return ReadyState(True, "转换正常（繁忙）。", time.monotonic())
            reason = str(error)
        except ServiceError as error:
            reason = str(error)
        return ReadyState(not reason, reason or "转换正常。", time.monotonic())

    def _fault_of(self, pdf: bytes) -> str:
        text = "".join(pdf_text(pdf).split())
        if text.count(CANARY_TEXT) != len(self._fonts):
            return "自检文件的文字没有完整出现在 PDF 中，请检查字体。"
        if picture_sizes(pdf) != [(CANARY_IMAGE_PX, CANARY_IMAGE_PX)]:
            return "自检文件中的外部图片没有被拦截，或内嵌图片丢失，请检查 LibreOffice 安全配置。"
        return ""


def _stale(state: ReadyState) -> bool:
    return time.monotonic() - state.checked_at_s > (_GOOD_FOR_S if state.ready else _BAD_FOR_S)
