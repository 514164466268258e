"""What a forked child gives up before it works."""

import os
import time

from service.office.jail import shut_in


def test_child_whose_parent_died_before_it_looked_ends() -> None:
    alive, child = os.pipe()
    if os.fork() == 0:
        parent = os.getpid()
        if os.fork() == 0:
            while os.getppid() == parent:
                time.sleep(0.01)
            shut_in({}, parent)
            os.write(child, b"lives on")
        os._exit(0)
    os.close(child)
    os.wait()
    assert os.read(alive, 100) == b""
    os.close(alive)
