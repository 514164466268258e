"""Values of a batch: what was asked, its items, the pieces they are made in, and what became of them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Literal

from service.model import (
    MissingGlyph,
    OnMissingGlyph,
    OutputFormat,
    RenderOptions,
    Submission,
    TemplateSpec,
)
from service.pipeline.press import SheetSettings

EXTENSIONS = {OutputFormat.PDF: "pdf", OutputFormat.DOCX: "docx", OutputFormat.BUNDLE: "zip"}
"""File name extension of each form."""

_SHOWN_HEX = 12
_PARTIAL = "-partial"


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What a caller may ask of a batch.

    Attributes:
        output: Form of each document or part.
        draft: Mark everything as 草稿.
        seal: Lay the issuer's seal picture over each PDF, as `RenderOptions` says.
        on_missing_glyph: See `RenderOptions`.
        skip: Leave faulty items out and make the others; otherwise one fault refuses the whole batch.
        merge: All in one PDF.
        sheets: For labels.
        shard: This runner's number, from 0.
        shards: How many runners share the batch.
    """

    output: OutputFormat = OutputFormat.PDF
    draft: bool = False
    skip: bool = False
    merge: bool = False
    sheets: SheetSettings = field(default_factory=SheetSettings)
    shard: int = 0
    shards: int = 1
    seal: bool = False
    on_missing_glyph: OnMissingGlyph | None = None

    @property
    def for_each(self) -> RenderOptions:
        """What is asked of each document or part."""
        return RenderOptions(self.output, self.draft, self.seal, not self.merge, self.on_missing_glyph)


@dataclass(frozen=True, slots=True)
class Item:
    """One item that may be made.

    Attributes:
        index: Place among the items of the batch, from 0.
        line: Row as the spreadsheet shows it; 0 in a JSON array.
        item_id: Hex digest of template, version and data: the same item has it in every run.
        data: Checked values.
        warnings: What was mended while checking, or looks odd.
        missing: What 〓 stands for in the data.
    """

    index: int
    line: int
    item_id: str
    data: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    missing: tuple[MissingGlyph, ...] = ()

    @property
    def submission(self) -> Submission:
        """What is handed to the renderer."""
        return Submission(self.data, self.warnings, self.missing)


@dataclass(frozen=True, slots=True)
class Piece:
    """Items that are made together, and what the result is called.

    Attributes:
        number: Place among the pieces, from 0.
        template_id: Their template.
        items: At least one.
        names: Name of each file: of each item, or of the one part that holds all labels.
        options: Of the batch; ``sheets.start_at`` is this piece's own.
        is_probe: Made to see whether it can be, by a worker that may die of it; nothing is kept.
    """

    number: int
    template_id: str
    items: tuple[Item, ...]
    names: tuple[str, ...]
    options: BatchOptions
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of an item; a line of ``results-*.jsonl``.

    Attributes:
        row: Place among the items, from 0.
        id: See `Item.item_id`.
        status: ``ok`` or ``failed``.
        code: Stable name of the failure; empty when there is none.
        message: Chinese sentence; empty when there is none.
        seconds: Its share of the time of its piece.
        pages: Of its document; of a label, 0.
        line: Row as the spreadsheet shows it; 0 in a JSON array.
        file: Name of the file that holds it.
        document_id: Of its token.
        warnings: Chinese sentences.
    """

    row: int
    id: str
    status: Literal["ok", "failed"]
    code: str = ""
    message: str = ""
    seconds: float = 0.0
    pages: int = 0
    line: int = 0
    file: str = ""
    document_id: str = ""
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return one line of JSON without its end."""
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class PieceResult:
    """What became of a piece.

    Attributes:
        number: Of the piece.
        results: One for each item.
        files: Name and content of what was made, where nobody has stored it yet.
    """

    number: int
    results: tuple[ItemResult, ...]
    files: tuple[tuple[str, bytes], ...] = ()


def item_id(spec: TemplateSpec, data: Mapping[str, Any], *, draft: bool, seal: bool = False) -> str:
    """Return the id of an item.

    Args:
        spec: Its template.
        data: Checked values.
        draft: Whether it is made as a draft.
        seal: Whether it bears the picture of a seal.
    """
    text = canonical_json([spec.sha256, spec.version, draft, data, *(["seal"] if seal else [])])
    return hashlib.sha256(text.encode()).hexdigest()


def part_name(stem: str, key: str, output: OutputFormat, *, first: int | None = None, last: int = 0) -> str:
    """Return the file name of an item, or of a part of the labels.

    It says the same in every run and for every runner, and no two items share it.

    Args:
        stem: From the pattern of the template; safe.
        key: Hex digest.
        output: Form.
        first: First label of the part, from 1.
        last: Its last label.
    """
    place = "" if first is None else f"-{first:06d}-{last:06d}"
    return f"{stem}{place}-{key[:_SHOWN_HEX]}.{EXTENSIONS[output]}"


def partial_name(name: str) -> str:
    """Return what a part is called from which labels had to be left out, so that a rerun tries them again."""
    stem, dot, extension = name.rpartition(".")
    return name if stem.endswith(_PARTIAL) else f"{stem}{_PARTIAL}{dot}{extension}"


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain)


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(repr(value))
