"""One thread computes at a time, and whoever waits for that keeps to its own limits."""

import threading

import pytest

from service.bootstrap import Services
from service.convert import Priority
from service.errors import ConversionCancelled, QueueTimeout
from service.model import Deadline
from tests.conftest import FIXTURES

pytestmark = pytest.mark.libreoffice
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()


def test_who_waits_for_a_turn_goes_at_the_deadline_or_with_the_client(services: Services) -> None:
    renderer = services.renderer
    with renderer.turn(Deadline.after(60), Priority.SINGLE, None):
        with pytest.raises(QueueTimeout):
            renderer.render("notice", MINIMAL, Deadline.after(0.05))
        with pytest.raises(ConversionCancelled):
            renderer.render("notice", MINIMAL, Deadline.after(60), cancelled=lambda: True)
    assert renderer.render("notice", MINIMAL, Deadline.after(60)).pdf


def test_a_turn_is_not_held_while_libreoffice_converts(services: Services) -> None:
    renderer = services.renderer
    free = threading.Event()

    def look() -> bool:
        # Asked while the document waits for LibreOffice: whoever computes then gets the turn.
        with renderer.turn(Deadline.after(60), Priority.SINGLE, None):
            free.set()
        return False

    assert renderer.render("notice", MINIMAL, Deadline.after(60), cancelled=look).pdf
    assert free.is_set()
