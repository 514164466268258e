"""What a forked child gives up before it looks at anything that a stranger sent."""

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Mapping
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
# Children are the ones to go when memory runs out, not the service.
_OOM_SCORE = b"600"
_NICE = 5


def shut_in(limits: Mapping[str, int], parent: int) -> None:
    """Give this new child its own session, limits, a lower rank, and an end when its parent ends.

    Args:
        limits: Values of RLIMIT by name: ``AS``, ``FSIZE``, ``NOFILE``, ``CPU``.
        parent: The process that forked this one, as it knew itself before: it may be gone by now.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    os.setsid()
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (int(value), int(value)))
    # Whoever answers requests goes first, also while all cores convert.
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    be_first_to_go()


def be_first_to_go() -> None:
    """Have the kernel end this process before the service when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_bytes(_OOM_SCORE)


def be_opaque() -> None:
    """Let no process of the same user look into this one or those forked from it."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
