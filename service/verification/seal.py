"""Claims to a printable seal: token, URL and a QR code that a phone can read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.errors import InvalidRequest
from service.model import Claims, FactRule, FullText, QrRule
from service.verification.fulltext import FULL_TEXT
from service.verification.issuers import TokenKey
from service.verification.qr import QR_TOO_DENSE, QrSymbol, make_symbol, module_mm
from service.verification.token import mint_token, open_envelope, rid
from service.verification.urls import verify_url


@dataclass(frozen=True, slots=True)
class Seal:
    """A minted token in all the forms that a document needs.

    Attributes:
        token: The bytes.
        document_id: Hex rid.
        url: What the QR code says.
        symbol: The QR code.
        dropped: Captions of the optional facts that had to be left out; `FULL_TEXT` for the text.
    """

    token: bytes
    document_id: str
    url: str
    symbol: QrSymbol
    dropped: tuple[str, ...] = ()


def make_seal(
    claims: Claims,
    facts: Sequence[FactRule],
    key: TokenKey,
    public_url: str,
    qr: QrRule,
    full_text: FullText = True,
) -> Seal:
    """Mint a token that fits its QR code, leaving out optional facts from the last if need be.

    An optional text is left out last: all facts can be read in it, too.

    Args:
        claims: ``claims.facts`` in the order of ``facts``.
        facts: The template's fact rules.
        key: Signing key.
        public_url: See `service.verification.urls.verify_url`.
        qr: Size of the picture and of its smallest module.
        full_text: Whether ``claims.text`` is optional.

    Returns:
        The seal; what was left out is named, never silent.

    Raises:
        InvalidRequest: Too dense even without what is optional, or a value does not fit a token.
        SealError: The issuer may not sign this type, or the symbol does not read back.
        ConfigError: The public URL is unusable.
    """
    try:
        return _fitted(claims, facts, key, public_url, qr)
    except InvalidRequest as error:
        if claims.text is None:
            raise
        # What is wrong without the text, too, is not the text's fault, and is said by this call.
        seal = _fitted(replace(claims, text=None), facts, key, public_url, qr)
        if full_text != "optional":
            raise InvalidRequest(
                f"全文（{len(claims.text)} 字）放不进 {qr.picture_mm:g} 毫米见方的二维码；请精简文字，"
                '或请模板负责人放大二维码图片、把 full_text 改为 "optional"。',
                code=QR_TOO_DENSE,
            ) from error
        return replace(seal, dropped=(FULL_TEXT, *seal.dropped))


def _fitted(claims: Claims, facts: Sequence[FactRule], key: TokenKey, public_url: str, qr: QrRule) -> Seal:
    values = list(claims.facts)
    token = mint_token(claims, key)
    dropped: list[str] = []
    for index in reversed(range(min(len(values), len(facts)))):
        if module_mm(verify_url(public_url, token), qr.picture_mm) >= qr.module_min_mm:
            break
        if facts[index].optional and values[index]:
            values[index] = ""  # keeps the place, so that later facts keep their captions
            dropped.append(facts[index].caption)
            token = mint_token(replace(claims, facts=tuple(values)), key)
    url = verify_url(public_url, token)
    symbol = make_symbol(url, qr.module_min_mm, qr.picture_mm)
    return Seal(token, rid(open_envelope(token).signed_bytes), url, symbol, tuple(reversed(dropped)))
