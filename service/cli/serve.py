"""``wenyin serve``: gunicorn's workers and the converter they share, configured by the settings alone."""

import contextlib
import os
import sys
import time
from typing import Any

import click
import structlog
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from service.bootstrap import (
    Services,
    inputs_fingerprint,
    make_examiner_host,
    open_services,
    start_host,
    work_dir,
)
from service.catalog import Fingerprint
from service.cli.logs import GunicornLogger, configure_logging
from service.cli.output import report_errors
from service.cli.worker import Stop, Worker
from service.errors import ServiceError
from service.isolation.memory import settle_before_fork, use_one_heap
from service.isolation.workspace import Workspace
from service.model import Deadline, RenderOptions
from service.settings import Settings
from service.web import create_app
from service.web.counts import Counts

_LOG = structlog.get_logger("wenyin.start")
_GRACE_S = 5
_REST_S = 2.0
_LOOK_S = 0.5
# Longer than proxies and clients keep theirs (60 s mostly): whoever closes first cannot have a request cut off.
_KEEPALIVE_S = 75
# A fifth of Python's own: whoever only has to be told something waits less for a thread that computes.
_SWITCH_S = 0.001
_REQUEST_LINE_BYTES = 4_094
_HEADERS = 100
_HEADER_BYTES = 8_190


class _Master(Arbiter):  # type: ignore[misc]
    """gunicorn's master process, which looks after the shared converter as well."""

    def manage_workers(self) -> None:
        super().manage_workers()
        # To load anew ends in here again.
        if self.app.tend():
            self.reload()

    def handle_hup(self) -> None:
        self.app.ask_reload()

    def stop(self, graceful: bool = True) -> None:
        self.app.stop.begin()
        super().stop(graceful)


class _Watch:
    """Tells when templates and fonts are to be loaded anew.

    That is when they have changed since they were loaded, or when somebody asks for it; and in either case
    not before they have been at rest for a while: a folder is copied file by file, and half of it may pass
    for a template that nobody ever made.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rest_s = max(_REST_S, settings.watch_s)
        self._next_s = 0.0
        self._seen: Fingerprint = ()
        self.loaded()

    def loaded(self) -> None:
        """Note that they are about to be loaded."""
        self._asked = False
        self._loaded = self._look()

    def ask(self) -> None:
        """Have them loaded, changed or not, as soon as they are at rest."""
        if not self._asked:
            self._asked = True
            self._next_s = 0.0
            self._look()

    def is_due(self) -> bool:
        """Whether now is the time; asked every second or so."""
        every_s = _LOOK_S if self._asked else self._settings.watch_s
        now_s = time.monotonic()
        if not every_s or now_s < self._next_s:
            return False
        self._next_s = now_s + every_s
        seen = inputs_fingerprint(self._settings)
        if seen != self._seen:
            self._seen, self._since_s = seen, now_s
            return False
        return now_s - self._since_s >= self._rest_s and (self._asked or seen != self._loaded)

    def has_moved(self) -> bool:
        """Whether they are not what they were when they were loaded."""
        return inputs_fingerprint(self._settings) != self._loaded

    def _look(self) -> Fingerprint:
        self._since_s = time.monotonic()
        self._seen = inputs_fingerprint(self._settings)
        return self._seen


class _Server(BaseApplication):  # type: ignore[misc]
    """Worker processes that share one converter, and all that was loaded before they were forked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pid = os.getpid()
        self.stop = Stop()
        use_one_heap()
        sys.setswitchinterval(_SWITCH_S)
        # First of all: LibreOffice starts while the rest is being loaded.
        self._host = start_host(settings)
        self._open = contextlib.ExitStack()
        self._open.callback(self._host.close)
        self._examiner = make_examiner_host(settings)
        self._open.callback(self._examiner.close)
        self._serving = contextlib.ExitStack()
        self._watch = _Watch(settings)
        desk = Workspace(work_dir(settings))
        self._open.callback(desk.close)
        self._counts = Counts(desk.path / "counts")
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        options = {
            "bind": f"{settings.host}:{settings.port}",
            "workers": settings.workers,
            "worker_class": Worker,
            "threads": settings.http_threads,
            "preload_app": True,
            "keepalive": _KEEPALIVE_S,
            "timeout": int(settings.timeout_s) + 30,
            "graceful_timeout": int(settings.timeout_s) + _GRACE_S,
            "limit_request_line": _REQUEST_LINE_BYTES,
            "limit_request_fields": _HEADERS,
            "limit_request_field_size": _HEADER_BYTES,
            # Else this machine is believed, and whatever FORWARDED_ALLOW_IPS says.
            "forwarded_allow_ips": ",".join(map(str, settings.trusted_networks)),
            "control_socket_disable": True,
            "post_fork": lambda _master, _worker: self._host.let_go(),
            "on_exit": lambda _master: self.close(),
            "loglevel": "warning",
            "logger_class": GunicornLogger,
            "proc_name": "wenyin",
        }
        for key, value in options.items():
            if key in self.cfg.settings:
                self.cfg.set(key, value)

    def load(self) -> Any:
        app = self._build(self._serving, "开始服务")
        # Last, so that it does not slow LibreOffice's start down.
        self._examiner.start()
        settle_before_fork()
        return app

    def reload(self) -> None:
        """Load templates, fonts and keys anew; what cannot be loaded leaves all as it was."""
        fresh = contextlib.ExitStack()
        try:
            app = self._build(fresh, "重新载入完毕")
        except (ServiceError, OSError) as error:
            fresh.close()
            _LOG.error("重新载入失败，沿用原有模板与字体", reason=str(error))
            return
        if self._watch.has_moved():
            fresh.close()
            self._watch.ask()
            _LOG.warning("载入期间模板或字体又有变动，沿用原有的，等不再变动后重新载入")
            return
        self.callable = app
        self._serving.close()
        self._serving = fresh
        settle_before_fork()

    def _build(self, stack: contextlib.ExitStack, event: str) -> Any:
        self._watch.loaded()
        settings = self._settings
        services: Services = stack.enter_context(
            open_services(settings, host=self._host, examiner=self._examiner)
        )
        app = create_app(services, self.stop.has_begun, self._counts)
        for font in services.fonts.reports:
            (_LOG.warning if font.degraded else _LOG.info)("字体", message=font.message)
        if not services.gate.ways and not settings.is_local:
            _LOG.warning(
                "没有设置访问控制：连得上本服务的人都能生成文件。请设接口密钥、反向代理登录或 OIDC",
                host=settings.host,
            )
        state = services.readiness.check()
        _LOG.info(
            event,
            url=f"http://{settings.host}:{settings.port}",
            ready=state.ready,
            message=state.reason,
            templates=[spec.template_id for spec in services.catalog],
        )
        if state.ready:
            _make_one(services)
        return app

    def run(self) -> None:
        try:
            _Master(self).run()
        finally:
            self.close()

    def tend(self) -> bool:
        """Mend the converter and the examining process if need be; called every second or so.

        Returns:
            Whether templates and fonts are to be loaded anew now.
        """
        if self._host.tend():
            _LOG.warning("转换进程意外退出，已重新启动")
        if self._examiner.tend():
            _LOG.warning("核验上传文件的进程意外退出，已重新启动")
        return self._watch.is_due()

    def ask_reload(self) -> None:
        """Load templates, fonts and keys anew as soon as their files are at rest."""
        self._watch.ask()

    def close(self) -> None:
        """End the converter and clear everything away; in the master process alone."""
        if os.getpid() == self._pid:
            self._serving.close()
            self._open.close()


def _make_one(services: Services) -> None:
    """Make a document that nobody gets: what that loads is loaded once, not in each worker."""
    spec = next(iter(services.catalog))
    with contextlib.suppress(ServiceError):
        deadline = Deadline.after(services.settings.timeout_s)
        services.renderer.render(spec.template_id, spec.sample, deadline, RenderOptions(draft=True))


@click.command()
@report_errors
def serve() -> None:
    """启动 HTTP 服务；全部设置来自 WENYIN_ 开头的环境变量。"""
    settings = Settings.from_env()
    configure_logging(settings.log_level, json_lines=True)
    _Server(settings).run()
