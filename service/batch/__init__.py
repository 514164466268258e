"""Batches: rows checked as a whole, made in pieces by threads, processes or a cluster, stored or streamed."""

from service.batch.items import BatchOptions, Item, ItemResult, Piece, PieceResult
from service.batch.plan import BatchPlan, Refusal, plan_batch
from service.batch.pools import DaskPool, Pool, ProcessPool, ThreadPool
from service.batch.run import Run
from service.batch.store import Store
from service.batch.stream import BatchStream
from service.batch.work import Workbench
from service.sheets import MEDIA_TYPES, Content, RowSource, SheetLimits, error_workbook, read_rows

__all__ = [
    "MEDIA_TYPES",
    "BatchOptions",
    "BatchPlan",
    "BatchStream",
    "Content",
    "DaskPool",
    "Item",
    "ItemResult",
    "Piece",
    "PieceResult",
    "Pool",
    "ProcessPool",
    "Refusal",
    "RowSource",
    "Run",
    "SheetLimits",
    "Store",
    "ThreadPool",
    "Workbench",
    "error_workbook",
    "plan_batch",
    "read_rows",
]
