"""Storage that fails: what is repeated, what is given up, and that nothing is ever half there."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from service.batch import Store
from service.batch import store as store_module
from service.errors import StorageFailed


class Moody(MemoryFileSystem):  # type: ignore[misc]
    """Memory that fails as many times as it is told to, half-way through a write."""

    protocol = "moody"
    store: ClassVar[dict[str, Any]] = {}
    failures: ClassVar[list[OSError]] = []

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        if self.failures:
            raise self.failures.pop()
        super().pipe_file(path, value, mode, **kwargs)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fsspec.register_implementation("moody", Moody, clobber=True)
    monkeypatch.setattr(store_module, "_FIRST_PAUSE_S", 0.001)
    yield
    Moody.failures.clear()
    Moody.store.clear()


@pytest.mark.fault("P8")
def test_write_is_repeated_until_it_succeeds() -> None:
    Moody.failures[:] = [TimeoutError("slow"), OSError(503, "unavailable"), ConnectionResetError("gone")]
    store = Store("moody://bucket/out")
    store.put("a.pdf", b"whole")
    assert (store.get("a.pdf"), store.list()) == (b"whole", {"a.pdf"})


@pytest.mark.fault("P8")
def test_write_is_given_up_after_five_times_and_leaves_nothing() -> None:
    Moody.failures[:] = [OSError(503, "unavailable")] * 5
    store = Store("moody://bucket/out")
    with pytest.raises(StorageFailed, match="unavailable"):
        store.put("a.pdf", b"whole")
    assert store.list() == set()
    assert not store.exists("a.pdf")


@pytest.mark.fault("P8")
def test_missing_permission_is_not_repeated() -> None:
    Moody.failures[:] = [OSError(503, "unavailable"), PermissionError(13, "Permission denied")]
    with pytest.raises(StorageFailed, match="Permission denied"):
        Store("moody://bucket/out").put("a.pdf", b"whole")
    assert len(Moody.failures) == 1


@pytest.mark.fault("P8")
def test_file_torn_on_its_way_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "out"))
    store.put("a.pdf", b"old")
    write = store._fs.pipe_file

    def torn(path: str, value: bytes, **_: Any) -> None:
        write(path, value[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store._fs, "pipe_file", torn)
    with pytest.raises(StorageFailed, match="No space left"):
        store.put("a.pdf", b"new and longer")
    assert store.get("a.pdf") == b"old"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.pdf"]


def test_what_a_dead_writer_left_is_swept_and_a_live_one_keeps_its_own(tmp_path: Path) -> None:
    here, nobody = store_module._home_of_pids(), 4_194_304 + 1
    living = f".wenyin-{here}-{os.getpid()}-1-a.pdf"
    # Of another machine, or of another container on this one, whose processes have numbers of their own.
    elsewhere = f".wenyin-{'0' * 12}-{nobody}-1-a.pdf"
    for name in (living, elsewhere, f".wenyin-{here}-{nobody}-1-a.pdf"):
        (tmp_path / name).write_bytes(b"half")
    store = Store(str(tmp_path))
    assert store.list() == set()
    store.sweep()
    assert {path.name for path in tmp_path.iterdir()} == {living, elsewhere}


def test_unknown_storage_is_named() -> None:
    with pytest.raises(StorageFailed, match="nowhere://x"):
        Store("nowhere://x")
