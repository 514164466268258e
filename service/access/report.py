"""What the operator has set about who may ask, in words, and what is wrong with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from service.access.keyfile import ApiKey, read_keys
from service.access.opening import count_provider_keys
from service.errors import ServiceError
from service.settings import Settings

_SOON = timedelta(days=30)
_NAMED = 5


class Health(Enum):
    """How a way of access does: it works, it works and somebody should look at it, it does not work."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class WayReport:
    """One way of access.

    Attributes:
        message: Chinese; no secret and nobody's name in it.
        health: Whether it works.
    """

    message: str
    health: Health = Health.GOOD


def report_access(settings: Settings, today: date) -> Sequence[WayReport]:
    """Look at every way by which callers may prove who they are, as a request would.

    Files are read, and the provider's keys are fetched; nothing is changed.

    Args:
        settings: Which proofs are accepted.
        today: The day in Beijing.
    """
    found = [*_keys(settings, today), *_proxy(settings), *_tokens(settings)]
    if not found:
        return [_open_to_all(settings)]
    return [*found, _sign_in(settings)]


def _open_to_all(settings: Settings) -> WayReport:
    if settings.is_local:
        return WayReport("没有设置：只有本机上的人和程序能用，不问是谁。")
    return WayReport(
        f"没有设置，而监听 {settings.host}：连得上的人都能生成文件。请设接口密钥、反向代理登录或 OIDC。",
        Health.DOUBTFUL,
    )


def _keys(settings: Settings, today: date) -> Iterator[WayReport]:
    if settings.api_keys is None:
        return
    try:
        keys = list(read_keys(settings.api_keys).values())
    except ServiceError as error:
        yield WayReport(f"接口密钥：{error}", Health.BROKEN)
        return
    revoked = [key for key in keys if key.revoked is not None]
    expired = [key for key in keys if key.is_expired(today) and key.revoked is None]
    good = [key for key in keys if not key.is_expired(today) and key.revoked is None]
    counted = f"可用 {len(good)} 把，过期 {len(expired)} 把，停用 {len(revoked)} 把"
    said = f"接口密钥：{settings.api_keys}，{counted}。"
    if not good:
        yield WayReport(f"{said}没有一把能用，请执行 wenyin apikeys new。", Health.DOUBTFUL)
        return
    ending = [key for key in good if key.is_expired(today + _SOON)]
    if ending:
        yield WayReport(f"{said}{_named(ending)}将在 {_SOON.days} 天内到期，请及时换新。", Health.DOUBTFUL)
        return
    yield WayReport(said)


def _named(keys: Sequence[ApiKey]) -> str:
    ids = "、".join(key.key_id for key in keys[:_NAMED])
    return ids if len(keys) <= _NAMED else f"{ids} 等 {len(keys)} 把"


def _proxy(settings: Settings) -> Iterator[WayReport]:
    header = settings.proxy_user_header
    if header is None:
        return
    places = "、".join(str(network) for network in settings.trusted_networks)
    said = f"反向代理：登录名在请求头 {header} 中，只信来自 {places} 的，"
    if settings.proxy_groups_header:
        said += f"权限取自 {settings.proxy_groups_header} 中 {settings.scope_prefix} 开头的组。"
        yield WayReport(said)
        return
    scopes = settings.proxy_scopes.split()
    if scopes:
        yield WayReport(f"{said}人人有权限 {' '.join(scopes)}。")
    else:
        yield WayReport(f"{said}而 WENYIN_PROXY_SCOPES 是空的：谁都没有权限。", Health.DOUBTFUL)


def _tokens(settings: Settings) -> Iterator[WayReport]:
    if settings.oidc_issuer is None:
        return
    try:
        number = count_provider_keys(settings)
    except ServiceError as error:
        yield WayReport(f"OIDC：{settings.oidc_issuer}，{error}", Health.BROKEN)
        return
    yield WayReport(
        f"OIDC：{settings.oidc_issuer}，aud 为 {settings.oidc_audience}，公钥 {number} 把（{settings.oidc_jwks}），"
        f"权限取自 {settings.oidc_scope_claim}。"
    )


def _sign_in(settings: Settings) -> WayReport:
    if settings.api_keys is None:
        return WayReport("网页登录：没有，它要接口密钥（WENYIN_API_KEYS）。")
    return WayReport(f"网页登录：用接口密钥，{settings.session_s / 3600:g} 小时内有效。")
