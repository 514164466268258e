"""Renderer: request bytes in, a sealed document out."""

import hashlib
import json
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, Literal
from urllib.parse import urlsplit

from service.archive import read_docx, write_docx
from service.catalog import Catalog
from service.convert import Cancelled, Converter
from service.docx import set_pictures, swap_picture
from service.errors import ConverterUnavailable, LayoutOverflow, SealError
from service.model import (
    Claims,
    Deadline,
    OutputFormat,
    RenderedDocument,
    SealedItem,
    Submission,
    TemplateSpec,
)
from service.pdf import (
    PdfStamp,
    PictureSpot,
    find_pictures,
    finish_pdf,
    page_count,
    pdf_text,
    render_spots,
)
from service.pdf.sign import sign_pdf
from service.pipeline.filling import Filled, fill
from service.pipeline.naming import as_text, file_stem, pick
from service.schema import Validator, parse_json
from service.verification import (
    KeyRing,
    Seal,
    TokenKey,
    decode_symbols,
    docx_text,
    label_text,
    make_seal,
    packed_rows,
    png_bytes,
    text_mac,
)

# A reader's device tries many frames; one raster can fall badly on the pixel grid.
_SELF_CHECK_DPI = (300, 200, 400)
_PDF_MODULE_PX = 4
_SHOWN_CHARS = 20


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
    """

    def __init__(
        self,
        catalog: Catalog,
        converter: Converter,
        keyring: KeyRing,
        has_glyph: Callable[[str], bool],
        base_url: str,
        issuer: str | None = None,
    ) -> None:
        self.catalog = catalog
        self.converter = converter
        self._keyring = keyring
        self._has_glyph = has_glyph
        self._base_url = base_url
        self._issuer = issuer
        self._validators = {spec.template_id: Validator(spec.schema, spec.rules) for spec in catalog}

    def check(self, template_id: str, body: bytes) -> Submission:
        """Parse and check request data without rendering anything.

        Raises:
            UnknownTemplate: No such template.
            MalformedJson: The body is not strict JSON.
            InvalidRequest: Values break the schema; all faults at once.
        """
        self.catalog.get(template_id)
        return self._validators[template_id].validate(self.parse(body), has_glyph=self._has_glyph)

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
        *,
        output: OutputFormat = OutputFormat.PDF,
        draft: bool = False,
        cancelled: Cancelled | None = None,
    ) -> RenderedDocument:
        """Turn request bytes, JSON as UTF-8, into a finished document.

        Args:
            template_id: Which template.
            body: Its data.
            deadline: Covers everything, the wait for a converter included.
            output: A docx alone is also made while LibreOffice is missing.
            draft: Mark the pages and the token as 草稿.
            cancelled: Asked while a converter is at work; true gives up.

        Returns:
            Both forms of the document; the same input gives the same id and token.

        Raises:
            ServiceError: Any leaf of the tree in `service.errors`.
        """
        clock, spec = _Clock(), self.catalog.get(template_id)
        with clock.stage("schema"):
            submission = self.check(template_id, body)
        with clock.stage("fill"):
            filled, warnings = fill(spec, submission.data, self._extras(draft)), list(submission.warnings)
        with clock.stage("convert"):
            pdf = self._convert(filled.docx, deadline, output, warnings, cancelled)
        with clock.stage("seal"):
            seals, finished, pages = self._seal(spec, submission.data, filled, pdf, draft)
            docx, warnings = _with_symbols(spec, filled, seals), [*warnings, *_dropped(seals)]
        if finished and not draft and output is not OutputFormat.DOCX:
            finished = self._signed(finished, clock, warnings)
        return RenderedDocument(
            template_id=template_id,
            document_id=_document_id(seals),
            verify_url=seals[0].url,
            docx=docx,
            pdf=finished,
            pages=pages,
            file_stem=file_stem(spec.file_name, submission.data, spec.title),
            warnings=tuple(warnings),
            timings_s=clock.seconds,
            items=_items(spec, filled, seals),
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
            "files": [
                {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in files.items()
            ],
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=2) + "\n"
        return write_docx({**files, "manifest.json": text.encode()})

    def _extras(self, draft: bool) -> dict[str, Any]:
        return {"verify_host": urlsplit(self._base_url).netloc, "draft": draft}

    def _convert(
        self,
        docx: bytes,
        deadline: Deadline,
        output: OutputFormat,
        warnings: list[str],
        cancelled: Cancelled | None,
    ) -> bytes:
        try:
            return self.converter.convert(docx, deadline, cancelled=cancelled)
        except ConverterUnavailable:
            if output is not OutputFormat.DOCX:
                raise
            warnings.append("LibreOffice 不可用：未生成 PDF，二维码中不含 PDF 文字摘要与页数。")
            return b""

    def _seal(
        self, spec: TemplateSpec, data: Mapping[str, Any], filled: Filled, pdf: bytes, draft: bool
    ) -> tuple[list[Seal], bytes, int]:
        key = self._keyring.signing_key(self._issuer)
        pages, text = 0, ""
        if pdf:
            pages, text = page_count(pdf), pdf_text(pdf)
            filled.check_pages(pages)
            _check_pages(spec, data, pages)
            _check_text(data, text)
        if filled.items is None:
            claims = _claims(spec, data, draft)
            docx_mac = self._mac(key, "hd", docx_text(read_docx(filled.docx)))
            claims = replace(claims, docx_text_mac=docx_mac)
            if pdf:
                claims = replace(claims, pages=pages, pdf_text_mac=self._mac(key, "hp", text))
            every = [claims]
        else:
            every = [self._item_claims(spec, item, key, draft) for item in filled.items]
        seals = [make_seal(claims, spec.verify.facts, key, self._base_url, spec.qr) for claims in every]
        finished = self._finish(filled, pdf, seals, every[0].issued_on) if pdf else b""
        return seals, finished, pages

    def _mac(self, key: TokenKey, domain: Literal["hp", "hd", "lb"], text: str) -> bytes:
        return text_mac(self._keyring.master, key.kid, domain, text)

    def _item_claims(self, spec: TemplateSpec, item: Mapping[str, Any], key: TokenKey, draft: bool) -> Claims:
        """Return what the token of one item says; its digest covers values, not a page that others share."""
        claims = _claims(spec, item, draft)
        if not spec.verify.digest:
            return claims
        values = label_text([as_text(pick(item, pointer)) for pointer in spec.verify.digest])
        return replace(claims, pdf_text_mac=self._mac(key, "lb", values))

    def _finish(self, filled: Filled, pdf: bytes, seals: Sequence[Seal], dated: date | None) -> bytes:
        spots = find_pictures(pdf, filled.placeholders)
        stamps = []
        for seal, (width, height) in zip(seals, filled.placeholders, strict=True):
            width_px, height_px, rows = packed_rows(seal.symbol, _PDF_MODULE_PX)
            stamps.append(PdfStamp(width, width_px, height_px, rows, dated, height))
        finished = finish_pdf(pdf, *stamps)
        if finished.loose_fonts:
            raise SealError("成品中有未嵌入的字体。", detail="、".join(sorted(finished.loose_fonts)))
        _check_symbols(finished.pdf, spots, seals)
        return finished.pdf

    def _signed(self, pdf: bytes, clock: _Clock, warnings: list[str]) -> bytes:
        """Sign, as the last thing that is ever done to the file; a draft is never signed."""
        issuer = self._keyring.signing_key(self._issuer).issuer
        key = self._keyring.pdf_key(issuer.issuer_id)
        if key is None:
            warnings.append(
                "签发单位没有可用的 PDF 签名证书：PDF 未加数字签名，请执行 wenyin keys rotate --pdf。"
            )
            return pdf
        with clock.stage("sign"):
            return sign_pdf(pdf, key.certificate.der, key.sign)


def _check_symbols(pdf: bytes, spots: Sequence[PictureSpot], seals: Sequence[Seal]) -> None:
    waiting = list(zip(spots, seals, strict=True))
    for dpi in _SELF_CHECK_DPI:
        crops = render_spots(pdf, [spot for spot, _ in waiting], dpi)
        readings = [decode_symbols(crop) for crop in crops]
        waiting = [pair for pair, reading in zip(waiting, readings, strict=True) if reading != (pair[1].url,)]
        if not waiting:
            return
    raise SealError("成品中的二维码无法读出，请检查模板中二维码的大小与位置。")


def _with_symbols(spec: TemplateSpec, filled: Filled, seals: Sequence[Seal]) -> bytes:
    pngs = [png_bytes(seal.symbol) for seal in seals]
    if filled.items is None:
        return swap_picture(filled.docx, spec.qr.marker, pngs[0])
    return set_pictures(filled.docx, spec.qr.marker, pngs)


def _dropped(seals: Sequence[Seal]) -> Iterator[str]:
    for number, seal in enumerate(seals, 1):
        if seal.dropped:
            which = f"（第 {number} 项）" if len(seals) > 1 else ""
            yield f"二维码容量有限，未写入{which}：{'、'.join(seal.dropped)}。"


def _document_id(seals: Sequence[Seal]) -> str:
    """Return the id of the token; of several, a digest of their ids in order."""
    if len(seals) == 1:
        return seals[0].document_id
    return hashlib.sha256("".join(seal.document_id for seal in seals).encode()).hexdigest()[:16]


def _items(spec: TemplateSpec, filled: Filled, seals: Sequence[Seal]) -> tuple[SealedItem, ...]:
    if filled.items is None:
        return ()
    return tuple(
        SealedItem(f"{spec.verify.each}/{number}", seal.document_id, seal.url)
        for number, seal in enumerate(seals)
    )


def _issued_on(spec: TemplateSpec, data: Mapping[str, Any]) -> date | None:
    text = pick(data, spec.verify.date)
    return date.fromisoformat(text) if text else None


def _claims(spec: TemplateSpec, data: Mapping[str, Any], draft: bool) -> Claims:
    rule = spec.verify
    return Claims(
        doc_type=rule.doc_type,
        title=as_text(pick(data, rule.title)) or None,
        ref=as_text(pick(data, rule.ref)) or None,
        issued_on=_issued_on(spec, data),
        facts=tuple(as_text(pick(data, fact.pointer)) for fact in rule.facts),
        template_version=spec.version,
        draft=draft,
    )


def _check_pages(spec: TemplateSpec, data: Mapping[str, Any], pages: int) -> None:
    if spec.pages.minimum <= pages <= spec.pages.maximum:
        return
    pointer, text = max(_strings(data, ""), key=lambda item: len(item[1]), default=("", ""))
    raise LayoutOverflow(
        f"成文 {pages} 页，模板只允许 {spec.pages.minimum}–{spec.pages.maximum} 页；"
        f"最长的一项是 {pointer}（{len(text)} 字，“{text[:_SHOWN_CHARS]}…”），请缩短。"
    )


def _check_text(data: Mapping[str, Any], text: str) -> None:
    """Refuse a PDF in which a character of the input is nowhere to be found."""
    printed = set(unicodedata.normalize("NFKC", text))
    for pointer, value in _strings(data, ""):
        wanted = unicodedata.normalize("NFKC", value)
        lost = sorted({char for char in wanted if ord(char) > 0x2E7F and char not in printed})
        if lost:
            names = "、".join(f"{char}（U+{ord(char):04X}）" for char in lost[:10])
            raise SealError(f"成品中缺少 {pointer} 里的字：{names}。请检查模板是否印出了这一项。")


def _strings(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _strings(item, f"{pointer}/{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _strings(item, f"{pointer}/{number}")
