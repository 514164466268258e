"""``wenyin serve``: gunicorn with threads, configured by the settings alone."""

from typing import Any

import click
import structlog
from gunicorn.app.base import BaseApplication

from service.bootstrap import Services, open_services
from service.cli.output import configure_logging, report_errors
from service.settings import Settings
from service.web import create_app

_LOG = structlog.get_logger("wenyin.start")
_GRACE_S = 5
_REQUEST_LINE_BYTES = 4_094


class _Server(BaseApplication):  # type: ignore[misc]
    """One worker process whose threads wait for LibreOffice."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context: Any = None
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        options = {
            "bind": f"{settings.host}:{settings.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": settings.threads,
            "timeout": int(settings.timeout_s) + 30,
            "graceful_timeout": int(settings.timeout_s) + _GRACE_S,
            "limit_request_line": _REQUEST_LINE_BYTES,
            "control_socket_disable": True,
            "worker_exit": lambda _server, _worker: self._close(),
            "loglevel": "warning",
            "proc_name": "wenyin",
        }
        for key, value in options.items():
            if key in self.cfg.settings:
                self.cfg.set(key, value)

    def load(self) -> Any:
        self._context = open_services(self._settings)
        services: Services = self._context.__enter__()
        app = create_app(services)
        state = services.readiness.check()
        _LOG.info(
            "开始服务",
            url=f"http://{self._settings.host}:{self._settings.port}",
            ready=state.ready,
            message=state.reason,
            templates=[spec.template_id for spec in services.catalog],
        )
        return app

    def _close(self) -> None:
        if self._context is not None:
            self._context.__exit__(None, None, None)
            self._context = None


@click.command()
@report_errors
def serve() -> None:
    """启动 HTTP 服务；全部设置来自 WENYIN_ 开头的环境变量。"""
    settings = Settings.from_env()
    configure_logging(settings.log_level, json_lines=True)
    _Server(settings).run()
