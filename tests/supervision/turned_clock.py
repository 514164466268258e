"""Runs a Python module whose wall clock is off by what a file says, in hours, and may be turned meanwhile.

usage: python turned_clock.py FILE PYTHON -m MODULE [ARGUMENT]...
"""

import datetime
import runpy
import sys
import time
from pathlib import Path

_real_time = time.time
_real_datetime = datetime.datetime


def main() -> None:
    clock = Path(sys.argv[1])

    def off_s() -> float:
        return float(clock.read_text("ascii")) * 3_600

    class Turned(_real_datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            return _real_datetime.now(tz) + datetime.timedelta(seconds=off_s())

    time.time = lambda: _real_time() + off_s()
    datetime.datetime = Turned  # type: ignore[misc]
    module = sys.argv[4]
    sys.argv = [module, *sys.argv[5:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
