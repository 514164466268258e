"""Those inside are counted over all processes, and the dead are not."""

import os
import signal
from contextlib import ExitStack

import pytest

from service.errors import ConverterBusy
from service.web.door import Door


@pytest.fixture
def door() -> Door:
    return Door(3, "份文件")


def test_whoever_is_too_many_is_turned_away_until_one_leaves(door: Door) -> None:
    with ExitStack() as three:
        for _ in range(3):
            three.enter_context(door.inside())
        with pytest.raises(ConverterBusy, match="3 份文件") as refused, door.inside():
            pass
        assert refused.value.retry_after_s
    with door.inside():
        pass


@pytest.mark.fault("P3")
def test_processes_count_together_and_the_killed_are_forgotten(door: Door) -> None:
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        with door.inside(), door.inside():
            os.write(tell, b"in")
            signal.pause()
        os._exit(0)
    assert os.read(told, 2) == b"in"
    with door.inside(), pytest.raises(ConverterBusy), door.inside():
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with door.inside(), door.inside(), door.inside():
        pass
    for descriptor in (told, tell):
        os.close(descriptor)


def test_a_process_that_finds_no_entry_counts_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.web.door._ENTRIES", 1)
    door = Door(3, "份文件")
    with door.inside():
        child = os.fork()
        if child == 0:
            outcome = 1
            try:
                # Those of the listed process count too.
                with door.inside(), door.inside(), pytest.raises(ConverterBusy), door.inside():
                    pass
                outcome = 0
            finally:
                os._exit(outcome)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with door.inside(), door.inside():
            pass
