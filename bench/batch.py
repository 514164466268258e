"""Batches by ``wenyin batch``: labels at two sizes, against bare conversion of the same sheets, and notices.

usage: python -m bench.batch [--labels 720 7200] [--notices 2000] [--write]

Prints what each run took, the peak memory of all its processes (PSS) and the size of what it made. The bare
conversion takes the very docx files that the batch would hand out, on the same engine with as many slots, and does
nothing else. With ``--write`` the tables go into docs/performance.md. ``--labels 100000`` is the long one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from service.bootstrap import load_catalog, start_host, warm_docs
from service.model import Deadline
from service.settings import Settings
from tests.conftest import FIXTURES, ROOT

_SAMPLE_S = 0.5
_MARK = "batch"


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        name: What it was.
        items: Labels or documents.
        seconds: From start to end.
        peak_mb: Most memory of all processes at one moment; 0 where it was not looked at.
        output_mb: Size of what was made.
    """

    name: str
    items: int
    seconds: float
    peak_mb: float
    output_mb: float

    @property
    def rate(self) -> float:
        return self.items / self.seconds


def rows(kind: str, count: int, path: Path) -> Path:
    if kind == "plaque-labels":
        found = json.loads((FIXTURES / kind / "sheet-and-one.json").read_text("utf-8"))["labels"]
        values = ({**found[n % len(found)], "plaque_no": f"2026-{n:06d}"} for n in range(count))
    else:
        base = json.loads((FIXTURES / kind / "minimal.json").read_text("utf-8"))
        values = ({**base, "title": f"{base['title']}（第{n}号）"} for n in range(count))
    with path.open("w", encoding="utf-8") as stream:
        for value in values:
            stream.write(json.dumps(value, ensure_ascii=False) + "\n")
    return path


def pss_mb(session: int) -> float:
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if os.getsid(int(entry.name)) != session and not _is_below(int(entry.name), session):
                continue
            text = (entry / "smaps_rollup").read_text()
        except (OSError, ProcessLookupError):
            continue
        total += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total / 1000


def _is_below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def batch(kind: str, source: Path, count: int, target: Path, folder: Path, *options: str) -> Measured:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WENYIN_")}
    environment |= {"WENYIN_STATE_DIR": str(folder / "var"), "WENYIN_WORK_DIR": str(folder / "work")}
    command = [sys.executable, "-m", "service", "batch", kind, str(source), "-o", str(target), *options]
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, pss_mb(process.pid))
        threading.Event().wait(_SAMPLE_S)
    seconds = time.perf_counter() - begun
    assert process.returncode == 0, process.returncode
    files = [target] if target.is_file() else [path for path in target.iterdir() if path.suffix != ".jsonl"]
    size = sum(path.stat().st_size for path in files)
    return Measured(f"{kind}：wenyin batch", count, seconds, peak, size / 1e6)


def bare(docxs: Sequence[Path], count: int, folder: Path) -> Measured:
    settings = Settings.from_mapping({"state_dir": folder / "var", "work_dir": folder / "bare"})
    host = start_host(settings)
    try:
        host.feed(warm_docs(load_catalog(settings), settings.base_url))
        converter = host.client()
        converter.start()
        begun = time.perf_counter()
        with ThreadPoolExecutor(settings.converters) as pool:
            made = pool.map(
                lambda path: len(converter.convert(path.read_bytes(), Deadline.after(600))), docxs
            )
            size = sum(made)
        return Measured("plaque-labels：只转换同样的页", count, time.perf_counter() - begun, 0.0, size / 1e6)
    finally:
        host.close()


def measure(kind: str, counts: Sequence[int], folder: Path) -> list[Measured]:
    found = []
    for count in counts:
        source = rows(kind, count, folder / f"{kind}-{count}.ndjson")
        if kind == "plaque-labels":
            parts = folder / f"docx-{count}"
            batch(kind, source, count, parts, folder, "--format", "docx")
            found.append(bare(sorted(parts.glob("*.docx")), count, folder))
            found.append(batch(kind, source, count, folder / f"{kind}-{count}.pdf", folder))
        else:
            found.append(batch(kind, source, count, folder / f"{kind}-{count}", folder))
    return found


def table(found: Sequence[Measured]) -> list[list[str]]:
    lines = [["", "项数", "秒", "项/秒", "内存峰值（PSS，MB）", "输出（MB）"]]
    for item in found:
        peak = f"{item.peak_mb:.0f}" if item.peak_mb else "—"
        lines.append(
            [
                item.name,
                str(item.items),
                f"{item.seconds:.1f}",
                f"{item.rate:.1f}",
                peak,
                f"{item.output_mb:.1f}",
            ]
        )
    return lines


def write(lines: Sequence[Sequence[str]]) -> None:
    path = ROOT / "docs" / "performance.md"
    text = path.read_text("utf-8")
    body = [f"| {' | '.join(line)} |" for line in lines]
    section = "\n".join([body[0], "|---" * len(lines[0]) + "|", *body[1:]])
    begin, end = f"<!-- {_MARK} -->", f"<!-- /{_MARK} -->"
    if begin not in text:
        text = f"{text.rstrip()}\n\n## 批次\n\n由 `python -m bench.batch --write` 测得。\n\n{begin}\n{end}\n"
    head, tail = text.split(begin)[0], text.split(end)[1]
    path.write_text(f"{head}{begin}\n{section}\n{end}{tail}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--labels", type=int, nargs="*", default=[720, 7200])
    parser.add_argument("--notices", type=int, nargs="*", default=[2000])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = measure("plaque-labels", arguments.labels, folder)
        found += measure("notice", arguments.notices, folder)
    lines = table(found)
    shown = Table(*lines[0])
    for line in lines[1:]:
        shown.add_row(*line)
    Console().print(shown)
    if arguments.write:
        write(lines)


if __name__ == "__main__":
    main()
