"""Logs are lines of JSON that say where something went wrong, never which value it was."""

import json
import subprocess
import sys

import pytest

SECRET = "张三丰13900000000"
SETUP = "from service.cli.logs import configure_logging; configure_logging('debug', json_lines=True); "
WAYS = {
    "exception": "import structlog\ntry: int(SECRET)\nexcept ValueError as e: structlog.get_logger('wenyin.x').error('unexpected', exc_info=e)",
    "uncaught": "raise ValueError(SECRET)",
    "thread": "import threading\nt = threading.Thread(target=int, args=[SECRET]); t.start(); t.join()",
    "warning": "import warnings; warnings.warn(SECRET)",
    "library": "import logging; logging.getLogger('pyhanko').error(f'cannot sign {SECRET}')",
    "library, with arguments": "import logging; logging.getLogger('x').error('cannot sign %s', SECRET, exc_info=ValueError(SECRET))",
    "finalizer": "class A:\n    def __del__(self): raise ValueError(SECRET)\nA()",
}


def lines_of(script: str) -> list[dict[str, object]]:
    ended = subprocess.run(
        [sys.executable, "-c", f"SECRET = {SECRET!r}; {SETUP}\n{script}"], capture_output=True, check=False
    )
    assert ended.stdout == b""
    return [json.loads(line) for line in ended.stderr.splitlines()]


@pytest.mark.fault("H7")
@pytest.mark.parametrize("way", WAYS)
def test_whatever_is_reported_becomes_a_line_without_values(way: str) -> None:
    (line,) = lines_of(WAYS[way])
    assert {"event", "level", "logger", "timestamp"} <= set(line)
    assert "张三" not in json.dumps(line, ensure_ascii=False)
    assert "139" not in json.dumps({**line, "timestamp": ""})
    if way in ("exception", "uncaught", "thread", "finalizer"):
        assert line["error"] == "ValueError"
        assert line["level"] == "error"
    if way == "uncaught":
        assert line["places"] == ["<string>:2 <module>"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("log.critical('WORKER TIMEOUT (pid:%s)', 12)", "WORKER TIMEOUT (pid:12)"),
        ("log.error('Worker (pid:%s) was sent %s!', 12, 'SIGKILL')", "Worker (pid:12) was sent SIGKILL!"),
        ("log.warning('Invalid request from ip=10.0.0.1: ' + SECRET)", "Invalid request"),
        ("log.exception('Error handling request %s', '/V/' + SECRET)", "Error handling request %s"),
    ],
)
def test_gunicorn_says_what_happened_and_quotes_no_request(call: str, message: str) -> None:
    script = (
        "from gunicorn.config import Config; from service.cli.logs import GunicornLogger\n"
        f"log = GunicornLogger(Config())\n{call}"
    )
    (line,) = lines_of(script)
    assert (line["library"], line["message"]) == ("gunicorn.error", message)


@pytest.mark.fault("H7")
def test_line_feeds_and_terminal_codes_stay_within_the_line() -> None:
    (line,) = lines_of(
        "import structlog; structlog.get_logger('wenyin.x').info('a\\r\\n\\x1b[31mb', c='\\n')"
    )
    assert (line["event"], line["c"], line["logger"]) == ("a\r\n\x1b[31mb", "\n", "wenyin.x")
