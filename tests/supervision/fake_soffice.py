#!/usr/bin/python3
"""Stands in for soffice where a fault cannot be had from the real one.

The first word of the "document" says what to do.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

GOOD = b"%PDF-1.7\n%fake\n%%EOF\n"


def main() -> None:
    if "--version" in sys.argv:
        print("LibreOffice 25.2.0.0 fake")
        return
    source = Path(sys.argv[-1])
    out = Path(sys.argv[sys.argv.index("--outdir") + 1])
    out.mkdir(parents=True, exist_ok=True)
    (source.parent / "profile").mkdir(exist_ok=True)
    word, _, rest = source.read_bytes().partition(b" ")
    result = out / "in.pdf"
    act = globals().get("do_" + word.decode("ascii", "replace"), do_good)
    act(result, rest.decode("utf-8", "replace"))


def sleep_on() -> None:
    """Leave a grandchild behind that can be told by the folder in its command line."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", str(Path.cwd())])


def do_good(result: Path, rest: str) -> None:
    result.write_bytes(GOOD)


def do_hang(result: Path, rest: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep_on()
    time.sleep(300)


def do_slow(result: Path, rest: str) -> None:
    time.sleep(float(rest))
    result.write_bytes(GOOD)


def do_orphan(result: Path, rest: str) -> None:
    sleep_on()
    result.write_bytes(GOOD)


def do_crash(result: Path, rest: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def do_crashonce(result: Path, rest: str) -> None:
    # The work folder is shared by both attempts only through its parent.
    flag = Path(rest)
    if flag.exists():
        result.write_bytes(GOOD)
    else:
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def do_silent(result: Path, rest: str) -> None:
    print("Error: source file could not be loaded")


def do_empty(result: Path, rest: str) -> None:
    result.write_bytes(b"")


def do_half(result: Path, rest: str) -> None:
    result.write_bytes(GOOD[:12])


def do_full(result: Path, rest: str) -> None:
    sys.exit(77)


def do_environment(result: Path, rest: str) -> None:
    listing = "\n".join([*sys.argv[1:], *(f"{key}={value}" for key, value in os.environ.items())])
    result.write_bytes(b"%PDF-1.7\n" + listing.encode() + b"\n%%EOF\n")


def do_write(result: Path, rest: str) -> None:
    try:
        Path(rest).write_text("escaped")
        outcome = b"written"
    except OSError:
        outcome = b"refused"
    result.write_bytes(b"%PDF-1.7\n" + outcome + b"\n%%EOF\n")


if __name__ == "__main__":
    main()
