"""Rows in, a plan out: every row checked before anything is made, and the pieces laid down for all runners.

Which items are made together depends on the rows and the options alone, never on how many workers there
are or on what an earlier run left, so that every run makes the same files.
"""

import hashlib
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice, repeat
from typing import Any

from service.batch.items import BatchOptions, Item, Piece, canonical_json, item_id, part_name
from service.batch.spool import Spool
from service.errors import Fault, InvalidRequest, RequestError, SealUnavailable, ServiceError
from service.fill import award_name
from service.labels import Geometry, check_start, geometry_of, overflow_of
from service.model import BatchRow, MissingGlyph, OutputFormat, Submission
from service.pipeline.naming import file_stem, pick
from service.pipeline.render import Renderer
from service.schema.place import field_name
from service.sheets import located

SHEETS_PER_PART = 20
"""Sheets of labels that are laid out in one conversion and go into one file."""

DOCUMENTS_PER_PIECE = 25
"""Documents that are converted at once, and that one worker makes before it says so."""

_DIGEST_BYTES = 32
_CONTENT = "内容"
_MOST_WARNINGS = 1_000
_MOST_FAULTS = 1_000
_ONLY_LABEL = re.compile("^「[^」]+」第 1 项")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be made.

    Attributes:
        row: As it was read.
        faults: All that is wrong with it; pointers begin with its place, messages with its cell or row.
    """

    row: BatchRow
    faults: tuple[Fault, ...]


class BatchPlan:
    """All items of a batch, checked; close it after use.

    Args:
        renderer: Its stages check the rows.
        template_id: Of all items.
        options: What was asked for.
        sizes: Items of each piece of documents, the last size repeated.

    Attributes:
        spec: The template.
        options: What was asked for.
        refusals: Rows that cannot be made.
        warnings: Chinese sentences, duplicates among them.

    Raises:
        UnknownTemplate: There is no such template.
        InvalidRequest: The settings of the sheets are wrong, or do not go with the template.
        SealUnavailable: The template has no place for a seal.
    """

    def __init__(
        self,
        renderer: Renderer,
        template_id: str,
        options: BatchOptions,
        sizes: Sequence[int] = (DOCUMENTS_PER_PIECE,),
    ) -> None:
        self.spec = renderer.catalog.get(template_id)
        if options.seal and self.spec.seal is None:
            raise SealUnavailable(f"“{self.spec.title}”没有盖章的位置，请去掉 seal 参数。")
        self.refusals: list[Refusal] = []
        self.warnings: list[str] = []
        self._renderer = renderer
        self.options = options
        self._sizes = sizes
        self._ids = bytearray()
        self._indices = array("L")
        self._lines = array("L")
        self._postcodes: list[str] = []
        self._seen: dict[bytes, tuple[int, int]] = {}
        self.is_labels = self.spec.layout == "labels"
        self._geometry = self._check_settings() if self.is_labels else geometry_of(None)
        self._spool = Spool()

    def _check_settings(self) -> Geometry:
        settings = self.options.sheets
        request = {**settings.to_request(), "labels": []}
        request.pop("order")
        try:
            self._renderer.validate(self.spec.template_id, request)
        except InvalidRequest as error:
            faults = [fault for fault in error.faults if not fault.pointer.startswith("/labels")]
            if faults:
                raise InvalidRequest("标签纸的设置有误。", faults=faults) from error
        geometry = geometry_of(settings.sheet)
        check_start(settings.start_at, geometry)
        return geometry

    def read(self, rows: Iterable[BatchRow]) -> None:
        """Check all rows and keep what can be made.

        Args:
            rows: Of the whole batch, whatever the shard.

        Raises:
            InvalidRequest: There are none (``empty``); or some are faulty and none may be left out: with
                the faults of all of them, up to a thousand.
        """
        count = 0
        for row in rows:
            count += 1
            self._take(row)
        self._seen.clear()
        if not count:
            message = "没有任何一项数据，请至少提供一行。"
            raise InvalidRequest(message, code="empty", faults=[Fault("", "minItems", message)])
        if self.refusals and (not self.options.skip or not len(self)):
            every = (fault for refusal in self.refusals for fault in refusal.faults)
            faults = list(islice(every, _MOST_FAULTS))
            raise InvalidRequest(
                f"共 {count} 项，其中 {len(self.refusals)} 项有问题，未生成任何文件。请改正后重新提交。",
                faults=faults,
            )

    def _take(self, row: BatchRow) -> None:
        try:
            checked = self._checked(row)
            faults: Sequence[Fault] = ()
        except RequestError as error:
            faults = error.faults or [Fault("", error.type_code, str(error))]
        if found := located(row, faults):
            self.refusals.append(Refusal(row, found))
            return
        data = checked.data
        options = self.options
        number = bytes.fromhex(item_id(self.spec, data, draft=options.draft, seal=options.seal))
        self._warn_of_duplicate(data, number, row)
        missing = [asdict(glyph) for glyph in checked.missing]
        self._spool.add({"data": data, "warnings": checked.warnings, "missing": missing})
        self._ids += number
        self._indices.append(row.index)
        self._lines.append(row.line)
        if options.sheets.sort == "postcode":
            self._postcodes.append(str(data.get("postcode") or "~"))

    def _checked(self, row: BatchRow) -> Submission:
        geta = self.options.on_missing_glyph
        if not self.is_labels:
            checked = self._renderer.validate(self.spec.template_id, row.data, geta)
            if self.options.seal:
                self._renderer.sealer.picture_for(self.spec, checked, self.options.for_each)
            return checked
        try:
            found = self._renderer.validate(self.spec.template_id, {"labels": [row.data]}, geta)
        except InvalidRequest as error:
            faults = [_alone(item) for item in error.faults]
            raise InvalidRequest(str(error), faults=faults) from error
        label = found.data["labels"][0]
        overflow = overflow_of(label, self._geometry, award_name, draft=self.options.draft)
        if overflow:
            raise InvalidRequest(overflow.message, faults=[overflow])
        return Submission(label, found.warnings, found.missing)

    def _warn_of_duplicate(self, data: Mapping[str, Any], number: bytes, row: BatchRow) -> None:
        keys = {_CONTENT: number}
        values = [pick(data, pointer) for pointer in self.spec.recipient]
        if any(values):
            name = field_name(self.spec.schema, self.spec.recipient[0]).strip("「」")
            keys[name] = _digest(canonical_json(values))
        if self.is_labels:
            recipient = canonical_json([data["unit"], data["attn"], data["address"]])
            keys |= {"收件人": _digest(recipient), "牌匾编号": _digest(f"#{data['plaque_no']}")}
        for name, key in keys.items():
            first = self._seen.setdefault(key, (row.index, row.line))
            if first == (row.index, row.line):
                continue
            if len(self.warnings) < _MOST_WARNINGS:
                self.warnings.append(f"{_where(*first)}与{_where(row.index, row.line)}的{name}相同。")
            if name == _CONTENT:
                return  # then all else is the same as well

    def __len__(self) -> int:
        """Items that can be made, copies not counted."""
        return len(self._spool)

    @property
    def faults_by_row(self) -> dict[int, tuple[Fault, ...]]:
        """What is wrong with each row that cannot be made."""
        return {refusal.row.index: refusal.faults for refusal in self.refusals}

    @property
    def total(self) -> int:
        """Items that this shard is to make, copies counted."""
        return sum(len(positions) for _, positions, _ in self._layout())

    def item(self, position: int) -> Item:
        """Return an item by its place among those that can be made."""
        digest = bytes(self._ids[position * _DIGEST_BYTES : (position + 1) * _DIGEST_BYTES])
        kept = self._spool[position]
        return Item(
            self._indices[position],
            self._lines[position],
            digest.hex(),
            kept["data"],
            tuple(kept["warnings"]),
            tuple(
                MissingGlyph(glyph["pointer"], glyph["character"], tuple(glyph["positions"]))
                for glyph in kept["missing"]
            ),
        )

    def pieces(self) -> Iterator[Piece]:
        """Yield this shard's pieces, made up as they are asked for."""
        for piece in self._layout():
            yield self._piece(*piece)

    def _layout(self) -> Iterator[tuple[int, Sequence[int], int]]:
        """Yield number, items and first place of each of this shard's pieces."""
        for piece in self._label_pieces() if self.is_labels else self._document_pieces():
            if piece[0] % self.options.shards == self.options.shard:
                yield piece

    def _label_pieces(self) -> Iterator[tuple[int, Sequence[int], int]]:
        order = array("L", range(len(self)))
        if self._postcodes:
            order = array("L", sorted(order, key=self._postcodes.__getitem__))
        copies = self.options.sheets.copies
        if copies > 1:
            order = array("L", (position for position in order for _ in range(copies)))
        room = self._geometry.per_page * SHEETS_PER_PART
        number, start, first = 0, self.options.sheets.start_at, 0
        while first < len(order):
            size = room - (start - 1)
            yield number, order[first : first + size], start
            number, first, start = number + 1, first + size, 1

    def _document_pieces(self) -> Iterator[tuple[int, Sequence[int], int]]:
        first = 0
        for number, size in enumerate(chain(self._sizes, repeat(self._sizes[-1]))):
            if first >= len(self):
                return
            yield number, range(first, min(first + size, len(self))), 1
            first += size

    def _piece(self, number: int, positions: Sequence[int], start_at: int) -> Piece:
        items = tuple(self.item(position) for position in positions)
        options = replace(self.options, sheets=replace(self.options.sheets, start_at=start_at))
        if self.is_labels:
            text = canonical_json([options.sheets.to_request(), [item.item_id for item in items]])
            key = hashlib.sha256(text.encode()).hexdigest()
            before = self._first_of(number)
            stem = file_stem(self.spec.file_name, {}, self.spec.title)
            names: tuple[str, ...] = (
                part_name(stem, key, self._output, first=before + 1, last=before + len(items)),
            )
        else:
            names = tuple(
                part_name(
                    file_stem(self.spec.file_name, item.data, self.spec.title), item.item_id, self._output
                )
                for item in items
            )
        return Piece(number, self.spec.template_id, items, names, options)

    @property
    def _output(self) -> OutputFormat:
        return self.options.output

    def _first_of(self, number: int) -> int:
        room = self._geometry.per_page * SHEETS_PER_PART
        return max(0, number * room - (self.options.sheets.start_at - 1))

    @property
    def key(self) -> str:
        """Hex digest over all items and options: the same batch has it in every run."""
        text = canonical_json([self.options.sheets.to_request(), self.options.sheets.copies, self._output])
        return hashlib.sha256(text.encode() + bytes(self._ids)).hexdigest()

    def close(self) -> None:
        """Give the space back."""
        self._spool.close()


def plan_batch(
    renderer: Renderer,
    template_id: str,
    rows: Iterable[BatchRow],
    options: BatchOptions,
    sizes: Sequence[int] = (DOCUMENTS_PER_PIECE,),
) -> BatchPlan:
    """Check a whole batch; see `BatchPlan`.

    Raises:
        ServiceError: As `BatchPlan` and `BatchPlan.read`.
    """
    plan = BatchPlan(renderer, template_id, options, sizes)
    try:
        plan.read(rows)
    except ServiceError:
        plan.close()
        raise
    return plan


def _alone(fault: Fault) -> Fault:
    """Return what is said of the only label of a request as what is said of a row."""
    message = _ONLY_LABEL.sub("", fault.message, count=1)
    return replace(fault, pointer=fault.pointer.removeprefix("/labels/0"), message=message)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


def _where(index: int, line: int) -> str:
    return f"第 {line} 行" if line else f"第 {index + 1} 项"
