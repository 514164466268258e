"""A batch for somebody who waits: files and news handed on as they are made, nothing kept in memory."""

import base64
import json
import tempfile
import threading
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import structlog

from service import errors
from service.batch.items import ItemResult, PieceResult
from service.batch.job import FAULTY_ROWS, join_parts, refused
from service.batch.plan import BatchPlan
from service.batch.pools import ThreadPool
from service.batch.run import Run
from service.batch.store import Store
from service.batch.work import Workbench
from service.errors import ConversionFailed, Fault, ServiceError
from service.pipeline.render import Renderer

_LOG = structlog.get_logger("wenyin.batch")
FIRST_SIZES = (1, 2, 4, 8, 16)
"""Documents of the first pieces: the first ones are handed out before many are made."""

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_IN_MEMORY_BYTES = 1 << 20
_CHUNK_BYTES = 3 << 16  # a multiple of 3, so that Base64 pieces join
_REPORT = "report.json"


class BatchStream:
    """Makes a plan's items in this process and hands them on.

    Args:
        plan: What to make; closed at the end.
        renderer: Makes it.
        slots: Pieces made at once.
        timeout_s: For one conversion.
        gone: Whether nobody waits any more; ``None`` where that cannot be known.
        work_dir: Holds the parts of what is merged.
        faulty_rows: Workbook of the rows that cannot be made, to be mended; empty for none.
    """

    def __init__(
        self,
        plan: BatchPlan,
        renderer: Renderer,
        *,
        slots: int,
        timeout_s: float,
        gone: Callable[[], bool] | None,
        work_dir: Path,
        faulty_rows: bytes = b"",
    ) -> None:
        self._plan = plan
        self._renderer = renderer
        self._slots = slots
        self._timeout_s = timeout_s
        self._gone = gone
        self._work_dir = work_dir
        self._faulty_rows = faulty_rows
        self._closed = threading.Event()
        self.failed = len(plan.refusals)
        self.done = 0
        self._total = plan.total + len(plan.refusals)

    def chunks(self) -> Iterator[bytes]:
        """Yield a zip of all files and ``report.json``, piece by piece.

        Raises:
            ServiceError: An item failed and none may be left out: the zip has no end then.
        """
        sink = _Sink()
        with closing(self._pack(sink)) as results:
            for _ in results:
                yield sink.take()
        yield sink.take()

    def events(self, *, merged: bool) -> Iterator[bytes]:
        """Yield one JSON line for each item, then one with the whole result.

        Args:
            merged: Whether that is one PDF instead of a zip.
        """
        with tempfile.TemporaryFile(dir=self._work_dir) as whole:
            try:
                for refusal in self._plan.refusals:
                    yield self._event("progress", asdict(refused(refusal)))
                with closing((self.join if merged else self._pack)(whole)) as results:
                    for piece in results:
                        for result in piece.results:
                            yield self._event("progress", asdict(result))
            except ServiceError as error:
                yield self._event("error", _problem(error))
                return
            said = {"warnings": self._plan.warnings, "media_type": _MEDIA_TYPES[merged], "encoding": "base64"}
            head = self._event("result", {**said, "size": whole.tell()})
            yield head.rstrip()[:-1] + b', "content": "'
            whole.seek(0)
            while chunk := whole.read(_CHUNK_BYTES):
                yield base64.b64encode(chunk)
            yield b'"}\n'

    def join(self, target: IO[bytes]) -> Generator[PieceResult, None, None]:
        """Write one PDF of all items in their order; yield each piece when it is made.

        Args:
            target: Takes the PDF.

        Raises:
            ServiceError: An item failed and none may be left out, or none could be made.
        """
        with closing(self._plan), tempfile.TemporaryDirectory(prefix="batch-", dir=self._work_dir) as folder:
            store = Store(folder)
            yield from self._results(store)
            if not self.done:
                raise ConversionFailed("没有一项成功，未生成文件。")
            join_parts(self._plan, store, target)

    def _pack(self, target: Any) -> Generator[PieceResult, None, None]:
        with (
            closing(self._plan),
            zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive,
            tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(self._work_dir)) as lines,
        ):
            for refusal in self._plan.refusals:
                lines.write(refused(refusal).to_json().encode() + b",\n")
            known: set[str] = set()
            for piece in self._results(None):
                for name, content in piece.files:
                    # Two equal items are one file.
                    if name not in known:
                        known.add(name)
                        archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), content)
                for result in piece.results:
                    lines.write(result.to_json().encode() + b",\n")
                yield piece
            if self._faulty_rows:
                archive.writestr(zipfile.ZipInfo(FAULTY_ROWS, _ZIP_DATE), self._faulty_rows)
            self._write_report(archive, lines)

    def _write_report(self, archive: zipfile.ZipFile, lines: IO[bytes]) -> None:
        head = {
            "template": {"id": self._plan.spec.template_id, "version": self._plan.spec.version},
            "done": self.done,
            "failed": self.failed,
            "warnings": self._plan.warnings,
        }
        text = json.dumps(head, ensure_ascii=False, indent=1).rstrip("}\n")
        lines.seek(0)
        with archive.open(zipfile.ZipInfo(_REPORT, _ZIP_DATE), "w") as report:
            report.write(f'{text},\n "items": [\n'.encode())
            previous = b""
            for line in lines:
                report.write(previous)
                previous = line
            report.write(previous.rstrip(b",\n") + b"\n]}\n")

    def _results(self, store: Store | None) -> Iterator[PieceResult]:
        bench = Workbench(self._renderer, self._timeout_s, store)
        pool = ThreadPool(bench, self._slots, self._is_over)
        try:
            for piece in Run(self._plan.pieces(), pool, lambda _: frozenset(), self._is_over):
                self._count(piece)
                yield piece
        finally:
            gone = self._gone is not None and self._gone()
            self._closed.set()
            pool.close()
            _LOG.info("batch ended", done=self.done, failed=self.failed, total=self._total, client_gone=gone)

    def _count(self, piece: PieceResult) -> None:
        for result in piece.results:
            if result.status == "ok":
                self.done += 1
                continue
            self.failed += 1
            if not self._plan.options.skip:
                raise _error_of(result)

    def _is_over(self) -> bool:
        return self._closed.is_set() or (self._gone is not None and self._gone())

    def _event(self, event: str, values: dict[str, Any]) -> bytes:
        counts = {"done": self.done, "failed": self.failed, "total": self._total}
        line = {"event": event, **values, **counts}
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"


_MEDIA_TYPES = {True: "application/pdf", False: "application/zip"}


class _Sink:
    """A file that can only be written to, and is emptied between writes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _problem(error: ServiceError) -> dict[str, Any]:
    faults = [asdict(fault) for fault in error.faults]
    return {"code": error.type_code, "message": str(error), "errors": faults}


def _error_of(result: ItemResult) -> ServiceError:
    """Return the failure of one item as the failure of the batch."""
    where = f"第 {result.line} 行" if result.line else f"第 {result.row + 1} 项"
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type))
    kind = next(
        (item for item in kinds if issubclass(item, ServiceError) and item.code == result.code),
        ConversionFailed,
    )
    fault = Fault(f"/{result.row}", result.code, result.message)
    return kind(f"{where}未能生成：{result.message}", code=result.code, faults=[fault])
