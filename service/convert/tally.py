"""What an engine counts; every number only grows."""

import bisect
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from service.errors import ConversionCancelled, ConversionFailed, ConversionTimeout
from service.model import SECONDS_BUCKETS


@dataclass(slots=True)
class Tally:
    """Counters of one engine; the fields are those of `ConverterState`."""

    conversions: int = 0
    failures: int = 0
    crashes: int = 0
    timeouts: int = 0
    cancelled: int = 0
    recycles: int = 0
    busy_s: float = 0.0
    seconds: dict[str, tuple[list[int], float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def crash(self) -> None:
        """Count a process that died."""
        with self._lock:
            self.crashes += 1

    def recycle(self) -> None:
        """Count a new start of LibreOffice as a whole."""
        with self._lock:
            self.recycles += 1

    def counts(self, given_up: int) -> dict[str, Any]:
        """Return all counters by the names they have in `ConverterState`.

        Args:
            given_up: Documents whose callers left before their turn came.
        """
        found = {item.name: getattr(self, item.name) for item in fields(self) if item.repr}
        return {**found, "cancelled": self.cancelled + given_up}

    @contextmanager
    def conversion(self, label: str) -> Iterator[None]:
        """Count one conversion by how the block ends, and its seconds under a label."""
        begun = time.monotonic()
        ended = ""
        try:
            yield
            ended = "conversions"
        except ConversionTimeout:
            ended = "timeouts"
            raise
        except ConversionCancelled:
            ended = "cancelled"
            raise
        except ConversionFailed:
            ended = "failures"
            raise
        finally:
            with self._lock:
                taken_s = time.monotonic() - begun
                self.busy_s += taken_s
                counts, sum_s = self.seconds.get(label, ([0] * (len(SECONDS_BUCKETS) + 1), 0.0))
                counts[bisect.bisect_left(SECONDS_BUCKETS, taken_s)] += 1
                self.seconds[label] = (counts, sum_s + taken_s)
                if ended:
                    setattr(self, ended, getattr(self, ended) + 1)
