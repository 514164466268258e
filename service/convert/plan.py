"""From a plan to an engine; the plan can be sent to another process."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from service.convert.auto import AutoEngine
from service.convert.engine import Converter, EngineOptions
from service.convert.lok import LokEngine
from service.convert.soffice import SofficeEngine
from service.isolation.sandbox import SandboxMode

EngineName = Literal["auto", "lok", "soffice"]

# Stands in the fontconfig text where the engine puts its cache folder.
CACHE_MARK = "/@font-cache@"


@dataclass(frozen=True, slots=True)
class ConverterPlan:
    """Which engine to make and how; plain values only.

    Attributes:
        engine: Which one.
        fontconfig: Our fontconfig file, `CACHE_MARK` for the cache folder.
        work_dir: As in `EngineOptions`, like all that follow.
        readable_dirs: Folders outside ``/usr`` to be read.
        soffice: Path of ``soffice``; ``None`` finds it.
        slots: Conversions at once.
        queue_limit: Requests that may wait.
        sandbox: Use of bubblewrap.
        documents_per_child: Documents that one process converts.
        warm_children: Whether such a process converts once before its first document.
    """

    engine: EngineName
    fontconfig: str
    work_dir: str
    readable_dirs: tuple[str, ...] = ()
    soffice: str | None = None
    slots: int = 1
    queue_limit: int = 64
    sandbox: SandboxMode = "auto"
    documents_per_child: int = 20
    warm_children: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ConverterPlan":
        """Return the plan that `to_json` made these values of."""
        return cls(**{**json.loads(json.dumps(values)), "readable_dirs": tuple(values["readable_dirs"])})

    def options(self, report: Callable[[str, Mapping[str, object]], None]) -> EngineOptions:
        """Return the options for an engine.

        Args:
            report: Takes what happens besides conversions.
        """
        return EngineOptions(
            fontconfig=lambda cache: self.fontconfig.replace(CACHE_MARK, str(cache)),
            work_dir=Path(self.work_dir),
            readable_dirs=tuple(Path(item) for item in self.readable_dirs),
            soffice=Path(self.soffice) if self.soffice else None,
            slots=self.slots,
            queue_limit=self.queue_limit,
            sandbox=self.sandbox,
            documents_per_child=self.documents_per_child,
            warm_children=self.warm_children,
            report=report,
        )


def make_engine(
    plan: ConverterPlan,
    canary: bytes,
    warm_docs: Callable[[], Sequence[bytes]],
    report: Callable[[str, Mapping[str, object]], None],
) -> Converter:
    """Make the engine of a plan, not yet started.

    Args:
        plan: Which and how.
        canary: Warms the portable engine's profile.
        warm_docs: Warm the fast engine; asked for when it is ready to take them.
        report: Takes what happens besides conversions.
    """
    options = plan.options(report)
    if plan.engine == "lok":
        return LokEngine(options, warm_docs)
    portable = SofficeEngine(options, canary)
    if plan.engine == "soffice":
        return portable
    return AutoEngine(options, LokEngine(options, warm_docs), portable)
