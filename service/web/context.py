"""How a view finds the services of its application."""

from flask import current_app

from service.bootstrap import Services

SERVICES = "wenyin"


def services() -> Services:
    """Return the services that `create_app` was given."""
    found: Services = current_app.extensions[SERVICES]
    return found
