"""API keys: one JSON file, which holds no secret.

::

    {"keys": [{"id": "wy0123456789", "name": "人事系统", "sha256": "<64 hex digits>",
               "scopes": ["template:notice", "issuer:*", "batch"],
               "created": "2026-01-31", "expires": null, "revoked": null}]}

A key is ``id.secret``; ``sha256`` is over the secret. The secret is 256 random bits, so there is no
dictionary to try against a stolen file, and a slow or keyed hash would only let strangers spend our time.
``expires`` is the last day on which the key works, in Beijing.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from service.durable import locked, replace_file
from service.errors import ConfigError, RequestError
from service.scopes import Grant

_ID = re.compile(r"wy[0-9a-f]{10}", re.A)
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.A)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.A)
_KEY_ANYWHERE = re.compile(rf"{_ID.pattern}\.{_SECRET.pattern}", re.A)
_FIELDS = frozenset({"id", "name", "sha256", "scopes", "created", "expires", "revoked"})
_ID_BYTES, _SECRET_BYTES = 5, 32
_NAME_LENGTH = 60
_FILE_BYTES = 4_000_000
_OTHERS = 0o007


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key, without its secret.

    Attributes:
        key_id: Public half, fit for logs.
        name: Whose it is, in Chinese.
        sha256: Of the secret, hex.
        grant: What its bearer may do.
        created: ISO date.
        expires: Last day on which it works, in Beijing.
        revoked: ISO date from which it does not work.
    """

    key_id: str
    name: str
    sha256: str
    grant: Grant
    created: date
    expires: date | None = None
    revoked: date | None = None

    def record(self) -> dict[str, Any]:
        """Return the key as the file holds it."""
        return {
            "id": self.key_id,
            "name": self.name,
            "sha256": self.sha256,
            "scopes": sorted(self.grant.words),
            "created": self.created.isoformat(),
            "expires": self.expires.isoformat() if self.expires else None,
            "revoked": self.revoked.isoformat() if self.revoked else None,
        }

    def is_expired(self, day: date) -> bool:
        """Whether its last day is before a day, in Beijing."""
        return self.expires is not None and self.expires < day

    def matches(self, secret: str) -> bool:
        """Whether this is the secret; takes the same time whatever is wrong with it."""
        return hmac.compare_digest(hash_of(secret), self.sha256)


NO_KEY = ApiKey("", "", "0" * 64, Grant(frozenset()), date.min)
"""Stands for an unknown key, so that to refuse one costs what it costs to refuse a wrong secret."""


def hash_of(secret: str) -> str:
    """Return the hash of a key's secret, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def split_key(text: str) -> tuple[str, str] | None:
    """Return id and secret of a key; ``None`` where it has not the form of one."""
    key_id, _, secret = text.partition(".")
    return (key_id, secret) if _ID.fullmatch(key_id) and _SECRET.fullmatch(secret) else None


def holds_key(text: str) -> bool:
    """Whether there is a key somewhere in a text."""
    return _KEY_ANYWHERE.search(text) is not None


def read_keys(path: Path) -> Mapping[str, ApiKey]:
    """Read and check the whole file.

    Raises:
        ConfigError: Any fault; the message names the key's place in the file.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"无法读取接口密钥文件 {path}：{error.strerror}。") from error
    if mode & _OTHERS:
        raise ConfigError(f"接口密钥文件 {path} 不得让其他用户读写；请执行 chmod 600。")
    try:
        records = json.loads(data)["keys"] if len(data) <= _FILE_BYTES else None
        if not isinstance(records, list):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f'接口密钥文件 {path} 应为 {{"keys": […]}}，不超过 4 MB。') from error
    keys = [_key(record, f"接口密钥文件 {path} 的第 {place} 项") for place, record in enumerate(records, 1)]
    found = {key.key_id: key for key in keys}
    if len(found) != len(keys):
        raise ConfigError(f"接口密钥文件 {path} 中有重复的 id。")
    return found


def _key(record: Any, place: str) -> ApiKey:
    try:
        if not isinstance(record, dict) or set(record) != _FIELDS:
            raise ValueError(f"应有且只有这些字段：{'、'.join(sorted(_FIELDS))}")
        if not (_ID.fullmatch(str(record["id"])) and _SHA256.fullmatch(str(record["sha256"]))):
            raise ValueError("id 或 sha256 的写法不对")
        expires, revoked = (
            date.fromisoformat(record[name]) if record[name] is not None else None
            for name in ("expires", "revoked")
        )
        created = date.fromisoformat(record["created"])
        grant = Grant.of(record["scopes"])
        return ApiKey(record["id"], str(record["name"]), record["sha256"], grant, created, expires, revoked)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{place}有误：{error}。") from error


def new_key(
    path: Path, name: str, scopes: Sequence[str], created: date, expires: date | None = None
) -> tuple[ApiKey, str]:
    """Make a key and put it into the file, which is made if need be.

    Args:
        path: The file.
        name: Whose it is.
        scopes: See `service.scopes`.
        created: Today.
        expires: Last day on which it works.

    Returns:
        The key, and ``id.secret``: it is nowhere else and cannot be had again.

    Raises:
        RequestError: The name or a scope is malformed.
        ConfigError: The file is broken or cannot be written.
    """
    if not 0 < len(name) <= _NAME_LENGTH or not name.isprintable():
        raise RequestError(f"密钥的名称应有 1 到 {_NAME_LENGTH} 个字，不带控制符。")
    try:
        grant = Grant.of(scopes)
    except ValueError as error:
        raise RequestError(f"{error}。") from error
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    key_id = f"wy{secrets.token_hex(_ID_BYTES)}"
    made = ApiKey(key_id, name, hash_of(secret), grant, created, expires)
    with locked(path.parent):
        before = read_keys(path) if path.exists() else {}
        _write(path, [*before.values(), made])
    return made, f"{key_id}.{secret}"


def revoke_key(path: Path, key_id: str, day: date) -> ApiKey:
    """Let a key work no longer, from now on.

    Raises:
        RequestError: There is no such key.
        ConfigError: The file is broken or cannot be written.
    """
    with locked(path.parent):
        keys = dict(read_keys(path))
        if key_id not in keys:
            raise RequestError(f"没有编号为 {key_id} 的接口密钥。")
        old = keys[key_id]
        keys[key_id] = ApiKey(
            old.key_id, old.name, old.sha256, old.grant, old.created, old.expires, old.revoked or day
        )
        _write(path, list(keys.values()))
    return keys[key_id]


def _write(path: Path, keys: Sequence[ApiKey]) -> None:
    text = json.dumps({"keys": [key.record() for key in keys]}, ensure_ascii=False, indent=2) + "\n"
    try:
        replace_file(path, text.encode(), 0o600)
    except OSError as error:
        raise ConfigError(f"无法写入接口密钥文件 {path}：{error.strerror}。") from error
