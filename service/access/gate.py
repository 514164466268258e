"""The gate: who asks, by whichever proof the operator accepts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from service.access.callers import ANYBODY, Asking, Caller, pseudonym
from service.access.follow import Followed
from service.access.keyfile import NO_KEY, ApiKey, split_key
from service.access.proxy import ProxyRule
from service.access.session import Sessions
from service.errors import Unauthenticated
from service.scopes import Grant

TokenCheck = Callable[[str], tuple[str, Grant]]
_BEARER = "bearer"


class AccessGate:
    """Knows callers by what they show; safe to share between threads and processes.

    Args:
        secret: Of cookies and pseudonyms; the same in all processes and replicas.
        sessions: Writes and reads cookies.
        today: The day in Beijing.
        keys: API keys by id; ``None`` where there are none.
        proxy: Which proxy to believe; ``None``: no one.
        tokens: Judges a JWT: who, and what he may do; ``None`` where there is no provider.
    """

    def __init__(
        self,
        secret: bytes,
        sessions: Sessions,
        today: Callable[[], date],
        keys: Followed[Mapping[str, ApiKey]] | None = None,
        proxy: ProxyRule | None = None,
        tokens: TokenCheck | None = None,
    ) -> None:
        self._secret, self.sessions, self._today = secret, sessions, today
        self._keys, self._proxy, self._tokens = keys, proxy, tokens

    @property
    def ways(self) -> Sequence[str]:
        """What is accepted as proof: ``key``, ``proxy``, ``oidc``; nothing: anybody may ask."""
        given = {"key": self._keys, "proxy": self._proxy, "oidc": self._tokens}
        return [name for name, way in given.items() if way is not None]

    def identify(self, asking: Asking) -> Caller:
        """Return who asks.

        A proof that is shown and not good is refused, whatever else the request carries.

        Args:
            asking: What the request says of it.

        Raises:
            Unauthenticated: Nothing was shown, or it is not good.
            Forbidden: Somebody else than the proxy wrote the proxy's header.
            IdentityUnavailable: A token cannot be judged now.
        """
        if not self.ways:
            return ANYBODY
        if asking.authorization is not None:
            return self._bearer(asking.authorization)
        named = self._proxy.caller(asking, self._secret) if self._proxy else None
        remembered = None if named else self._session(asking.cookie)
        if caller := named or remembered:
            return caller
        raise Unauthenticated(self._how())

    def sign_in(self, text: str) -> tuple[Caller, str]:
        """Take an API key that somebody typed in.

        Returns:
            Who it is, and the cookie to know him by.

        Raises:
            Unauthenticated: The key is not good.
        """
        key = self._key(text.strip())
        return _of_key(key, signed_in=True), self.sessions.cookie(key)

    def _bearer(self, header: str) -> Caller:
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != _BEARER or not token:
            raise Unauthenticated(
                "请求头 Authorization 应为 Bearer 加空格加凭证。", detail="not a bearer token"
            )
        if self._tokens and split_key(token) is None:
            who, grant = self._tokens(token)
            return Caller(pseudonym(self._secret, "token", who), "", grant)
        return _of_key(self._key(token))

    def _key(self, text: str) -> ApiKey:
        found = split_key(text)
        key_id, secret = found or ("", text)
        keys = self._keys.current() if self._keys else {}
        key = keys.get(key_id, NO_KEY)
        if not key.matches(secret) or key is NO_KEY:
            raise Unauthenticated("密钥不对，请核对是否完整。", detail=f"wrong key {key_id}")
        if fault := self._fault(key):
            raise Unauthenticated(fault, detail=f"dead key {key_id}")
        return key

    def _fault(self, key: ApiKey) -> str:
        if key.revoked is not None:
            return f"密钥 {key.key_id} 已停用，请向管理员申请新的。"
        if key.is_expired(self._today()):
            return f"密钥 {key.key_id} 已过期，请向管理员申请新的。"
        return ""

    def _session(self, cookie: str) -> Caller | None:
        shown = self.sessions.key_id(cookie) if cookie and self._keys else None
        if shown is None or self._keys is None:
            return None
        key = self._keys.current().get(shown[0])
        if key is None or not self.sessions.is_of(shown[1], key) or self._fault(key):
            return None
        return _of_key(key, signed_in=True)

    def _how(self) -> str:
        ways = []
        if self._keys or self._tokens:
            ways.append("在请求头 Authorization 中给出 Bearer 加凭证")
        if self._keys:
            ways.append("在网页上登录")
        if self._proxy:
            ways.append("从单位的入口访问")
        return f"请先证明身份：{'，或'.join(ways)}。"


def _of_key(key: ApiKey, *, signed_in: bool = False) -> Caller:
    return Caller(key.key_id, key.name, key.grant, signed_in)
