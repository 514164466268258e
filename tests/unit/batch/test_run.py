"""The coordinator among workers that die: nothing is lost, nothing is made twice, the guilty item fails alone."""

from collections.abc import Iterable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest

from service.batch import BatchOptions, Item, ItemResult, Piece, PieceResult, Run
from service.errors import ConverterUnavailable


def piece(number: int, *rows: int) -> Piece:
    items = tuple(Item(row, 0, f"{row:064x}", {}) for row in rows)
    return Piece(number, "notice", items, tuple(f"{row}.pdf" for row in rows), BatchOptions())


class Frail:
    """A pool in which some rows kill the worker, and with it all that is under way."""

    slots = 2

    def __init__(self, poison: Iterable[int]) -> None:
        self.poison = set(poison)
        self.open: list[Future[PieceResult]] = []
        self.renewed = 0
        self.kept: list[Piece] = []

    def submit(self, piece: Piece, present: frozenset[str]) -> "Future[PieceResult]":
        future: Future[PieceResult] = Future()
        self.open.append(future)
        if self.poison & {item.index for item in piece.items}:
            for one in self.open:
                if not one.done():
                    one.set_exception(BrokenProcessPool())
        else:
            future.set_result(_made(piece))
            if not piece.is_probe:
                self.kept.append(piece)
        return future

    def renew(self) -> None:
        self.renewed += 1
        self.open.clear()

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""


def _made(piece: Piece) -> PieceResult:
    return PieceResult(
        piece.number, tuple(ItemResult(item.index, item.item_id, "ok") for item in piece.items)
    )


def run(pool: Frail, *pieces: Piece) -> list[tuple[int, str, str]]:
    found = Run(pieces, pool, lambda _: frozenset(), lambda: False)
    return sorted((item.row, item.status, item.code) for made in found for item in made.results)


@pytest.mark.fault("C12")
def test_poison_item_fails_alone_and_its_neighbours_are_made_once() -> None:
    pool = Frail({4})
    found = run(pool, piece(0, 0, 1, 2), piece(1, 3, 4, 5), piece(2, 6, 7))
    assert found == [(row, "failed", "worker-lost") if row == 4 else (row, "ok", "") for row in range(8)]
    assert pool.renewed >= 2


@pytest.mark.fault("P7")
def test_poison_label_fails_alone_and_its_part_is_made_without_it() -> None:
    pool = Frail({5, 11})
    part = replace(piece(0, *range(20)), names=("标签-000001-000020-abc.pdf",))
    results = list(Run([part, piece(1, 30)], pool, lambda _: frozenset(), lambda: False))
    found = sorted((item.row, item.status, item.code) for made in results for item in made.results)
    assert found == sorted(
        [(row, "failed", "worker-lost") if row in (5, 11) else (row, "ok", "") for row in range(20)]
        + [(30, "ok", "")]
    )
    assert pool.kept[-1].names == ("标签-000001-000020-abc-partial.pdf",)
    assert [item.index for item in pool.kept[-1].items] == [row for row in range(20) if row not in (5, 11)]


def test_batch_ends_where_every_worker_dies() -> None:
    with pytest.raises(ConverterUnavailable, match="--resume"):
        run(
            Frail(range(100)), *(piece(number, *range(number * 10, number * 10 + 10)) for number in range(10))
        )


def test_stopped_run_begins_no_more() -> None:
    pool = Frail(())
    assert list(Run([piece(0, 1)], pool, lambda _: frozenset(), lambda: True)) == []
    assert pool.open == []
