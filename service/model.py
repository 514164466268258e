"""Values that pass between the stages; immutable, and no stage owns them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from service.errors import Fault
from service.evidence import TextSpan
from service.pagerules import LayoutRule, PageRule
from service.rules import DataRule

# Upper bounds, in seconds, of the classes that a conversion's time is counted in.
SECONDS_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the monotonic clock by which a piece of work must have ended.

    Attributes:
        at_s: Monotonic seconds.
    """

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining_s(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self.at_s - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s() <= 0.0


class OutputFormat(StrEnum):
    """What a rendered document is handed out as."""

    PDF = "pdf"
    DOCX = "docx"
    BUNDLE = "bundle"


OnMissingGlyph = Literal["error", "geta"]
"""What becomes of a character that no font draws: the request is refused, or 〓 (U+3013) stands in its place."""


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """What a caller may ask for beside the data.

    Attributes:
        output: A docx alone is also made while LibreOffice is missing.
        draft: Mark the pages and the token as 草稿.
        seal: Lay the issuer's seal picture over the PDF's 署名 and date.
        signed: Whether the PDF gets a signature; a part of a larger file does not, nor ever a draft.
        on_missing_glyph: ``None`` leaves it to the service's setting.
    """

    output: OutputFormat = OutputFormat.PDF
    draft: bool = False
    seal: bool = False
    signed: bool = True
    on_missing_glyph: OnMissingGlyph | None = None

    @property
    def has_pdf(self) -> bool:
        """Whether a PDF is handed out."""
        return self.output is not OutputFormat.DOCX

    @property
    def is_signed(self) -> bool:
        """Whether there is a PDF and it is signed."""
        return self.signed and not self.draft and self.has_pdf


@dataclass(frozen=True, slots=True)
class FactRule:
    """A public field that the token carries and the verdict page shows.

    Attributes:
        caption: Chinese caption on the verdict page, e.g. ``发文机关署名``.
        pointer: JSON Pointer into the request data.
        optional: Whether the fact may be dropped to keep the QR readable.
    """

    caption: str
    pointer: str
    optional: bool = False


FullText = bool | Literal["optional"]
"""Whether the whole text goes into the token; ``"optional"`` leaves it out where the code has no room."""


@dataclass(frozen=True, slots=True)
class VerifyRule:
    """How a template's data becomes a token; pointers go into the request data.

    Attributes:
        doc_type: Payload key 1: 1 notice, 2 plan, 3 report, 4 label, 5 commendation, 6 to 255 others.
        title: Pointer to the title.
        ref: Pointer to the reference number (发文字号).
        date: Pointer to the ISO date of the document (成文日期).
        facts: Further public facts, in the order in which they are signed.
        each: Pointer to a list whose items are sealed one by one, each with its own QR code; all other
            pointers are then relative to the item.
        digest: Pointers to the values of an item that its token's keyed digest covers, in their order.
        full_text: Whether the token carries the whole text, which makes it public.
    """

    doc_type: int
    title: str | None
    ref: str | None
    date: str | None
    facts: tuple[FactRule, ...] = ()
    each: str | None = None
    digest: tuple[str, ...] = ()
    full_text: FullText = False


@dataclass(frozen=True, slots=True)
class QrRule:
    """Size and hiding place of the QR picture.

    Attributes:
        marker: Alternative text of the placeholder picture in the docx.
        picture_mm: Side of the square picture, quiet zone included.
        module_min_mm: Smallest side of one module that may be printed.
        placeholder_px: Pixel side of the placeholder PNG, unusual on purpose.
    """

    marker: str
    picture_mm: float
    module_min_mm: float
    placeholder_px: int


@dataclass(frozen=True, slots=True)
class SealRule:
    """Where the picture of the issuer's seal goes (GB/T 9704-2012 7.3.5.1), in the PDF alone.

    Either over 署名 and 成文日期 (``date``), or into the room that is left free after a label (``label``).

    Attributes:
        unit: Pointer to the name of the unit whose seal it is.
        date: Pointer to the ISO date that is printed under the name as 2021年5月8日.
        suffix: What the template prints after the name.
        label: What the template prints before the place that it leaves free.
    """

    unit: str
    date: str | None = None
    suffix: str = ""
    label: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateSpec:
    """One template folder, loaded and checked.

    Attributes:
        template_id: Folder name, used in URLs.
        title: Chinese name of the document type.
        version: Integer that its author raises; goes into the token.
        directory: Where it was loaded from.
        docx: Bytes of ``template.docx``.
        schema: JSON Schema 2020-12 of the request data.
        sample: Bytes of ``sample.json``.
        fonts: Font names that the docx uses.
        pages: Page rule.
        verify: Token rule.
        qr: QR rule.
        file_name: Pattern of the download name; ``{title}``, ``{host.name}`` name fields of the data.
        sha256: Hex digest over docx, schema and manifest.
        rules: What the schema cannot say of the data.
        layout: ``document``, or ``labels`` for a template of one label that is repeated over sheets.
        recipient: Pointers to who gets or sends the document; a batch says which rows name the same.
        seal: Where a seal picture goes; ``None`` has no place for one.
        contract: What its pages must look like; ``None`` leaves that to its owner.
    """

    template_id: str
    title: str
    version: int
    directory: Path
    docx: bytes
    schema: Mapping[str, Any]
    sample: bytes
    fonts: tuple[str, ...]
    pages: PageRule
    verify: VerifyRule
    qr: QrRule
    file_name: str
    sha256: str
    rules: tuple[DataRule, ...] = ()
    layout: Literal["document", "labels"] = "document"
    recipient: tuple[str, ...] = ()
    seal: SealRule | None = None
    contract: LayoutRule | None = None


@dataclass(frozen=True, slots=True)
class MissingGlyph:
    """A character that no font draws and in whose place 〓 is printed.

    Attributes:
        pointer: JSON Pointer of the field.
        character: What was sent.
        positions: Where 〓 stands for it in the cleaned field, in characters from 0.
    """

    pointer: str
    character: str
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """Request data that passed every check of the schema stage.

    Attributes:
        data: Cleaned values: NFC, no zero-width characters, defaults untouched.
        warnings: Chinese sentences about things that were mended or look odd.
        missing: What 〓 stands for in the data.
    """

    data: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    missing: tuple[MissingGlyph, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One item of a batch as it was read, not yet held against a schema.

    Attributes:
        index: Place among the items, from 0.
        data: JSON value for the item's template; ``None`` where it could not be read at all.
        line: Row as the spreadsheet shows it, or line of the file, from 1; 0 in a JSON array.
        cells: JSON Pointer within the item → cell address (``/phone`` → ``D17``); empty but for sheets.
        faults: What was wrong already while reading; pointers within the item.
        origins: JSON Pointer in ``data`` → pointer in what was sent, where ``data`` was made from that.
    """

    index: int
    data: Any
    line: int = 0
    cells: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says; every value here is public and shown to the reader.

    Attributes:
        doc_type: See `VerifyRule.doc_type`.
        title: At most 40 characters, NFC.
        ref: 发文字号, or a batch serial.
        issued_on: 成文日期.
        facts: Values in the order of the template's fact rules.
        expires_on: Day after which the verdict is EXPIRED.
        pages: Page count of the PDF.
        pdf_text_mac: 8 bytes over the PDF's canonical text.
        docx_text_mac: 8 bytes over the docx's canonical text.
        seal_mode: 0 none, 1 picture, 2 certified electronic seal.
        profile: Canonicalisation profile of the two MACs.
        template_version: `TemplateSpec.version`.
        draft: Whether the document was rendered as 草稿.
        text: The whole text of the PDF, or of the docx where there is no PDF, line by line; ``None`` unless
            the template asks for it.
    """

    doc_type: int
    title: str | None = None
    ref: str | None = None
    issued_on: date | None = None
    facts: tuple[str, ...] = ()
    expires_on: date | None = None
    pages: int | None = None
    pdf_text_mac: bytes | None = None
    docx_text_mac: bytes | None = None
    seal_mode: int = 0
    profile: int = 1
    template_version: int = 1
    draft: bool = False
    text: str | None = None


class VerdictCode(StrEnum):
    """The eleven answers to "is this genuine?"."""

    EXACT = "EXACT"
    TEXT_MATCH = "TEXT_MATCH"
    CLAIMS_ONLY = "CLAIMS_ONLY"
    ALTERED = "ALTERED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    KEY_COMPROMISED = "KEY_COMPROMISED"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    BAD_TOKEN = "BAD_TOKEN"  # noqa: S105 - a verdict, not a secret
    CONFLICT = "CONFLICT"
    NO_SEAL = "NO_SEAL"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer with its reasons.

    Attributes:
        code: The verdict.
        message: Chinese sentence for the reader.
        claims: JSON-ready signed claims: issuer, type, title, ref, date, facts, pages …
            Empty unless the token's signature is good.
        checked: Chinese phrases: what was checked.
        not_checked: Chinese phrases: what was not, said plainly.
        document_id: Hex rid of the token, when its signature is good.
        development: Whether the issuer is the development issuer made on first run.
        authenticated_text: The text that matched, for TEXT_MATCH; else the whole text that the token
            carries, if it carries one and still counts.
        pages: First and last page of the file that this verdict is about, from 1, where it is not all.
        documents: A verdict for each code of a file that holds several.
        differences: For ALTERED: the signed text and the file's, piece by piece, where they are two
            versions of one text.
    """

    code: VerdictCode
    message: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    checked: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    document_id: str | None = None
    development: bool = False
    authenticated_text: str | None = None
    pages: tuple[int, int] | None = None
    documents: tuple["Verdict", ...] = ()
    differences: tuple[TextSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class SealedItem:
    """One of the items of a document that are sealed one by one.

    Attributes:
        pointer: JSON Pointer of the item in the request data.
        document_id: Hex rid of its token.
        verify_url: What its QR says.
    """

    pointer: str
    document_id: str
    verify_url: str


@dataclass(frozen=True, slots=True)
class RenderedDocument:
    """A finished document in both of its forms.

    Attributes:
        template_id: Template it came from.
        document_id: Hex rid; the same input gives the same id. For several sealed items a digest of their
            ids.
        verify_url: What the QR says; for several, the first.
        docx: Bytes with the real QR.
        pdf: Bytes with the real QR; ``None`` when only the docx was asked for.
        pages: Page count of the PDF.
        file_stem: Safe download name without extension.
        warnings: Chinese sentences.
        timings_s: Seconds by stage.
        items: What was sealed one by one; empty for a document that has one seal.
        missing: What 〓 stands for.
    """

    template_id: str
    document_id: str
    verify_url: str
    docx: bytes
    pdf: bytes
    pages: int
    file_stem: str
    warnings: tuple[str, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    items: tuple[SealedItem, ...] = ()
    missing: tuple[MissingGlyph, ...] = ()
