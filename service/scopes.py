"""What somebody may do, as a set of words.

::

    template:<id>   make documents of this template, see its schema   template:*   of all
    issuer:<id>     make documents in this issuer's name              issuer:*     in any name
    batch           many documents by one request
    seal            the picture of the official seal
    metrics         read /metrics
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

ALL = "*"
PLAIN_SCOPES = {"batch": "成批生成", "seal": "加盖印章图样", "metrics": "读取 /metrics"}
"""Scopes that stand alone, and what each allows."""

NAMING_SCOPES = {"template": "使用模板", "issuer": "以这个签发单位的名义生成文件，其编号是"}
"""Scopes that name a template or an issuer, and what each allows."""

_NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}|\*", re.A)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one caller may do.

    Attributes:
        words: Scopes, each as the module says.
    """

    words: frozenset[str]

    @classmethod
    def of(cls, words: Iterable[str]) -> "Grant":
        """Check words and keep them.

        Raises:
            ValueError: In Chinese: one of them is no scope.
        """
        found = frozenset(words)
        for word in sorted(found):
            kind, colon, name = word.partition(":")
            if word not in PLAIN_SCOPES and not (colon and kind in NAMING_SCOPES and _NAMED.fullmatch(name)):
                known = "、".join([*(f"{kind}:编号" for kind in NAMING_SCOPES), *PLAIN_SCOPES])
                raise ValueError(f"没有权限“{word}”，可用的有：{known}")
        return cls(found)

    @classmethod
    def claimed(cls, words: Iterable[str], prefix: str) -> "Grant":
        """Take from somebody else's list what is meant for us; what is not a scope allows nothing.

        Args:
            words: Groups or scopes as an identity provider lists them.
            prefix: Marks ours; it may be empty.
        """
        ours = (word.removeprefix(prefix) for word in words if word.startswith(prefix))
        found: set[str] = set()
        for word in ours:
            try:
                found |= cls.of([word]).words
            except ValueError:
                continue
        return cls(frozenset(found))

    def allows(self, scope: str, name: str | None = None) -> bool:
        """Whether something may be done.

        Args:
            scope: ``template``, ``issuer``, or one that stands alone.
            name: Of the template or issuer.
        """
        if name is None:
            return scope in self.words
        return f"{scope}:{ALL}" in self.words or f"{scope}:{name}" in self.words


EVERYTHING = Grant.of([*(f"{kind}:{ALL}" for kind in NAMING_SCOPES), *PLAIN_SCOPES])
"""May do all that there is."""
