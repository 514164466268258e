"""A short run of `bench.fuzz_api`: good and bad requests to every operation, each answer as it is described."""

import pytest
import schemathesis

from bench.fuzz_api import fuzz
from tests.serving import Server

CASES = 150


@pytest.mark.libreoffice
@pytest.mark.timeout(900)
@pytest.mark.fault("H8")
def test_every_answer_to_made_up_requests_is_described(server: Server) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    seen = fuzz(schema, CASES, seed=1)
    assert sum(seen.values()) >= CASES
    # Some were let in, and some were refused for what they said.
    assert {"positive 200", "negative 400", "negative 422"} <= set(seen), seen
