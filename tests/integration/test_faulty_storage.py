"""A small batch whose storage fails in every way: repeated, then said of the item, never half an object, mended by a rerun."""

import io
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pypdf
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from service.batch import BatchOptions, ItemResult, Store, ThreadPool, Workbench, plan_batch
from service.batch import store as store_module
from service.batch.job import BatchJob, Target
from service.bootstrap import Services
from service.model import BatchRow
from tests.conftest import FIXTURES

pytestmark = [pytest.mark.libreoffice, pytest.mark.fault("P8")]
NOTICE = json.loads((FIXTURES / "notice" / "minimal.json").read_text("utf-8"))
UNAVAILABLE = OSError(503, "Service Unavailable")
SLOW = TimeoutError(110, "Connection timed out")
TORN = ConnectionResetError(104, "Connection reset by peer")
DENIED = PermissionError(13, "Permission denied")
FULL = OSError(28, "No space left on device")
TRIES = 5
# What befalls each document in turn, and for good where it is given up.
FATES: dict[str, list[OSError]] = {
    "第0项": [],
    "第1项": [UNAVAILABLE, UNAVAILABLE, SLOW],
    "第2项": [TORN, TORN],
    "第3项": [UNAVAILABLE] * TRIES,
    "第4项": [SLOW, TORN, UNAVAILABLE, SLOW, TORN],
    "第5项": [DENIED],
    "results-0": [UNAVAILABLE, TORN],
}
FAILED = {3: "Service Unavailable", 4: "Connection reset", 5: "Permission denied"}


class Fates:
    """Deals out what is left of each file's misfortunes, and counts who came."""

    left: ClassVar[dict[str, list[OSError]]] = {}
    tries: ClassVar[defaultdict[str, int]] = defaultdict(int)

    def strike(self, path: str) -> OSError | None:
        name = next((name for name in FATES if name in path), "")
        self.tries[name] += 1
        return self.left[name].pop(0) if self.left.get(name) else None


class FrailBucket(Fates, MemoryFileSystem):  # type: ignore[misc]
    """An object store: an object is there when all of it has arrived."""

    protocol = "frail"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        if error := self.strike(path):
            raise error
        super().pipe_file(path, value, mode, **kwargs)


class FrailDisk(Fates, LocalFileSystem):  # type: ignore[misc]
    """A disk: a write that fails leaves what was written so far."""

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        if error := self.strike(path):
            super().pipe_file(path, value[: len(value) // 2], mode, **kwargs)
            raise error
        super().pipe_file(path, value, mode, **kwargs)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    waited: list[float] = []

    class Hasty:
        def wait(self, pause_s: float) -> None:
            waited.append(pause_s)

    class Threading:
        Event = Hasty
        get_ident = staticmethod(threading.get_ident)

    monkeypatch.setattr(store_module, "threading", Threading)
    fsspec.register_implementation("frail", FrailBucket, clobber=True)
    Fates.left = {name: list(errors) for name, errors in FATES.items()}
    Fates.tries.clear()
    yield waited
    FrailBucket.store.clear()


def run(services: Services, folder: str, on_disk: bool) -> tuple[dict[int, ItemResult], BatchJob, Store]:
    target = Target(folder)
    if on_disk:
        target.store._fs = FrailDisk()
    rows = [BatchRow(number, {**NOTICE, "title": f"关于第{number}项工作的通知"}) for number in range(6)]
    plan = plan_batch(services.renderer, "notice", rows, BatchOptions(draft=True))
    pool = ThreadPool(Workbench(services.renderer, 120, target.store), 1)
    results: dict[int, ItemResult] = {}
    try:
        job = BatchJob(plan, target, resume=True)
        job.run(pool, lambda result: results.update({result.row: result}))
    finally:
        pool.close()
        plan.close()
    return results, job, target.store


@pytest.mark.parametrize("on_disk", [False, True], ids=["bucket", "disk"])
def test_batch_on_failing_storage_repeats_gives_up_and_is_mended(
    services: Services, tmp_path: Path, pauses: list[float], on_disk: bool
) -> None:
    folder = str(tmp_path) if on_disk else "frail://bucket/out"
    results, job, store = run(services, folder, on_disk)
    assert {row for row, result in results.items() if result.status == "failed"} == set(FAILED)
    for row, words in FAILED.items():
        assert (results[row].code, words in results[row].message) == ("storage-failed", True), results[row]
        assert "无法写入" in results[row].message
    tries = {name: Fates.tries[name] for name in FATES}
    assert tries == {
        "第0项": 1, "第1项": 4, "第2项": 3, "第3项": 5, "第4项": 5, "第5项": 1, "results-0": tries["results-0"],
    }  # fmt: skip
    # Twice as long each time, and half as long again or as short at most.
    steps = [0.2 * 2**step for failures in (2, 3, 2, 4, 4) for step in range(failures)]
    assert [0.5 <= pause / step <= 1.5 for pause, step in zip(pauses, steps, strict=True)] == [True] * 15
    first = whole(store)
    assert len(first) == 3
    assert job.tally.failed == 3

    results, job, store = run(services, folder, on_disk)
    assert {result.status for result in results.values()} == {"ok"}
    assert (job.tally.done, job.tally.failed) == (6, 0)
    # The piece is made as a whole, but only what is missing is stored.
    assert {name: Fates.tries[name] - tries[name] for name in tries if name.startswith("第")} == {
        "第0项": 0, "第1项": 0, "第2项": 0, "第3项": 1, "第4项": 1, "第5项": 1,
    }  # fmt: skip
    again = whole(store)
    assert (len(again), again.items() >= first.items()) == (6, True)
    said = [json.loads(line) for line in store.get("results-0.jsonl").splitlines()]
    assert {line["row"] for line in said if line["status"] == "ok"} == set(range(6))


def whole(store: Store) -> dict[str, bytes]:
    """Return the documents; nothing else lies there, and each can be read to its end."""
    names = store._fs.ls(store._root, detail=False)
    found = {name.rpartition("/")[2] for name in names} - {"results-0.jsonl"}
    content = {name: store.get(name) for name in found}
    for name, pdf in content.items():
        text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
        assert name.partition("工作")[0][-3:] in "".join(text.split()), name
    return content
