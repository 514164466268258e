"""Who works on an output keeps others away, until it is done or has died."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from service.batch import Store, hold
from service.batch.hold import held
from service.errors import StorageFailed

MARK = ".wenyin-runner-0"
BUCKET = "memory://hold/out"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(hold, "_BEAT_S", 0.02)
    monkeypatch.setattr(hold, "_LOOK_S", 0.01)
    yield
    MemoryFileSystem.store.clear()


@pytest.mark.fault("P9")
@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_others_are_turned_away_and_told_who_it_is(tmp_path: Path, place: str) -> None:
    url = str(tmp_path / "out") if place == "folder" else BUCKET
    told, tell = os.pipe()
    with held(Store(url), 0):
        if place == "folder":
            # A process does not lock out itself.
            child = os.fork()
            if child == 0:
                try:
                    with pytest.raises(StorageFailed) as refused, held(Store(url), 0):
                        pass
                    os.write(tell, f"{refused.value.type_code} {refused.value}".encode())
                finally:
                    os._exit(0)
            os.close(tell)
            said = os.read(told, 2_000).decode()
            os.waitpid(child, 0)
        else:
            with pytest.raises(StorageFailed) as caught, held(Store(url), 0):
                pass
            said = f"{caught.value.type_code} {caught.value}"
            os.close(tell)
        with held(Store(url), 1):
            assert Store(url).list() == set()
    os.close(told)
    assert said.startswith("output-taken")
    assert f"的进程 {os.getpid()}正在做同一批" in said
    with held(Store(url), 0):
        pass
    left = list((tmp_path / "out").iterdir()) if place == "folder" else MemoryFileSystem.store
    assert not left


@pytest.mark.fault("P9")
@pytest.mark.parametrize("content", [b"{}", json.dumps({"owner": "x", "token": "y", "beat": 3}).encode()])
def test_what_a_dead_runner_left_in_a_bucket_is_taken_over(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(hold, "_DEAD_S", 0.1)
    store = Store(BUCKET)
    assert store.create(MARK, content)
    with held(store, 0):
        assert json.loads(store.get(MARK))["token"] != "y"
    assert not store.exists(MARK)


def test_storage_without_locks_is_held_by_a_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.lockf", no_locks)
    store = Store(str(tmp_path / "out"))
    with held(store, 0), pytest.raises(StorageFailed, match="正在做同一批"), held(store, 0):
        pass
    assert not list((tmp_path / "out").iterdir())


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a file")
    with pytest.raises(StorageFailed, match="无法写入"), held(Store(str(tmp_path / "out" / "x")), 0):
        pass
