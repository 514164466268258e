"""What an engine counts; every number only grows."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from service.errors import ConversionCancelled, ConversionFailed, ConversionTimeout


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
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def crash(self) -> None:
        """Count a process that died."""
        with self._lock:
            self.crashes += 1

    def recycle(self) -> None:
        """Count a new start of LibreOffice as a whole."""
        with self._lock:
            self.recycles += 1

    def counts(self) -> dict[str, Any]:
        """Return all counters by the names they have in `ConverterState`."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.repr}

    @contextmanager
    def conversion(self) -> Iterator[None]:
        """Count one conversion by how the block ends."""
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
                self.busy_s += time.monotonic() - begun
                if ended:
                    setattr(self, ended, getattr(self, ended) + 1)
