"""A key folder of its own for every test."""

import shutil
from pathlib import Path

import pytest

from service.verification import KeyRing, TokenKey, add_issuer


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a key folder to copy: making an RSA key for each test takes longer than the tests."""
    place = tmp_path_factory.mktemp("made") / "keys"
    add_issuer(place, "cast", "中国科协办公厅")
    return place


@pytest.fixture
def folder(tmp_path: Path, made: Path) -> Path:
    """Return a key folder with one real issuer."""
    return Path(shutil.copytree(made, tmp_path / "keys"))


@pytest.fixture
def ring(folder: Path) -> KeyRing:
    """Return the ring of `folder`."""
    return KeyRing.load(folder)


@pytest.fixture
def key(ring: KeyRing) -> TokenKey:
    """Return the signing key of `ring`."""
    return ring.signing_key()
