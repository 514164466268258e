"""Items of a batch on disk, so that a hundred thousand of them take no memory."""

import json
import tempfile
from array import array
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from service.batch.items import canonical_json

_IN_MEMORY_BYTES = 1 << 20


class Spool:
    """Values by number; a small batch never leaves the memory."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `close`
        self._starts = array("Q", [0])

    def add(self, value: Mapping[str, Any]) -> None:
        """Keep a value under the next number."""
        text = canonical_json(value).encode()
        self._file.seek(self._starts[-1])
        self._file.write(text)
        self._starts.append(self._starts[-1] + len(text))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, number: int) -> dict[str, Any]:
        self._file.seek(self._starts[number])
        value: dict[str, Any] = json.loads(self._file.read(self._starts[number + 1] - self._starts[number]))
        return value

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the space back."""
        self._file.close()
