"""What a template declares about its printed pages; checked on every PDF before it is sealed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageRule:
    """How many pages a rendered document may have."""

    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle on the page, mm from its top left corner."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class SignatureRule:
    """署名 and 成文日期 stand together, never on a page without text (GB/T 9704-2012 7.3.5).

    Attributes:
        name: Pointer to the name that is printed over the date.
        date: Pointer to the ISO date, printed on a line of its own.
        lines_above: Fewest lines of text over the name where it is not on page 1.
        text: Pointers to what is printed before it; the longest field there is named in a refusal.
    """

    name: str
    date: str
    lines_above: int
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LayoutRule:
    """The layout contract of a template.

    Attributes:
        area: Where text may stand; over it only what belongs to the QR code, under it only page numbers.
        qr_page: Page of the QR code, from 1.
        first_page: What page 1 must show: captions, or pointers to fields.
        before: Pointers to what is printed before that; the longest field there is named in a refusal.
        signature: Rule of the signature, if the document has one.
        foot: Pointers to the fields of 版记; if one is given, it ends the last page's text area.
    """

    area: Area
    qr_page: int = 1
    first_page: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    signature: SignatureRule | None = None
    foot: tuple[str, ...] = ()
