"""What a file shows of itself, before anybody judges it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PdfSignature:
    """What a PDF's signatures show, whoever made them; with defaults for an unsigned file.

    Attributes:
        count: Signatures in the file.
        intact: Of exactly one: its bytes and its certificate's signature are good.
        whole_file: It covers every byte of the file but itself.
        unchanged: Nothing that it forbids was done.
        certificate_sha256: Fingerprint of its certificate, if that is one of the known ones.
    """

    count: int = 0
    intact: bool = False
    whole_file: bool = False
    unchanged: bool = False
    certificate_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A piece of two texts that are compared.

    Attributes:
        kind: ``same`` in both, ``removed`` from the signed text, or ``added`` to it.
        text: The piece, line breaks included.
    """

    kind: Literal["same", "removed", "added"]
    text: str
