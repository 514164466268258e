"""One request over HTTP against a bare ``soffice --convert-to`` of the same docx, in one run.

usage: python -m bench.request [--rounds 10] [--fixture everything]

Prints medians, the slowest of all, and the ratio; then where a request's time goes.
"""

import argparse
import re
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.conftest import FIXTURES
from tests.serving import Server, serving

NOTICE = "/v1/documents/notice"
_TIMING = re.compile(r"(\w+);dur=([\d.]+)")


def bare(docx: bytes, folder: Path, *, cold: bool) -> Callable[[], None]:
    """Return a call that converts as a shell script would; cold is a new profile each time."""
    (folder / "in.docx").write_bytes(docx)
    numbers = iter(range(1_000_000))

    def convert() -> None:
        profile = folder / (f"cold{next(numbers)}" if cold else "warm")
        command = [
            "soffice",
            f"-env:UserInstallation={profile.as_uri()}",
            "--headless",
            "--convert-to",
            "pdf",
        ]
        subprocess.run(
            [*command, "--outdir", str(folder), str(folder / "in.docx")], check=True, capture_output=True
        )

    return convert


def seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def measure(
    server: Server, fixture: Path, rounds: int, folder: Path
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    body = fixture.read_bytes()
    docx = server.post_json(f"{NOTICE}?format=docx", body).body
    stages: dict[str, list[float]] = defaultdict(list)

    def request() -> None:
        answer = server.post_json(NOTICE, body)
        assert answer.status == 200, answer.body
        for name, milliseconds in _TIMING.findall(answer.headers["server-timing"]):
            stages[name].append(float(milliseconds) / 1000)

    contenders: dict[str, Callable[[], None]] = {
        "request (sealed)": request,
        "soffice, warm profile": bare(docx, folder, cold=False),
        "soffice, new profile": bare(docx, folder, cold=True),
    }
    for call in contenders.values():
        call()
    stages.clear()
    samples: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, call in contenders.items():
            samples[name].append(seconds(call))
    return samples, stages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fixture", default="everything")
    arguments = parser.parse_args()
    fixture = FIXTURES / "notice" / f"{arguments.fixture}.json"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder) as server:
            samples, stages = measure(server, fixture, arguments.rounds, folder)
    floor = statistics.median(samples["soffice, warm profile"])
    table = Table("", "median ms", "max ms", "ratio to bare warm")
    for label, values in samples.items():
        middle = statistics.median(values)
        table.add_row(label, f"{middle * 1000:.0f}", f"{max(values) * 1000:.0f}", f"{middle / floor:.2f}")
    for label, values in stages.items():
        middle = statistics.median(values)
        table.add_row(
            f"  stage {label}", f"{middle * 1000:.1f}", f"{max(values) * 1000:.1f}", f"{middle / floor:.2f}"
        )
    Console().print(table)


if __name__ == "__main__":
    main()
