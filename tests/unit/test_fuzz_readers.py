"""A short run of `bench.fuzz`: the readers of what strangers send refuse broken input in their own words only."""

import pytest

from bench.fuzz import TARGETS, run

CASES = 400


@pytest.mark.parametrize("name", TARGETS)
def test_broken_input_is_refused_or_read_as_another_reader_does(name: str) -> None:
    tried, accepted = run(name, cases=CASES)
    # Both sides of the line were tried.
    assert 0 < accepted < tried
