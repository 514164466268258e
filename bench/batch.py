"""Batches by ``wenyin batch``: labels at two sizes, against bare conversion of the same sheets, and notices.

usage: python -m bench.batch [--labels 720 7200] [--notices 2000] [--http-soak 5000] [--write]

Prints what each run took, the peak memory of all its processes (PSS) and the size of what it made. The bare
conversion takes the very docx files that the batch would hand out, on the same engine with as many slots, and does
nothing else. Notices are also rendered one after the other by one caller, in one process and over HTTP; the batch's
rate over theirs is said beside them. ``--http-soak N`` sends N labels and N notices as one HTTP batch each and looks at the server's
memory before, at its peak and after; then it hangs up on a batch and takes the time until the work has ended. With ``--write`` the tables go into docs/performance.md. ``--labels 100000`` is the long one.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bench.sections import show, write_section
from service.bootstrap import load_catalog, open_services, start_host, warm_docs
from service.isolation.process import descendants, pss_bytes
from service.model import Deadline
from service.settings import Settings
from tests.conftest import FIXTURES, ROOT
from tests.serving import Server, serving, wait_until

_SAMPLE_S = 0.5
_GONE_ROWS = 500


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


def pss_mb(pid: int) -> float:
    return pss_bytes(descendants(pid)) / 1e6


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


def one_by_one(kind: str, source: Path, folder: Path) -> Iterator[Measured]:
    """Render the same rows by one caller, who waits for each."""
    bodies = source.read_bytes().splitlines()
    settings = Settings.from_mapping({"state_dir": folder / "var", "work_dir": folder / "single"})
    with open_services(settings) as services:
        yield _in_turn(
            f"{kind}：逐份，同一进程",
            bodies,
            lambda body: services.renderer.render(kind, body, Deadline.after(600)).pdf,
        )
    (folder / "http").mkdir(exist_ok=True)
    with serving(folder / "http") as server:
        yield _in_turn(
            f"{kind}：逐份，HTTP",
            bodies,
            lambda body: server.post_json(f"/v1/documents/{kind}", body).body,
        )


def _in_turn(name: str, bodies: Sequence[bytes], render: Callable[[bytes], bytes]) -> Measured:
    render(bodies[0])
    begun, size = time.perf_counter(), 0
    for body in bodies:
        pdf = render(body)
        assert pdf.startswith(b"%PDF-"), pdf[:200]
        size += len(pdf)
    return Measured(name, len(bodies), time.perf_counter() - begun, 0.0, size / 1e6)


def http_soak(count: int, folder: Path) -> list[Measured]:
    """Send one batch of labels and one of notices over HTTP, and look at the server's memory meanwhile."""
    found = []
    folder.mkdir(exist_ok=True)
    with serving(
        folder, batch_http_rows_limit=str(max(count, _GONE_ROWS)), batch_limit_bytes=str(1 << 30)
    ) as server:
        for kind in ("plaque-labels", "notice"):
            source = rows(kind, count, folder / f"{kind}.ndjson")
            _stream(server, kind, rows(kind, 50, folder / "few.ndjson"), lambda: None)
            before = pss_mb(server.process.pid)
            peaks = [before]
            begun = time.perf_counter()
            size = _stream(server, kind, source, lambda: peaks.append(pss_mb(server.process.pid)))  # noqa: B023 - used at once
            seconds = time.perf_counter() - begun
            after = pss_mb(server.process.pid)
            name = f"{kind}：一次 HTTP 批次（内存前 {before:.0f}、后 {after:.0f} MB）"
            found.append(Measured(name, count, seconds, max(peaks), size / 1e6))
        found.append(Measured("断开后到工作停止", 1, _stopping_s(server, folder), 0.0, 0.0))
    return found


def _stream(server: Server, kind: str, source: Path, look: Callable[[], object]) -> int:
    """Send a batch and throw the zip away as it comes; return its size in bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=3_600)
    headers = {"Content-Type": "application/x-ndjson"}
    connection.request("POST", f"/v1/batches/{kind}", source.read_bytes(), headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    size, looked_s = 0, time.monotonic()
    while chunk := answer.read(1 << 18):
        size += len(chunk)
        if time.monotonic() - looked_s > _SAMPLE_S:
            look()
            looked_s = time.monotonic()
    connection.close()
    return size


def _stopping_s(server: Server, folder: Path) -> float:
    """Return the seconds from hanging up on a batch to the end of its work."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    body = rows("notice", _GONE_ROWS, folder / "gone.ndjson").read_bytes()
    connection.request("POST", "/v1/batches/notice", body, {"Content-Type": "application/x-ndjson"})
    answer = connection.getresponse()
    answer.read(100)
    ended = server.log.count('"batch ended"')
    begun = time.perf_counter()
    answer.close()
    connection.close()
    wait_until(lambda: server.log.count('"batch ended"') > ended, 60, "the work ends")
    return time.perf_counter() - begun


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
            made = batch(kind, source, count, folder / f"{kind}-{count}", folder)
            found.append(made)
            for single in one_by_one(kind, source, folder):
                found.append(replace(single, name=f"{single.name}（批次 {made.rate / single.rate:.2f} 倍）"))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--labels", type=int, nargs="*", default=[720, 7200])
    parser.add_argument("--notices", type=int, nargs="*", default=[2000])
    parser.add_argument("--http-soak", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = measure("plaque-labels", arguments.labels, folder)
        found += measure("notice", arguments.notices, folder)
        if arguments.http_soak:
            found += http_soak(arguments.http_soak, folder / "soak")
    lines = table(found)
    show(lines)
    if arguments.write:
        write_section("batch", "批次", "python -m bench.batch --write", lines)


if __name__ == "__main__":
    main()
