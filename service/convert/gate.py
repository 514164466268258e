"""A bounded first-come queue in front of a fixed number of slots."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import ConverterBusy, QueueTimeout
from service.model import Deadline


class Gate:
    """Lets ``slots`` callers in at once and ``queue_limit`` wait, in order.

    Args:
        slots: Callers inside at once.
        queue_limit: Callers that may wait; the next one is turned away at once.
    """

    def __init__(self, slots: int, queue_limit: int) -> None:
        self._slots = slots
        self._queue_limit = queue_limit
        self._lock = threading.Lock()
        self._active = 0
        self._waiting: deque[threading.Event] = deque()

    @property
    def active(self) -> int:
        """Callers inside now."""
        return self._active

    @property
    def queued(self) -> int:
        """Callers waiting now."""
        return len(self._waiting)

    @contextmanager
    def slot(self, deadline: Deadline) -> Iterator[None]:
        """Hold a slot for the length of the block.

        Raises:
            ConverterBusy: The queue is full.
            QueueTimeout: The deadline passed before a slot was free.
        """
        self._enter(deadline)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, deadline: Deadline) -> None:
        with self._lock:
            if self._active < self._slots and not self._waiting:
                self._active += 1
                return
            if len(self._waiting) >= self._queue_limit:
                raise ConverterBusy(
                    f"当前排队的请求已达上限（{self._queue_limit} 个），请稍后重试。", retry_after_s=5
                )
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(deadline.remaining_s()):
            return
        with self._lock:
            # The slot may have been handed over between the time-out and this lock.
            if turn.is_set():
                return
            self._waiting.remove(turn)
        raise QueueTimeout("在时限内没有轮到本请求，请稍后重试。", retry_after_s=10)

    def _leave(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._active -= 1
