"""How a view finds the services of its application, and who counts."""

from collections.abc import Callable

from flask import current_app

from service.bootstrap import Services
from service.model import Verdict
from service.spans import annotate
from service.web.counts import Counts
from service.web.door import Door
from service.web.keybook import KeyBook

SERVICES = "wenyin"
STOPPING = "wenyin-stopping"
COUNTS = "wenyin-counts"
KEYBOOK = "wenyin-keys"
DOOR = "wenyin-door"
BATCH_DOOR = "wenyin-batch-door"


def services() -> Services:
    """Return the services that `create_app` was given."""
    found: Services = current_app.extensions[SERVICES]
    return found


def is_stopping() -> bool:
    """Whether this service ends as soon as what it has begun is done."""
    asked: Callable[[], bool] = current_app.extensions[STOPPING]
    return asked()


def counts() -> Counts:
    """Return what counts requests, problems and verdicts."""
    found: Counts = current_app.extensions[COUNTS]
    return found


def counted(verdict: Verdict) -> Verdict:
    """Count a verdict and return it."""
    counts().verdict(verdict.code.value)
    annotate("wenyin.verdict", verdict.code.value)
    return verdict


def keybook() -> KeyBook:
    """Return what remembers this machine's idempotency keys."""
    found: KeyBook = current_app.extensions[KEYBOOK]
    return found


def door() -> Door:
    """Return what counts the documents that this machine has in hand."""
    found: Door = current_app.extensions[DOOR]
    return found


def batch_door() -> Door:
    """Return what counts the batches that this machine has in hand."""
    found: Door = current_app.extensions[BATCH_DOOR]
    return found
