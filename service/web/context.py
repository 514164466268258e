"""How a view finds the services of its application."""

from collections.abc import Callable

from flask import current_app

from service.bootstrap import Services

SERVICES = "wenyin"
STOPPING = "wenyin-stopping"


def services() -> Services:
    """Return the services that `create_app` was given."""
    found: Services = current_app.extensions[SERVICES]
    return found


def is_stopping() -> bool:
    """Whether this service ends as soon as what it has begun is done."""
    asked: Callable[[], bool] = current_app.extensions[STOPPING]
    return asked()
