"""The coordinator: hands pieces to a pool, a few at a time, and sees each to its end."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass, field, replace

from service.batch.items import Item, Piece, PieceResult, partial_name
from service.batch.pools import Pool
from service.batch.work import lost
from service.errors import ConverterUnavailable

_AHEAD = 2
_BREAKS = 6
_PROBE_BREAKS = 40
_TICK_S = 0.5
_GONE = (
    "与 Dask 调度器的连接中断，批次已停止，已做好的文件都在；请重新启动调度器和工作进程，"
    "再加 --resume 执行同一条命令，只做缺少的（去掉 --executor 就在本机做）。"
)
_KILLED_WORKER = "KilledWorker"  # of a package that may not be installed


@dataclass(slots=True)
class _Search:
    """Looks for the labels of a part that kill their workers.

    Attributes:
        piece: The part.
        queue: Where its halves wait.
        waiting: Halves whose fate is not known.
        guilty: Labels that killed a worker alone.
    """

    piece: Piece
    queue: deque[Piece]
    waiting: int = 0
    guilty: list[Item] = field(default_factory=list)


class Run:
    """Makes pieces; results come as they are ready.

    A piece whose worker died is made again alone, then item by item; an item that kills its worker alone is
    the one that fails. A part of labels is one file: halves of it are tried, and nothing of them kept, until the guilty
    labels are known; then it is made without them.

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
        self._searches: dict[int, _Search] = {}

    def __iter__(self) -> Iterator[PieceResult]:
        """Yield the result of each piece.

        Raises:
            ConverterUnavailable: Workers die one after the other and make nothing, or whoever hands out the work
                has gone (``scheduler-lost``).
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
            if not done and not self._pool.is_alive():
                raise ConverterUnavailable(_GONE, code="scheduler-lost")

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
        except CancelledError as error:
            # Nobody here cancels: whoever handed it out has forgotten it, and may be back already.
            raise ConverterUnavailable(_GONE, code="scheduler-lost") from error
        except Exception as error:
            if type(error).__name__ != _KILLED_WORKER:
                raise
            yield from self._guilty(self._under_way.pop(future), self._taken_apart)
            return
        self._breaks = 0
        piece = self._under_way.pop(future)
        if piece.is_probe:
            yield from self._probed(piece, ())
        else:
            yield result

    def _broken(self) -> Iterator[PieceResult]:
        self._breaks += 1
        suspects = list(self._under_way.values())
        if self._breaks > (_PROBE_BREAKS if any(piece.is_probe for piece in suspects) else _BREAKS):
            raise ConverterUnavailable("工作进程反复意外终止，批次已停止；查明原因后可用 --resume 接着做。")
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
        elif piece.is_probe or len(piece.items) > 1:
            yield from self._bisect(piece, queue)
        else:
            yield PieceResult(piece.number, lost(piece.items))

    def _bisect(self, piece: Piece, queue: deque[Piece]) -> Iterator[PieceResult]:
        """Try the halves of a part of labels, or know the guilty one."""
        search = self._searches.setdefault(piece.number, _Search(piece, queue))
        middle = len(piece.items) // 2
        if middle:
            halves = (piece.items[:middle], piece.items[middle:])
            queue.extend(replace(piece, items=half, is_probe=True) for half in halves)
            search.waiting += len(halves)
        if piece.is_probe:
            yield from self._probed(piece, () if middle else piece.items)

    def _probed(self, piece: Piece, guilty: Sequence[Item]) -> Iterator[PieceResult]:
        search = self._searches[piece.number]
        search.guilty += guilty
        search.waiting -= 1
        if search.waiting:
            return
        del self._searches[piece.number]
        rows = {item.index for item in search.guilty}
        kept = tuple(item for item in search.piece.items if item.index not in rows)
        if kept:
            names = tuple(map(partial_name, search.piece.names)) if rows else search.piece.names
            search.queue.append(replace(search.piece, items=kept, names=names))
        yield PieceResult(piece.number, lost([item for item in search.piece.items if item.index in rows]))
