"""The coordinator: hands pieces to a pool, a few at a time, and sees each to its end."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import replace

from service.batch.items import Piece, PieceResult
from service.batch.pools import Pool
from service.batch.work import lost
from service.errors import ConverterUnavailable

_AHEAD = 2
_BREAKS = 6
_TICK_S = 0.5
_KILLED_WORKER = "KilledWorker"  # of a package that may not be installed


class Run:
    """Makes pieces; results come as they are ready.

    A piece whose worker died is made again alone, then item by item; an item that kills its worker alone is
    the one that fails. A part of labels, 20 sheets, is not taken apart: all its labels fail.

    Args:
        pieces: Made up as they are needed.
        pool: Makes them.
        present: Returns the names of a piece's files that are stored already.
        stop: True begins no more; what is under way comes to its end.
    """

    def __init__(
        self,
        pieces: Iterable[Piece],
        pool: Pool,
        present: Callable[[Piece], frozenset[str]],
        stop: Callable[[], bool],
    ) -> None:
        self._pieces = iter(pieces)
        self._pool = pool
        self._present = present
        self._stop = stop
        self._suspects: deque[Piece] = deque()
        self._taken_apart: deque[Piece] = deque()
        self._under_way: dict[Future[PieceResult], Piece] = {}
        self._breaks = 0

    def __iter__(self) -> Iterator[PieceResult]:
        """Yield the result of each piece.

        Raises:
            ConverterUnavailable: Workers die one after the other and make nothing.
        """
        while True:
            self._fill()
            if not self._under_way:
                return
            done, _ = wait(self._under_way, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            for future in done:
                # A pool that broke has taken all others with it.
                if future in self._under_way:
                    yield from self._settled(future)

    def _fill(self) -> None:
        while not self._stop():
            if self._suspects:
                if not self._under_way:
                    self._submit(self._suspects.popleft())
                return
            if len(self._under_way) >= self._pool.slots * _AHEAD:
                return
            piece = self._taken_apart.popleft() if self._taken_apart else next(self._pieces, None)
            if piece is None:
                return
            self._submit(piece)

    def _submit(self, piece: Piece) -> None:
        present = self._present(piece)
        try:
            self._under_way[self._pool.submit(piece, present)] = piece
        except BrokenExecutor:
            self._pool.renew()
            self._under_way[self._pool.submit(piece, present)] = piece

    def _settled(self, future: "Future[PieceResult]") -> Iterator[PieceResult]:
        try:
            result = future.result()
        except BrokenExecutor:
            yield from self._broken()
            return
        except Exception as error:
            if type(error).__name__ != _KILLED_WORKER:
                raise
            yield from self._guilty(self._under_way.pop(future), self._taken_apart)
            return
        self._breaks = 0
        self._under_way.pop(future)
        yield result

    def _broken(self) -> Iterator[PieceResult]:
        self._breaks += 1
        if self._breaks > _BREAKS:
            raise ConverterUnavailable("工作进程反复意外终止，批次已停止；查明原因后可用 --resume 接着做。")
        suspects = list(self._under_way.values())
        self._under_way.clear()
        self._pool.renew()
        if len(suspects) == 1:
            yield from self._guilty(suspects[0], self._suspects)
        else:
            self._suspects.extend(suspects)

    def _guilty(self, piece: Piece, queue: deque[Piece]) -> Iterator[PieceResult]:
        if len(piece.items) > 1 and len(piece.names) == len(piece.items):
            queue.extend(
                replace(piece, items=(item,), names=(name,))
                for item, name in zip(piece.items, piece.names, strict=True)
            )
        else:
            yield PieceResult(piece.number, lost(piece.items))
