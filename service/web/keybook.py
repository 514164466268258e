"""Which request an ``Idempotency-Key`` stands for: remembered by one machine, in a file of a fixed size.

The file is a table of places; a key's digest says which is its own, and whoever comes last has it. So the
memory never grows, nothing has to be swept, and what is forgotten is forgotten in favour of safety alone:
rendering gives the same document for the same request whether or not its key is known.
"""

import contextlib
import fcntl
import hashlib
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from service.errors import KeyReused

_PLACES = 1 << 16
_RECORD = struct.Struct("<16s16sd")  # key, request, time of the monotonic clock
_MOST_BYTES = _PLACES * _RECORD.size


class KeyBook:
    """Keys and the requests they were first used for.

    Args:
        path: The file, shared by all workers of this machine; made when missing.
        life_s: How long a key is remembered; 0 remembers none.
    """

    def __init__(self, path: Path, life_s: float) -> None:
        self._path = path
        self._life_s = life_s
        # A lock on the file is the process's; its threads need one of their own.
        self._lock = threading.Lock()
        self._file = -1

    @contextlib.contextmanager
    def once(self, key: bytes, request: bytes) -> Iterator[None]:
        """Let a request through under its key; remember it once it has gone well.

        Args:
            key: Whoever asks, and the key; only a digest of it is kept.
            request: All that the answer depends on; only a digest of it is kept.

        Raises:
            KeyReused: The key stands for another request.
        """
        self._meet(key, request, keep=False)
        yield
        self._meet(key, request, keep=True)

    def _meet(self, key: bytes, request: bytes, *, keep: bool) -> None:
        if not self._life_s:
            return
        mine, digest = hashlib.sha256(key).digest(), hashlib.sha256(request).digest()[:16]
        place = int.from_bytes(mine[16:20], "big") % _PLACES * _RECORD.size
        # Without the file a request is as good as without a key.
        with contextlib.suppress(OSError), self._lock:
            file = self._open()
            fcntl.lockf(file, fcntl.LOCK_EX, _RECORD.size, place)
            try:
                known, other, since_s = _RECORD.unpack(os.pread(file, _RECORD.size, place))
                age_s = time.monotonic() - since_s
                lives = known == mine[:16] and 0 <= age_s < self._life_s
                if lives and other != digest:
                    raise KeyReused(
                        "这个 Idempotency-Key 已用于另一个请求；内容有改动时请换一个新的键，重试时请原样重发。"
                    )
                if keep and not lives:
                    os.pwrite(file, _RECORD.pack(mine[:16], digest, time.monotonic()), place)
            finally:
                fcntl.lockf(file, fcntl.LOCK_UN, _RECORD.size, place)

    def _open(self) -> int:
        if self._file < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if os.fstat(file).st_size < _MOST_BYTES:
                os.truncate(file, _MOST_BYTES)
            self._file = file
        return self._file
