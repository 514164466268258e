"""The cookie of somebody who has typed in an API key: signed, with an end, and worth no more than the key."""

import hashlib

from itsdangerous import BadData, URLSafeTimedSerializer

from service.access.keyfile import ApiKey

_SALT = "wenyin/session/1"
_HASH_HEX = 16


class Sessions:
    """Writes and reads cookies; keeps nothing.

    Args:
        secret: The same in all processes and replicas.
        lasting_s: Seconds that a cookie is good for.
    """

    def __init__(self, secret: bytes, lasting_s: float) -> None:
        self.lasting_s = int(lasting_s)
        self._serializer = URLSafeTimedSerializer(
            secret, salt=_SALT, signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )

    def cookie(self, key: ApiKey) -> str:
        """Return the value for somebody who has shown this key."""
        return str(self._serializer.dumps([key.key_id, key.sha256[:_HASH_HEX]]))

    def key_id(self, cookie: str) -> tuple[str, str] | None:
        """Return the id and the beginning of the hash of the key that was shown; ``None`` if it is not ours."""
        try:
            key_id, digest = self._serializer.loads(cookie, max_age=self.lasting_s)
        except (BadData, ValueError, TypeError):
            return None
        return str(key_id), str(digest)

    def is_of(self, digest: str, key: ApiKey) -> bool:
        """Whether a cookie was given for this very secret."""
        return key.sha256[:_HASH_HEX] == digest
