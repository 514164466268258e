"""Logs: one JSON object a line on stderr, and nothing in it of what documents hold.

Our own lines hold what the code names (docs/operations.md lists it). Of what libraries report, and of
exceptions, only the place in the code is logged: their messages quote values.
"""

import logging
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, Literal

import structlog
from gunicorn.glogging import Logger

_ROOT_NAME = "wenyin"
_LIBRARY = "message of a library"
_FRAMES = 30
_QUOTED = re.compile(r"^(Invalid request)\b.*", re.S)
_HARMLESS = re.compile(r"[A-Z0-9_.-]+")


class _NamedLogger(structlog.WriteLogger):
    """Writes a line at once, so that those of several processes do not mix; knows what it is called."""

    def __init__(self, *names: str) -> None:
        super().__init__(sys.stderr)
        self.name = names[0] if names else _ROOT_NAME


def configure_logging(level: str, *, json_lines: bool) -> None:
    """Send logs to stderr; stdout belongs to documents.

    Args:
        level: ``debug`` … ``error``.
        json_lines: One JSON object a line, for a service; else for a person.
    """
    renderer: structlog.typing.Processor
    if json_lines:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            place_of_exception,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=_NamedLogger,
        cache_logger_on_first_use=False,
    )
    if json_lines:
        _take_over()


def place_of_exception(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Put an exception's type and places into the line; its message may quote the values it stumbled over."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["places"] = _places(error.__traceback__)
    return event


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]


def _short(path: str) -> str:
    return re.sub(r".*/(?=(?:site-packages|service|lib/python[\d.]+)/)", "", path)


class _Libraries(logging.Handler):
    """Hands on that a library reported something, and where."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the place and, of gunicorn, the words that quote no request."""
        values: dict[str, Any] = {
            "library": record.name,
            "place": f"{_short(record.pathname)}:{record.lineno}",
        }
        if record.name == "gunicorn.error":
            values["message"] = _words_of_gunicorn(record)
        level: Literal["warning", "error"] = "error" if record.levelno >= logging.ERROR else "warning"
        log = structlog.get_logger("wenyin.library")
        getattr(log, level)(_LIBRARY, exc_info=record.exc_info, **values)


def _words_of_gunicorn(record: logging.LogRecord) -> str:
    template = _QUOTED.sub(r"\1", str(record.msg))
    arguments = record.args if isinstance(record.args, tuple) else ()
    if arguments and all(_HARMLESS.fullmatch(str(item)) for item in arguments):
        return record.getMessage()
    return template


class GunicornLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger, without a handler of its own: its lines go the way of all libraries'."""

    def setup(self, cfg: Any) -> None:
        """Leave what is written to the root logger."""
        super().setup(cfg)
        for handler in list(self.error_log.handlers):
            self.error_log.removeHandler(handler)
        self.error_log.propagate = True


def _take_over() -> None:
    """Make whatever else is reported in this process a line of the same form."""
    logging.captureWarnings(True)
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    log = structlog.get_logger("wenyin.process")

    def uncaught(error: BaseException | None) -> None:
        log.error("uncaught exception", exc_info=error)

    sys.excepthook = lambda _kind, error, _trace: uncaught(error)
    threading.excepthook = lambda given: uncaught(given.exc_value)
    sys.unraisablehook = lambda given: uncaught(given.exc_value)
