"""Sealing: tokens over what was printed, QR codes into both forms, the signature last."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import structlog

from service.archive import read_docx
from service.docx import set_pictures, swap_picture
from service.errors import SealError
from service.model import Claims, OutputFormat, RenderOptions, SealedItem, Submission, TemplateSpec
from service.pdf import (
    PictureSpot,
    render_spots,
)
from service.pdf.finish import EPOCH, FinishedPdf, PdfStamp, finish_pdf
from service.pdf.printed import PrintedPage, find_pictures, read_printed
from service.pdf.seal_picture import SealPicture, SealStamp
from service.pdf.sheets import Picture, stamp_sheets
from service.pdf.sign import sign_pdf
from service.pdf.timestamp import TIME_STAMP_FAILED, StampRule
from service.pipeline.contract import check_labels, check_layout, check_pages
from service.pipeline.filling import Filled
from service.pipeline.naming import as_text, pick
from service.pipeline.official_seal import SealOffer, SealProvider, place_seal
from service.pipeline.whole import check_text
from service.verification import (
    KeyRing,
    Seal,
    TokenKey,
    decode_symbols,
    docx_text,
    doubtful_text,
    label_text,
    make_seal,
    packed_rows,
    png_bytes,
    readable_text,
    text_mac,
)

_LOG = structlog.get_logger("wenyin.seal")
# A reader's device tries many frames; one raster can fall badly on the pixel grid.
_SELF_CHECK_DPI = (300, 200, 400)
# The coarsest first: it takes half the time, and the few codes that it misses get the others.
_BULK_CHECK_DPI = (200, 300, 400)
_PDF_MODULE_PX = 4
_PICTURE_SEAL = 1  # see `service.model.Claims.seal_mode`


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed document, not yet signed.

    Attributes:
        seals: One, or one for each item.
        docx: With the codes in their places.
        pdf: The same; empty where LibreOffice was missing.
        pages: Of the PDF.
        items: Where every item of a list is sealed by itself, their ids.
        warnings: What did not fit into the codes.
    """

    seals: tuple[Seal, ...]
    docx: bytes
    pdf: bytes
    pages: int
    items: tuple[SealedItem, ...]
    warnings: tuple[str, ...]

    @property
    def document_id(self) -> str:
        """The id of the token; of several, a digest of their ids in order."""
        if len(self.seals) == 1:
            return self.seals[0].document_id
        return hashlib.sha256("".join(seal.document_id for seal in self.seals).encode()).hexdigest()[:16]


class Sealer:
    """Seals and signs in an issuer's name.

    Args:
        keyring: Signing keys and issuers.
        base_url: Prefix of verification URLs.
        issuer: Id of the signing issuer; ``None`` when there is only one.
        pictures: Pictures of official seals.
        stamping: Where time stamps over signatures come from, see `StampRule`; ``None`` has none.
        faces: PostScript names of the faces that may be in a PDF; empty allows all.
    """

    def __init__(
        self,
        keyring: KeyRing,
        base_url: str,
        issuer: str | None,
        pictures: SealProvider,
        stamping: tuple[str, float, bool] | None = None,
        faces: frozenset[str] = frozenset(),
    ) -> None:
        self._faces = faces
        self._stamping = StampRule(*stamping) if stamping else None
        self._keyring = keyring
        self._pictures = pictures
        self._base_url = base_url
        self._issuer = issuer

    def picture_for(
        self, spec: TemplateSpec, submission: Submission, options: RenderOptions
    ) -> tuple[SealPicture | None, list[str]]:
        """Return the picture of the issuer's seal if one is asked for and has a page to be on; and all warnings.

        Args:
            spec: The template.
            submission: Checked request data.
            options: What the caller asked for.

        Raises:
            SealUnavailable: It may not be laid over this document.
        """
        warnings = list(submission.warnings)
        if not options.seal:
            return None, warnings
        issuer = self._keyring.signing_key(self._issuer).issuer
        picture = self._pictures.chosen(spec, submission.data, issuer.issuer_id, issuer.name)
        if options.draft:
            return None, [*warnings, "草稿不盖印章图样。"]
        if options.output is OutputFormat.DOCX:
            return None, [*warnings, "印章图样只盖在 PDF 上，docx 中没有。"]
        return picture, warnings

    def offer(self, spec: TemplateSpec, data: Mapping[str, Any]) -> SealOffer | None:
        """Return whether the picture of the issuer's seal may be asked for; see `SealProvider.offer`."""
        issuer = self._keyring.signing_key(self._issuer).issuer
        return self._pictures.offer(spec, data, issuer.issuer_id, issuer.name)

    def seal(
        self,
        spec: TemplateSpec,
        data: Mapping[str, Any],
        filled: Filled,
        pdf: bytes,
        *,
        draft: bool,
        picture: SealPicture | None = None,
    ) -> Sealed:
        """Check what LibreOffice made, sign the tokens over it, and put their QR codes into both forms.

        Args:
            spec: Its template.
            data: What it was filled with.
            filled: The docx with placeholders.
            pdf: What LibreOffice made of it, or empty.
            draft: Whether the token says that it is a draft.
            picture: The official seal's picture, for the PDF alone.

        Returns:
            Both forms with their codes; the PDF without a signature.

        Raises:
            LayoutOverflow, TextLost: The page breaks its template's rules, or lacks a character.
            SealError: A font is not embedded, a code unreadable.
        """
        key = self._keyring.signing_key(self._issuer)
        given = _given(filled)
        pages, text = _checked(spec, data, filled, given, pdf) if pdf else ((), "")
        stamp = place_seal(spec.seal, data, picture, pdf) if spec.seal and picture and pdf else None
        if filled.items is None:
            claims = replace(_claims(spec, data, draft), docx_text_mac=self._mac(key, "hd", given))
            if pdf:
                claims = replace(claims, pages=len(pages), pdf_text_mac=self._mac(key, "hp", text))
            if stamp:
                claims = replace(claims, seal_mode=_PICTURE_SEAL)
            seals = [self._made(spec, claims, key, text or given)]
        else:
            seals = list(self.seal_items(spec, filled.items, draft=draft))
        dated = _issued_on(spec, filled.items[0] if filled.items else data)
        finished = self._finish(filled, pdf, pages, seals, dated, stamp) if pdf else b""
        return Sealed(
            seals=tuple(seals),
            docx=_with_symbols(spec, filled, seals),
            pdf=finished,
            pages=len(pages),
            items=_items(spec, filled, seals),
            warnings=tuple(_dropped(seals)),
        )

    def seal_items(
        self, spec: TemplateSpec, items: Sequence[Mapping[str, Any]], *, draft: bool
    ) -> Iterator[Seal]:
        """Sign the token of each item that is sealed by itself; no page is needed for that.

        Args:
            spec: Its template.
            items: Values as printed.
            draft: Whether the tokens say that they are drafts.
        """
        key = self._keyring.signing_key(self._issuer)
        for item in items:
            claims = self._item_claims(spec, item, key, draft)
            yield make_seal(claims, spec.verify.facts, key, self._base_url, spec.qr)

    def stamp_items(self, pdf: bytes, side_px: int, seals: Sequence[Seal]) -> bytes:
        """Put the codes of many items into their sheets and read each back.

        Args:
            pdf: LibreOffice's output, with one placeholder drawn for each item.
            side_px: Side of that placeholder.
            seals: In the order of the places: page by page, row by row, from the left.

        Raises:
            SealError: A place is missing, a font not embedded, a code unreadable or not where it belongs.
        """
        pictures = [Picture(*packed_rows(seal.symbol, _PDF_MODULE_PX)) for seal in seals]
        stamped = stamp_sheets(pdf, (side_px, side_px), pictures, EPOCH)
        _check_fonts(stamped.finished, self._faces)
        _check_symbols(stamped.finished.pdf, stamped.spots, seals, _BULK_CHECK_DPI)
        return stamped.finished.pdf

    def _made(self, spec: TemplateSpec, claims: Claims, key: TokenKey, text: str) -> Seal:
        full_text = spec.verify.full_text
        if full_text:
            claims = replace(claims, text=readable_text(text))
        return make_seal(claims, spec.verify.facts, key, self._base_url, spec.qr, full_text)

    def _mac(self, key: TokenKey, domain: Literal["hp", "hd", "lb"], text: str) -> bytes:
        return text_mac(self._keyring.master, key.kid, domain, text)

    def _item_claims(self, spec: TemplateSpec, item: Mapping[str, Any], key: TokenKey, draft: bool) -> Claims:
        """Return what the token of one item says; its digest covers values, not a page that others share."""
        claims = _claims(spec, item, draft)
        if not spec.verify.digest:
            return claims
        values = label_text([as_text(pick(item, pointer)) for pointer in spec.verify.digest])
        return replace(claims, pdf_text_mac=self._mac(key, "lb", values))

    def _finish(
        self,
        filled: Filled,
        pdf: bytes,
        pages: Sequence[PrintedPage],
        seals: Sequence[Seal],
        dated: date | None,
        picture: SealStamp | None,
    ) -> bytes:
        if picture:
            _LOG.info("seal picture laid", document_id=seals[0].document_id, page=picture.page + 1)
        spots = find_pictures(pages, filled.placeholders)
        stamps = []
        for seal, (width, height) in zip(seals, filled.placeholders, strict=True):
            width_px, height_px, rows = packed_rows(seal.symbol, _PDF_MODULE_PX)
            stamps.append(PdfStamp(width, width_px, height_px, rows, dated, height))
        finished = finish_pdf(pdf, *stamps, seal=picture, marker=filled.marker)
        _check_fonts(finished, self._faces)
        _check_symbols(finished.pdf, spots, seals, _SELF_CHECK_DPI)
        return finished.pdf

    def sign(self, pdf: bytes, warnings: list[str]) -> bytes:
        """Sign, as the last thing that is ever done to the file; a draft is never signed.

        Args:
            pdf: The finished file.
            warnings: Takes the reason where there is no key to sign with, or no time stamp.

        Returns:
            The signed file.

        Raises:
            SealError: It cannot be signed, or a time stamp is demanded and not to be had.
        """
        issuer = self._keyring.signing_key(self._issuer).issuer
        key = self._keyring.pdf_key(issuer.issuer_id)
        if key is None:
            warnings.append(
                "签发单位没有可用的 PDF 签名证书：PDF 未加数字签名，请执行 wenyin keys rotate --pdf。"
            )
            return pdf
        try:
            return sign_pdf(pdf, key.certificate.der, key.sign, self._stamping)
        except SealError as error:
            if self._stamping is None or self._stamping.required or error.type_code != TIME_STAMP_FAILED:
                raise
        warnings.append("时间戳服务没有给出可用的时间戳：PDF 签名不带时间戳，签发时间以本机时间为准。")
        return sign_pdf(pdf, key.certificate.der, key.sign)


def _check_fonts(finished: FinishedPdf, faces: frozenset[str]) -> None:
    if finished.loose_fonts:
        raise SealError("成品中有未嵌入的字体。", detail="、".join(sorted(finished.loose_fonts)))
    if faces and (foreign := finished.fonts - faces):
        raise SealError(
            f"成品用了规定字体及其替代字体以外的字体：{'、'.join(sorted(foreign))}。"
            "请用 wenyin templates lint 检查模板中的字体名，在 template.toml 的 fonts 中列全。"
        )


def _check_symbols(
    pdf: bytes, spots: Sequence[PictureSpot], seals: Sequence[Seal], resolutions: Sequence[int]
) -> None:
    waiting = list(zip(spots, seals, strict=True))
    for dpi in resolutions:
        crops = render_spots(pdf, [spot for spot, _ in waiting], dpi)
        readings = [decode_symbols(crop) for crop in crops]
        waiting = [pair for pair, reading in zip(waiting, readings, strict=True) if reading != (pair[1].url,)]
        if not waiting:
            return
    raise SealError("成品中的二维码无法读出，请检查模板中二维码的大小与位置。")


def _given(filled: Filled) -> str:
    """Return the text that LibreOffice is to print; that of labels is known without reading the docx."""
    if filled.labels:
        return "".join(label.text for label in filled.labels)
    return docx_text(read_docx(filled.docx))


def _checked(
    spec: TemplateSpec, data: Mapping[str, Any], filled: Filled, given: str, pdf: bytes
) -> tuple[tuple[PrintedPage, ...], str]:
    """Return what the pages show and the text, of a document that keeps to its template's rules."""
    text, pages = read_printed(pdf)
    filled.check_pages(len(pages))
    check_pages(spec, data, len(pages))
    check_layout(spec, data, pages)
    check_labels(data, filled.labels, pdf)
    check_text(spec, data, given, text, lambda: doubtful_text(read_docx(filled.docx)))
    return pages, text


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
