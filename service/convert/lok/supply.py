"""Keeps warm children at hand: one thread that watches zygotes and children and mends what is missing.

All processes are made in that thread, since a process that dies with its parent dies
with the *thread* that made it.
"""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.convert.engine import Cancelled
from service.convert.lok.zygote import Child, Zygote
from service.errors import ConversionCancelled, ConverterUnavailable, QueueTimeout
from service.model import Deadline

_TICK_S = 1.0
_CANCEL_POLL_S = 0.1
_WARM_UP_S = 60.0
_FAILURES_LIMIT = 3
_RETRY_S = 5.0
# With few documents a child cannot be replaced while it still has some to go.
_AHEAD_FROM = 4


@dataclass(frozen=True, slots=True)
class SupplyPlan:
    """What to keep.

    Attributes:
        make_zygote: Starts a zygote.
        warm_docs: Documents that warm it; asked for when it is there to take them.
        slots: Children that work at once.
        documents_per_child: After so many a child ends.
        recycle_after_s: Age at which a zygote is replaced.
        report: Takes what happens: Chinese message and named values.
        recycled: Called after a zygote took another's place.
    """

    make_zygote: Callable[[], Zygote]
    warm_docs: Callable[[], Sequence[bytes]]
    slots: int
    documents_per_child: int
    recycle_after_s: float
    report: Callable[[str, dict[str, object]], None]
    recycled: Callable[[], None]


class Supply:
    """Hands out warm children.

    Args:
        plan: What to keep.
    """

    def __init__(self, plan: SupplyPlan) -> None:
        self._plan = plan
        self._changed = threading.Condition()
        self._zygote: Zygote | None = None
        self._coming: Zygote | None = None
        self._to_warm: list[bytes] = []
        self._retired: list[Zygote] = []
        self._starting: set[Child] = set()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._fault = ""
        self._failures = 0
        self._not_before_s = 0.0
        self._recycle_wanted = False
        self._closing = False
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="lok-supply", daemon=True)

    @property
    def version(self) -> str:
        """LibreOffice's description of its version, JSON; empty before the start."""
        zygote = self._zygote
        return zygote.version if zygote else ""

    @property
    def roots(self) -> tuple[int, ...]:
        """Process ids of all zygotes' outermost processes."""
        with self._changed:
            return tuple(item.process.pid for item in (self._zygote, self._coming, *self._retired) if item)

    def start(self, deadline: Deadline) -> None:
        """Start, and wait until the first child is warm.

        Raises:
            ConverterUnavailable: None came.
        """
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._fault, deadline.remaining_s())
            if not self._idle:
                raise ConverterUnavailable(
                    "LibreOffice 未能启动，请用 wenyin doctor 检查。", detail=self._fault, retry_after_s=5
                )

    def take(self, deadline: Deadline, cancelled: Cancelled | None) -> Child:
        """Return a warm child, waiting for one if need be.

        Raises:
            ConverterUnavailable: LibreOffice does not start.
            ConversionCancelled: ``cancelled`` said so.
            QueueTimeout: The deadline passed.
        """
        with self._changed:
            while True:
                child = None if self._closing else self._pop_idle()
                if child is not None:
                    child.served += 1
                    self._busy.add(child)
                    self._wake()
                    return child
                if self._closing or self._fault:
                    raise ConverterUnavailable(
                        "LibreOffice 暂不可用，请稍后重试。", detail=self._fault, retry_after_s=5
                    )
                if deadline.passed:
                    raise QueueTimeout("在时限内没有可用的转换进程，请稍后重试。", retry_after_s=10)
                if cancelled is not None and cancelled():
                    raise ConversionCancelled("请求已被取消。")
                left_s = deadline.remaining_s()
                self._changed.wait(min(left_s, _CANCEL_POLL_S) if cancelled else left_s)

    def is_last(self, child: Child) -> bool:
        """Whether the document that the child was taken for is its last."""
        return child.served >= self._limit(child) or child.zygote in self._retired

    def give_back(self, child: Child, *, fit: bool) -> None:
        """Take a child back.

        Args:
            child: As `take` returned it.
            fit: Whether it can have another document.
        """
        with self._changed:
            self._busy.discard(child)
            if fit and not self._closing:
                self._idle.append(child)
                self._changed.notify_all()
            else:
                self._drop(child)
            self._wake()

    def recycle(self) -> None:
        """Start a new zygote behind the present one, which serves until the new one can."""
        with self._changed:
            self._recycle_wanted = True
            self._wake()

    def close(self) -> None:
        """End every process."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
            self._wake()
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _pop_idle(self) -> Child | None:
        # The newest zygote's first; among these the one in use, whose memory is in the caches.
        self._idle.sort(key=lambda child: (child.zygote is self._zygote, child.served))
        while self._idle:
            child = self._idle.pop()
            if child.quiet:
                return child
            self._drop(child)
        return None

    def _drop(self, child: Child) -> None:
        child.zygote.children -= 1
        child.end()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"!")

    def _run(self) -> None:
        try:
            while not self._closing:
                with self._changed:
                    self._mend()
                    watched = self._watched()
                self._handle(_wait_for(watched))
        except BaseException as error:
            self._fault = self._fault or repr(error)
            raise
        finally:
            self._end_all()

    def _watched(self) -> dict[int, Zygote | Child | None]:
        zygotes = [item for item in (self._zygote, self._coming, *self._retired) if item]
        return {
            self._wake_read: None,
            **{zygote.control.fileno(): zygote for zygote in zygotes},
            **{child.sock.fileno(): child for child in (*self._starting, *self._idle)},
        }

    def _handle(self, spoke: list[Zygote | Child | None]) -> None:
        for item in spoke:
            if item is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4_096)
            elif isinstance(item, Zygote):
                self._hear_zygote(item)
            else:
                self._hear_child(item)

    def _hear_child(self, child: Child) -> None:
        with self._changed:
            if child in self._idle:
                if not child.quiet:
                    self._idle.remove(child)
                    self._drop(child)
            elif child in self._starting:
                self._starting.discard(child)
                if child.greet():
                    self._failures = 0
                    self._idle.append(child)
                    self._changed.notify_all()
                else:
                    self._drop(child)
                    self._count_failure("a child ended while it was warming")

    def _hear_zygote(self, zygote: Zygote) -> None:
        said = zygote.listen()
        if said is None:
            self._lose(zygote)
            return
        if said["said"] == "started":
            zygote.version = str(said["version"])
            if not said["steady"] and self._plan.documents_per_child > 1:
                # Else a document's bytes would depend on what its child converted before.
                zygote.documents_per_child = 1
                self._plan.report("LibreOffice 每份文件将用一个新进程", {"version": zygote.version})
            self._to_warm = list(self._plan.warm_docs())
        elif said["said"] == "warmed" and said["fault"]:
            self._plan.report("预热文件转换失败", {"detail": said["fault"]})
        elif said["said"] == "settled":
            self._promote(zygote)
            return
        try:
            if self._to_warm:
                zygote.warm(self._to_warm.pop(0))
            else:
                zygote.settle()
        except OSError:
            self._lose(zygote)

    def _promote(self, zygote: Zygote) -> None:
        with self._changed:
            if self._zygote is not None:
                self._retired.append(self._zygote)
                self._plan.recycled()
            self._zygote, self._coming = zygote, None

    def _lose(self, zygote: Zygote) -> None:
        output = zygote.process.output
        with self._changed:
            was_serving = zygote is self._zygote
            if was_serving:
                self._zygote = None
            elif zygote is self._coming:
                self._coming = None
                self._count_failure(output or "the zygote ended while it was warming")
            else:
                self._retired.remove(zygote)
            for group in (self._starting, self._idle):
                for child in [item for item in group if item.zygote is zygote]:
                    group.remove(child)
                    self._drop(child)
        zygote.end()
        if was_serving:
            self._plan.recycled()
            self._plan.report("LibreOffice 母进程意外退出，已重新启动", {"detail": output[-500:]})

    def _count_failure(self, reason: str) -> None:
        self._failures += 1
        self._not_before_s = time.monotonic() + (_RETRY_S if self._failures >= _FAILURES_LIMIT else 0.0)
        if self._failures >= _FAILURES_LIMIT and not self._fault:
            self._fault = reason[-2_000:]
            self._changed.notify_all()
            self._plan.report("LibreOffice 未能启动", {"detail": self._fault})

    def _mend(self) -> None:
        self._give_up_on_slow()
        zygote = self._zygote
        if zygote is not None:
            old = time.monotonic() - zygote.begun_s > self._plan.recycle_after_s
            self._recycle_wanted = self._recycle_wanted or old
        if (
            self._coming is None
            and (zygote is None or self._recycle_wanted)
            and time.monotonic() >= self._not_before_s
        ):
            self._recycle_wanted = False
            self._begin_zygote()
        if zygote is not None and time.monotonic() >= self._not_before_s:
            self._fork_missing(zygote)
        if zygote is not None and any(child.zygote is zygote for child in self._idle):
            self._fault = ""
            self._let_go_of_retired()

    def _begin_zygote(self) -> None:
        try:
            self._coming = self._plan.make_zygote()
        except OSError as error:
            self._count_failure(repr(error))

    def _fork_missing(self, zygote: Zygote) -> None:
        own = [child for child in (*self._starting, *self._idle, *self._busy) if child.zygote is zygote]
        lasting = [child for child in own if child not in self._busy or not self._is_nearly_done(child)]
        slots = self._plan.slots
        room = slots + max(1, slots // 2) - len(own)
        for _ in range(min(slots - len(lasting), room)):
            try:
                self._starting.add(zygote.fork())
            except OSError:
                # Its end is heard in a moment.
                return

    def _is_nearly_done(self, child: Child) -> bool:
        limit = self._limit(child)
        return child.served + (1 if limit >= _AHEAD_FROM else 0) >= limit

    def _limit(self, child: Child) -> int:
        return child.zygote.documents_per_child or self._plan.documents_per_child

    def _let_go_of_retired(self) -> None:
        for child in [item for item in self._idle if item.zygote in self._retired]:
            self._idle.remove(child)
            self._drop(child)
        for zygote in [item for item in self._retired if not item.children]:
            self._retired.remove(zygote)
            zygote.end()

    def _give_up_on_slow(self) -> None:
        before_s = time.monotonic() - _WARM_UP_S
        slow = [item for item in self._starting if item.begun_s < before_s]
        for zygote in {child.zygote for child in slow}:
            zygote.process.end()
        coming = self._coming
        if coming is not None and coming.begun_s < before_s:
            coming.process.end()

    def _end_all(self) -> None:
        with self._changed:
            for child in (*self._starting, *self._idle):
                child.end()
            self._starting.clear()
            self._idle.clear()
            zygotes = [item for item in (self._zygote, self._coming, *self._retired) if item]
            self._zygote = self._coming = None
            self._retired = []
            self._closing = True
            self._changed.notify_all()
        for zygote in zygotes:
            zygote.end()


def _wait_for(watched: dict[int, Zygote | Child | None]) -> list[Zygote | Child | None]:
    poller = select.poll()
    for descriptor in watched:
        if descriptor >= 0:
            poller.register(descriptor, select.POLLIN | select.POLLRDHUP)
    return [watched[descriptor] for descriptor, _ in poller.poll(_TICK_S * 1000)]
