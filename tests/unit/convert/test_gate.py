"""The queue in front of the converter: order, bounds, fairness, giving up."""

import contextlib
import threading
import time
from collections.abc import Callable

import pytest

from service.convert.gate import Gate, Priority
from service.errors import ConversionCancelled, ConverterBusy, QueueTimeout
from service.model import Deadline


class Crowd:
    """Callers that enter one after the other and note the order in which they get in."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []

    def enter(self, name: str, priority: Priority) -> None:
        before = self.gate.queued

        def run() -> None:
            with self.gate.slot(Deadline.after(10), priority):
                self.order.append(name)

        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)
        wait_until(lambda: self.gate.queued > before)

    def finish(self) -> list[str]:
        for thread in self._threads:
            thread.join(10)
        return self.order


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until
        threading.Event().wait(0.002)


def test_one_class_is_served_in_order() -> None:
    gate = Gate(1, 10)
    crowd = Crowd(gate)
    with gate.slot(Deadline.after(5)):
        for name in "abcd":
            crowd.enter(name, Priority.SINGLE)
    assert crowd.finish() == list("abcd")
    assert (gate.active, gate.queued) == (0, 0)
    assert gate.waited_s > 0


def test_singles_go_before_batch_items_which_do_not_starve() -> None:
    gate = Gate(1, 20)
    crowd = Crowd(gate)
    with gate.slot(Deadline.after(5)):
        for number in range(3):
            crowd.enter(f"b{number}", Priority.BATCH)
        for number in range(9):
            crowd.enter(f"s{number}", Priority.SINGLE)
    order = crowd.finish()
    assert order == ["s0", "s1", "s2", "s3", "b0", "s4", "s5", "s6", "s7", "b1", "s8", "b2"]


def test_a_full_class_turns_its_own_away_and_leaves_the_other_open() -> None:
    gate = Gate(1, 1)
    crowd = Crowd(gate)
    with gate.slot(Deadline.after(5)):
        crowd.enter("b", Priority.BATCH)
        with (
            pytest.raises(ConverterBusy, match="上限") as caught,
            gate.slot(Deadline.after(5), Priority.BATCH),
        ):
            pass
        assert caught.value.retry_after_s
        crowd.enter("s", Priority.SINGLE)
    assert crowd.finish() == ["s", "b"]


def test_no_room_to_wait_means_none_at_all() -> None:
    gate = Gate(1, 0)
    with gate.slot(Deadline.after(5)), pytest.raises(ConverterBusy), gate.slot(Deadline.after(5)):
        pass


def test_deadline_ends_the_wait() -> None:
    gate = Gate(1, 5)
    with gate.slot(Deadline.after(5)):
        for cancelled in (None, lambda: False):
            with (
                pytest.raises(QueueTimeout),
                gate.slot(Deadline.after(0.05), Priority.SINGLE, cancelled),
            ):
                pass
        assert gate.queued == 0
    with gate.slot(Deadline.after(1)):
        assert gate.active == 1


@pytest.mark.fault("P4")
def test_cancelling_ends_the_wait() -> None:
    gate = Gate(1, 5)
    gone = threading.Event()
    threading.Timer(0.05, gone.set).start()
    with (
        gate.slot(Deadline.after(5)),
        pytest.raises(ConversionCancelled),
        gate.slot(Deadline.after(5), Priority.SINGLE, gone.is_set),
    ):
        pass
    assert (gate.active, gate.queued, gate.given_up) == (0, 0, 1)


def test_no_slot_is_lost_when_many_give_up_while_slots_change_hands() -> None:
    gate = Gate(2, 200)

    def work(number: int) -> None:
        with contextlib.suppress(QueueTimeout), gate.slot(Deadline.after(0.001 * (number % 7))):
            threading.Event().wait(0.001)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (gate.active, gate.queued) == (0, 0)
