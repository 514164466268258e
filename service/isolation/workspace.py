"""Temporary folders of one running instance, and the sweep of those that died."""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import ConfigError, NoSpace

_PREFIX = "instance-"
_LOCK = "lock"
_FREE_BYTES = 16_000_000
_STARTING_S = 600.0


class Workspace:
    """A private folder, locked while its owner lives.

    Args:
        root: Parent of all instances' folders; made when missing.

    Raises:
        ConfigError: The folder cannot be made or written.
    """

    def __init__(self, root: Path) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            if root.stat().st_uid != os.geteuid():
                raise ConfigError(f"临时文件夹 {root} 属于别的用户，请另设 WENYIN_WORK_DIR。")
            sweep(root)
            self.path = root.resolve() / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
            self.path.mkdir(mode=0o700)
            self._lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._jobs = self.path / "jobs"
            self._jobs.mkdir()
        except OSError as error:
            raise ConfigError(
                f"临时文件夹 {root} 无法使用，请检查权限与空间（WENYIN_WORK_DIR）。", detail=repr(error)
            ) from error

    @contextmanager
    def job(self) -> Iterator[Path]:
        """Make a folder for one job and remove it whatever happens.

        Raises:
            NoSpace: The disk is full, also when the block itself found out.
        """
        folder = self._jobs / secrets.token_hex(8)
        try:
            folder.mkdir()
            yield folder
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise no_space(repr(error)) from error
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def nearly_full(self) -> bool:
        """Whether the disk has too little room left for one more conversion."""
        return shutil.disk_usage(self.path).free < _FREE_BYTES

    def close(self) -> None:
        """Remove the folder and give up the lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)


def no_space(detail: str) -> NoSpace:
    """Return the error for a full disk."""
    return NoSpace("服务器临时空间不足，本次没有生成文件；请稍后重试。", detail=detail, retry_after_s=30)


def sweep(root: Path) -> list[Path]:
    """Remove the folders of instances that no longer live; leave all others alone.

    Args:
        root: Parent of the instances' folders.

    Returns:
        The folders that were removed.
    """
    removed = []
    for folder in root.glob(f"{_PREFIX}*"):
        if _owner_lives(folder):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        removed.append(folder)
    return removed


def _owner_lives(folder: Path) -> bool:
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return _is_young(folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        # An owner makes the jobs folder after it holds the lock.
        return not (folder / "jobs").exists() and _is_young(folder)
    finally:
        os.close(handle)


def _is_young(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime < _STARTING_S
    except OSError:
        return False
