"""A file that somebody else may change while we serve."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from service.errors import ConfigError

_LOG = structlog.get_logger("wenyin.access")
_Content = TypeVar("_Content")
_Seen = tuple[int, int, int] | None


class Followed(Generic[_Content]):
    """The content of one file, read anew when it was changed; safe to share between threads.

    A change that cannot be read is not taken over, so that a slip of the editor neither stops the
    service nor undoes a revocation; the log says so.

    Args:
        path: The file.
        read: Makes the content of it; raises ConfigError.

    Raises:
        ConfigError: It cannot be read now.
    """

    def __init__(self, path: Path, read: Callable[[Path], _Content]) -> None:
        self._path, self._read = path, read
        self._lock = threading.Lock()
        # Taken before reading: a change during the reading is then seen by the next look.
        self._seen = self._look()
        self._content = read(path)

    def current(self) -> _Content:
        """Return the content as it is now; costs one stat call."""
        seen = self._look()
        if seen == self._seen:
            return self._content
        with self._lock:
            if seen != self._seen:
                try:
                    self._content = self._read(self._path)
                except ConfigError as error:
                    _LOG.error("文件改动后无法读取，沿用原来的内容", file=str(self._path), reason=str(error))
                self._seen = seen
            return self._content

    def _look(self) -> _Seen:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns
