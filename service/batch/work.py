"""Workbench: makes one piece of a batch, in whatever process or machine it finds itself."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from service.batch.items import Item, ItemResult, Piece, PieceResult, partial_name
from service.batch.store import Store
from service.convert import Cancelled
from service.errors import (
    ConversionCancelled,
    ConverterBusy,
    ConverterUnavailable,
    Fault,
    QueueTimeout,
    ServiceError,
    WorkerLost,
)
from service.model import Deadline, OutputFormat, RenderedDocument, RenderOptions
from service.pipeline.press import PressedSheets, SheetPress
from service.pipeline.render import Renderer

_TRIES = 3
_LABEL = re.compile(r"/labels/(\d+)(?:/|$)")
# These say nothing about what was to be made.
_NOT_THE_LABELS = (ConverterUnavailable, ConverterBusy, QueueTimeout)


@dataclass(frozen=True, slots=True)
class _Made:
    """A file, and what it says of the items in it."""

    name: str
    content: bytes
    results: tuple[ItemResult, ...]


class Workbench:
    """Makes pieces.

    Args:
        renderer: Makes documents.
        timeout_s: For one conversion.
        store: Takes the files; without one they come back with the result.
    """

    def __init__(self, renderer: Renderer, timeout_s: float, store: Store | None = None) -> None:
        self._renderer = renderer
        self._press = SheetPress(renderer)
        self._timeout_s = timeout_s
        self._store = store

    def make(
        self, piece: Piece, present: frozenset[str] = frozenset(), *, cancelled: Cancelled | None = None
    ) -> PieceResult:
        """Make all items of a piece; what fails is said of the item and stops no other.

        Args:
            piece: What to make.
            present: Names of files that are already stored and stay as they are.
            cancelled: True gives up.

        Raises:
            ConversionCancelled: ``cancelled`` said so.
        """
        is_labels = self._renderer.catalog.get(piece.template_id).layout == "labels"
        results: list[ItemResult] = []
        files = []
        for made in self._labels(piece, cancelled) if is_labels else self._documents(piece, cancelled):
            results += made.results
            is_whole = partial_name(made.name) != made.name
            if piece.is_probe or not made.content or (is_whole and made.name in present):
                continue
            if self._store is None:
                files.append((made.name, made.content))
                continue
            try:
                self._store.put(made.name, made.content)
                if is_labels and is_whole:
                    self._store.discard(partial_name(made.name))
            except ServiceError as error:
                results[-len(made.results) :] = [_failed(result, error) for result in made.results]
        return PieceResult(piece.number, tuple(results), tuple(files))

    def _labels(self, piece: Piece, cancelled: Cancelled | None) -> Iterator[_Made]:
        begun_s = time.perf_counter()
        kept, errors, sheets = self._pressed(piece, cancelled)
        seconds = (time.perf_counter() - begun_s) / len(piece.items)
        failed = tuple(
            _failure(piece.items[place], error, seconds) for place, error in sorted(errors.items())
        )
        if failed:
            yield _Made(piece.names[0], b"", failed)
        if sheets is None:
            return
        name = partial_name(piece.names[0]) if failed else piece.names[0]
        results = tuple(
            ItemResult(
                row=item.index,
                id=item.item_id,
                status="ok",
                seconds=round(seconds, 4),
                line=item.line,
                file=name,
                document_id=sealed.document_id,
                warnings=(*item.warnings, *sheets.warnings),
            )
            for item, sealed in zip((piece.items[place] for place in kept), sheets.items, strict=True)
        )
        yield _Made(name, sheets.content(piece.options.output, name), results)

    def _pressed(
        self, piece: Piece, cancelled: Cancelled | None
    ) -> tuple[list[int], dict[int, ServiceError], PressedSheets | None]:
        """Return the labels that are printed, what is wrong with the others, and the sheets."""
        places = list(range(len(piece.items)))
        spec = self._renderer.catalog.get(piece.template_id)

        def press(wanted: Sequence[int]) -> PressedSheets:
            return self._press.press(
                spec,
                [piece.items[place].data for place in wanted],
                piece.options.sheets,
                Deadline.after(self._timeout_s),
                piece.options.for_each,
                cancelled=cancelled,
            )

        try:
            return places, {}, press(places)
        except ServiceError as error:
            errors = _culprits(press, places, error)
            kept = [place for place in places if place not in errors]
            try:
                return kept, errors, press(kept) if kept else None
            except ServiceError as other:
                if isinstance(other, ConversionCancelled):
                    raise
                return [], {**dict.fromkeys(places, other), **errors}, None

    def _documents(self, piece: Piece, cancelled: Cancelled | None) -> Iterator[_Made]:
        options = piece.options.for_each
        together = self._renderer.render_items(
            piece.template_id,
            [item.submission for item in piece.items],
            self._timeout_s,
            options,
            cancelled=cancelled,
        )
        for item, name in zip(piece.items, piece.names, strict=True):
            begun_s = time.perf_counter()
            try:
                document = next(together) or self._document(piece.template_id, item, options, cancelled)
            except ConversionCancelled:
                raise
            except ServiceError as error:
                yield _Made(name, b"", (_failure(item, error, time.perf_counter() - begun_s),))
                continue
            content = self._content(document, piece.options.output)
            yield _Made(name, content, (_success(item, name, document, time.perf_counter() - begun_s),))

    def _document(
        self, template_id: str, item: Item, options: RenderOptions, cancelled: Cancelled | None
    ) -> RenderedDocument:
        for left in reversed(range(_TRIES)):
            try:
                return self._renderer.render_item(
                    template_id,
                    item.submission,
                    Deadline.after(self._timeout_s),
                    options,
                    cancelled=cancelled,
                )
            except ConversionCancelled:
                raise
            except ServiceError as error:
                if not left or not error.retryable:
                    raise
        raise AssertionError

    def _content(self, document: RenderedDocument, output: OutputFormat) -> bytes:
        if output is OutputFormat.BUNDLE:
            return self._renderer.bundle(document)
        return document.pdf if output is OutputFormat.PDF else document.docx


def _culprits(
    press: Callable[[Sequence[int]], object], places: Sequence[int], error: ServiceError
) -> dict[int, ServiceError]:
    """Return the labels because of which sheets cannot be made, each with what is wrong with it.

    Args:
        press: Makes the sheets of some labels.
        places: Labels that cannot be made together.
        error: What was said of them.

    Raises:
        ConversionCancelled: Nobody waits any more.
    """
    if isinstance(error, ConversionCancelled):
        raise error
    if len(places) == 1 or isinstance(error, _NOT_THE_LABELS):
        return dict.fromkeys(places, error)
    named = {
        place: type(error)(fault.message, code=error.type_code)
        for fault in error.faults
        if (place := _named(fault, places)) is not None
    }
    if len(named) == 1:
        rest = [place for place in places if place not in named]
        return named | _tried(press, [rest])
    if named:
        # One that runs over its edge spoils its neighbour, too.
        rest = [place for place in places if place not in named]
        return _tried(press, [[place] for place in named]) | _tried(press, [rest]) or dict(named)
    middle = len(places) // 2
    return _tried(press, [places[:middle], places[middle:]])


def _tried(
    press: Callable[[Sequence[int]], object], groups: Sequence[Sequence[int]]
) -> dict[int, ServiceError]:
    """Return the culprits of each group; see `_culprits`."""
    found: dict[int, ServiceError] = {}
    for group in groups:
        try:
            if group:
                press(group)
        except ServiceError as error:
            found |= _culprits(press, group, error)
    return found


def _named(fault: Fault, places: Sequence[int]) -> int | None:
    match = _LABEL.match(fault.pointer)
    return places[int(match[1])] if match else None


def _success(item: Item, name: str, document: RenderedDocument, seconds: float) -> ItemResult:
    return ItemResult(
        row=item.index,
        id=item.item_id,
        status="ok",
        seconds=round(seconds, 4),
        pages=document.pages,
        line=item.line,
        file=name,
        document_id=document.document_id,
        warnings=document.warnings,
    )


def _failure(item: Item, error: ServiceError, seconds: float) -> ItemResult:
    message = "；".join([str(error), *(fault.message for fault in error.faults)])
    return ItemResult(
        row=item.index,
        id=item.item_id,
        status="failed",
        code=error.type_code,
        message=message,
        seconds=round(seconds, 4),
        line=item.line,
        warnings=item.warnings,
    )


def _failed(result: ItemResult, error: ServiceError) -> ItemResult:
    return ItemResult(
        row=result.row,
        id=result.id,
        status="failed",
        code=error.type_code,
        message=str(error),
        seconds=result.seconds,
        line=result.line,
        warnings=result.warnings,
    )


def broken(items: Sequence[Item]) -> tuple[ItemResult, ...]:
    """Return what is said of items on which this program itself failed."""
    error = ServiceError("服务内部错误，请凭日志联系管理员。")
    return tuple(_failure(item, error, 0.0) for item in items)


def lost(items: Sequence[Item]) -> tuple[ItemResult, ...]:
    """Return what is said of items that ended the process that made them."""
    error = WorkerLost("处理这一项时工作进程意外终止，请单独检查这一项的数据。")
    return tuple(_failure(item, error, 0.0) for item in items)
