"""How much all HTTP processes have in hand, so that whoever cannot be served is told so at the door.

The converter's queue has the last word. But to check and fill a document only to be turned away there takes
time from those inside, and under twice the load that a machine can bear it took all of it.
"""

import contextlib
import fcntl
import mmap
import os
import struct
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import ConverterBusy

_ENTRY = struct.Struct("=II")
_ENTRIES = 512
_RETRY_S = 5


class Door:
    """Counts those inside over all processes that are forked after it was made.

    Each process has an entry of its own, process id and count, and nobody else writes there; the entry of a
    process that was killed counts no more. Two that look at the same moment may both get in.

    Args:
        limit: Most that may be inside at once.
        things: What is counted, with its measure word.
    """

    def __init__(self, limit: int, things: str) -> None:
        self._limit = limit
        self._things = things
        self._file = os.memfd_create("wenyin-door")
        os.ftruncate(self._file, _ENTRY.size * _ENTRIES)
        self._page = mmap.mmap(self._file, _ENTRY.size * _ENTRIES)
        weakref.finalize(self, os.close, self._file)
        self._lock = threading.Lock()
        self._owner = 0
        self._entry: int | None = None
        self._own = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be inside for the length of the block.

        Raises:
            ConverterBusy: The house is full.
        """
        with self._lock:
            self._be_known()
            if self._all() >= self._limit:
                raise ConverterBusy(
                    f"正在处理的已达上限（{self._limit} {self._things}），请稍后重试。",
                    retry_after_s=_RETRY_S,
                )
            self._note(self._own + 1)
        try:
            yield
        finally:
            with self._lock:
                self._note(self._own - 1)

    def _note(self, count: int) -> None:
        self._own = count
        if self._entry is not None:
            _ENTRY.pack_into(self._page, self._entry * _ENTRY.size, self._owner, count)

    def _all(self) -> int:
        entries = _ENTRY.iter_unpack(self._page[:])
        listed: int = sum(count for pid, count in entries if count and _lives(pid))
        return listed + (self._own if self._entry is None else 0)

    def _be_known(self) -> None:
        """Take an entry that nobody uses, once in each process."""
        pid = os.getpid()
        if self._owner == pid:
            return
        # A lock of the system's belongs to the process, and goes with it.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            entries = list(_ENTRY.iter_unpack(self._page[:]))
            free = (place for place, (owner, _) in enumerate(entries) if not owner or not _lives(owner))
            self._owner, self._entry = pid, next(free, None)
            self._note(0)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


def _lives(pid: int) -> bool:
    with contextlib.suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
