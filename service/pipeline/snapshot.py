"""The public part of the key ring at one moment, for the page that verifies without us."""

from collections.abc import Iterable
from typing import Any

from service.model import TemplateSpec
from service.verification import TYPE_NAMES, KeyRing, china_today


def offline_snapshot(keyring: KeyRing, templates: Iterable[TemplateSpec]) -> dict[str, Any]:
    """Return keys, issuers, revocations, captions and the day (Beijing), JSON-ready.

    Args:
        keyring: Only its public half is read.
        templates: For the captions of the facts.
    """
    specs = {spec.verify.doc_type: spec for spec in templates}
    types = {**{number: spec.title for number, spec in specs.items()}, **TYPE_NAMES}
    keys = keyring.jwks()["keys"]
    lists = (keyring.revoked_public(key["kid"]) for key in keys)
    return {
        "date": china_today().isoformat(),
        "keys": keys,
        "issuers": [
            {name: issuer[name] for name in ("id", "name", "doc_types", "development")}
            for issuer in keyring.issuers_public()["issuers"]
        ],
        "revoked": {listed["kid"]: list(listed["rids"]) for listed in lists if listed},
        "types": {str(number): name for number, name in sorted(types.items())},
        "captions": {
            str(number): [fact.caption for fact in spec.verify.facts] for number, spec in specs.items()
        },
    }
