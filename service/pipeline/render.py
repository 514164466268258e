"""Renderer: request bytes in, a sealed document out."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog

from service.archive import write_docx
from service.carry import carry_lines
from service.catalog import Catalog
from service.convert import Cancelled, Converter, Priority
from service.errors import ConverterUnavailable, TextLost
from service.model import (
    Deadline,
    MissingGlyph,
    OnMissingGlyph,
    OutputFormat,
    RenderedDocument,
    RenderOptions,
    Submission,
)
from service.pipeline.contract import LoneSignature, squeezed
from service.pipeline.faces import keep_blanks
from service.pipeline.filling import Filled, fill
from service.pipeline.naming import file_stem
from service.pipeline.official_seal import SealOffer, SealProvider
from service.pipeline.sealing import Sealed, Sealer
from service.schema import Validator, code_point, parse_json
from service.verification import KeyRing

_LOG = structlog.get_logger("wenyin.render")
_PLAIN = RenderOptions()


@dataclass(slots=True)
class _Clock:
    """Seconds spent by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


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
        clock = _Clock()
        with clock.stage("schema"):
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
        return self._make(template_id, submission, deadline, options, Priority.BATCH, cancelled, _Clock())

    def _make(
        self,
        template_id: str,
        submission: Submission,
        deadline: Deadline,
        options: RenderOptions,
        priority: Priority,
        cancelled: Cancelled | None,
        clock: _Clock,
    ) -> RenderedDocument:
        spec, draft = self.catalog.get(template_id), options.draft
        with clock.stage("fill"):
            picture, warnings = self.sealer.picture_for(spec, submission, options)
            filled = fill(spec, submission.data, self.extras(draft))
        convert = partial(self._convert, template_id, deadline, options, warnings, priority, cancelled)
        seal = partial(self.sealer.seal, spec, submission.data, draft=draft, picture=picture)
        sealed = _sealed(filled, convert, seal, clock)
        with clock.stage("sign"):
            wanted = sealed.pdf and options.is_signed
            finished = self.sealer.sign(sealed.pdf, warnings) if wanted else sealed.pdf
        return RenderedDocument(
            template_id=template_id,
            document_id=sealed.document_id,
            verify_url=sealed.seals[0].url,
            docx=sealed.docx,
            pdf=finished,
            pages=sealed.pages,
            file_stem=file_stem(spec.file_name, submission.data, spec.title),
            warnings=(*warnings, *sealed.warnings),
            timings_s=clock.seconds,
            items=sealed.items,
            missing=submission.missing,
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


def _sealed(
    filled: Filled, convert: Callable[[bytes], bytes], seal: Callable[[Filled, bytes], Sealed], clock: _Clock
) -> Sealed:
    """Convert and seal; once more with a few lines carried over where the signature would stand alone."""
    try:
        return _sealed_whole(filled, convert, seal, clock)
    except LoneSignature as lone:
        filled = _carried(filled, lone)
    return _sealed_whole(filled, convert, seal, clock)


def _sealed_whole(
    filled: Filled, convert: Callable[[bytes], bytes], seal: Callable[[Filled, bytes], Sealed], clock: _Clock
) -> Sealed:
    """Convert and seal; once more, with all blanks kept, where LibreOffice left out a character."""
    with clock.stage("convert"):
        pdf = convert(filled.docx)
    with clock.stage("seal"):
        try:
            return seal(filled, pdf)
        except TextLost:
            docx = keep_blanks(filled.docx)
            if docx is None:
                raise
    _LOG.warning("LibreOffice 漏印了字符，改用不压缩空白的方式重新转换")
    with clock.stage("convert"):
        pdf = convert(docx)
    with clock.stage("seal"):
        return seal(filled, pdf)


def _carried(filled: Filled, lone: LoneSignature) -> Filled:
    """Return the docx with more text on the page of its signature; raise the refusal where that cannot be."""
    docx = carry_lines(filled.docx, lone.lines, lone.name, lone.date, squeezed)
    if docx is None:
        raise lone
    return replace(filled, docx=docx)
