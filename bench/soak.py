"""A service that makes documents for a long time: its memory, open files and processes stay what they were.

usage: python -m bench.soak [--documents 1000] [--every 100]

Starts the real service, has two callers make notices one after the other, and looks at all its processes after
every hundred documents. Ends with 1 if something grew from the first look to the last: memory (PSS) by more than a
tenth, open files or processes by more than what comes and goes.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.isolation.process import descendants, pss_bytes
from tests.conftest import FIXTURES
from tests.serving import Server, serving, wait_until

_CALLERS = 2
_SETTLE_S = 60.0
_GROWTH = 1.1
_COME_AND_GO = 5


@dataclass(frozen=True)
class Seen:
    """All processes of a service at one moment.

    Attributes:
        documents: Made so far.
        mb: Memory of all, shared pages counted once.
        files: Open files of all.
        processes: How many there are.
    """

    documents: int
    mb: float
    files: int
    processes: int

    def has_grown(self, first: "Seen") -> bool:
        return (
            self.mb > _GROWTH * first.mb
            or self.files > first.files + _COME_AND_GO * _CALLERS
            or self.processes > first.processes + _CALLERS
        )


def look(server: Server, documents: int) -> Seen:
    wait_until(lambda: not server.jobs_left(), _SETTLE_S, "nothing is under way")
    pids = [server.process.pid, *descendants(server.process.pid)]
    files = []
    for pid in pids:
        with suppress(OSError):
            files.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
    return Seen(documents, pss_bytes(pids) / 1e6, sum(files), len(pids))


def soak(server: Server, documents: int, every: int) -> Iterator[Seen]:
    """Make documents; yield what is seen after each so many of them."""
    sample = json.loads((FIXTURES / "notice" / "minimal.json").read_bytes())

    def one(number: int) -> int:
        return server.post_json(
            "/v1/documents/notice", {**sample, "doc_no": f"示科协〔2026〕{number + 1}号"}
        ).status

    with ThreadPoolExecutor(_CALLERS) as pool:
        for done in range(0, documents, every):
            statuses = set(pool.map(one, range(done, done + every)))
            assert statuses == {200}, statuses
            yield look(server, done + every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--every", type=int, default=100)
    arguments = parser.parse_args()
    seen: list[Seen] = []
    with tempfile.TemporaryDirectory(prefix="wenyin-soak-") as name, serving(Path(name)) as server:
        for item in soak(server, arguments.documents, arguments.every):
            print(
                f"{item.documents:>6} 份　{item.mb:6.0f} MB　文件 {item.files}　进程 {item.processes}",
                flush=True,
            )
            seen.append(item)
    print(f"中位数 {statistics.median(item.mb for item in seen):.0f} MB")
    sys.exit(int(seen[-1].has_grown(seen[0])))


if __name__ == "__main__":
    main()
