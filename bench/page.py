"""What the staff pages cost the server, as a ratio to a route that does nothing, and what they weigh.

usage: python -m bench.page [--rounds 50]
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.serving import serving

FLOOR = "/livez"
PAGES = ("/", "/fill/plan-form", "/fill/plan-form?sample=1", "/fill/notice?sample=1", "/upload/plaque-labels")
ASSETS = ("/static/wenyin.css", "/static/staff.js")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=50)
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
    table = Table("", "median ms", "max ms", "ratio to an empty route", "kB")
    for address, values in samples.items():
        middle = statistics.median(values)
        table.add_row(
            address,
            f"{middle * 1000:.1f}",
            f"{max(values) * 1000:.1f}",
            f"{middle / floor:.1f}",
            f"{sizes[address] / 1000:.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
