"""Requests made from the service's own description, good and bad: every answer must be one that it describes.

usage: python -m bench.fuzz_api [--cases 2000] [--seed 0]

schemathesis reads ``/openapi.json`` of a real service with the real LibreOffice. No answer may be a failure of
the service, have a status, type, header or body that is not described, or take what is not allowed.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from tests.serving import serving

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
# What is not allowed there is ignored, or is a form for people that answers with a page.
_LENIENT = ("网页", "运维")
# An address or a header too long for HTTP is refused before there is an operation.
_OF_THE_SERVER = (414, 431)
_MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def fuzz(schema: Any, cases: int, seed: int, *, headers: Mapping[str, str] | None = None) -> Counter[str]:
    """Try every operation with good and with bad requests.

    Args:
        schema: From schemathesis.
        cases: In all, at least; shared out evenly.
        seed: Of the first operation.
        headers: Sent with every request.

    Returns:
        How many requests each kind of answer was to: ``positive 200`` and so on.

    Raises:
        schemathesis.errors.Failure: An answer is not as described; the group names them all.
    """
    # Those come last that most can be asked of: they make up for those that have but one request.
    operations = [result.ok() for result in schema.get_all_operations()][::-1]
    seen: Counter[str] = Counter()
    for number, operation in enumerate(operations):
        left = cases - sum(seen.values())
        each = max(1, -(-left // (len(_MODES) * (len(operations) - number))))
        for mode in _MODES:
            _try(operation, mode, each, seed + number, seen, dict(headers or {}))
    return seen


def _try(
    operation: Any, mode: GenerationMode, cases: int, seed: int, seen: Counter[str], headers: dict[str, str]
) -> None:
    lenient = set(operation.tags or ()) & set(_LENIENT)
    checks = [CHECKS.get_one(name) for name in CHECKED if not (lenient and name == "negative_data_rejection")]

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        response = case.call(headers=headers)
        seen[f"{mode.value} {response.status_code}"] += 1
        if response.status_code in _OF_THE_SERVER:
            return
        case.validate_response(response, checks=checks)

    try:
        one()
    except hypothesis.errors.Unsatisfiable:
        # Where nothing is asked for nothing can be asked wrongly.
        assert mode is GenerationMode.NEGATIVE, operation.label


@contextmanager
def _service() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as name,
        serving(Path(name), converters="2", batch_http_rows_limit="20", timeout_s="120") as server,
    ):
        yield server.url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with _service() as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        seen = fuzz(schema, arguments.cases, arguments.seed)
    for kind, count in sorted(seen.items()):
        print(f"{kind}: {count}")
    print(f"{sum(seen.values())} cases, each answer as described")


if __name__ == "__main__":
    main()
