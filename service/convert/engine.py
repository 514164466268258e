"""What every conversion engine promises, whatever it is made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from service.convert.gate import Priority
from service.isolation.sandbox import SandboxMode
from service.model import Deadline

Cancelled = Callable[[], bool]


def _say_nothing(_message: str, _values: Mapping[str, object]) -> None:
    """Stand in for a report."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine needs to know to start.

    Attributes:
        fontconfig: Makes the content of our own fontconfig file; takes the folder for its caches.
        work_dir: Folder for everything temporary; made when missing.
        readable_dirs: Folders outside ``/usr`` that LibreOffice must read (licensed fonts).
        soffice: Path of the ``soffice`` program; ``None`` finds it.
        slots: Conversions that run at once.
        queue_limit: Requests that may wait for a slot.
        sandbox: Whether bubblewrap is used if possible, demanded, or left out.
        address_space_bytes: RLIMIT_AS of LibreOffice.
        file_bytes: RLIMIT_FSIZE of LibreOffice.
        documents_per_child: Documents that one process of the ``lok`` engine converts.
        warm_children: Whether such a process converts once before its first document.
        recycle_after_s: Age at which LibreOffice as a whole is started anew.
        report: Takes what happens besides conversions: Chinese message and named values.
    """

    fontconfig: Callable[[Path], str]
    work_dir: Path
    readable_dirs: tuple[Path, ...] = ()
    soffice: Path | None = None
    slots: int = 1
    queue_limit: int = 64
    sandbox: SandboxMode = "auto"
    address_space_bytes: int = 4_000_000_000
    file_bytes: int = 200_000_000
    documents_per_child: int = 20
    warm_children: bool = True
    recycle_after_s: float = 86_400.0
    report: Callable[[str, Mapping[str, object]], None] = _say_nothing


@dataclass(frozen=True, slots=True)
class ConverterState:
    """A look at an engine from outside.

    Attributes:
        engine: ``lok`` or ``soffice``.
        version: LibreOffice's own version line.
        layers: Chinese names of the isolation layers that hold.
        missing_layers: Chinese names of those that do not, with the reason.
        active: Conversions running now.
        queued: Requests waiting now.
        conversions: Documents converted since the start.
        failures: Documents that LibreOffice refused.
        crashes: Processes that died over a document.
        timeouts: Documents that were still running at their deadline.
        cancelled: Documents that nobody waited for any more.
        recycles: Times that LibreOffice as a whole was started anew.
        waited_s: Seconds that all documents together waited for a slot.
        busy_s: Seconds that all documents together were in conversion.
        seconds: By label: how many conversions took up to each of `service.model.SECONDS_BUCKETS` or longer
            (not cumulated; the last is for all longer ones), and the sum of their seconds.
        processes: Processes that LibreOffice runs in now.
        pss_bytes: Their memory, shared pages counted once.
    """

    engine: str
    version: str
    layers: tuple[str, ...]
    missing_layers: tuple[str, ...]
    active: int
    queued: int
    conversions: int = 0
    failures: int = 0
    crashes: int = 0
    timeouts: int = 0
    cancelled: int = 0
    recycles: int = 0
    waited_s: float = 0.0
    busy_s: float = 0.0
    seconds: Mapping[str, tuple[Sequence[int], float]] = field(default_factory=dict)
    processes: int = 0
    pss_bytes: int = 0


class Converter(Protocol):
    """One conversion interface for all engines."""

    def start(self) -> None:
        """Make everything ready to convert.

        Raises:
            ConverterUnavailable: LibreOffice is missing, or does not start.
            ConfigError: A demanded isolation layer cannot be had.
        """

    def convert(
        self,
        docx: bytes,
        deadline: Deadline,
        *,
        priority: Priority = Priority.SINGLE,
        cancelled: Cancelled | None = None,
        label: str = "",
    ) -> bytes:
        """Convert one checked docx to a tagged PDF/A-2b.

        Args:
            docx: The file; `service.archive.read_docx` has accepted it or its template.
            deadline: Covers the wait for a slot and the run.
            priority: Single documents go before the items of a batch.
            cancelled: Asked now and then; true gives up, since nobody waits any more.
            label: What its seconds are counted under: a template's id.

        Returns:
            A file that begins and ends as a PDF; its pages are the caller's to check.

        Raises:
            UnsafeArchive: It is no Word document.
            ConversionFailed: No usable PDF came out.
            ConversionCancelled: ``cancelled`` said so.
            ConversionTimeout: The deadline passed during the run.
            ConverterBusy: The queue is full.
            QueueTimeout: The deadline passed during the wait.
            NoSpace: The work folder is full.
            ConverterUnavailable: The engine is not running.
        """

    def state(self) -> ConverterState:
        """Look at the engine without touching it."""

    def recycle(self) -> None:
        """Start LibreOffice anew behind the running one: after new fonts, templates, or a long day."""

    def close(self) -> None:
        """End every process and remove every file that the engine made."""
