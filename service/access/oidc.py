"""Bearer tokens of an OpenID Connect provider: signed JWTs, judged by its public keys alone."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet, import_key
from joserfc.jwt import JWTClaimsRegistry, decode

from service.access.follow import Followed
from service.errors import ConfigError, IdentityUnavailable, Unauthenticated

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
"""Asymmetric alone: no ``none``, and no HMAC that would take a public key for its secret (RFC 8725 3.1)."""

_LOG = structlog.get_logger("wenyin.access")
_LEEWAY_S = 60
_FETCH_S = 5.0
_MAX_AGE_S = 3600.0
_BETWEEN_S = 30.0
_JWKS_BYTES = 1_000_000
_KEY_TYPES = frozenset({"RSA", "EC", "OKP"})


@dataclass(frozen=True, slots=True)
class OidcRule:
    """What a token must say.

    Attributes:
        issuer: Exact value of ``iss``.
        audience: In ``aud``.
        scope_claim: Claim that lists what its bearer may do: a list, or words in one text.
    """

    issuer: str
    audience: str
    scope_claim: str


def check_token(token: str, rule: OidcRule, keys: Callable[[bool], KeySet]) -> tuple[str, Sequence[str]]:
    """Judge a token.

    Args:
        token: As the header carries it.
        rule: What it must say.
        keys: Gives the provider's keys; asked with ``True`` when the token names one that was not there.

    Returns:
        Who it is about (``sub``), and the words of its scope claim.

    Raises:
        Unauthenticated: Anything about it is not as it must be.
        IdentityUnavailable: There are no keys to judge it by.
    """
    try:
        claims = _opened(token, keys)
        JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": rule.issuer},
            aud={"essential": True, "value": rule.audience},
            sub={"essential": True},
            exp={"essential": True},
        ).validate(claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Unauthenticated(
            "登录凭证（OIDC 令牌）无效或已过期，请重新登录后再试。", detail=f"token: {type(error).__name__}"
        ) from error
    said = claims.get(rule.scope_claim) or ()
    words = said.split() if isinstance(said, str) else said
    if not isinstance(words, Sequence):
        words = ()
    return str(claims["sub"]), [word for word in words if isinstance(word, str)]


def _opened(token: str, keys: Callable[[bool], KeySet]) -> dict[str, Any]:
    try:
        return decode(token, keys(False), algorithms=ALGORITHMS).claims
    except InvalidKeyIdError:
        # The provider may have changed its key since we looked.
        return decode(token, keys(True), algorithms=ALGORITHMS).claims


def key_set(data: bytes) -> KeySet:
    """Read a JWK Set (RFC 7517 5); keys that cannot check a signature are left out.

    Raises:
        ValueError: It is none, or holds no key that can.
    """
    found = json.loads(data)
    records = found.get("keys") if isinstance(found, Mapping) else None
    keys = []
    for record in records if isinstance(records, list) else ():
        if record.get("kty") in _KEY_TYPES and record.get("use", "sig") == "sig":
            try:
                keys.append(import_key(record))
            except (JoseError, ValueError):
                _LOG.warning("身份服务的一把公钥无法使用", kid=str(record.get("kid"))[:80])
    if not keys:
        raise ValueError("no usable key")
    return KeySet(keys)


class FileKeys:
    """The provider's keys from a file, followed when it changes.

    Raises:
        ConfigError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file = Followed(path, _read)

    def __call__(self, fresh: bool) -> KeySet:  # noqa: ARG002 - a file is looked at every time
        """Return them."""
        return self._file.current()


def _read(path: Path) -> KeySet:
    try:
        return key_set(path.read_bytes())
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"身份服务的公钥文件 {path} 无法读取，应为 JWK Set。", detail=repr(error)
        ) from error


class UrlKeys:
    """The provider's keys from its address: fetched when first needed, once an hour, and for a new key.

    Args:
        url: Of the JWK Set; checked by the settings.
        fetch: Gets the bytes.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        url: str,
        fetch: Callable[[str], bytes] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._fetch, self._clock = url, fetch or _get, clock
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._tried_s = float("-inf")
        self._got_s = float("-inf")

    def __call__(self, fresh: bool) -> KeySet:
        """Return them.

        Args:
            fresh: Fetch them anew, unless that was tried a moment ago.

        Raises:
            IdentityUnavailable: They never could be fetched.
        """
        with self._lock:
            now_s = self._clock()
            wanted = fresh or now_s - self._got_s > _MAX_AGE_S
            if wanted and now_s - self._tried_s > _BETWEEN_S:
                self._tried_s = now_s
                self._renew()
            if self._keys is None:
                raise IdentityUnavailable(
                    "暂时取不到身份服务的公钥，无法核对登录凭证，请稍后重试。", retry_after_s=int(_BETWEEN_S)
                )
            return self._keys

    def _renew(self) -> None:
        try:
            self._keys = key_set(self._fetch(self._url))
            self._got_s = self._clock()
        except (OSError, ValueError, AttributeError) as error:
            _LOG.error("取不到身份服务的公钥", url=self._url, reason=type(error).__name__)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=_FETCH_S) as response:  # noqa: S310 - settings allow https, and http to this machine
        if url.startswith("https:") and not response.url.startswith("https:"):
            raise ValueError("led away from https")
        data: bytes = response.read(_JWKS_BYTES + 1)
    if len(data) > _JWKS_BYTES:
        raise ValueError("too long")
    return data
