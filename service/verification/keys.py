"""The key ring: finds keys, lists them for the public, follows changes of its files."""

import base64
import threading
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from service.errors import ConfigError
from service.verification.certificates import PdfCertificate, PdfKey
from service.verification.issuers import ALGORITHM, Issuer, KeyStatus, TokenKey, VerifyKey, jwk_of
from service.verification.jws import detached_jws, revoked_bytes
from service.verification.keyfiles import KeyFolder, fingerprint, read_folder

CHINA_TIME = timezone(timedelta(hours=8))
"""Beijing time: the day on which a document expires is the reader's, not the server's."""


def china_today() -> date:
    """Return today's date in Beijing, whatever the machine's time zone."""
    return datetime.now(CHINA_TIME).date()


class KeyRing:
    """All keys and revocations of one folder; safe to share between threads.

    Every answer first compares the files' times with those last read, which costs some
    stat calls and no reading. A change that cannot be read is not taken over: the ring goes
    on with what it had, so that a slip of the editor neither stops the service nor undoes a
    revocation, and `reload_fault` says so.
    """

    def __init__(self, folder: Path, content: KeyFolder, seen: tuple[tuple[str, int, int, int], ...]) -> None:
        self._folder = folder
        self._content = content
        self._seen = seen
        self._fault: ConfigError | None = None
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> "KeyRing":
        """Read a key folder.

        Args:
            folder: See `service.verification.keyfiles`.

        Returns:
            The ring.

        Raises:
            ConfigError: Any fault in any file; the message names the file.
        """
        # Taken before reading: a change during the reading is then seen by the next check.
        seen = fingerprint(folder)
        return cls(folder, read_folder(folder), seen)

    @property
    def reload_fault(self) -> str | None:
        """Chinese sentence about the last change that could not be taken over."""
        self._current()
        return str(self._fault) if self._fault else None

    @property
    def master(self) -> bytes:
        """The secret of all text MACs, 32 bytes."""
        return self._current().master

    def signing_key(self, issuer_id: str | None = None, today: date | None = None) -> TokenKey:
        """Return the key that signs for an issuer; of several the one that began last.

        Args:
            issuer_id: ``None`` where there is only one issuer.
            today: Defaults to today in Beijing.

        Returns:
            An active key within its signing period.

        Raises:
            ConfigError: No such issuer, none named among several, or no usable key.
        """
        content = self._current()
        if issuer_id is None:
            issuer_id = self.only_issuer().issuer_id
        if issuer_id not in {issuer.issuer_id for issuer in content.issuers}:
            raise ConfigError(f"issuers.json 中没有签发者“{issuer_id}”。")
        day = today or china_today()
        usable = [
            (key.not_before or date.min, index)
            for index, key in enumerate(content.keys)
            if key.issuer.issuer_id == issuer_id and content.private_keys[index] and key.may_sign_on(day)
        ]
        if not usable:
            raise ConfigError(f"签发者“{issuer_id}”没有可用的签名密钥，请执行 wenyin keys rotate。")
        index = max(usable)[1]
        private_key = content.private_keys[index]
        assert private_key is not None  # noqa: S101 - filtered above
        return TokenKey(content.keys[index].kid, private_key, content.keys[index].issuer)

    def signing_fault(self, issuer_id: str | None = None) -> str:
        """Return the Chinese sentence that says why nothing can be signed today; empty where it can.

        Args:
            issuer_id: As in `signing_key`.
        """
        try:
            self.signing_key(issuer_id)
        except ConfigError as error:
            return str(error)
        return ""

    def only_issuer(self) -> Issuer:
        """Return the issuer where there is only one.

        Raises:
            ConfigError: There are several.
        """
        issuers = self._current().issuers
        if len(issuers) != 1:
            names = "、".join(issuer.issuer_id for issuer in issuers)
            raise ConfigError(f"有多个签发者（{names}），请在配置中指定一个。")
        return issuers[0]

    def pdf_key(self, issuer_id: str, today: date | None = None) -> PdfKey | None:
        """Return the key that signs an issuer's PDFs; of several the one listed last.

        Args:
            issuer_id: Whose.
            today: Defaults to today in Beijing.

        Returns:
            An active key with a certificate that is valid today; ``None`` where there is none.
        """
        day = today or china_today()
        usable = [
            key
            for key in self._current().pdf_keys
            if key.certificate.issuer.issuer_id == issuer_id
            and key.certificate.status is KeyStatus.ACTIVE
            and key.certificate.lasts(day)
        ]
        return usable[-1] if usable else None

    def certificates(self) -> tuple[PdfCertificate, ...]:
        """Return every certificate ever used for PDF signatures, whatever its status."""
        return self._current().certificates

    def find(self, kid: bytes) -> tuple[VerifyKey, ...]:
        """Return every key with this id: 4 bytes may collide, so each must be tried.

        Args:
            kid: 4 bytes from a token.

        Returns:
            Keys of any status; empty when unknown.
        """
        return tuple(key for key in self._current().keys if key.kid == kid)

    def is_revoked(self, kid: bytes, document_id: str) -> bool:
        """Return whether a document of this key was withdrawn.

        Args:
            kid: 4 bytes.
            document_id: 16 hex digits, from `service.verification.token.rid`.
        """
        _, rids = self._current().revoked.get(kid.hex(), (0, frozenset()))
        return document_id in rids

    def jwks(self) -> dict[str, Any]:
        """Return all public keys ever used as a JWK set (RFC 7517 §5), with status and validity."""
        return {
            "keys": [
                {
                    **jwk_of(key.public_key),
                    "kid": key.kid.hex(),
                    "alg": ALGORITHM,
                    "use": "sig",
                    "issuer": key.issuer.issuer_id,
                    "status": key.status.value,
                    "not_before": key.not_before.isoformat() if key.not_before else None,
                    "not_after": key.not_after.isoformat() if key.not_after else None,
                }
                for key in self._current().keys
            ]
        }

    def issuers_public(self) -> dict[str, Any]:
        """Return all issuers, JSON-ready, each with the ids of its keys and the certificates of its PDFs."""
        content = self._current()
        return {
            "issuers": [
                {
                    "id": issuer.issuer_id,
                    "name": issuer.name,
                    "uscc": issuer.uscc,
                    "doc_types": None if issuer.doc_types is None else list(issuer.doc_types),
                    "development": issuer.development,
                    "kids": [key.kid.hex() for key in content.keys if key.issuer is issuer],
                    "certificates": [
                        {
                            "sha256": certificate.sha256,
                            "status": certificate.status.value,
                            "x5c": [base64.b64encode(certificate.der).decode("ascii")],
                        }
                        for certificate in content.certificates
                        if certificate.issuer is issuer
                    ],
                }
                for issuer in content.issuers
            ]
        }

    def revoked_public(self, kid_hex: str) -> Mapping[str, Any] | None:
        """Return the revocation list of one key, JSON-ready.

        Args:
            kid_hex: 8 hex digits.

        Returns:
            ``{"kid", "ctr", "rids"}``, empty for a key without revocations; ``None`` for
            an unknown key.
        """
        content = self._current()
        if kid_hex not in {key.kid.hex() for key in content.keys}:
            return None
        counter, rids = content.revoked.get(kid_hex, (0, frozenset()))
        return {"kid": kid_hex, "ctr": counter, "rids": sorted(rids)}

    def caveats(self, kid: bytes) -> tuple[str, ...]:  # noqa: ARG002 - the same for every key
        """Return nothing: a ring knows the revocations of all its keys."""
        return ()

    def revoked_json(self, kid_hex: str) -> bytes | None:
        """Return the revocation list of one key as it is published and signed.

        Args:
            kid_hex: 8 hex digits.

        Returns:
            JSON; ``None`` for an unknown key.
        """
        listed = self.revoked_public(kid_hex)
        return None if listed is None else revoked_bytes(listed)

    def revoked_signature(self, kid_hex: str) -> str | None:
        """Return a detached JWS (RFC 7515 appendix F) over the revocation list of one key.

        Signed by the issuer's active key, so that a mirror of the list can be trusted; the same
        list and key give the same signature on every replica. An issuer that signs no more documents
        still withdraws some: the last of its keys that readers believe signs the list then.

        Args:
            kid_hex: 8 hex digits.

        Returns:
            ``header..signature`` over `revoked_json`; ``None`` for an unknown key, and where the issuer
            has no key left that readers would believe: a list without a signature says more than a
            list with a bad one.
        """
        content = self._current()
        listed = self.revoked_public(kid_hex)
        issuer = next((key.issuer for key in content.keys if key.kid.hex() == kid_hex), None)
        if listed is None or issuer is None:
            return None
        today = china_today()
        believed = [
            ((key.may_sign_on(today), key.not_before or date.min, index), TokenKey(key.kid, private, issuer))
            for index, (key, private) in enumerate(zip(content.keys, content.private_keys, strict=True))
            if private and key.issuer is issuer and key.status is not KeyStatus.COMPROMISED
        ]
        if not believed:
            return None
        _, chosen = max(believed, key=lambda item: item[0])
        return detached_jws(revoked_bytes(listed), chosen)

    def _current(self) -> KeyFolder:
        seen = fingerprint(self._folder)
        if seen == self._seen:
            return self._content
        with self._lock:
            if seen != self._seen:
                try:
                    self._content = read_folder(self._folder)
                    self._fault = None
                except ConfigError as error:
                    self._fault = error
                self._seen = seen
            return self._content
