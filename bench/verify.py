"""Verification and signing against a conversion, in one run over HTTP.

usage: python -m bench.verify [--rounds 20]

Prints medians, the slowest of all, and the ratio to LibreOffice's conversion of the same one-page notice.
"""

import argparse
import io
import re
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.request import NOTICE, seconds
from service.pdf import render_pages
from tests.conftest import FIXTURES
from tests.serving import Server, serving

_STAGE = re.compile(r"(convert|seal|sign);dur=([\d.]+)")
_EXACT, _TEXT, _CLAIMS = "EXACT", "TEXT_MATCH", "CLAIMS_ONLY"


def measure(server: Server, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each contender, one of each in every round."""
    body = (FIXTURES / "notice" / "minimal.json").read_bytes()
    made = server.post_json(NOTICE, body)
    pdf, digits = made.body, made.headers["x-verify-url"].rpartition("/")[2]
    docx = server.post_json(f"{NOTICE}?format=docx", body).body
    page = next(iter(render_pages(pdf, 200)))
    scan = io.BytesIO()
    page.save(scan, "JPEG", quality=75)
    samples: dict[str, list[float]] = defaultdict(list)

    def render() -> None:
        answer = server.post_json(NOTICE, body)
        for stage, milliseconds in _STAGE.findall(answer.headers["server-timing"]):
            samples[f"stage {stage}"].append(float(milliseconds) / 1000)

    def upload(name: str, content: bytes, verdict: str) -> Callable[[], None]:
        def ask() -> None:
            assert server.upload("/v1/verify", name, content).json["verdict"] == verdict

        return ask

    contenders: dict[str, Callable[[], object]] = {
        "verify a token": lambda: server.get(f"/V/{digits}", "application/json"),
        "verify a one-page PDF": upload("a.pdf", pdf, _EXACT),
        "verify the same, its signature lost": upload("a.pdf", pdf[: pdf.index(b"%%EOF") + 6], _TEXT),
        "verify a docx": upload("a.docx", docx, _TEXT),
        "verify a scan, 200 dpi": upload("a.jpg", scan.getvalue(), _CLAIMS),
        "make the document": render,
    }
    for call in contenders.values():
        call()
    samples.clear()
    for _ in range(rounds):
        for name, call in contenders.items():
            samples[name].append(seconds(call))
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as server:
        samples = measure(server, arguments.rounds)
    floor = statistics.median(samples["stage convert"])
    table = Table("", "median ms", "max ms", "ratio to the conversion")
    for label, values in samples.items():
        middle = statistics.median(values)
        table.add_row(label, f"{middle * 1000:.1f}", f"{max(values) * 1000:.1f}", f"{middle / floor:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
