"""A reverse proxy that has let somebody in says who it is."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from service.access.callers import Asking, Caller, pseudonym
from service.errors import Forbidden, Unauthenticated
from service.scopes import Grant
from service.settings import Network

_NAME_LENGTH = 200


def is_from(peer: str, trusted: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in trusted)


@dataclass(frozen=True, slots=True)
class ProxyRule:
    """Whom to believe, and what.

    Attributes:
        trusted: Where the proxies are.
        user_header: Lower-case name of the header with the user.
        groups_header: Lower-case name of the header with his groups; empty: not used.
        prefix: Marks the groups that are scopes of ours.
        grant: What a user may do where groups are not used.
    """

    trusted: tuple[Network, ...]
    user_header: str
    groups_header: str
    prefix: str
    grant: Grant

    def caller(self, asking: Asking, secret: bytes) -> Caller | None:
        """Return whom the proxy let in; ``None`` where it names nobody.

        Args:
            asking: The request.
            secret: For the pseudonym in the log.

        Raises:
            Forbidden: Somebody else than a proxy wrote these headers.
            Unauthenticated: The name is no name.
        """
        named = asking.headers.get(self.user_header)
        groups = asking.headers.get(self.groups_header) if self.groups_header else None
        if named is None and groups is None:
            return None
        if not is_from(asking.peer, self.trusted):
            raise Forbidden(
                "请求头中的登录名只能由受信任的反向代理给出，请从单位的入口访问。",
                detail="header from elsewhere",
            )
        # WSGI gives headers as Latin-1; two headers of one name come joined by a comma.
        name = (named or "").encode("latin-1", "replace").decode("utf-8", "replace").strip()
        if not 0 < len(name) <= _NAME_LENGTH or not name.isprintable() or "," in name:
            raise Unauthenticated("反向代理给出的登录名有误，请联系管理员。", detail="proxy named nobody")
        grant = self.grant
        if self.groups_header:
            words = (word.strip() for word in (groups or "").replace(";", ",").split(","))
            grant = Grant.claimed(words, self.prefix)
        return Caller(pseudonym(secret, "user", name), name, grant)
