"""One runner at a time works on a shard of an output: two would write one log, and join the parts of the other."""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.batch.store import Store
from service.errors import ServiceError, StorageFailed

_BEAT_S = 20.0
_DEAD_S = 90.0
_LOOK_S = 2.0
_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)
_OWNER_BYTES = 200


@contextmanager
def held(store: Store, shard: int) -> Iterator[None]:
    """Hold a shard of an output for the length of the block.

    In a folder that is a lock of the system's (``fcntl``), which goes with its owner and holds across machines
    that share the folder. Elsewhere it is an object that its owner writes anew every 20 seconds; one that has not
    changed for 90 seconds belongs to a runner that has died, and is taken over.

    Args:
        store: The output.
        shard: Which one.

    Raises:
        StorageFailed: Another runner holds it (``output-taken``), or nothing can be stored there.
    """
    name = f".wenyin-runner-{shard}"
    me = f"主机 {socket.gethostname()} 的进程 {os.getpid()}"
    with contextlib.ExitStack() as stack:
        if not (store.folder and stack.enter_context(_locked(store.folder / name, me))):
            stack.enter_context(_marked(store, name, me))
        yield


@contextmanager
def _locked(path: Path, me: str) -> Iterator[bool]:
    """Hold a lock; yield whether the storage knows locks at all."""
    try:
        file = _open_locked(path)
    except OSError as error:
        raise StorageFailed(f"无法写入 {path.parent}：{error.strerror}。", detail=repr(error)) from error
    if file is None:
        yield False
        return
    try:
        os.ftruncate(file, 0)
        os.write(file, me.encode())
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _open_locked(path: Path) -> int | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have removed it between opening and locking.
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except OSError as error:
            owner = os.read(file, _OWNER_BYTES).decode("utf-8", "replace")
            os.close(file)
            if error.errno in _HELD_BY_ANOTHER:
                raise _taken(path.parent, owner) from error
            return None
        os.close(file)


@contextmanager
def _marked(store: Store, name: str, me: str) -> Iterator[None]:
    token, over = secrets.token_hex(8), threading.Event()

    def text(beat: int) -> bytes:
        return json.dumps({"owner": me, "token": token, "beat": beat}).encode()

    if not store.create(name, text(0)):
        _see_that_it_is_dead(store, name)
        store.discard(name)
        if not store.create(name, text(0)):
            raise _taken(store.url, "")

    def beat() -> None:
        count = 0
        while not over.wait(_BEAT_S):
            count += 1
            with contextlib.suppress(ServiceError):
                store.put(name, text(count))

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()
        with contextlib.suppress(ServiceError):
            store.discard(name)


def _see_that_it_is_dead(store: Store, name: str) -> None:
    first = _content(store, name)
    until_s = time.monotonic() + _DEAD_S
    while time.monotonic() < until_s:
        threading.Event().wait(_LOOK_S)
        now = _content(store, name)
        if not now:
            return
        if now != first:
            raise _taken(store.url, _owner(now))


def _content(store: Store, name: str) -> bytes:
    """Return what the marker says; empty where there is none any more."""
    try:
        return store.get(name)
    except StorageFailed:
        if store.exists(name):
            raise
        return b""


def _owner(content: bytes) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(content)["owner"])
    return ""


def _taken(place: object, owner: str) -> StorageFailed:
    return StorageFailed(
        f"{owner or '另一个进程'}正在做同一批（{place}），本次没有动手；请等它做完，或停掉它以后用 --resume 接着做。",
        code="output-taken",
    )
