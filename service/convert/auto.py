"""The engine for machines nobody has looked at: the fast one where it runs, else the portable one."""

from dataclasses import replace

from service.convert.engine import Cancelled, Converter, ConverterState, EngineOptions
from service.convert.gate import Priority
from service.convert.lok import LokEngine
from service.convert.soffice import SofficeEngine
from service.errors import ConverterUnavailable
from service.model import Deadline


class AutoEngine:
    """``lok``, or ``soffice`` where that does not start; says which and why.

    Args:
        options: As for both.
        fast: Tried first.
        portable: Tried next.
    """

    def __init__(self, options: EngineOptions, fast: LokEngine, portable: SofficeEngine) -> None:
        self._report = options.report
        self._fast = fast
        self._portable = portable
        self._chosen: Converter = fast
        self._reason = ""

    def start(self) -> None:
        """Start the fast engine, else the portable one."""
        try:
            self._fast.start()
        except ConverterUnavailable as error:
            self._reason = str(error)
            self._report(
                "lok 引擎不可用，改用 soffice 引擎（较慢）", {"reason": str(error), "detail": error.detail}
            )
            self._chosen = self._portable
            self._portable.start()

    def convert(
        self,
        docx: bytes,
        deadline: Deadline,
        *,
        priority: Priority = Priority.SINGLE,
        cancelled: Cancelled | None = None,
        label: str = "",
    ) -> bytes:
        """Convert by the engine that runs; see `Converter.convert`."""
        return self._chosen.convert(docx, deadline, priority=priority, cancelled=cancelled, label=label)

    def state(self) -> ConverterState:
        """Look at the engine that runs."""
        state = self._chosen.state()
        if not self._reason:
            return state
        return replace(state, missing_layers=(*state.missing_layers, f"lok 引擎：{self._reason}"))

    def recycle(self) -> None:
        """Start LibreOffice anew behind the running one."""
        self._chosen.recycle()

    def close(self) -> None:
        """End both."""
        self._fast.close()
        self._portable.close()
