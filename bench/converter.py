"""Our converter against its floor and its peers: same documents, same LibreOffice, one run, turn by turn.

usage: python -m bench.converter [--rounds 15] [--load 40] [--soak 1000] [--write]

Prints tables; ``--write`` puts them into docs/performance.md.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from bench import documents, peers
from service.isolation.process import descendants, pss_bytes
from service.model import Deadline
from tests.engines import CANARY, children, kill, plan, zygotes
from tests.serving import serving

TARGET = Path(__file__).parent.parent / "docs" / "performance.md"
NOTICE = "/v1/documents/notice"
# After a document a child is replaced; its successor must not run on another contestant's time.
SETTLE_S = 0.25
Row = list[str]
Table = tuple[str, list[str], list[Row]]


def contestants(folder: Path, stack: contextlib.ExitStack) -> list[peers.Contestant]:
    environment = peers.shared_environment(folder, plan(folder))
    makers: list[Callable[[], peers.Contestant]] = [
        lambda: peers.floor(folder, environment),
        lambda: peers.Engine("lok，每进程 1 份", plan(folder / "1", documents_per_child=1)),
        lambda: peers.Engine("lok，每进程 20 份", plan(folder / "20", documents_per_child=20)),
        lambda: peers.carbone(1, environment),
        lambda: peers.Unoserver(folder, environment),
        lambda: peers.Engine("本服务的 soffice 引擎", plan(folder / "s", engine="soffice")),
        lambda: peers.Soffice("soffice --convert-to，旧配置夹", folder, environment, cold=False),
        lambda: peers.Soffice("soffice --convert-to，新配置夹", folder, environment, cold=True),
    ]
    found = []
    for make in makers:
        try:
            found.append(make())
        except peers.Missing as reason:
            print(reason)
            continue
        stack.callback(found[-1].close)
    return found


def latency(known: list[peers.Contestant], paths: list[Path], rounds: int) -> Table:
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(rounds + 2):
        for path in paths:
            for item in known:
                took = item.convert(path)
                threading.Event().wait(SETTLE_S)
                # The first two of each are nobody's business.
                if number >= 2:
                    times[item.name, path.stem].append(took)
    rows = []
    for item in known:
        row = [item.name]
        for path in paths:
            mine, least = times[item.name, path.stem], times[known[0].name, path.stem]
            ratio = statistics.median(mine) / statistics.median(least)
            row += [f"{statistics.median(mine):.0f}", f"{p95(mine):.0f}", f"{ratio:.2f}"]
        rows.append(row)
    head = ["", *(f"{path.stem} {what}" for path in paths for what in ("中位数", "p95", "÷ 下限"))]
    return "单份耗时（毫秒），逐个轮流", head, rows


def throughput(folder: Path, path: Path, load: int) -> Table:
    """Run each crowd in turn, three times over, so that a busy minute hurts all alike."""
    environment = peers.shared_environment(folder, plan(folder))
    crowds: list[tuple[str, Callable[[], peers.Contestant], int]] = [
        (f"lok，{slots} 个子进程，每进程 {count} 份", _engine(folder, slots, count), 2 * slots)
        for slots, count in ((1, 20), (2, 20), (1, 1), (2, 1))
    ]
    crowds.append(("Carbone，2 个实例", lambda: peers.carbone(2, environment), 4))
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(3):
        for name, make, at_once in crowds:
            try:
                item = make()
            except peers.Missing as reason:
                print(reason)
                continue
            with contextlib.closing(item):
                for _ in range(4):
                    item.convert(path)
                rates[name].append(_rate(item, path, load, at_once))
    base = statistics.median(rates[crowds[0][0]])
    rows = [
        [name, f"{statistics.median(found):.1f}", f"{statistics.median(found) / base:.2f}"]
        for name, found in rates.items()
    ]
    return f"吞吐量（份/秒），{path.stem}", ["", "份/秒", "÷ 第一行"], rows


def _engine(folder: Path, slots: int, count: int) -> Callable[[], peers.Contestant]:
    where = plan(folder / f"t{slots}-{count}", slots=slots, documents_per_child=count)
    return lambda: peers.Engine("lok", where)


def _rate(item: peers.Contestant, path: Path, load: int, at_once: int) -> float:
    begun = time.perf_counter()
    if isinstance(item, peers.Pipe):
        for _ in range(load):
            item.send(path)
        for _ in range(load):
            item.receive()
    else:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(item.convert, [path] * load))
    return load / (time.perf_counter() - begun)


def over_http(folder: Path, load: int) -> Table:
    """Our sealed and checked document over HTTP, against Carbone's bare one by pipe."""
    with serving(folder) as server:
        sample = server.get("/v1/templates/notice/sample").body
        path = folder / "http.docx"
        path.write_bytes(server.post_json(f"{NOTICE}?format=docx", sample).body)
        peer: peers.Contestant | None = None
        with contextlib.suppress(peers.Missing):
            peer = peers.carbone(2, peers.shared_environment(folder, plan(folder)))
            for _ in range(4):
                peer.convert(path)
        ours, theirs = [], []
        with ThreadPoolExecutor(4) as pool:
            for _ in range(3):
                begun = time.perf_counter()
                codes = list(pool.map(lambda _: server.post_json(NOTICE, sample).status, range(load)))
                ours.append(load / (time.perf_counter() - begun))
                assert set(codes) == {200}
                if peer:
                    theirs.append(_rate(peer, path, load, 4))
        memory = pss_bytes(descendants(server.process.pid)) / 1e6
        if peer:
            peer.close()
    mine, other = statistics.median(ours), statistics.median(theirs) if theirs else 0
    rows = [["本服务：填写、转换、盖码、自检，HTTP", f"{mine:.1f}", f"{mine / other:.2f}" if other else "—"]]
    if other:
        rows.append(["Carbone，2 个实例：只转换", f"{other:.1f}", "1"])
    rows.append(["本服务全部进程的内存（PSS，MB）", f"{memory:.0f}", ""])
    return "4 个并发请求，notice 样例（份/秒）", ["", "份/秒", "÷ Carbone"], rows


def by_stage(folder: Path, rounds: int) -> Table:
    from service.bootstrap import open_services  # noqa: PLC0415 - heavy, and for this table alone
    from service.settings import Settings  # noqa: PLC0415

    settings = Settings.from_mapping({"state_dir": folder / "var", "work_dir": folder / "work"})
    stages: dict[str, list[float]] = defaultdict(list)
    with open_services(settings) as services:
        sample = services.catalog.get("notice").sample
        for number in range(rounds + 2):
            timings = services.renderer.render("notice", sample, Deadline.after(60)).timings_s
            for stage, seconds in timings.items() if number >= 2 else ():
                stages[stage].append(seconds * 1e3)
    total = sum(statistics.median(found) for found in stages.values())
    rows = [
        [stage, f"{statistics.median(found):.0f}", f"{statistics.median(found) / total:.0%}"]
        for stage, found in stages.items()
    ]
    return "一份 notice 的时间花在哪里（毫秒）", ["阶段", "中位数", "占比"], rows


def start(folder: Path, environment: dict[str, str], path: Path) -> Table:
    ready, cold = [], []
    plain = peers.Soffice("", folder, environment, cold=True)
    for number in range(5):
        begun = time.perf_counter()
        engine = peers.Engine("", plan(folder / f"start{number}"))
        engine.engine.convert(CANARY, Deadline.after(60))
        ready.append((time.perf_counter() - begun) * 1e3)
        engine.close()
        cold.append(plain.convert(path))
    mine, other = statistics.median(ready), statistics.median(cold)
    rows = [
        ["lok 引擎：启动到自检通过", f"{mine:.0f}", f"{mine / other:.2f}"],
        ["一次冷启动的 soffice --convert-to", f"{other:.0f}", "1"],
    ]
    return "启动（毫秒）", ["", "中位数", "比值"], rows


def soak(folder: Path, path: Path, count: int) -> Table:
    """Convert a lot, with a kill now and then; look at the memory before and after."""
    engine = peers.Engine("", plan(folder / "soak"))
    seen: dict[int, tuple[float, int]] = {}
    with contextlib.closing(engine), ThreadPoolExecutor(2) as pool:
        for done in range(0, count, 100):
            list(pool.map(engine.convert, [path] * 100))
            threading.Event().wait(1.0)
            seen[done + 100] = (
                engine.engine.state().pss_bytes / 1e6,
                len(list(Path("/proc/self/fd").iterdir())),
            )
        before = engine.engine.state()

        def one(number: int) -> float:
            if number % 20 == 10 and (known := children()):
                kill(known[number % len(known)])
            if number % 100 == 50:
                for pid in zygotes():
                    kill(pid)
            return engine.convert(path)

        right = len(list(pool.map(one, range(300))))
        state = engine.engine.state()
    (first_mb, first_fds), (last_mb, last_fds) = seen[100], seen[max(seen)]
    rows = [
        [f"内存 PSS：第 100 份与第 {max(seen)} 份后（MB）", f"{first_mb:.0f} → {last_mb:.0f}"],
        ["文件描述符", f"{first_fds} → {last_fds}"],
        [
            "300 份中每 20 份杀一个子进程、每 100 份杀母进程",
            f"{right} 份成功；子进程意外退出 {state.crashes - before.crashes} 次，母进程重启 {state.recycles} 次",
        ],
    ]
    return "耐久", ["", ""], rows


def p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.95 * (len(values) - 1)))]


def markdown(tables: list[Table]) -> Iterator[str]:
    for title, head, rows in tables:
        yield f"## {title}\n"
        yield "| " + " | ".join(head) + " |"
        yield "|---" * len(head) + "|"
        yield from ("| " + " | ".join(row) + " |" for row in rows)
        yield ""


def preface(version: str, load: float) -> str:
    today = datetime.now(UTC).date().isoformat()
    return (
        f"# 性能\n\n由 `python -m bench.converter --write` 于 {today} 测得：{version}，"
        f"Python {platform.python_version()}，{platform.machine()}，{len(os.sched_getaffinity(0))} 核，"
        f"开始时的平均负载 {load:.1f}。"
        "所有对手用同一份 LibreOffice、同一套字体、同样的文件和同样的 PDF 选项（PDF/A-2b、带标签），在同一次运行中轮流进行。"
        "机器忙闲会改变毫秒数，请看比值。\n\n"
        "下限是同一进程内常驻的 LibreOfficeKit，没有隔离、没有排队；`lok` 的每份文件都在沙箱中的子进程里转换。\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--load", type=int, default=40)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="wenyin-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        paths = documents.write(folder)
        known = contestants(folder, stack)
        version = json.dumps(known[1].engine.state().version) if isinstance(known[1], peers.Engine) else ""
        tables: list[Table] = []

        def add(table: Table) -> None:
            print("\n".join(markdown([table])), flush=True)
            tables.append(table)

        add(latency(known, paths, arguments.rounds))
        stack.close()
        add(throughput(folder, paths[0], arguments.load))
        add(start(folder, peers.shared_environment(folder, plan(folder)), paths[0]))
        add(over_http(folder, arguments.load))
        add(by_stage(folder, arguments.rounds))
        if arguments.soak:
            add(soak(folder, paths[0], arguments.soak))
    text = preface(version.strip('"'), load) + "\n" + "\n".join(markdown(tables))
    if arguments.write:
        TARGET.write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
