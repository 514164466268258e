"""Who asks, and what he may do: API keys, a trusted proxy, OpenID Connect; no state but files."""

from service.access.callers import ANYBODY, Asking, Caller
from service.access.gate import AccessGate
from service.access.keyfile import ApiKey, holds_key, new_key, read_keys, revoke_key
from service.access.opening import open_gate
from service.access.report import Health, WayReport, report_access

__all__ = [
    "ANYBODY",
    "AccessGate",
    "ApiKey",
    "Asking",
    "Caller",
    "Health",
    "WayReport",
    "holds_key",
    "new_key",
    "open_gate",
    "read_keys",
    "report_access",
    "revoke_key",
]
