"""Mixed load over HTTP by locust, at twice what the service can do, with and without processes killed.

usage: python -m bench.load [--minutes 30] [--kill-every 20] [--write]

First a crowd that waits for each answer finds the capacity; then twice as many requests a second come, whatever the
service answers. Every document is looked at: its digest, its token or its file, and that it is the one asked for.
Locust lives in an environment of its own under bench/.cache, from requirements/load.txt.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.peers import CACHE, quiet
from bench.sections import show, write_section
from service.isolation.process import descendants, pss_bytes
from tests.conftest import ROOT
from tests.engines import children, command, kill, zygotes
from tests.serving import Answer, Server, serving

_TEMPLATES = ("notice", "plan-form", "plaque-labels")
_CAPACITY_USERS = 6
_CAPACITY_S = 45
# Longer than a request waits in a full queue, so that each user keeps its pace.
_PERIOD_S = 20.0
_MEMORY_EVERY_S = 5.0
_READY_S = 60.0
_TIMES_CAPACITY = 2
_LIVEZ_EVERY_S = 0.1
_KNOCK_EVERY_S = 0.2
_KNOCKERS = 4
_TURNED_AWAY = frozenset({429, 503})


@dataclass
class Watch:
    """What was seen of the service's processes.

    Attributes:
        memory_mb: PSS of all of them, every few seconds.
        livez_ms: What /livez took, each time over a connection of its own.
        away_ms: The same of documents that were turned away.
        kills: How many of which kind were killed.
    """

    memory_mb: list[float] = field(default_factory=list)
    livez_ms: list[float] = field(default_factory=list)
    away_ms: list[float] = field(default_factory=list)
    kills: dict[str, int] = field(default_factory=dict)


def locust() -> Path:
    """Return the command, installed first if need be."""
    home = CACHE / "load"
    found = home / "bin" / "locust"
    if not found.exists():
        venv.create(home, with_pip=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes"]
        quiet([*pip, "-r", str(ROOT / "requirements" / "load.txt")])
    return found


def crowd(server: Server, folder: Path, users: int, seconds: float, period_s: float) -> dict[str, Any]:
    """Let so many users come for so long, and return what they saw."""
    report = folder / "report.json"
    samples = {name: str(ROOT / "templates" / "docx" / name / "sample.json") for name in _TEMPLATES}
    environment = {
        **os.environ,
        "LOAD_PERIOD_S": str(period_s),
        "LOAD_REPORT": str(report),
        "LOAD_SAMPLES": json.dumps(samples),
    }
    options = ["-f", str(Path(__file__).with_name("locustfile.py")), "--headless", "--only-summary"]
    options += ["--host", server.url, "--users", str(users), "--spawn-rate", str(users)]
    options += ["--run-time", f"{seconds:.0f}s", "--stop-timeout", "120", "--exit-code-on-error", "0"]
    with (folder / "locust.log").open("wb") as log:
        subprocess.run([locust(), *options], env=environment, stdout=log, stderr=log, check=True)
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return found


@contextmanager
def watched(server: Server, kill_every_s: float, seed: int = 1) -> Iterator[Watch]:
    """Look at the service's memory, and kill one of its processes now and then."""
    watch, over, chance = Watch(), threading.Event(), random.Random(seed)
    master = server.process.pid

    def workers() -> list[int]:
        below = [pid for pid in descendants(master)[1:] if parent(pid) == master]
        return [pid for pid in below if command(pid) == command(master)]

    kinds: Mapping[str, Callable[[], list[int]]] = {
        "转换子进程": lambda: children(master),
        "母进程": lambda: zygotes(master),
        "HTTP 进程": workers,
    }

    def look() -> None:
        while not over.wait(_MEMORY_EVERY_S):
            watch.memory_mb.append(pss_bytes(descendants(master)) / 1e6)

    def strike() -> None:
        while kill_every_s and not over.wait(kill_every_s):
            kind = chance.choice(list(kinds))
            if found := kinds[kind]():
                kill(chance.choice(found))
                watch.kills[kind] = watch.kills.get(kind, 0) + 1

    def live() -> None:
        while not over.wait(_LIVEZ_EVERY_S):
            with suppress(OSError):
                watch.livez_ms.append(timed(lambda: server.get("/livez"))[1])

    def knock() -> None:
        while not over.wait(_KNOCK_EVERY_S):
            with suppress(OSError):
                answer, took_ms = timed(lambda: server.post_json("/v1/documents/notice", body))
                if answer.status in _TURNED_AWAY:
                    watch.away_ms.append(took_ms)

    body = (ROOT / "fixtures" / "notice" / "minimal.json").read_bytes()
    # Locust opens a connection slowly when it is busy itself; what callers wait for is seen from beside it.
    threads = [threading.Thread(target=work) for work in (look, strike, live, *[knock] * _KNOCKERS)]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        over.set()
        for thread in threads:
            thread.join()


def timed(ask: Callable[[], Answer]) -> tuple[Answer, float]:
    """Return an answer and the milliseconds until it was there."""
    begun_s = time.perf_counter()
    return ask(), (time.perf_counter() - begun_s) * 1e3


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
    except OSError:
        return 0


def count(found: Mapping[str, Any], *codes: str) -> int:
    return sum(
        number for seen in found["statuses"].values() for code, number in seen.items() if code in codes
    )


def total(found: Mapping[str, Any]) -> int:
    return sum(sum(seen.values()) for seen in found["statuses"].values())


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def rows(name: str, found: Mapping[str, Any], seconds: float, watch: Watch) -> list[str]:
    """Return one run as a row."""
    good = count(found, "200")
    third = max(1, len(watch.memory_mb) // 3)
    early, late = watch.memory_mb[:third] or [0.0], watch.memory_mb[-third:] or [0.0]
    other = total(found) - good - count(found, "429", "503")
    return [
        name,
        f"{total(found) / seconds:.1f}",
        str(good),
        str(count(found, "429", "503")),
        str(other),
        str(len(found["wrong"])),
        f"{percentile(watch.away_ms, 0.5):.0f} / {percentile(watch.away_ms, 0.99):.0f}",
        f"{percentile(watch.livez_ms, 0.5):.0f} / {percentile(watch.livez_ms, 0.99):.0f}",
        f"{statistics.median(early):.0f} → {statistics.median(late):.0f}",
        "、".join(f"{kind} {number}" for kind, number in watch.kills.items()) or "—",
    ]


HEAD = [
    "",
    "请求/秒",
    "200",
    "429/503",
    "其他",
    "错误的文件",
    "429/503 毫秒 p50/p99",
    "/livez 毫秒 p50/p99",
    "内存 PSS（MB）",
    "杀死的进程",
]


def measure(folder: Path, minutes: float, kill_every_s: float) -> list[list[str]]:
    lines = [HEAD]
    with serving(folder / "service") as server:
        until = time.monotonic() + _READY_S
        while server.get("/readyz").status != 200 and time.monotonic() < until:
            time.sleep(0.2)
        with watched(server, 0) as watch:
            found = crowd(server, folder, _CAPACITY_USERS, _CAPACITY_S, 0)
        lines.append(rows(f"{_CAPACITY_USERS} 个用户逐个等待答复", found, _CAPACITY_S, watch))
        capacity = total(found) / _CAPACITY_S
        users = max(1, round(_TIMES_CAPACITY * capacity * _PERIOD_S))
        for name, kills in ((f"{_TIMES_CAPACITY} 倍负载", 0.0), ("同上，并杀进程", kill_every_s)):
            with watched(server, kills) as watch:
                found = crowd(server, folder, users, minutes * 30, _PERIOD_S)
            lines.append(rows(name, found, minutes * 30, watch))
            for line in found["wrong"][:20]:
                print("wrong:", line)
            print({name: dict(seen) for name, seen in found["statuses"].items()})
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="in all, half of it with kills")
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds between two kills")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "service").mkdir()
        lines = measure(folder, arguments.minutes, arguments.kill_every)
    show(lines)
    if arguments.write:
        write_section("load", "两倍于处理能力的混合负载", "python -m bench.load --write", lines)


if __name__ == "__main__":
    main()
