"""Where a batch's files go: four functions over fsspec, so that a folder, a bucket or memory are the same."""

import contextlib
import hashlib
import os
import random
import re
import secrets
import threading
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from service.errors import StorageFailed

_R = TypeVar("_R")
_TRIES = 5
_FIRST_PAUSE_S = 0.2
_HIDDEN = ".wenyin-"
_SCRATCH = re.compile(r"/\.wenyin-([0-9a-f]{12})-(\d+)-\d+-[^/]*$")
# Repeating does not help against these.
_HOPELESS = (PermissionError, NotADirectoryError, IsADirectoryError)


@cache
def _home_of_pids() -> str:
    """Return a name, 12 hex digits, of where this process's id is one: the running system and its namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        # Where that cannot be known nobody else's are known to be dead.
        return secrets.token_hex(6)
    return hashlib.sha256((boot + space).encode()).hexdigest()[:12]


class Store:
    """A folder of files that are there whole or not at all.

    Args:
        url: A path, or what fsspec understands: ``memory://…``, ``s3://…``.

    Raises:
        StorageFailed: There is no such kind of storage, or its package is missing.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise StorageFailed(f"不支持的存储位置 {url}，或缺少相应的组件。", detail=repr(error)) from error
        self.is_local = isinstance(self._fs, LocalFileSystem)
        self.folder = Path(self._root) if self.is_local else None

    def put(self, name: str, content: bytes) -> None:
        """Store a file under its name, replacing an older one.

        Raises:
            StorageFailed: It could not be stored, though tried several times.
        """
        path = f"{self._root}/{name}"

        def write() -> None:
            if not self.is_local:
                # One PUT: object stores show a new object only when all of it has arrived.
                self._fs.pipe_file(path, content)
                return
            writer = f"{_home_of_pids()}-{os.getpid()}-{threading.get_ident()}"
            scratch = f"{self._root}/{_HIDDEN}{writer}-{name}"
            try:
                self._fs.makedirs(self._root, exist_ok=True)
                self._fs.pipe_file(scratch, content)
                self._fs.mv(scratch, path)
            except OSError:
                if self._fs.exists(scratch):
                    self._fs.rm_file(scratch)
                raise

        self._tried(write, "写入", name)

    def create(self, name: str, content: bytes) -> bool:
        """Store a file unless there is one of that name; return whether there was none.

        Raises:
            StorageFailed: The storage does not answer.
        """

        def write() -> bool:
            with contextlib.suppress(FileExistsError):
                if self.is_local:
                    self._fs.makedirs(self._root, exist_ok=True)
                self._fs.pipe_file(f"{self._root}/{name}", content, mode="create")
                return True
            return False

        return self._tried(write, "写入", name)

    def get(self, name: str) -> bytes:
        """Return a file.

        Raises:
            StorageFailed: It is not there, or could not be read.
        """
        content: bytes = self._tried(lambda: self._fs.cat_file(f"{self._root}/{name}"), "读取", name)
        return content

    def exists(self, name: str) -> bool:
        """Tell whether a file is there.

        Raises:
            StorageFailed: The storage does not answer.
        """
        found: bool = self._tried(lambda: self._fs.exists(f"{self._root}/{name}"), "查看", name)
        return found

    def list(self) -> set[str]:
        """Return the names of all files that are there whole.

        Raises:
            StorageFailed: The storage does not answer.
        """

        def look() -> Any:
            self._fs.invalidate_cache()
            return self._fs.ls(self._root, detail=False) if self._fs.exists(self._root) else []

        names = {path.rstrip("/").rpartition("/")[2] for path in self._tried(look, "列出", "")}
        return {name for name in names if not name.startswith(_HIDDEN)}

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that are there.

        Raises:
            StorageFailed: The storage does not answer.
        """
        for name in names:
            self._tried(partial(self._fs.rm_file, f"{self._root}/{name}"), "删除", name)

    def discard(self, name: str) -> None:
        """Remove a file if it is there.

        Raises:
            StorageFailed: The storage does not answer.
        """
        if self.exists(name):
            self.remove([name])

    def open_append(self, name: str) -> BinaryIO | None:
        """Open a file to append to; ``None`` where the storage only takes whole files.

        Raises:
            StorageFailed: It cannot be opened.
        """
        if not self.is_local:
            return None
        found: BinaryIO = self._tried(lambda: self._fs.open(f"{self._root}/{name}", "ab"), "写入", name)
        return found

    def sweep(self) -> None:
        """Remove what writers left half-written that have surely died: those whose process ids mean something here.

        What is left of another machine, or of another container, is not touched: their processes cannot be seen.
        """
        if not self.is_local or not self._fs.exists(self._root):
            return
        for path in self._fs.ls(self._root, detail=False):
            match = _SCRATCH.search(path)
            if match and match[1] == _home_of_pids() and not Path(f"/proc/{match[2]}").exists():
                self._fs.rm_file(path)

    def _tried(self, action: Callable[[], _R], what: str, name: str) -> _R:
        pause_s = _FIRST_PAUSE_S
        for left in reversed(range(_TRIES)):
            try:
                return action()
            except OSError as error:
                if not left or isinstance(error, (*_HOPELESS, FileNotFoundError)):
                    reason = error.strerror or str(error) or type(error).__name__
                    raise StorageFailed(
                        f"无法{what} {self.url} 中的 {name}：{reason}。", detail=repr(error)
                    ) from error
            # Runners that were turned away together must not come back together.
            threading.Event().wait(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause_s *= 2
        raise AssertionError
