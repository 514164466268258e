"""Locust's side of `bench.load`: a mixed crowd, each of whose answers is looked at.

Runs in an environment of its own (requirements/load.txt); what it saw goes into the file that ``LOAD_REPORT`` names.
``LOAD_PERIOD_S`` is the mean time between two requests of one user, 0 for one right after the other.
"""

# mypy: disable-error-code="untyped-decorator,misc"

import base64
import hashlib
import itertools
import json
import os
import random
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from locust import FastHttpUser, events, task

_PERIOD_S = float(os.environ["LOAD_PERIOD_S"])
_REPORT = Path(os.environ["LOAD_REPORT"])
_SAMPLES = {
    name: json.loads(Path(path).read_text("utf-8"))
    for name, path in json.loads(os.environ["LOAD_SAMPLES"]).items()
}
_TURNED_AWAY = frozenset({429, 503})
_FILE_CHECK_SHARE = 0.1

_numbers = itertools.count(1)
_statuses: dict[str, Counter[str]] = defaultdict(Counter)
_milliseconds: dict[str, list[float]] = defaultdict(list)
_wrong: list[str] = []
_broken: Counter[str] = Counter()


def _is_whole(answer: Any) -> bool:
    digest = base64.b64encode(hashlib.sha256(answer.content or b"").digest()).decode()
    return f"sha-256=:{digest}:" in (answer.headers.get("Content-Digest") or "")


class _Asking(FastHttpUser):
    abstract = True
    network_timeout = connection_timeout = 120.0

    def ask(self, name: str, method: str, path: str, **values: Any) -> Any:
        """Send a request, note what became of it, and return the answer if it is a 200."""
        begun = time.perf_counter()
        with self.client.request(method, path, name=name, catch_response=True, **values) as answer:
            milliseconds = (time.perf_counter() - begun) * 1e3
            status = answer.status_code or 0
            _statuses[name][str(status)] += 1
            if not status:
                _broken[f"{name} {milliseconds:.0f} ms {answer.error!r}"] += 1
            _milliseconds["turned away" if status in _TURNED_AWAY else name].append(milliseconds)
            answer.success()
            if status in _TURNED_AWAY and not answer.headers.get("Retry-After"):
                _wrong.append(f"{name}: {status} without Retry-After")
            if status == 200:
                # Read here: afterwards the connection is somebody else's.
                _ = answer.content
                return answer
        return None


class Clerk(_Asking):
    """Has documents made, and looks at some of them again."""

    _next_s = 0.0

    def on_start(self) -> None:
        self._next_s = time.monotonic()
        time.sleep(self.wait_time())

    def wait_time(self) -> float:
        """Come at random moments, as callers do who know nothing of each other: a Poisson process."""
        self._next_s += random.expovariate(1 / _PERIOD_S) if _PERIOD_S else 0.0
        return max(0.0, self._next_s - time.monotonic())

    def _document(self, template: str, field: str, output: str = "pdf") -> None:
        mark = f"第{next(_numbers)}号"
        data = json.loads(json.dumps(_SAMPLES[template]))
        holder = data["labels"][0] if template == "plaque-labels" else data
        if template == "plan-form":
            holder = data["event"]
        # In front: a token cuts what is too long for it.
        holder[field] = f"{mark}{holder[field]}"
        answer = self.ask(
            f"{template} {output}", "POST", f"/v1/documents/{template}?format={output}", json=data
        )
        if answer is None:
            return
        if not _is_whole(answer):
            _wrong.append(f"{template} {mark}: digest of the body is not the one in the header")
        if output == "pdf" and template != "plaque-labels":
            self._verify(answer, mark)

    def _verify(self, document: Any, mark: str) -> None:
        url = document.headers.get("X-Verify-Url")
        if random.random() < _FILE_CHECK_SHARE:
            files = {"file": ("a.pdf", document.content, "application/pdf")}
            found = self.ask("verify file", "POST", "/v1/verify", files=files)
            expected = "EXACT"
        else:
            found = self.ask("verify token", "POST", "/v1/verify", json={"token": url})
            expected = "CLAIMS_ONLY"
        if found is None:
            return
        verdict = found.json()
        if verdict["verdict"] != expected or mark not in json.dumps(verdict["claims"], ensure_ascii=False):
            _wrong.append(f"{mark}: {verdict['verdict']} {verdict['claims']}")

    @task(8)
    def notice(self) -> None:
        self._document("notice", "title")

    @task(3)
    def plan_form(self) -> None:
        self._document("plan-form", "name")

    @task(1)
    def docx(self) -> None:
        self._document("notice", "title", "docx")

    @task(2)
    def labels(self) -> None:
        self._document("plaque-labels", "unit")

    @task(2)
    def schema(self) -> None:
        self.ask("schema", "GET", "/v1/templates/notice/schema")

    @task(1)
    def batch(self) -> None:
        rows = json.loads(json.dumps(_SAMPLES["plaque-labels"]["labels"]))[:3]
        answer = self.ask("batch", "POST", "/v1/batches/plaque-labels?merge=true", json=rows)
        if answer is not None and not answer.content.rstrip().endswith(b"%%EOF"):
            _wrong.append("batch: the PDF is cut off")


@events.quitting.add_listener
def _report(**_: Any) -> None:
    found = {"statuses": _statuses, "milliseconds": _milliseconds, "wrong": _wrong, "broken": _broken}
    _REPORT.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
