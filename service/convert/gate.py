"""A bounded, fair queue of two classes in front of a fixed number of slots."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from service.errors import ConversionCancelled, ConverterBusy, QueueTimeout
from service.model import Deadline

_CANCEL_POLL_S = 0.1
# So many single documents may go before a batch item that waits.
_SINGLES_PER_BATCH_ITEM = 4


class Priority(Enum):
    """Who is served first; the other class is never starved."""

    SINGLE = "single"
    BATCH = "batch"


class Gate:
    """Lets ``slots`` callers in at once and ``queue_limit`` of each class wait, in order.

    Args:
        slots: Callers inside at once.
        queue_limit: Callers of one class that may wait; the next one is turned away at once.
    """

    def __init__(self, slots: int, queue_limit: int) -> None:
        self._slots = slots
        self._queue_limit = queue_limit
        self._lock = threading.Lock()
        self._active = 0
        self._waiting: dict[Priority, deque[threading.Event]] = {item: deque() for item in Priority}
        self._singles_in_a_row = 0
        self._waited_s = 0.0
        self._given_up = 0

    @property
    def active(self) -> int:
        """Callers inside now."""
        return self._active

    @property
    def queued(self) -> int:
        """Callers waiting now."""
        return sum(len(queue) for queue in self._waiting.values())

    @property
    def waited_s(self) -> float:
        """Seconds that all callers together have spent waiting."""
        return self._waited_s

    @property
    def given_up(self) -> int:
        """Callers who have gone while they waited."""
        return self._given_up

    @contextmanager
    def slot(
        self,
        deadline: Deadline,
        priority: Priority = Priority.SINGLE,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[None]:
        """Hold a slot for the length of the block.

        Args:
            deadline: End of the wait.
            priority: The class to wait in.
            cancelled: Asked now and then while waiting; true gives up.

        Raises:
            ConverterBusy: The queue is full.
            QueueTimeout: The deadline passed before a slot was free.
            ConversionCancelled: ``cancelled`` said so.
        """
        self._enter(deadline, priority, cancelled)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, deadline: Deadline, priority: Priority, cancelled: Callable[[], bool] | None) -> None:
        queue = self._waiting[priority]
        with self._lock:
            if self._active < self._slots and not self.queued:
                self._active += 1
                return
            if len(queue) >= self._queue_limit:
                raise ConverterBusy(
                    f"当前排队的请求已达上限（{self._queue_limit} 个），请稍后重试。", retry_after_s=5
                )
            turn = threading.Event()
            queue.append(turn)
        begun = time.monotonic()
        given_up = not _wait(turn, deadline, cancelled)
        with self._lock:
            self._waited_s += time.monotonic() - begun
            # The slot may have been handed over between giving up and this lock.
            if turn.is_set():
                return
            queue.remove(turn)
            gone = given_up and not deadline.passed
            self._given_up += gone
        if gone:
            raise ConversionCancelled("请求已被取消。")
        raise QueueTimeout("在时限内没有轮到本请求，请稍后重试。", retry_after_s=10)

    def _leave(self) -> None:
        with self._lock:
            queue = self._next_queue()
            if queue is None:
                self._active -= 1
            else:
                queue.popleft().set()

    def _next_queue(self) -> deque[threading.Event] | None:
        singles, batch = self._waiting[Priority.SINGLE], self._waiting[Priority.BATCH]
        batch_is_due = not singles or self._singles_in_a_row >= _SINGLES_PER_BATCH_ITEM
        if batch and batch_is_due:
            self._singles_in_a_row = 0
            return batch
        if singles:
            self._singles_in_a_row += 1
            return singles
        return None


def _wait(turn: threading.Event, deadline: Deadline, cancelled: Callable[[], bool] | None) -> bool:
    """Wait for the turn; tell whether it came."""
    if cancelled is None:
        return turn.wait(deadline.remaining_s())
    while not deadline.passed:
        if turn.wait(min(_CANCEL_POLL_S, deadline.remaining_s())):
            return True
        if cancelled():
            return False
    return turn.is_set()
