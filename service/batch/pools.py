"""Where pieces are made: threads of this process, processes of this machine, or a Dask cluster."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing.connection import wait
from typing import Any, Protocol

import structlog

from service.batch.items import Piece, PieceResult
from service.batch.store import Store
from service.batch.work import Workbench, broken
from service.errors import ConfigError, ConverterUnavailable
from service.pipeline.render import Renderer

Opener = Callable[..., AbstractContextManager[Renderer]]
"""Makes a renderer in the process that calls it; importable by name, since it is sent by name."""


class Pool(Protocol):
    """What makes pieces.

    Attributes:
        slots: Pieces that are made at once.
    """

    slots: int

    def submit(self, piece: Piece, present: frozenset[str]) -> "Future[PieceResult]":
        """Begin a piece; see `Workbench.make`."""

    def renew(self) -> None:
        """Go on after a worker died and took the pool with it."""

    def is_alive(self) -> bool:
        """Tell whether what was begun can still come to its end."""

    def close(self) -> None:
        """End; what has not begun never will."""


class ThreadPool:
    """Threads that share one workbench.

    Args:
        bench: Makes the pieces.
        slots: How many at once.
        cancelled: True gives up what is under way.
    """

    def __init__(self, bench: Workbench, slots: int, cancelled: Callable[[], bool] | None = None) -> None:
        self.slots = slots
        self._bench = bench
        self._cancelled = cancelled
        self._executor = ThreadPoolExecutor(slots, thread_name_prefix="batch")

    def submit(self, piece: Piece, present: frozenset[str]) -> "Future[PieceResult]":
        """Begin a piece."""
        return self._executor.submit(self._bench.make, piece, present, cancelled=self._cancelled)

    def renew(self) -> None:
        """Nothing to do: threads do not die."""

    def is_alive(self) -> bool:
        """Say yes: this process hands out the work."""
        return True

    def close(self) -> None:
        """Wait for what is under way."""
        self._executor.shutdown(cancel_futures=True)


class ProcessPool:
    """Processes of this machine, one for each core.

    Args:
        slots: How many.
        opener: Makes each process's renderer.
        arguments: For ``opener``.
        store_url: Where the files go.
        timeout_s: For one conversion.
    """

    def __init__(
        self, slots: int, opener: Opener, arguments: tuple[Any, ...], store_url: str, timeout_s: float
    ) -> None:
        self.slots = slots
        self._setup = (opener, arguments, store_url, timeout_s)
        self._executor = self._begin()

    def _begin(self) -> ProcessPoolExecutor:
        # A fork would copy whatever thread of this process holds a lock just then.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.slots, context, _begin_worker, self._setup)

    def submit(self, piece: Piece, present: frozenset[str]) -> "Future[PieceResult]":
        """Begin a piece."""
        return self._executor.submit(_make, piece, present)

    def renew(self) -> None:
        """Start new processes for those that died."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._begin()

    def is_alive(self) -> bool:
        """Say yes: this process hands out the work."""
        return True

    def close(self) -> None:
        """Wait for what is under way."""
        self._executor.shutdown(cancel_futures=True)


class DaskPool:
    """A Dask cluster; every worker opens its own renderer from its own settings.

    Args:
        address: Of the scheduler, ``HOST:PORT``.
        opener: Makes each worker's renderer.
        store_url: Where the files go; reachable by all workers.
        timeout_s: For one conversion.

    Raises:
        ConfigError: The package is missing.
        ConverterUnavailable: The scheduler does not answer.
    """

    def __init__(self, address: str, opener: Opener, store_url: str, timeout_s: float) -> None:
        try:
            from distributed import Client  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError("没有安装 Dask，请安装 wenyin[dask]。", detail=repr(error)) from error
        try:
            self._client = Client(f"tcp://{address}", timeout=_CONNECT_S)
        except (OSError, ValueError) as error:
            raise ConverterUnavailable(f"连接不上 Dask 调度器 {address}。", detail=repr(error)) from error
        self._executor: Executor = self._client.get_executor(retries=2, pure=False)
        self._setup = (opener, (), store_url, timeout_s)
        self.slots = max(1, sum(self._client.nthreads().values()))

    def submit(self, piece: Piece, present: frozenset[str]) -> "Future[PieceResult]":
        """Begin a piece."""
        return self._executor.submit(_make_anywhere, self._setup, piece, present)

    def renew(self) -> None:
        """Nothing to do: the scheduler gives the work to another worker."""

    def is_alive(self) -> bool:
        """Tell whether the scheduler is there: one that is stopped leaves futures behind that never end."""
        link = self._client.scheduler_comm
        return self._client.status == "running" and link is not None and not link.closed()

    def close(self) -> None:
        """Leave the cluster, which then drops the work of whoever left."""
        # Of a scheduler that has gone there is nobody to take leave of: tracebacks would bury what is said of it.
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with contextlib.suppress(Exception):
            self._client.close()


_LOG = structlog.get_logger("wenyin.batch")
_CONNECT_S = 20


class _Worker:
    """The workbench of this process, opened when it is first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._setup: tuple[Any, ...] | None = None
        self._bench: Workbench | None = None
        self._open = contextlib.ExitStack()

    def bench(self, setup: tuple[Opener, tuple[Any, ...], str, float]) -> Workbench:
        with self._lock:
            if self._bench is None or self._setup != setup:
                opener, arguments, store_url, timeout_s = setup
                self._open.close()
                renderer = self._open.enter_context(opener(*arguments))
                self._bench = Workbench(renderer, timeout_s, Store(store_url))
                self._setup = setup
            return self._bench

    def close(self) -> None:
        self._open.close()


_WORKER = _Worker()


def _begin_worker(opener: Opener, arguments: tuple[Any, ...], store_url: str, timeout_s: float) -> None:
    # Ctrl-C reaches the whole process group; the coordinator lets what is under way come to its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _WORKER.bench((opener, arguments, store_url, timeout_s))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _make(piece: Piece, present: frozenset[str]) -> PieceResult:
    bench = _WORKER._bench
    assert bench is not None  # noqa: S101 - `_begin_worker` has made it
    return _made(bench, piece, present)


def _make_anywhere(
    setup: tuple[Opener, tuple[Any, ...], str, float], piece: Piece, present: frozenset[str]
) -> PieceResult:
    return _made(_WORKER.bench(setup), piece, present)


def _made(bench: Workbench, piece: Piece, present: frozenset[str]) -> PieceResult:
    """Make a piece; a fault of ours fails its items, since not every exception can travel."""
    try:
        return bench.make(piece, present)
    except Exception as error:
        _LOG.exception("unexpected", piece=piece.number, error=type(error).__name__)
        return PieceResult(piece.number, broken(piece.items))
