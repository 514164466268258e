"""Keeps what processes share shared, and gives back what they no longer use."""

import ctypes
import gc

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
    gc.collect()
    gc.freeze()
    ctypes.CDLL(None).malloc_trim(0)
