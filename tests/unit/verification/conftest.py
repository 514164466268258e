"""A key folder of its own for every test."""

from pathlib import Path

import pytest

from service.verification import KeyRing, TokenKey, add_issuer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a key folder with one real issuer."""
    made = tmp_path / "keys"
    add_issuer(made, "cast", "中国科协办公厅")
    return made


@pytest.fixture
def ring(folder: Path) -> KeyRing:
    """Return the ring of `folder`."""
    return KeyRing.load(folder)


@pytest.fixture
def key(ring: KeyRing) -> TokenKey:
    """Return the signing key of `ring`."""
    return ring.signing_key()
