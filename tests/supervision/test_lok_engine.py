"""The lok engine among crashes, hangs and kills: real LibreOffice, real signals."""

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.convert import Converter, make_engine
from service.errors import (
    ConversionCancelled,
    ConversionFailed,
    ConversionTimeout,
    ConverterUnavailable,
    QueueTimeout,
)
from service.model import Deadline
from service.pdf import pdf_text
from tests.documents import docx, plain, slow, table
from tests.engines import (
    CANARY,
    children,
    command,
    convert,
    engine,
    kill,
    office_processes,
    plan,
    wait_until,
    zygotes,
)

pytestmark = pytest.mark.libreoffice


def text(pdf: bytes) -> str:
    return "".join(pdf_text(pdf).split())


@contextmanager
def running(function: object, *arguments: object) -> Iterator["object"]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(function, *arguments)  # type: ignore[arg-type]


def busy_child(converter: Converter) -> int:
    """Return the child that burns CPU time over `slow`."""
    wait_until(lambda: converter.state().active, 10, "a conversion runs")

    def spent(pid: int) -> int:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
        return int(fields[11]) + int(fields[12])

    known = children()
    before = {pid: spent(pid) for pid in known}
    threading.Event().wait(0.4)
    return max(known, key=lambda pid: spent(pid) - before[pid])


class Mayhem:
    """Kills children and zygotes among running conversions, and no document twice: that one is given up."""

    def __init__(self, seed: int, child_every: int, zygote_every: int) -> None:
        self._chance = random.Random(seed)
        self._child_every = child_every
        self._zygote_every = zygote_every
        self._inside: set[int] = set()
        self._hit: set[int] = set()
        self._changed = threading.Condition()

    @contextmanager
    def around(self, number: int) -> Iterator[None]:
        """Let one document through, after the blow that is due before it."""
        blow: Callable[[], None] | None = None
        if number % self._zygote_every == self._zygote_every // 2:
            blow = self._strike_zygotes
        elif number % self._child_every == self._child_every // 4:
            blow = self._strike_one_child
        with self._changed:
            if blow is not None:
                assert self._changed.wait_for(lambda: not self._hit & self._inside, 60)
                self._hit = set(self._inside)
                blow()
            self._inside.add(number)
        try:
            yield
        finally:
            with self._changed:
                self._inside.discard(number)
                self._changed.notify_all()

    def _strike_one_child(self) -> None:
        if known := children():
            victim = self._chance.choice(known)
            self._strike([victim], dying={victim})

    def _strike_zygotes(self) -> None:
        # A zygote takes its children with it.
        self._strike(zygotes(), dying={*zygotes(), *children()})

    def _strike(self, pids: list[int], dying: set[int]) -> None:
        handles = []
        for pid in dying:
            with contextlib.suppress(ProcessLookupError):
                handles.append(os.pidfd_open(pid))
        for pid in pids:
            kill(pid)
        for handle in handles:
            # Nobody comes in while the dying still look alive.
            assert select.select([handle], [], [], 60)[0]
            os.close(handle)


@pytest.mark.fault("C4")
@pytest.mark.parametrize("documents_per_child", [1, 7])
def test_kills_cost_nobody_a_document(tmp_path: Path, documents_per_child: int) -> None:
    mayhem = Mayhem(documents_per_child, child_every=10, zygote_every=35)
    with engine(tmp_path, documents_per_child=documents_per_child) as made:

        def one(number: int) -> bool:
            with mayhem.around(number):
                return text(convert(made, plain(f"第{number}份"))) == f"第{number}份"

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(one, range(70)))
        state = made.state()
        assert state.conversions == 70
        assert state.recycles >= 2
        assert state.active == state.queued == 0


@pytest.mark.fault("C6")
def test_three_hundred_among_kills_and_documents_that_never_end(tmp_path: Path) -> None:
    deadline_s = 3.0
    mayhem = Mayhem(300, child_every=20, zygote_every=100)
    with engine(tmp_path) as made:

        def one(number: int) -> str:
            with mayhem.around(number):
                if number % 30 != 7:
                    return text(convert(made, plain(f"第{number}份")))
                begun_s = time.monotonic()
                # So soon after a blow there may be no child for it on a busy machine.
                with pytest.raises((ConversionTimeout, QueueTimeout)) as ended:
                    convert(made, slow(), deadline_s)
                assert deadline_s - 0.1 < time.monotonic() - begun_s < deadline_s + 10
                return str(ended.value.http_status)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(one, range(300)))
        endless = [answers[number] for number in range(7, 300, 30)]
        assert set(endless) <= {"503", "504"}
        assert endless.count("504") > endless.count("503")
        rest = [number for number in range(300) if number % 30 != 7]
        assert [answers[number] for number in rest] == [f"第{number}份" for number in rest]
        state = made.state()
        assert (state.conversions, state.timeouts) == (290, endless.count("504"))
        assert state.recycles >= 3
        assert state.active == state.queued == 0


@pytest.mark.fault("C2", "C7")
def test_stopped_child_is_504_at_the_deadline_and_neighbours_do_not_notice(tmp_path: Path) -> None:
    with engine(tmp_path) as made, running(convert, made, slow(), 2.5) as hanging:
        stopped = busy_child(made)
        kill(stopped, signal.SIGSTOP)
        begun = time.monotonic()
        assert text(convert(made, plain("邻居"))) == "邻居"
        with pytest.raises(ConversionTimeout):
            hanging.result()  # type: ignore[attr-defined]
        assert time.monotonic() - begun < 12
        wait_until(lambda: stopped not in office_processes(), 3, "the stopped child is gone")
        assert text(convert(made, plain("下一份"))) == "下一份"
        assert made.state().timeouts == 1


@pytest.mark.fault("C4")
def test_document_whose_child_always_dies_is_tried_twice(tmp_path: Path) -> None:
    with engine(tmp_path) as made, running(convert, made, slow()) as doomed:
        while not doomed.done():  # type: ignore[attr-defined]
            kill(busy_child(made))
            threading.Event().wait(0.2)
        with pytest.raises(ConversionFailed, match="意外退出"):
            doomed.result()  # type: ignore[attr-defined]
        assert made.state().crashes == 2
        assert text(convert(made, plain("下一份"))) == "下一份"


@pytest.mark.fault("P4")
def test_cancelled_document_frees_its_child_at_once(tmp_path: Path) -> None:
    gone = threading.Event()
    with engine(tmp_path, slots=1) as made, ThreadPoolExecutor(1) as pool:
        running_ = pool.submit(made.convert, slow(), Deadline.after(60), cancelled=gone.is_set)
        wait_until(lambda: made.state().active, 10, "the conversion runs")
        gone.set()
        with pytest.raises(ConversionCancelled):
            running_.result(timeout=3)
        assert text(convert(made, plain("下一份"), 10)) == "下一份"
        assert made.state().cancelled == 1


def test_child_is_replaced_after_its_documents(tmp_path: Path) -> None:
    with engine(tmp_path, slots=1, documents_per_child=2) as made:
        seen = set()
        for _ in range(8):
            seen.update(children())
            convert(made, plain("一份"))
        assert len(seen) >= 4
        wait_until(lambda: len(children()) <= 2, 3, "spent children are gone")


def test_recycling_changes_the_zygote_and_interrupts_nobody(tmp_path: Path) -> None:
    with engine(tmp_path) as made:
        (old,) = zygotes()
        stop = threading.Event()

        def keep_converting() -> int:
            count = 0
            while not stop.is_set():
                assert text(convert(made, plain("不停"))) == "不停"
                count += 1
            return count

        with ThreadPoolExecutor(2) as pool:
            workers = [pool.submit(keep_converting) for _ in range(2)]
            try:
                made.recycle()
                wait_until(lambda: zygotes() and old not in zygotes(), 20, "the old zygote has gone")
            finally:
                stop.set()
            assert all(worker.result() > 1 for worker in workers)
        assert made.state().recycles == 1
        assert made.state().crashes == 0


def test_zygote_that_is_old_is_replaced_by_itself(tmp_path: Path) -> None:
    options = plan(tmp_path).options(lambda *_: None)
    object.__setattr__(options, "recycle_after_s", 1.0)
    made = make_engine(plan(tmp_path), CANARY, lambda: (CANARY,), lambda *_: None)
    made._options = options  # type: ignore[attr-defined]
    made.start()
    try:
        wait_until(lambda: made.state().recycles >= 1, 15, "it was replaced")
        assert text(convert(made, plain("新的"))) == "新的"
    finally:
        made.close()


@pytest.mark.fault("C11")
@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_children_are_shut_in(tmp_path: Path, sandbox: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENYIN_SECRET_CANARY", "do-not-leak")
    monkeypatch.setenv("SECRET_CANARY", "do-not-leak")
    with engine(tmp_path, sandbox=sandbox) as made:
        pids = office_processes()
        assert len(pids) >= 2
        for pid in pids:
            assert "do-not-leak" not in Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace")
            same_network = Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
            # Some hosts (a chroot, a container) forbid namespaces; then the engine says so.
            assert same_network == any("bubblewrap" in layer for layer in made.state().missing_layers)
        for pid in children():
            limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
            rows = {line[:25].strip(): line[26:].split()[0] for line in limits.splitlines()[1:]}
            assert rows["Max core file size"] == "0"
            assert rows["Max address space"] == "4000000000"
            assert rows["Max file size"] == "200000000"
            assert rows["Max open files"] == "1024"
            assert os.getpgid(pid) == pid == os.getsid(pid)
            own = os.getpriority(os.PRIO_PROCESS, 0)
            assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, own + 5)
            assert Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii").strip() == "600"
            # No name of a file or a document is in any argument.
            assert ".docx" not in command(pid)
        convert(made, plain("限时"))
        state = made.state()
        assert len(state.layers) >= 5
        assert state.missing_layers or sandbox == "auto"


def anonymous_kb() -> int:
    """Return LibreOffice's own memory; that of its files depends on who else has them open."""
    total = 0
    for pid in office_processes():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss_Anon:"))
    return total


@pytest.mark.fault("C13")
def test_memory_and_descriptors_stay_flat(tmp_path: Path) -> None:
    # One document each: then all that could grow is the zygote and this process.
    with engine(tmp_path, documents_per_child=1) as made:

        def after(count: int) -> tuple[int, int]:
            with ThreadPoolExecutor(2) as pool:
                assert all(pool.map(lambda _: convert(made, plain("平")), range(count)))
            wait_until(lambda: len(children()) == 2, 5, "spent children are gone")
            threading.Event().wait(0.3)
            return anonymous_kb(), len(list(Path("/proc/self/fd").iterdir()))

        first_kb, first_descriptors = after(40)
        last_kb, last_descriptors = after(100)
        assert last_kb < 1.1 * first_kb
        assert last_descriptors <= first_descriptors + 2


def test_idle_children_give_back_what_a_large_document_took(tmp_path: Path) -> None:
    with engine(tmp_path, slots=1) as made:
        assert text(convert(made, docx(table(900, 6) + "<w:p/>"), 60))
        busy_kb = anonymous_kb()
        wait_until(lambda: anonymous_kb() < busy_kb - 5_000, 10, lambda: f"{busy_kb} → {anonymous_kb()} kB")
        assert text(convert(made, plain("下一份"))) == "下一份"


@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_death_of_the_service_takes_everything_along(tmp_path: Path, sandbox: str) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.engines import *\n"
        f"e = make_engine(plan(Path({str(tmp_path)!r}), sandbox=sys.argv[1]), CANARY, lambda: (CANARY,), lambda *_: 0)\n"
        "e.start(); print('started', flush=True); sys.stdin.read()\n"
    )
    service = subprocess.Popen(
        [sys.executable, "-c", script, sandbox],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert service.stdout is not None
    assert service.stdin is not None
    assert service.stdout.readline().strip() == "started"
    known = list(office_processes(service.pid))
    assert len(known) >= 2
    os.kill(service.pid, signal.SIGKILL)
    service.wait()
    service.stdout.close()
    service.stdin.close()
    wait_until(lambda: not any(command(pid) for pid in known), 3, "all died with the service")


def test_missing_library_is_named_and_auto_goes_on_with_the_portable_engine(tmp_path: Path) -> None:
    fake = str(Path(__file__).with_name("fake_soffice.py"))
    with pytest.raises(ConverterUnavailable, match="libmergedlo"), engine(tmp_path / "a", soffice=fake):
        pass
    reports: list[str] = []
    auto = make_engine(
        plan(tmp_path / "b", engine="auto", soffice=fake),
        CANARY,
        tuple,
        lambda message, _: reports.append(message),
    )
    auto.start()
    try:
        state = auto.state()
        assert state.engine == "soffice"
        assert any("lok" in layer for layer in state.missing_layers)
        assert any("soffice" in report for report in reports)
    finally:
        auto.close()


def test_libreoffice_that_does_not_start_says_so(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "soffice").write_text("#!/bin/sh\n", encoding="ascii")
    (program / "soffice").chmod(0o755)
    (program / "libmergedlo.so").write_bytes(b"no library")
    with (
        pytest.raises(ConverterUnavailable, match="未能启动") as caught,
        engine(tmp_path / "work", soffice=str(program / "soffice")),
    ):
        pass
    assert "libmergedlo" in caught.value.detail
