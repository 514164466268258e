"""Who asks: what a request brings as proof, and what is known once it was accepted."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from service.errors import Forbidden
from service.scopes import EVERYTHING, NAMING_SCOPES, PLAIN_SCOPES, Grant

_PSEUDONYM_HEX = 12


@dataclass(frozen=True, slots=True)
class Asking:
    """What a request says about who sent it.

    Attributes:
        peer: Address of the other end of the connection.
        authorization: That header; ``None`` where it is absent.
        cookie: Value of the session cookie; empty where it is absent.
        headers: The names in lower case.
    """

    peer: str
    authorization: str | None
    cookie: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may ask.

    Attributes:
        log_id: For the log: the id of a key or a pseudonym, never a person's name; empty for anybody.
        name: For his own eyes alone.
        grant: What he may do.
        signed_in: Whether he signed in on our own page, and can sign out there.
    """

    log_id: str
    name: str
    grant: Grant
    signed_in: bool = False

    def require(self, scope: str, name: str | None = None) -> None:
        """Refuse what the caller may not do.

        Args:
            scope: As in `Grant.allows`.
            name: As in `Grant.allows`.

        Raises:
            Forbidden: It names the scope that is missing.
        """
        if self.grant.allows(scope, name):
            return
        if name is None:
            word, meaning = scope, PLAIN_SCOPES[scope]
        else:
            word, meaning = f"{scope}:{name}", f"{NAMING_SCOPES[scope]} {name}"
        raise Forbidden(
            f"没有权限：缺少 {word}（{meaning}）。请向本服务的管理员申请。",
            detail=f"{self.log_id} lacks {scope}",
        )


ANYBODY = Caller("", "", EVERYTHING)
"""Whoever asks a service that has no access control."""


def pseudonym(secret: bytes, kind: str, name: str) -> str:
    """Return what stands for a person in the log: the same person, the same word.

    Args:
        secret: Without it nobody can try out names.
        kind: ``user`` or ``token``.
        name: As the proxy or the identity provider calls him.
    """
    digest = hmac.new(secret, f"{kind}\0{name}".encode(), hashlib.sha256).hexdigest()
    return f"{kind}-{digest[:_PSEUDONYM_HEX]}"
