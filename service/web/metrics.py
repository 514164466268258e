"""What the converter and the HTTP processes count, in Prometheus' text format."""

import hmac
import itertools
from collections.abc import Iterator, Mapping, Sequence

from flask import Blueprint, Response, g, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.registry import Collector

from service.bootstrap import Services
from service.errors import Forbidden
from service.model import SECONDS_BUCKETS
from service.web.context import counts, is_stopping, services
from service.web.counts import PROBLEMS, REQUESTS, VERDICTS, Described
from service.web.guard import known_caller

BLUEPRINT = Blueprint("metrics", __name__)

_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_BEARER = "Bearer "

GAUGES = {
    "active": ("wenyin_conversions_active", "正在转换的文件数"),
    "queued": ("wenyin_conversions_queued", "正在等待转换的请求数"),
    "processes": ("wenyin_converter_processes", "LibreOffice 的进程数"),
    "pss_bytes": ("wenyin_converter_memory_bytes", "LibreOffice 各进程的内存（PSS，字节）"),
}
COUNTERS = {
    "conversions": ("wenyin_conversions", "已转换的文件数"),
    "failures": ("wenyin_conversion_failures", "LibreOffice 未能转换的文件数"),
    "crashes": ("wenyin_conversion_crashes", "转换中意外退出的进程数"),
    "timeouts": ("wenyin_conversion_timeouts", "到时限仍未转换完的文件数"),
    "cancelled": ("wenyin_conversions_cancelled", "请求方已离开而取消的文件数"),
    "recycles": ("wenyin_converter_recycles", "LibreOffice 母进程更换的次数"),
    "waited_s": ("wenyin_conversion_wait_seconds", "所有文件等待转换的总秒数"),
}
SECONDS = ("wenyin_conversion_seconds", "转换一份文件的秒数，按模板")
INFO = ("wenyin_converter", "转换引擎及其版本")
READY = ("wenyin_ready", "能否转换文件：1 能，0 不能（同 /readyz）")
SIGNING = ("wenyin_signing_ready", "有没有可用的签名密钥：1 有，0 没有（不能生成文件，核验照常）")


def described() -> list[Described]:
    """Return every metric, for the docs."""
    return [
        Described(READY[0], "gauge", READY[1]),
        Described(SIGNING[0], "gauge", SIGNING[1]),
        Described(INFO[0], "info", INFO[1], ("engine", "version")),
        *(Described(name, "gauge", text) for name, text in GAUGES.values()),
        *(Described(name, "counter", text) for name, text in COUNTERS.values()),
        Described(SECONDS[0], "histogram", SECONDS[1], ("template",)),
        REQUESTS,
        PROBLEMS,
        VERDICTS,
    ]


class _ConverterCollector(Collector):
    """Asks the converter once for each scrape; no worker counts anything that another would have to add."""

    def __init__(self, found: Services) -> None:
        self._services = found

    def collect(self) -> Iterator[Metric]:
        state = self._services.converter.state()
        yield InfoMetricFamily(*INFO, {"engine": state.engine, "version": state.version})
        ready = not is_stopping() and self._services.readiness.check().ready
        yield GaugeMetricFamily(*READY, float(ready))
        fault = self._services.keyring.signing_fault(self._services.settings.issuer)
        yield GaugeMetricFamily(*SIGNING, float(not fault))
        for name, (metric, text) in GAUGES.items():
            yield GaugeMetricFamily(metric, text, getattr(state, name))
        for name, (metric, text) in COUNTERS.items():
            yield CounterMetricFamily(metric, text, getattr(state, name))
        yield _seconds(state.seconds)


def _seconds(seconds: Mapping[str, tuple[Sequence[int], float]]) -> Metric:
    family = HistogramMetricFamily(*SECONDS, labels=["template"])
    bounds = [*map(str, SECONDS_BUCKETS), "+Inf"]
    for label, (numbers, sum_s) in sorted(seconds.items()):
        buckets = list(zip(bounds, map(float, itertools.accumulate(numbers)), strict=True))
        # The canary and the like have no template.
        family.add_metric([label or "-"], buckets, sum_s)
    return family


@BLUEPRINT.get("/metrics")
def metrics() -> Response:
    """Answer whoever may know: this machine itself, or a bearer of the token."""
    found = services()
    _check_access(found.settings.metrics_token)
    registry = CollectorRegistry()
    registry.register(_ConverterCollector(found))
    text = generate_latest(registry) + generate_latest(counts().registry())
    return Response(text, content_type=CONTENT_TYPE_PLAIN_1_0_0)


def _check_access(token: str | None) -> None:
    given = request.headers.get("Authorization", "")
    if token is not None and hmac.compare_digest(given.encode(), (_BEARER + token).encode()):
        return
    if given and services().gate.ways:
        g.caller = known_caller()
        g.caller.require("metrics")
        return
    if token is None:
        # A proxy on this machine would pass on what the network asks.
        names = [name.lower() for name, _ in request.headers]
        forwarded = any(name.startswith(("forwarded", "x-forwarded")) for name in names)
        if request.remote_addr in _LOOPBACK and not forwarded:
            return
        raise Forbidden("/metrics 只回答本机直接访问；要从别处读取，请设置 WENYIN_METRICS_TOKEN。")
    raise Forbidden("/metrics 的令牌不对：请用 Authorization: Bearer 加上 WENYIN_METRICS_TOKEN 的值。")
