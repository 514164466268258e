"""What is installed with the service may be used, is listed, and is mended where advisories say so."""

import pytest
from packaging.version import Version

from tests.conftest import ROOT
from tools.licences import ALLOWED, PURPOSES, direct_names, licences_table, locked, packages

# A version in which what an advisory describes is mended already.
MENDED = {
    "aiohttp": ("3.13.3", "CVE-2025-69223: decompression bomb"),
    "cbor2": ("5.9.0", "CVE-2026-26209: recursion without end"),
    "certifi": ("2024.7.4", "CVE-2024-39689: distrusted root"),
    "cryptography": ("46.0.5", "CVE-2026-26007: points outside the curve's subgroup"),
    "flask": ("3.1.3", "CVE-2026-27205: caches and sessions"),
    "fonttools": ("4.61.0", "CVE-2025-66034: file written by a font description"),
    "gunicorn": ("23.0.0", "CVE-2024-6827: request smuggling"),
    "idna": ("3.7", "CVE-2024-3651: quadratic time"),
    "jinja2": ("3.1.6", "CVE-2025-27516: way out of the sandbox by |attr"),
    "lxml": ("4.9.1", "CVE-2022-2309: crash by a crafted file"),
    "pillow": ("12.1.1", "CVE-2026-25990: write out of bounds"),
    "pypdf": ("7.0.0", "CVE-2026-84311 and those before: endless loops and memory"),
    "werkzeug": ("3.1.6", "CVE-2026-27199: device names as file names"),
}


def test_page_lists_what_is_locked() -> None:
    page = (ROOT / "docs" / "licences.md").read_text("utf-8")
    assert licences_table() in page, "run python -m tools.update_docs"


def test_every_package_has_a_licence_that_allows_our_use() -> None:
    # Of a choice (OR) one would do; none of ours needs that.
    assert {item.name: item.licence for item in packages() if not item.licences <= ALLOWED} == {}


def test_every_package_that_is_named_has_a_purpose() -> None:
    assert direct_names() == set(PURPOSES)


@pytest.mark.parametrize("name", MENDED)
def test_no_version_is_older_than_the_mended_one(name: str) -> None:
    least, advisory = MENDED[name]
    assert Version(locked()[name]) >= Version(least), advisory
