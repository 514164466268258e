"""The private-use table against the C library's own GB 18030 decoder."""

import subprocess
import unicodedata

from service.schema.gb18030 import STANDARD_BY_PRIVATE

_PAIRS = {
    0xE76C: 0xA2E3,
    0xE7C7: 0xA8BC,
    0xE7C8: 0xA8BF,
    **{0xE78D + place: pair for place, pair in enumerate([*range(0xA6D9, 0xA6E0), 0xA6EC, 0xA6ED, 0xA6F3])},
    **{0xE7E7 + place: pair for place, pair in enumerate(range(0xA989, 0xA996))},
    **{0xE815 + place: pair for place, pair in enumerate([*range(0xFE50, 0xFE7F), *range(0xFE80, 0xFEA1)])},
}


def test_table_agrees_with_the_decoder() -> None:
    assert len(STANDARD_BY_PRIVATE) == len(_PAIRS) == 106
    pairs = b"".join(pair.to_bytes(2, "big") for pair in _PAIRS.values())
    decoded = subprocess.run(
        ["iconv", "-f", "GB18030", "-t", "UTF-8"], input=pairs, capture_output=True, check=True
    ).stdout.decode()
    assert len(decoded) == len(_PAIRS)
    # A decoder of the 2022 edition leaves a few in the private area that the 2005 edition's moves out.
    for private, found in zip(map(chr, _PAIRS), decoded, strict=True):
        assert found in (private, STANDARD_BY_PRIVATE[private])
    assert sum(found in STANDARD_BY_PRIVATE.values() for found in decoded) > 90


def test_every_target_is_a_standard_character() -> None:
    for private, standard in STANDARD_BY_PRIVATE.items():
        assert unicodedata.category(private) == "Co"
        assert unicodedata.category(standard) not in {"Co", "Cn"}
        assert unicodedata.is_normalized("NFC", standard)
