"""What the HTTP processes count, each for itself in files of its own, added up when somebody asks.

The converter counts for itself (`service.web.metrics`); requests, problems and verdicts end here.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from service.model import SECONDS_BUCKETS

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_FILE_BYTES = 1 << 19


class _Reserved(MmapedDict):
    """A process's file of counts whose room on the disk is taken when it is made.

    The library's own is sparse: on a full disk, to write to it would end the process (SIGBUS).
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            with Path(filename).open("ab") as stream:
                os.posix_fallocate(stream.fileno(), 0, _FILE_BYTES)
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Described:
    """A metric as the docs list it.

    Attributes:
        name: As it is scraped, without the suffixes of its kind.
        kind: ``counter``, ``gauge``, ``histogram`` or ``info``.
        text: What it says, in Chinese.
        labels: Names of its labels.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()


REQUESTS = Described(
    "wenyin_http_request_seconds",
    "histogram",
    "从收到请求到开始应答的秒数",
    ("method", "route", "status"),
)
PROBLEMS = Described("wenyin_problems", "counter", "答出的错误数，按错误代号", ("type",))
VERDICTS = Described("wenyin_verdicts", "counter", "核验的结论数", ("verdict",))


class Counts:
    """Requests, problems and verdicts.

    Args:
        folder: Where processes forked from this one count together; ``None`` counts in this process alone.
            To be made before they are forked.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own = CollectorRegistry()
        if folder is not None:
            folder.mkdir(mode=0o700, exist_ok=True)
            # The library asks the environment when it is imported, before anybody knows the folder.
            os.environ[_FOLDER_VARIABLE] = str(folder)  # noqa: TID251
            values.MmapedDict = _Reserved  # type: ignore[attr-defined]
            values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
        self._requests = Histogram(
            REQUESTS.name, REQUESTS.text, REQUESTS.labels, registry=self._own, buckets=SECONDS_BUCKETS
        )
        self._problems = Counter(PROBLEMS.name, PROBLEMS.text, PROBLEMS.labels, registry=self._own)
        self._verdicts = Counter(VERDICTS.name, VERDICTS.text, VERDICTS.labels, registry=self._own)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            method: One that the service knows, or anything that a client made up.
            route: Pattern of the address.
            status: HTTP status.
            seconds: Until the answer began.
        """
        known = method if method in _METHODS else "-"
        with contextlib.suppress(OSError):  # no room for a file of counts
            self._requests.labels(known, route, str(status)).observe(seconds)

    def problem(self, code: str) -> None:
        """Count a problem by its stable type."""
        with contextlib.suppress(OSError):
            self._problems.labels(code).inc()

    def verdict(self, code: str) -> None:
        """Count a verdict."""
        with contextlib.suppress(OSError):
            self._verdicts.labels(code).inc()

    def registry(self) -> CollectorRegistry:
        """Return what all processes have counted, to be scraped once."""
        if self._folder is None:
            return self._own
        together = CollectorRegistry()
        MultiProcessCollector(together, path=str(self._folder))  # type: ignore[no-untyped-call]
        return together


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
