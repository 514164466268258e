"""What the staff pages cost the server, as a ratio to a route that does nothing, and what they weigh.

usage: python -m bench.page [--rounds 50] [--write]

The time is that of a whole request on a new connection of this machine, so that the server's own share is less.
With ``--write`` the table goes into docs/performance.md. The bars: a form for plan-form in 50 ms; a page with all
that it loads in 150 kB, pictures not counted.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench.sections import show, write_section
from tests.serving import serving

FLOOR = "/livez"
PAGES = ("/", "/fill/plan-form", "/fill/plan-form?sample=1", "/fill/notice?sample=1", "/upload/plaque-labels")
ASSETS = ("/static/wenyin.css", "/static/staff.js", "/static/icon.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    samples: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name, serving(Path(name), workers="1") as server:
        for number in range(arguments.rounds + 3):
            for address in (FLOOR, *PAGES, *ASSETS):
                begun = time.perf_counter()
                answer = server.get(address)
                taken = time.perf_counter() - begun
                assert answer.status == 200, answer.body
                sizes[address] = len(answer.body)
                if number >= 3:
                    samples[address].append(taken)
    floor = statistics.median(samples[FLOOR])
    loaded = sum(sizes[address] for address in ASSETS)
    lines = [["", "毫秒，中位数", "毫秒，最大", "÷ 空请求", "kB", "连同样式与脚本 kB"]]
    for address, values in samples.items():
        middle = statistics.median(values)
        whole = f"{(sizes[address] + loaded) / 1000:.1f}" if address in PAGES else "—"
        lines.append(
            [
                address,
                f"{middle * 1000:.1f}",
                f"{max(values) * 1000:.1f}",
                f"{middle / floor:.1f}",
                f"{sizes[address] / 1000:.1f}",
                whole,
            ]
        )
    show(lines)
    if arguments.write:
        write_section("page", "网页", "python -m bench.page --write", lines)


if __name__ == "__main__":
    main()
