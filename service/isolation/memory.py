"""Keeps what processes share shared, and gives back what they no longer use."""

import ctypes
import gc
import threading

_M_ARENA_MAX = -8
_M_TRIM_THRESHOLD = -1
_TRIM_BYTES = 1_000_000


def use_one_heap() -> None:
    """Have all threads of this process, and of those forked from it, use one heap.

    By default glibc gives each thread its own, and none of them ever shrinks. Threads that
    mostly wait for LibreOffice do not miss theirs.
    """
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_ARENA_MAX, 1)
    # Set by hand, it does not grow with the largest picture seen.
    libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)


def settle_before_fork() -> None:
    """Clear away what loading left behind, and have the garbage collector leave the rest alone.

    The collector writes into every object it looks at, which would copy the page in each
    forked process.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    give_back()


def give_back() -> None:
    """Give the pages that the C library holds free back to the system; takes a millisecond or two."""
    ctypes.CDLL(None).malloc_trim(0)


class Thrift:
    """Gives memory back a while after work was done, once for all that was done meanwhile.

    Args:
        after_s: How long after.
    """

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._lock = threading.Lock()
        self._waiting = False

    def worked(self) -> None:
        """Note that work was done; returns at once."""
        with self._lock:
            if self._waiting:
                return
            self._waiting = True
        timer = threading.Timer(self._after_s, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        self._waiting = False
        give_back()
