"""Renderer: request bytes in, a sealed document out."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from service.archive import write_docx
from service.catalog import Catalog
from service.convert import Cancelled, Converter, Gate, Priority
from service.errors import ConversionCancelled, ConverterUnavailable, ServiceError
from service.model import (
    Deadline,
    MissingGlyph,
    OnMissingGlyph,
    OutputFormat,
    RenderedDocument,
    RenderOptions,
    Submission,
    TemplateSpec,
)
from service.pdf.seal_picture import SealPicture
from service.pipeline.filling import Filled, fill
from service.pipeline.naming import file_stem
from service.pipeline.official_seal import SealOffer, SealProvider
from service.pipeline.sealing import Sealer
from service.pipeline.together import convert_together
from service.pipeline.tries import Clock, sealed_document
from service.schema import Validator, code_point, parse_json
from service.spans import annotate
from service.verification import KeyRing

_PLAIN = RenderOptions()
# The interpreter runs one thread at a time. Of thirty that compute each waits for all others at every step,
# and so does whoever only has to be told that the house is full.
_AT_WORK = 1


@dataclass(frozen=True, slots=True)
class _Begun:
    """A document that is filled and not yet converted."""

    spec: TemplateSpec
    submission: Submission
    filled: Filled
    picture: SealPicture | None
    warnings: list[str]


class Renderer:
    """Fills, converts, seals and checks documents.

    Args:
        catalog: Templates.
        converter: docx → PDF.
        keyring: Signing keys and issuers.
        has_glyph: Whether the configured fonts can draw a character.
        base_url: Prefix of verification URLs.
        issuer: Id of the signing issuer; ``None`` when there is only one.
        pictures: Pictures of official seals; ``None`` has none.
        on_missing_glyph: What becomes of a character that no font draws, unless a caller says otherwise.
        stamping: Where time stamps over signatures come from, see `StampRule`; ``None`` has none.
        faces: PostScript names of the faces that may be in a PDF; empty allows all.
    """

    def __init__(
        self,
        catalog: Catalog,
        converter: Converter,
        keyring: KeyRing,
        has_glyph: Callable[[str], bool],
        base_url: str,
        issuer: str | None = None,
        pictures: SealProvider | None = None,
        on_missing_glyph: OnMissingGlyph = "error",
        stamping: tuple[str, float, bool] | None = None,
        faces: frozenset[str] = frozenset(),
    ) -> None:
        self.catalog = catalog
        self.converter = converter
        self._has_glyph = has_glyph
        self._on_missing_glyph = on_missing_glyph
        self._base_url = base_url
        self.sealer = Sealer(keyring, base_url, issuer, pictures or SealProvider(), stamping, faces)
        self._hands = Gate(_AT_WORK, queue_limit=sys.maxsize)
        self._validators = {spec.template_id: Validator(spec.schema, spec.rules) for spec in catalog}

    def check(
        self, template_id: str, body: bytes, on_missing_glyph: OnMissingGlyph | None = None
    ) -> Submission:
        """Parse and check request data without rendering anything.

        Args:
            template_id: Which template.
            body: Its data.
            on_missing_glyph: See `RenderOptions`.

        Raises:
            UnknownTemplate: No such template.
            MalformedJson: The body is not strict JSON.
            InvalidRequest: Values break the schema; all faults at once.
        """
        return self.validate(template_id, self.parse(body), on_missing_glyph)

    def validate(
        self, template_id: str, value: Any, on_missing_glyph: OnMissingGlyph | None = None
    ) -> Submission:
        """Check parsed request data.

        Args:
            template_id: Which template.
            value: Its data.
            on_missing_glyph: See `RenderOptions`.

        Raises:
            UnknownTemplate: No such template.
            InvalidRequest: Values break the schema; all faults at once.
        """
        self.catalog.get(template_id)
        geta = (on_missing_glyph or self._on_missing_glyph) == "geta"
        validator = self._validators[template_id]
        return validator.validate(value, has_glyph=self._has_glyph, geta=geta)

    def seal_offer(self, template_id: str, body: bytes) -> SealOffer | None:
        """Return whether the picture of the issuer's seal may be asked for over a document that renders.

        Args:
            template_id: Its template.
            body: Its data.

        Raises:
            ServiceError: As `check`.
        """
        return self.sealer.offer(self.catalog.get(template_id), self.check(template_id, body).data)

    def parse(self, body: bytes) -> dict[str, Any]:
        """Parse strict JSON whose top level is an object.

        Raises:
            MalformedJson: It is not.
        """
        value: dict[str, Any] = parse_json(body)
        return value

    def render(
        self,
        template_id: str,
        body: bytes,
        deadline: Deadline,
        options: RenderOptions = _PLAIN,
        *,
        cancelled: Cancelled | None = None,
    ) -> RenderedDocument:
        """Turn request bytes, JSON as UTF-8, into a finished document.

        Args:
            template_id: Which template.
            body: Its data.
            deadline: Covers everything, the wait for a converter included.
            options: What else is asked for.
            cancelled: Asked while a converter is at work; true gives up.

        Returns:
            Both forms of the document; the same input gives the same id and token.

        Raises:
            ServiceError: Any leaf of the tree in `service.errors`.
        """
        clock = self._clock(deadline, Priority.SINGLE, cancelled)
        with clock.work("schema"):
            submission = self.check(template_id, body, options.on_missing_glyph)
        return self._make(template_id, submission, deadline, options, Priority.SINGLE, cancelled, clock)

    def render_item(
        self,
        template_id: str,
        submission: Submission,
        deadline: Deadline,
        options: RenderOptions = _PLAIN,
        *,
        cancelled: Cancelled | None = None,
    ) -> RenderedDocument:
        """Turn the checked data of one item of a batch into a finished document.

        Args:
            template_id: Which template.
            submission: From `validate`.
            deadline: As in `render`, like all that follow; but single documents go first.
            options: What else is asked for.
            cancelled: Asked while a converter is at work; true gives up.

        Raises:
            ServiceError: Any leaf of the tree in `service.errors`.
        """
        clock = self._clock(deadline, Priority.BATCH, cancelled)
        return self._make(template_id, submission, deadline, options, Priority.BATCH, cancelled, clock)

    def render_items(
        self,
        template_id: str,
        submissions: Sequence[Submission],
        timeout_s: float,
        options: RenderOptions = _PLAIN,
        *,
        cancelled: Cancelled | None = None,
    ) -> Iterator[RenderedDocument | None]:
        """Turn the checked data of several items into documents that are converted at once, where that can be.

        Args:
            template_id: Of all items.
            submissions: From `validate`.
            timeout_s: For one conversion.
            options: What else is asked for.
            cancelled: True gives up.

        Yields:
            The document of each; ``None`` for one that did not succeed here and has to be made by itself.

        Raises:
            ConversionCancelled: ``cancelled`` said so.
        """
        spec = self.catalog.get(template_id)
        deadline = Deadline.after(timeout_s)
        clock = self._clock(deadline, Priority.BATCH, cancelled)
        begun = [self._begun(spec, submission, options, clock) for submission in submissions]
        whole = [item for item in begun if item]
        convert = partial(self._convert, template_id, deadline, options, [], Priority.BATCH, cancelled)
        pdfs = convert_together([item.filled for item in whole], convert) if options.has_pdf else []
        ready = dict(zip(map(id, whole), pdfs, strict=False))
        for item in begun:
            if cancelled and cancelled():
                raise ConversionCancelled("请求已被取消。")
            late, pdf = Deadline.after(timeout_s), ready.get(id(item), b"")
            made = None
            try:
                if item:
                    clock = self._clock(late, Priority.BATCH, cancelled)
                    made = self._finish(item, late, options, Priority.BATCH, cancelled, clock, pdf)
            except ConversionCancelled:
                raise
            except ServiceError:
                made = None  # said by whoever makes it by itself
            yield made

    def _make(
        self,
        template_id: str,
        submission: Submission,
        deadline: Deadline,
        options: RenderOptions,
        priority: Priority,
        cancelled: Cancelled | None,
        clock: Clock,
    ) -> RenderedDocument:
        with clock.work("fill"):
            begun = self._begin(self.catalog.get(template_id), submission, options)
        return self._finish(begun, deadline, options, priority, cancelled, clock)

    def _clock(self, deadline: Deadline, priority: Priority, cancelled: Cancelled | None) -> Clock:
        return Clock(partial(self.turn, deadline, priority, cancelled))

    def _begun(
        self, spec: TemplateSpec, submission: Submission, options: RenderOptions, clock: Clock
    ) -> _Begun | None:
        try:
            with clock.work("fill"):
                return self._begin(spec, submission, options)
        except ConversionCancelled:
            raise
        except ServiceError:
            return None

    def _begin(self, spec: TemplateSpec, submission: Submission, options: RenderOptions) -> _Begun:
        picture, warnings = self.sealer.picture_for(spec, submission, options)
        filled = fill(spec, submission.data, self.extras(options.draft))
        return _Begun(spec, submission, filled, picture, warnings)

    def _finish(
        self,
        begun: _Begun,
        deadline: Deadline,
        options: RenderOptions,
        priority: Priority,
        cancelled: Cancelled | None,
        clock: Clock,
        pdf: bytes = b"",
    ) -> RenderedDocument:
        spec, data, warnings = begun.spec, begun.submission.data, begun.warnings
        converted = [pdf] if pdf else []

        def convert(docx: bytes) -> bytes:
            # What was converted already is good for the first try.
            if converted:
                return converted.pop()
            return self._convert(spec.template_id, deadline, options, warnings, priority, cancelled, docx)

        seal = partial(self.sealer.seal, spec, data, draft=options.draft, picture=begun.picture)
        sealed = sealed_document(begun.filled, convert, seal, clock)
        with clock.stage("sign"):
            wanted = sealed.pdf and options.is_signed
            annotate("wenyin.pages", sealed.pages)
            finished = self.sealer.sign(sealed.pdf, warnings) if wanted else sealed.pdf
        return RenderedDocument(
            template_id=spec.template_id,
            document_id=sealed.document_id,
            verify_url=sealed.seals[0].url,
            docx=sealed.docx,
            pdf=finished,
            pages=sealed.pages,
            file_stem=file_stem(spec.file_name, data, spec.title),
            warnings=(*warnings, *sealed.warnings),
            timings_s=clock.seconds,
            items=sealed.items,
            missing=begun.submission.missing,
        )

    def bundle(self, document: RenderedDocument) -> bytes:
        """Pack docx, PDF and ``manifest.json`` into one zip; same input, same bytes."""
        spec = self.catalog.get(document.template_id)
        files = {f"{document.file_stem}.docx": document.docx, f"{document.file_stem}.pdf": document.pdf}
        manifest = {
            "document_id": document.document_id,
            "verify_url": document.verify_url,
            "template": {"id": spec.template_id, "version": spec.version, "sha256": spec.sha256},
            "pages": document.pages,
            "warnings": list(document.warnings),
            **({"documents": [asdict(item) for item in document.items]} if document.items else {}),
            **({"missing_glyphs": [_named(item) for item in document.missing]} if document.missing else {}),
            "files": [
                {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in files.items()
            ],
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        return write_docx({**files, "manifest.json": text.encode()})

    def turn(
        self, deadline: Deadline, priority: Priority, cancelled: Cancelled | None
    ) -> AbstractContextManager[None]:
        """Wait for a turn to compute, and hold it for the length of the block; never while waiting for others.

        Args:
            deadline: End of the wait.
            priority: As with a converter.
            cancelled: True gives up.

        Raises:
            QueueTimeout: The deadline passed.
            ConversionCancelled: ``cancelled`` said so.
        """
        return self._hands.slot(deadline, priority, cancelled)

    def extras(self, draft: bool) -> dict[str, Any]:
        """Return the values that every template may use beside its data."""
        return {"verify_host": urlsplit(self._base_url).netloc, "draft": draft}

    def _convert(
        self,
        template_id: str,
        deadline: Deadline,
        options: RenderOptions,
        warnings: list[str],
        priority: Priority,
        cancelled: Cancelled | None,
        docx: bytes,
    ) -> bytes:
        try:
            return self.converter.convert(
                docx, deadline, priority=priority, cancelled=cancelled, label=template_id
            )
        except ConverterUnavailable:
            if options.output is not OutputFormat.DOCX:
                raise
            warnings.append("LibreOffice 不可用：未生成 PDF，二维码中不含 PDF 文字摘要与页数。")
            return b""


def _named(missing: MissingGlyph) -> dict[str, Any]:
    return {
        "pointer": missing.pointer,
        "character": missing.character,
        "code_point": code_point(missing.character),
        "positions": list(missing.positions),
    }
