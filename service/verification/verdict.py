"""Tokens and texts to verdicts.

The signature is checked before the claims are decoded, so that only an issuer's own bytes
reach the decoder; a token that is not genuine yields one message whatever was wrong with
it, and none of its claims.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from service.evidence import PdfSignature
from service.model import Claims, FactRule, Verdict, VerdictCode
from service.verification import wording
from service.verification.differences import with_signed_text
from service.verification.fulltext import text_domain
from service.verification.issuers import KeyStatus, VerifyKey
from service.verification.keys import china_today
from service.verification.payload import LABEL_TYPE, OTHER_TYPE, TYPE_NAMES
from service.verification.text import (
    Domain,
    canonical_text,
    label_text,
    mac_matches,
    readable_text,
    text_mac,
)
from service.verification.token import (
    BadTokenError,
    Envelope,
    claims_of,
    open_envelope,
    rid,
    signature_is_good,
)
from service.verification.trust import Trust
from service.verification.urls import token_from_url

FileKind = Literal["pdf", "docx", "scan"]
"""What a text was taken from; a scan or photograph has none that could be compared."""

_DOMAINS: Mapping[FileKind, Domain] = {"pdf": "hp", "docx": "hd"}
_TEXTS: Mapping[Domain, str] = {"hp": wording.PDF_TEXT, "hd": wording.DOCX_TEXT, "lb": wording.LABEL_TEXT}


@dataclass(frozen=True, slots=True)
class _Genuine:
    """A token whose signature is good."""

    claims: Claims
    key: VerifyKey
    document_id: str


class Verifier:
    """Answers "is this genuine?"; keeps nothing of what it is asked.

    Args:
        trust: Keys and revocations: a key ring, or a folder of downloaded files.
        rules: Captions of the facts by `Claims.doc_type`. They are matched by position, so
            a template may only ever append facts.
        titles: Chinese names of types that are not in `TYPE_NAMES`.
    """

    def __init__(
        self,
        trust: Trust,
        rules: Mapping[int, Sequence[FactRule]],
        titles: Mapping[int, str] | None = None,
    ) -> None:
        self._trust = trust
        self._titles = {**(titles or {}), **TYPE_NAMES}
        self._rules = {kind: tuple(facts) for kind, facts in rules.items()}

    def judge_token(self, token: bytes, today: date | None = None) -> Verdict:
        """Judge a token alone, as when a QR code was scanned from paper.

        Args:
            token: Untrusted bytes.
            today: For the expiry; defaults to today in Beijing.

        Returns:
            CLAIMS_ONLY at best.
        """
        verdict, genuine = self._judge(token, today)
        return with_signed_text(verdict, genuine.claims) if genuine else verdict

    def judge_link(self, text: str, today: date | None = None) -> Verdict:
        """Judge the URL or digits behind a QR code.

        Args:
            text: Untrusted, e.g. the path of ``GET /V/<digits>`` behind any host.
            today: See `judge_token`.

        Returns:
            As `judge_token`; BAD_TOKEN where there is no token in the text.
        """
        token = token_from_url(text)
        return _plain(VerdictCode.BAD_TOKEN) if token is None else self.judge_token(token, today)

    def judge_text(
        self,
        qr_texts: Sequence[str],
        candidate_texts: Sequence[str],
        kind: FileKind,
        flags: Sequence[str] = (),
        today: date | None = None,
    ) -> Verdict:
        """Judge a file by its visible QR codes and its text.

        Args:
            qr_texts: All QR codes of the rendered pages; those that hold no token are ignored.
            candidate_texts: The file's text by one or more extractors. Empty for a scan:
                recognised text can never be compared.
            kind: Which digest to compare with.
            flags: From `service.verification.docxtext.docx_flags`.
            today: See `judge_token`.

        Returns:
            TEXT_MATCH at best; see `as_exact`.
        """
        tokens = list(
            dict.fromkeys(token for text in qr_texts if (token := token_from_url(text)) is not None)
        )
        if not tokens:
            return _plain(VerdictCode.NO_SEAL)
        if len(tokens) > 1:
            return _plain(VerdictCode.CONFLICT)
        verdict, genuine = self._judge(tokens[0], today)
        if genuine is None or verdict.code is not VerdictCode.CLAIMS_ONLY:
            return verdict
        domain = _DOMAINS.get(kind, "hp")
        texts = [text for text in candidate_texts if canonical_text(text)]
        judged = self._judge_body(verdict, genuine, kind, domain, texts)
        return _with_flags(with_signed_text(judged, genuine.claims, domain, texts), flags)

    def _judge_body(
        self, verdict: Verdict, genuine: _Genuine, kind: FileKind, domain: Domain, texts: Sequence[str]
    ) -> Verdict:
        if kind == "scan":
            return _scanned(verdict)
        if genuine.claims.doc_type == LABEL_TYPE:
            return _unread(verdict, wording.LABEL_UNREAD)
        if not texts:
            return _unread(verdict, wording.NO_TEXT)
        expected = genuine.claims.pdf_text_mac if domain == "hp" else genuine.claims.docx_text_mac
        if expected is None:
            return _unread(verdict, wording.NOT_BOUND)
        return self._compare(verdict, genuine, domain, expected, texts)

    def judge_signature(self, verdict: Verdict, found: PdfSignature) -> Verdict:
        """Weigh a PDF's signature on top of its text.

        Args:
            verdict: From `judge_text` for the same PDF.
            found: What its signatures show.

        Returns:
            EXACT when the text matches and the one signature is the same issuer's, intact and
            over the whole file; else the verdict, with the reason among what is not checked.
        """
        # Without the secret of the digests the signature alone speaks for the file: it covers the
        # code on the page, too, and who judges is told that the text was not compared.
        # So it does for a label, whose digest covers its values and not a page that it shares.
        claims_only = verdict.code is VerdictCode.CLAIMS_ONLY
        offline = claims_only and wording.OFFLINE_TEXT in verdict.not_checked
        label = claims_only and wording.LABEL_UNREAD in verdict.not_checked
        if verdict.code is not VerdictCode.TEXT_MATCH and not offline and not label:
            return verdict
        fault = self._signature_fault(verdict, found)
        if fault is not None:
            return replace(verdict, not_checked=(fault, *verdict.not_checked))
        exact = as_exact(replace(verdict, code=VerdictCode.TEXT_MATCH))
        caveats = self._trust.caveats(bytes.fromhex(verdict.claims["kid"]))
        unread = (wording.OFFLINE_TEXT,) if offline else ()
        return replace(exact, not_checked=(*unread, *caveats, *exact.not_checked))

    def judge_label(self, token: bytes, values: Sequence[str], today: date | None = None) -> Verdict:
        """Judge a label by its token and the values that somebody typed off it.

        Args:
            token: Untrusted bytes.
            values: The label's fields in the template's order.
            today: See `judge_token`.

        Returns:
            TEXT_MATCH or ALTERED for a genuine label; else as `judge_token`.

        Raises:
            ValueError: A value holds U+001F.
        """
        verdict, genuine = self._judge(token, today)
        if genuine is None or verdict.code is not VerdictCode.CLAIMS_ONLY:
            return verdict
        expected = genuine.claims.pdf_text_mac
        if genuine.claims.doc_type != LABEL_TYPE or expected is None:
            return _unread(verdict, wording.NOT_BOUND)
        return self._compare(verdict, genuine, "lb", expected, [label_text(values)])

    def _signature_fault(self, verdict: Verdict, found: PdfSignature) -> str | None:
        if not found.count:
            return wording.UNSIGNED
        if found.count > 1:
            return wording.SIGNATURE_MANY
        own = [
            certificate
            for certificate in self._trust.certificates()
            if certificate.sha256 == found.certificate_sha256
            and certificate.issuer.issuer_id == verdict.claims["issuer_id"]
        ]
        if not own:
            return wording.SIGNATURE_FOREIGN
        if any(certificate.status is KeyStatus.COMPROMISED for certificate in own):
            return wording.SIGNATURE_COMPROMISED
        if not (found.intact and found.whole_file and found.unchanged):
            return wording.SIGNATURE_BROKEN
        return None

    def _judge(self, token: bytes, today: date | None) -> tuple[Verdict, _Genuine | None]:
        try:
            envelope = open_envelope(token)
            keys = self._trust.find(envelope.kid)
            if not keys:
                return _plain(VerdictCode.UNKNOWN_KEY), None
            genuine = _authenticate(envelope, keys)
        except BadTokenError:
            return _plain(VerdictCode.BAD_TOKEN), None
        code = self._status(genuine, today or china_today())
        caveats = self._trust.caveats(genuine.key.kid)
        checked = [wording.SIGNATURE, wording.ISSUER, wording.CLAIMS, wording.KEY]
        if wording.NO_LIST not in caveats:
            checked.append(wording.REVOCATION)
        if genuine.claims.expires_on is not None:
            checked.append(wording.EXPIRY)
        verdict = Verdict(
            code=code,
            message=_message(code, genuine.claims.draft, genuine.key.issuer.development),
            claims=self._shown(genuine),
            checked=tuple(checked),
            not_checked=(
                wording.BODY,
                *caveats,
                wording.PICTURES,
                wording.SEAL_STAMP,
                wording.PAPER,
                wording.TIME,
            ),
            document_id=genuine.document_id,
            development=genuine.key.issuer.development,
        )
        if code is VerdictCode.KEY_COMPROMISED:
            verdict = replace(verdict, checked=(wording.KEY,), not_checked=(wording.EVERYTHING,))
        return verdict, genuine

    def _status(self, genuine: _Genuine, today: date) -> VerdictCode:
        # A leaked key first: whoever has it can also write the date and evade the list.
        if genuine.key.status is KeyStatus.COMPROMISED:
            return VerdictCode.KEY_COMPROMISED
        if self._trust.is_revoked(genuine.key.kid, genuine.document_id):
            return VerdictCode.REVOKED
        if genuine.claims.expires_on is not None and genuine.claims.expires_on < today:
            return VerdictCode.EXPIRED
        return VerdictCode.CLAIMS_ONLY

    def _compare(
        self, verdict: Verdict, genuine: _Genuine, domain: Domain, expected: bytes, texts: Sequence[str]
    ) -> Verdict:
        master, kid, signed = self._trust.master, genuine.key.kid, genuine.claims.text
        if master is not None:
            match = next((t for t in texts if mac_matches(expected, text_mac(master, kid, domain, t))), None)
        elif signed is not None and domain == text_domain(genuine.claims):
            match = next((t for t in texts if canonical_text(t) == canonical_text(signed)), None)
        else:
            return _unread(verdict, wording.OFFLINE_TEXT)
        code = VerdictCode.ALTERED if match is None else VerdictCode.TEXT_MATCH
        left = [phrase for phrase in verdict.not_checked if phrase not in (wording.BODY, wording.PAPER)]
        if domain == "hd":
            left.insert(0, wording.NUMBERING)
        return replace(
            verdict,
            code=code,
            message=_message(code, genuine.claims.draft, verdict.development),
            checked=(*verdict.checked, _TEXTS[domain]),
            not_checked=tuple(left),
            authenticated_text=None if match is None else readable_text(match.replace("\x1f", "\n")),
        )

    def _shown(self, genuine: _Genuine) -> dict[str, Any]:
        claims, key = genuine.claims, genuine.key
        return {
            "issuer": key.issuer.name,
            "issuer_id": key.issuer.issuer_id,
            "issuer_uscc": key.issuer.uscc,
            "type": self._titles.get(claims.doc_type, OTHER_TYPE),
            "title": claims.title,
            "ref": claims.ref,
            "date": claims.issued_on.isoformat() if claims.issued_on else None,
            "facts": self._facts(claims),
            "pages": claims.pages,
            "expires": claims.expires_on.isoformat() if claims.expires_on else None,
            "seal_mode": claims.seal_mode,
            "draft": claims.draft,
            "template_version": claims.template_version,
            "kid": key.kid.hex(),
            "key_status": key.status.value,
        }

    def _facts(self, claims: Claims) -> list[dict[str, str]]:
        captions = [rule.caption for rule in self._rules.get(claims.doc_type, ())]
        captions += [f"要素{index + 1}" for index in range(len(captions), len(claims.facts))]
        return [
            {"caption": caption, "value": value}
            for caption, value in zip(captions, claims.facts, strict=False)
            if value
        ]


def as_exact(verdict: Verdict) -> Verdict:
    """Raise a TEXT_MATCH to EXACT, after the caller proved the PDF signature over the whole file.

    Args:
        verdict: From `Verifier.judge_text` for a PDF.

    Returns:
        The same with EXACT and its message.

    Raises:
        ValueError: The verdict is not TEXT_MATCH: a good PDF signature mends nothing else.
    """
    if verdict.code is not VerdictCode.TEXT_MATCH:
        raise ValueError(f"{verdict.code} cannot become EXACT")
    left = (phrase for phrase in verdict.not_checked if phrase in (wording.SEAL_STAMP, wording.TIME))
    return replace(
        verdict,
        code=VerdictCode.EXACT,
        message=_message(VerdictCode.EXACT, bool(verdict.claims["draft"]), verdict.development),
        checked=(*verdict.checked, wording.WHOLE_FILE),
        not_checked=tuple(left),
    )


def _authenticate(envelope: Envelope, keys: Sequence[VerifyKey]) -> _Genuine:
    for key in keys:
        if signature_is_good(envelope, key.public_key):
            claims = claims_of(envelope)
            if not key.issuer.may_sign(claims.doc_type):
                raise BadTokenError("outside the issuer's remit")
            return _Genuine(claims, key, rid(envelope.signed_bytes))
    raise BadTokenError("signature")


def _plain(code: VerdictCode) -> Verdict:
    return Verdict(code, wording.MESSAGES[code], not_checked=(wording.EVERYTHING,))


def _message(code: VerdictCode, draft: bool, development: bool) -> str:
    notices = (wording.DRAFT if draft else "") + (wording.DEVELOPMENT if development else "")
    return notices + wording.MESSAGES[code]


def _unread(verdict: Verdict, reason: str) -> Verdict:
    left = (phrase for phrase in verdict.not_checked if phrase != wording.BODY)
    return replace(verdict, not_checked=(reason, *left))


def _scanned(verdict: Verdict) -> Verdict:
    notices = verdict.message.removesuffix(wording.MESSAGES[VerdictCode.CLAIMS_ONLY])
    verdict = _unread(verdict, wording.SCANNED_TEXT)
    pages = verdict.claims["pages"]
    counted = wording.SCAN_PAGES.format(pages=pages) if pages else ""
    return replace(verdict, message=notices + wording.SCAN + counted)


def _with_flags(verdict: Verdict, flags: Sequence[str]) -> Verdict:
    if not flags:
        return verdict
    note = wording.FLAGGED.format(flags="、".join(flags))
    return replace(verdict, message=verdict.message + note, not_checked=(*verdict.not_checked, *flags))
