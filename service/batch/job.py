"""A batch on the command line: a plan, a pool and a target, with a log from which it can be taken up again."""

import io
import json
import re
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from service.batch.items import Item, ItemResult, Piece, PieceResult, partial_name
from service.batch.plan import BatchPlan, Refusal
from service.batch.pools import Pool
from service.batch.run import Run
from service.batch.store import Store
from service.errors import Fault, StorageFailed
from service.pdf.join import PdfJoiner
from service.sheets import RowSource

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_WHOLE = {".pdf", ".zip"}
FAULTY_ROWS = "有问题的行.xlsx"
"""Name of the workbook of rows to be mended and sent again."""


@dataclass(slots=True)
class Tally:
    """How far a batch is.

    Attributes:
        total: Items to be made or refused, copies counted.
        done: Items that are made, now or earlier.
        kept: Of these, those of an earlier run.
        failed: Items that could not be made.
        pages: Made now.
        begun_s: Start, on the monotonic clock.
    """

    total: int
    done: int = 0
    kept: int = 0
    failed: int = 0
    pages: int = 0
    begun_s: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Items made a second."""
        return (self.done - self.kept) / max(1e-6, time.monotonic() - self.begun_s)

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; ``None`` while there is none."""
        return (self.total - self.done - self.failed) / self.rate if self.rate else None


class Target:
    """Where a batch goes: a folder, or one file made of parts that wait in a folder beside it.

    Args:
        name: A folder, an fsspec URL, or a file name that ends in ``.pdf`` or ``.zip``.
    """

    def __init__(self, name: str) -> None:
        is_url = re.match(r"[A-Za-z][\w+.-]+://", name) is not None
        suffix = Path(name).suffix.lower()
        self.whole = Path(name) if suffix in _WHOLE and not is_url else None
        self.merges = suffix == ".pdf" and self.whole is not None
        self.store = Store(f"{name}.parts" if self.whole else name)

    def is_finished(self, key: str) -> bool:
        """Whether an earlier run of the same batch has made the one file."""
        return self.whole is not None and self.whole.exists() and self.store.exists(_mark(key))

    def finish(self, plan: BatchPlan) -> None:
        """Make the one file of its parts, whole or not at all.

        Raises:
            StorageFailed: It cannot be written, or there is nothing to put into it.
        """
        if self.whole is None:
            return
        names = _present(plan, self.store)
        scratch = tempfile.NamedTemporaryFile(  # noqa: SIM115 - renamed, not closed and dropped
            dir=self.whole.parent, prefix=f".{self.whole.name}.", delete=False
        )
        try:
            with scratch:
                if self.merges:
                    join_parts(plan, self.store, scratch.file)
                else:
                    self._pack(scratch.file, names)
            Path(scratch.name).chmod(0o644)
            Path(scratch.name).replace(self.whole)
        except OSError as error:
            Path(scratch.name).unlink(missing_ok=True)
            raise StorageFailed(f"无法写入 {self.whole}：{error.strerror}。", detail=repr(error)) from error
        self.store.put(_mark(plan.key), b"")
        self.store.remove(names)

    def keep_faulty(
        self,
        draw: Callable[[RowSource, Mapping[int, Sequence[Fault]]], bytes],
        source: RowSource,
        job: "BatchJob",
    ) -> str:
        """Put a workbook of the rows that failed beside the results; remove an older one where none did.

        Args:
            draw: Makes the workbook.
            source: Where the rows came from.
            job: Has come to its end.

        Returns:
            Where it is; empty where no row failed.

        Raises:
            StorageFailed: It cannot be written.
        """
        name = FAULTY_ROWS if job.shard == 0 else f"{job.shard}-{FAULTY_ROWS}"
        store = self.store
        if self.whole is not None:
            store, name = Store(str(self.whole.parent)), f"{self.whole.stem}-{name}"
        if not job.failures:
            store.discard(name)
            return ""
        store.put(name, draw(source, job.failures))
        return f"{store.url}/{name}"

    def _pack(self, target: IO[bytes], names: dict[str, None]) -> None:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), self.store.get(name))


def join_parts(plan: BatchPlan, store: Store, target: IO[bytes]) -> None:
    """Write one PDF of all parts that are stored, in the order of the plan.

    Args:
        plan: Of the parts.
        store: Holds them.
        target: Takes the PDF.

    Raises:
        StorageFailed: There is none.
    """
    joiner = PdfJoiner(target)
    for name in _present(plan, store):
        joiner.add(store.get(name), name.rpartition("-")[0])
    joiner.close()


def _present(plan: BatchPlan, store: Store) -> dict[str, None]:
    stored = store.list()
    wanted = (name for piece in plan.pieces() for name in piece.names)
    either = (name if name in stored else partial_name(name) for name in wanted)
    names = dict.fromkeys(name for name in either if name in stored)
    if not names:
        raise StorageFailed("没有一项成功，未生成文件。")
    return names


def _mark(key: str) -> str:
    return f"complete-{key[:16]}"


class ResultLog:
    """``results-<shard>.jsonl``: one line for each item, appended as soon as its fate is known.

    Args:
        store: Where it lies.
        shard: Whose it is.
        resume: Keep the lines of earlier runs.
    """

    def __init__(self, store: Store, shard: int, *, resume: bool) -> None:
        self._store = store
        self._name = f"results-{shard}.jsonl"
        old = store.get(self._name) if resume and store.exists(self._name) else b""
        # The last line of a run that was killed may be half a line.
        lines = [line for line in old.decode("utf-8", "replace").splitlines() if _is_json(line)]
        self._good = {(said["row"], said["id"]) for said in map(json.loads, lines) if said["status"] == "ok"}
        self._lines = io.StringIO()
        store.put(self._name, "".join(f"{line}\n" for line in lines).encode())
        self._file = store.open_append(self._name)

    def add(self, result: ItemResult) -> None:
        """Append a line, unless an earlier run said the same."""
        if (result.row, result.id) in self._good:
            return
        line = result.to_json() + "\n"
        if self._file is None:
            self._lines.write(line)
            return
        self._file.write(line.encode())
        self._file.flush()

    def close(self) -> None:
        """Store what could not be appended."""
        if self._file is not None:
            self._file.close()
        elif self._lines.tell():
            self._store.put(self._name, self._store.get(self._name) + self._lines.getvalue().encode())


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


class BatchJob:
    """Runs a plan to its end, or to where it is stopped.

    Args:
        plan: What to make.
        target: Where it goes.
        resume: Make only what is missing.
        shard: For the name of the log.

    Attributes:
        tally: How far it is.
        shard: As given.
        failures: What is wrong with each row that was not made.
    """

    def __init__(self, plan: BatchPlan, target: Target, *, resume: bool, shard: int = 0) -> None:
        self._plan = plan
        self._target = target
        self._resume = resume
        self.shard = shard
        self.failures: dict[int, tuple[Fault, ...]] = plan.faults_by_row if shard == 0 else {}
        self._stopped = threading.Event()
        self.tally = Tally(plan.total + len(plan.refusals) if shard == 0 else plan.total)

    def stop(self) -> None:
        """Begin no more; what is under way comes to its end."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before its end."""
        return self._stopped.is_set()

    def run(self, pool: Pool, report: Callable[[ItemResult], None]) -> None:
        """Make everything.

        Args:
            pool: Makes the pieces.
            report: Told of each item when its fate is known.

        Raises:
            StorageFailed: The log or the one file cannot be written.
            ConverterUnavailable: As `Run`.
        """
        self._target.store.sweep()
        present = self._target.store.list() if self._resume else set()
        log = ResultLog(self._target.store, self.shard, resume=self._resume)

        def settle(result: ItemResult) -> None:
            log.add(result)
            report(result)

        try:
            if self.shard == 0:
                for refusal in self._plan.refusals:
                    self.tally.failed += 1
                    settle(refused(refusal))
            if self._resume and self._target.is_finished(self._plan.key):
                present |= {name for piece in self._plan.pieces() for name in piece.names}
                self._keep_all(settle)
                return
            missing = self._missing(present, settle)
            run = Run(
                missing, pool, lambda piece: frozenset(present.intersection(piece.names)), self._is_stopped
            )
            for made in run:
                self._count(made, settle)
        finally:
            log.close()
        if not self.stopped:
            self._target.finish(self._plan)

    def _is_stopped(self) -> bool:
        return self._stopped.is_set()

    def _missing(self, present: set[str], settle: Callable[[ItemResult], None]) -> Iterator[Piece]:
        for piece in self._plan.pieces():
            if not present.issuperset(piece.names):
                yield piece
                continue
            self._keep(piece, settle)

    def _keep_all(self, settle: Callable[[ItemResult], None]) -> None:
        for piece in self._plan.pieces():
            self._keep(piece, settle)

    def _keep(self, piece: Piece, settle: Callable[[ItemResult], None]) -> None:
        for place, item in enumerate(piece.items):
            self.tally.done += 1
            self.tally.kept += 1
            settle(_kept(item, piece.names[min(place, len(piece.names) - 1)]))

    def _count(self, made: PieceResult, settle: Callable[[ItemResult], None]) -> None:
        for result in made.results:
            self.tally.pages += result.pages
            if result.status == "ok":
                self.tally.done += 1
            else:
                self.tally.failed += 1
                self.failures[result.row] = (Fault("", result.code, result.message),)
            settle(result)


def refused(refusal: Refusal) -> ItemResult:
    """Return what is said of a row that cannot be made."""
    return ItemResult(
        row=refusal.row.index,
        id="",
        status="failed",
        code="invalid-request",
        message="；".join(fault.message for fault in refusal.faults),
        line=refusal.row.line,
    )


def _kept(item: Item, name: str) -> ItemResult:
    return ItemResult(item.index, item.item_id, "ok", line=item.line, file=name, warnings=item.warnings)
