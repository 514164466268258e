"""The gate as the settings ask for it."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

from service.access.follow import Followed
from service.access.gate import AccessGate, TokenCheck
from service.access.keyfile import read_keys
from service.access.proxy import ProxyRule
from service.access.session import Sessions
from service.errors import ConfigError
from service.scopes import Grant
from service.settings import Settings

_PURPOSE = b"wenyin/access/1"


def open_gate(settings: Settings, master: bytes, today: Callable[[], date]) -> AccessGate:
    """Make the gate.

    Args:
        settings: Which proofs are accepted.
        master: Secret of the key folder; the gate's own is derived from it, so that whoever shares the
            folder shares the cookies as well.
        today: The day in Beijing.

    Raises:
        ConfigError: It names everything that is wrong with the files.
    """
    faults: list[str] = []
    keys = tokens = None
    if settings.api_keys:
        try:
            keys = Followed(settings.api_keys, read_keys)
        except ConfigError as error:
            faults.append(str(error))
    if settings.oidc_issuer:
        try:
            tokens = _tokens(settings)
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("；".join(faults))
    secret = hmac.digest(master, _PURPOSE, hashlib.sha256)
    return AccessGate(secret, Sessions(secret, settings.session_s), today, keys, _proxy(settings), tokens)


def _proxy(settings: Settings) -> ProxyRule | None:
    if not settings.proxy_user_header:
        return None
    return ProxyRule(
        settings.trusted_networks,
        settings.proxy_user_header.lower(),
        (settings.proxy_groups_header or "").lower(),
        settings.scope_prefix,
        Grant.of(settings.proxy_scopes.split()),
    )


def count_provider_keys(settings: Settings) -> int:
    """Return how many of the identity provider's public keys can check a token.

    Args:
        settings: With an identity provider.

    Raises:
        ConfigError: The extra is not installed, or the file cannot be read.
        IdentityUnavailable: They cannot be fetched.
    """
    return len(_provider_keys(_extra(), settings)(False).keys)


def _extra() -> ModuleType:
    try:
        from service.access import oidc  # noqa: PLC0415 - an extra that not everybody installs
    except ImportError as error:
        raise ConfigError("WENYIN_OIDC_ISSUER 需要另外安装：pip install 'wenyin[oidc]'。") from error
    return oidc


def _provider_keys(oidc: ModuleType, settings: Settings) -> Callable[[bool], Any]:
    place = str(settings.oidc_jwks)
    keys: Callable[[bool], Any] = oidc.UrlKeys(place) if "://" in place else oidc.FileKeys(Path(place))
    return keys


def _tokens(settings: Settings) -> TokenCheck:
    oidc = _extra()
    rule = oidc.OidcRule(str(settings.oidc_issuer), str(settings.oidc_audience), settings.oidc_scope_claim)
    keys = _provider_keys(oidc, settings)

    def check(token: str) -> tuple[str, Grant]:
        who, words = oidc.check_token(token, rule, keys)
        return who, Grant.claimed(words, settings.scope_prefix)

    return check
