"""KeyDesk: what an operator does to the key folder, for the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.errors import InvalidRequest
from service.model import Verdict, VerdictCode
from service.verification import (
    MOST_TYPES,
    TYPE_NAMES,
    KeyRing,
    KeyStatus,
    add_issuer,
    import_certificate,
    revoke_document,
    rotate_certificate,
    rotate_key,
    set_key_status,
)


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key or certificate, for a list.

    Attributes:
        issuer_id: Whose.
        issuer_name: Its Chinese name.
        use: ``token`` or ``pdf``.
        key_id: 8 hex digits of a token key, 16 of a certificate.
        status: ``active``, ``retired`` or ``compromised``.
        not_before: First day of signing, ISO, or ``None``.
        not_after: Last day of signing, ISO, or ``None``.
        revoked: Documents withdrawn under this key.
    """

    issuer_id: str
    issuer_name: str
    use: str
    key_id: str
    status: str
    not_before: str | None = None
    not_after: str | None = None
    revoked: int = 0


class KeyDesk:
    """Changes one key folder; a running service follows by itself.

    Args:
        folder: The key folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, issuer_id: str, name: str, uscc: str | None, doc_types: Sequence[int]) -> str:
        """Add an issuer with a token key and a PDF certificate; make the folder if need be.

        Returns:
            Hex kid.

        Raises:
            InvalidRequest: A document type does not exist.
            ConfigError: The id is taken or a value malformed.
        """
        unknown = sorted(kind for kind in doc_types if not 1 <= kind <= MOST_TYPES)
        if unknown:
            known = "、".join(f"{number} {name}" for number, name in TYPE_NAMES.items())
            raise InvalidRequest(
                f"没有文件种类 {unknown[0]}，可用的有：{known}；{len(TYPE_NAMES) + 1}–{MOST_TYPES} 留给自制的模板。"
            )
        return add_issuer(self._folder, issuer_id, name, uscc, tuple(doc_types) or None)

    def rotate(self, issuer_id: str | None, *, token: bool, pdf: bool) -> list[str]:
        """Replace an issuer's token key, its PDF certificate, or both.

        Args:
            issuer_id: ``None`` where there is only one.
            token: Replace the token key.
            pdf: Replace the certificate; also gives a first one.

        Returns:
            Ids of the new ones.

        Raises:
            ConfigError: No such issuer, none named among several, or the folder is broken.
        """
        chosen = issuer_id or KeyRing.load(self._folder).only_issuer().issuer_id
        made = [rotate_key(self._folder, chosen)] if token else []
        return made + ([rotate_certificate(self._folder, chosen)] if pdf else [])

    def import_pdf(self, issuer_id: str | None, data: bytes, password: str) -> str:
        """Sign an issuer's PDFs by a key and certificate of a certification authority.

        Args:
            issuer_id: ``None`` where there is only one.
            data: A PKCS#12 file.
            password: Empty where it has none.

        Returns:
            Id of the certificate.

        Raises:
            InvalidRequest: The file cannot be used.
            ConfigError: No such issuer, none named among several, or the folder is broken.
        """
        chosen = issuer_id or KeyRing.load(self._folder).only_issuer().issuer_id
        return import_certificate(self._folder, chosen, data, password.encode() or None)

    def set_status(self, key_id: str, status: str) -> None:
        """Retire a key or certificate, or declare it compromised.

        Raises:
            ConfigError: No such key.
        """
        set_key_status(self._folder, key_id.lower(), KeyStatus(status))

    def lines(self) -> list[KeyLine]:
        """Return all keys and certificates, token keys first.

        Raises:
            ConfigError: The folder is missing or broken.
        """
        ring = KeyRing.load(self._folder)
        names = {item["id"]: item["name"] for item in ring.issuers_public()["issuers"]}
        found = [
            KeyLine(
                key["issuer"],
                names[key["issuer"]],
                "token",
                key["kid"],
                key["status"],
                key["not_before"],
                key["not_after"],
                len((ring.revoked_public(key["kid"]) or {"rids": ()})["rids"]),
            )
            for key in ring.jwks()["keys"]
        ]
        for item in ring.certificates():
            first, last = (day.isoformat() for day in item.period())
            found.append(
                KeyLine(
                    item.issuer.issuer_id,
                    item.issuer.name,
                    "pdf",
                    item.certificate_id,
                    item.status.value,
                    first,
                    last,
                )
            )
        return found

    def withdraw(self, verdict: Verdict) -> str:
        """Put one document on the list of the withdrawn.

        Args:
            verdict: What verification said about its token or file.

        Returns:
            The document's id.

        Raises:
            InvalidRequest: It holds no genuine token, or its text was changed.
            ConfigError: The folder is broken.
        """
        if verdict.code is VerdictCode.ALTERED:
            raise InvalidRequest(
                "这份文件的文字被改动过，不能凭它作废原件；确要作废原件，请给出二维码中的网址。"
            )
        if verdict.document_id is None:
            raise InvalidRequest(f"无法作废：{verdict.message}")
        revoke_document(self._folder, str(verdict.claims["kid"]), verdict.document_id)
        return verdict.document_id
