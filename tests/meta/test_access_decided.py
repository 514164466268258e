"""Nothing answers that nobody decided about."""

from flask import Flask

from service.web.app import BLUEPRINTS
from service.web.guard import NEEDS


def test_every_endpoint_says_who_may_call_it() -> None:
    app = Flask("service.web", static_url_path="/static")
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert set(NEEDS) == endpoints, "give it a line in service/web/guard.py"
