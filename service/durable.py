"""Files that are whole or not there, changed by one process at a time."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from service.errors import ConfigError


def replace_file(path: Path, data: bytes, mode: int) -> None:
    """Put a file in place by one rename, so that nobody ever reads half of it; on disk when this returns.

    Args:
        path: Where; what is there is replaced.
        data: The whole content.
        mode: Permission bits.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes that ask the same from changing a folder meanwhile.

    Raises:
        ConfigError: There is no such folder.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"没有文件夹 {folder.name}。", detail=repr(error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
