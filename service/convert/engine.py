"""What every conversion engine promises, whatever it is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from service.isolation.sandbox import SandboxMode
from service.model import Deadline


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


@dataclass(frozen=True, slots=True)
class ConverterState:
    """A look at an engine from outside.

    Attributes:
        engine: ``soffice`` …
        version: LibreOffice's own version line.
        layers: Chinese names of the isolation layers that hold.
        missing_layers: Chinese names of those that do not, with the reason.
        active: Conversions running now.
        queued: Requests waiting now.
    """

    engine: str
    version: str
    layers: tuple[str, ...]
    missing_layers: tuple[str, ...]
    active: int
    queued: int


class Converter(Protocol):
    """One conversion interface for all engines."""

    def start(self) -> None:
        """Make everything ready to convert.

        Raises:
            ConverterUnavailable: LibreOffice is missing, or does not start.
            ConfigError: A demanded isolation layer cannot be had.
        """

    def convert(self, docx: bytes, deadline: Deadline) -> bytes:
        """Convert one checked docx to a tagged PDF/A-2b.

        Args:
            docx: The file; `service.archive.read_docx` has accepted it or its template.
            deadline: Covers the wait for a slot and the run.

        Returns:
            A file that begins and ends as a PDF; its pages are the caller's to check.

        Raises:
            ConversionFailed: No usable PDF came out.
            ConversionTimeout: The deadline passed during the run.
            ConverterBusy: The queue is full.
            QueueTimeout: The deadline passed during the wait.
            NoSpace: The work folder is full.
            ConverterUnavailable: The engine is not running.
        """

    def state(self) -> ConverterState:
        """Look at the engine without touching it."""

    def close(self) -> None:
        """End every process and remove every file that the engine made."""
