"""All settings: one table, read once from the environment, frozen afterwards."""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from service.errors import ConfigError
from service.scopes import Grant

PREFIX = "WENYIN_"
_ROOT = Path(__file__).resolve().parent.parent

_SPARE_THREADS = 16
_HEADER = re.compile(r"[A-Za-z0-9-]{1,80}", re.A)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_Port = Annotated[int, Field(ge=1, le=65535)]
_Positive = Annotated[int, Field(ge=1)]
_Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseModel):
    """Every setting, its unit in its name; the variable is ``WENYIN_`` + the upper-case name."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=False)

    host: str = Field("127.0.0.1", description="监听地址")
    port: _Port = Field(8000, description="监听端口")
    public_url: str | None = Field(
        None, description="二维码中核验网址的前缀，如 https://v.example.gov.cn；默认用监听地址"
    )
    templates_dir: Path = Field(_ROOT / "templates" / "docx", description="模板文件夹")
    state_dir: Path = Field(_ROOT / "var", description="密钥等本机状态所在文件夹，不入版本库")
    keys_dir: Path | None = Field(None, description="密钥文件夹；默认为状态文件夹下的 keys")
    issuer: str | None = Field(None, description="签发单位编号；只有一个签发单位时可不填")
    seal_dir: Path | None = Field(
        None, description="印章图样文件夹，其中为 <签发单位编号>.png；默认没有，不能加盖"
    )
    work_dir: Path | None = Field(None, description="转换用临时文件夹；默认为系统临时文件夹下的 wenyin")
    font_dir: Path | None = Field(
        None, description="存放已获授权字体的文件夹，其中的字体优先于替代字体；默认没有"
    )
    on_missing_glyph: Literal["error", "geta"] = Field(
        "error",
        description="没有字体能印出的字：error 退回请求并逐一指出，geta 印成〓并提醒；每个请求可另行指定",
    )
    soffice: Path | None = Field(None, description="soffice 程序的路径；默认自动查找")
    engine: Literal["auto", "lok", "soffice"] = Field(
        "auto", description="转换引擎：lok 常驻且最快，soffice 每份文件启动一次，auto 能用 lok 则用"
    )
    documents_per_child: _Positive = Field(
        20, description="lok 引擎的一个子进程转换多少份文件后更换；1 为每份文件一个全新进程"
    )
    converters: _Positive = Field(
        default_factory=lambda: os.cpu_count() or 1, description="同时转换的数量；默认为处理器核数"
    )
    queue_limit: Annotated[int, Field(ge=0)] = Field(
        64, description="正在转换的之外，还可以有多少份单份文件在等待（份）；超过即返回 429"
    )
    timeout_s: _Seconds = Field(60.0, description="单个请求的时限（秒），含排队时间")
    sandbox: Literal["auto", "require", "off"] = Field(
        "auto", description="bubblewrap 隔离：auto 能用则用，require 不能用则拒绝启动，off 不用"
    )
    body_limit_bytes: _Positive = Field(4_000_000, description="JSON 请求体上限（字节）")
    upload_limit_bytes: _Positive = Field(20_000_000, description="核验上传文件上限（字节）")
    batch_limit_bytes: _Positive = Field(50_000_000, description="批次请求体上限（字节）")
    batch_http_rows_limit: _Positive = Field(
        10_000, description="经 HTTP 或网页提交的一批数据的行数上限；更多的请用 wenyin batch"
    )
    batch_rows_limit: _Positive = Field(100_000, description="wenyin batch 一批数据的行数上限")
    template_preview: bool = Field(
        False, description="是否接受上传模板预览（/v1/templates/_preview）；true 为接受"
    )
    idempotency_s: Annotated[float, Field(ge=0)] = Field(
        86_400.0, description="记住 Idempotency-Key 多少秒（每台机器各记各的）；0 为不记"
    )
    batches_limit: _Positive = Field(
        8, description="同时处理的批次上限（个），所有 HTTP 进程合计；超过即返回 429，已接受的不会因此中断"
    )
    workers: _Positive = Field(
        default_factory=lambda: os.cpu_count() or 1, description="HTTP 进程数；默认为处理器核数"
    )
    threads: _Positive | None = Field(
        None, description="每个 HTTP 进程的线程数；默认够全部文件与批次各用一个，另加 16 个，排满时仍能应答"
    )
    metrics_token: str | None = Field(
        None, description="读取 /metrics 所需的令牌（Authorization: Bearer …）；不设则只回答本机直接访问"
    )
    api_keys: Path | None = Field(
        None, description="接口密钥文件，由 wenyin apikeys 写成；默认没有，不凭接口密钥辨认调用者"
    )
    session_s: Annotated[float, Field(ge=60, le=604_800)] = Field(
        28_800.0, description="在网页上用接口密钥登录后，多少秒内不必再登录"
    )
    trusted_proxies: str | None = Field(
        None,
        description="反向代理的 IP 地址或网段，逗号隔开；只有它们的 X-Forwarded-Proto 和登录名请求头算数。默认没有",
    )
    proxy_user_header: str | None = Field(
        None, description="反向代理写明登录名的请求头，如 X-Remote-User；默认没有，不凭它辨认调用者"
    )
    proxy_groups_header: str | None = Field(
        None, description="反向代理写明所属组的请求头，组名即权限，前面加 WENYIN_SCOPE_PREFIX；默认没有"
    )
    proxy_scopes: str = Field(
        "template:* issuer:* batch seal",
        description="经反向代理登录的人有哪些权限，空格隔开；有 WENYIN_PROXY_GROUPS_HEADER 时不用",
    )
    scope_prefix: str = Field("wenyin:", description="组名和令牌里的权限，前面的标记")
    oidc_issuer: str | None = Field(
        None, description="OIDC 身份服务的 issuer；默认没有，不接受它的令牌。须安装 wenyin[oidc]"
    )
    oidc_audience: str | None = Field(None, description="令牌的 aud 中必须有的值；默认没有，用 OIDC 时必填")
    oidc_jwks: str | None = Field(
        None, description="身份服务的公钥（JWK Set）：文件，或 https 网址；默认没有，用 OIDC 时必填"
    )
    oidc_scope_claim: str = Field("scope", description="令牌中列出权限的一项：文字（空格隔开）或列表")
    watch_s: Annotated[float, Field(ge=0)] = Field(
        10.0, description="每隔多少秒查看模板与字体文件夹有无变动，有则不停服重新载入；0 为不查看"
    )
    tsa_url: str | None = Field(None, description="时间戳服务（RFC 3161）的网址；不设则签名不带时间戳")
    tsa_failure: Literal["refuse", "warn"] = Field(
        "refuse", description="时间戳服务不可用时：refuse 不出文件，warn 出不带时间戳的文件并提醒"
    )
    tsa_timeout_s: _Seconds = Field(10.0, description="等待时间戳服务的时限（秒）")
    otlp_endpoint: str | None = Field(
        None,
        description="OpenTelemetry 收集器的网址（OTLP/HTTP），如 http://127.0.0.1:4318；默认没有，不记踪迹。须安装 wenyin[otel]",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="日志级别")

    @field_validator("public_url")
    @classmethod
    def _public_url_is_absolute(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("应为 http:// 或 https:// 开头的网址，不带问号和井号")
        return value.rstrip("/")

    @field_validator("tsa_url", "otlp_endpoint")
    @classmethod
    def _url_is_http(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("应为 http:// 或 https:// 开头的网址")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, value: str | None) -> str | None:
        if any(network.prefixlen == 0 for network in _networks(value)):
            raise ValueError("所有地址都在其中，等于谁都信任")
        return value

    @field_validator("proxy_user_header", "proxy_groups_header")
    @classmethod
    def _header_is_a_token(cls, value: str | None) -> str | None:
        if value is not None and not _HEADER.fullmatch(value):
            raise ValueError("应为请求头的名称：字母、数字和连字符")
        return value

    @field_validator("proxy_scopes")
    @classmethod
    def _scopes_exist(cls, value: str) -> str:
        Grant.of(value.split())
        return value

    @field_validator("oidc_jwks")
    @classmethod
    def _jwks_cannot_be_replaced_on_the_way(cls, value: str | None) -> str | None:
        if value and "://" in value:
            parts = urlsplit(value)
            if parts.scheme != "https" and (parts.scheme, parts.hostname in _LOOPBACK) != ("http", True):
                raise ValueError("应为文件，或 https:// 开头的网址（本机可用 http://）")
        return value

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """Where the reverse proxies are that are believed."""
        return _networks(self.trusted_proxies)

    @property
    def stamping(self) -> tuple[str, float, bool] | None:
        """Address of the time stamping authority, seconds to wait for it, and whether it is required."""
        if self.tsa_url is None:
            return None
        return self.tsa_url, self.tsa_timeout_s, self.tsa_failure == "refuse"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read all ``WENYIN_`` variables.

        Args:
            environ: Stands in for the process environment.

        Returns:
            The frozen settings.

        Raises:
            ConfigError: Names every faulty or unknown variable at once, in Chinese.
        """
        source = os.environ if environ is None else environ  # noqa: TID251 - the one place that may
        values = {
            key.removeprefix(PREFIX).lower(): value
            for key, value in source.items()
            if key.startswith(PREFIX) and value != ""
        }
        return cls.from_mapping(values)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Settings":
        """Build settings from names without prefix.

        Raises:
            ConfigError: As `from_env`.
        """
        lines = _contradictions(values)
        cause = None
        try:
            settings = cls.model_validate(dict(values))
        except ValidationError as error:
            lines = [*map(_fault, error.errors()), *lines]
            cause = error
        if lines:
            raise ConfigError("配置有误：" + "；".join(lines), detail=str(cause or "")) from cause
        return settings

    @property
    def base_url(self) -> str:
        """The prefix of verification URLs; never taken from a request's headers."""
        if self.public_url:
            return self.public_url
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in _LOOPBACK

    @property
    def documents_limit(self) -> int:
        """Single documents in hand at once: being converted, waiting for it, being filled or sealed."""
        return self.converters + self.queue_limit

    @property
    def conversions_limit(self) -> int:
        """Conversions that may wait: whoever was let in is not turned away by the converter."""
        return max(self.documents_limit, self.batches_limit * self.converters)

    @property
    def http_threads(self) -> int:
        """Threads of an HTTP process: one for each request that may convert or wait, and some to answer the rest.

        Any one process may get all the requests. With fewer, they would wait unseen before the
        queue, and `/livez` with them.
        """
        return self.threads or self.documents_limit + self.batches_limit + _SPARE_THREADS

    @property
    def keys_folder(self) -> Path:
        """The folder of the key ring."""
        return self.keys_dir or self.state_dir / "keys"

    @classmethod
    def table(cls) -> list[tuple[str, str, str]]:
        """Return (variable, default, description) of each setting, for the docs."""
        rows = []
        for name, info in cls.model_fields.items():
            default = "" if info.default is None or info.default_factory else str(info.default)
            rows.append((PREFIX + name.upper(), default.replace(f"{_ROOT}/", ""), info.description or ""))
        return rows


_NEEDS = (
    ("proxy_user_header", "trusted_proxies", "不知道哪些地址是反向代理，谁都可以冒充"),
    ("proxy_groups_header", "proxy_user_header", "只有组名，不知道是谁"),
    ("oidc_issuer", "oidc_audience", "发给别的系统的令牌也会被接受"),
    ("oidc_issuer", "oidc_jwks", "没有公钥，令牌无从核对"),
    ("oidc_audience", "oidc_issuer", "不知道是哪个身份服务"),
    ("oidc_jwks", "oidc_issuer", "不知道是哪个身份服务"),
)
"""Settings that mean nothing, or harm, without another; and why."""


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Name what is wrong between the settings; each by itself is checked by its field."""
    return [
        f"设了 {PREFIX}{name.upper()} 就要设 {PREFIX}{other.upper()}：{reason}"
        for name, other, reason in _NEEDS
        if values.get(name) and not values.get(other)
    ]


def _networks(text: str | None) -> tuple[Network, ...]:
    found = []
    for part in filter(None, (piece.strip() for piece in (text or "").split(","))):
        try:
            found.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise ValueError(f"“{part}”不是 IP 地址或网段（如 10.1.0.0/16，主机位应为 0）") from error
    return tuple(found)


_MESSAGES = {
    "extra_forbidden": "没有这个配置项",
    "int_parsing": "应为整数",
    "float_parsing": "应为数字",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "不得小于 {ge}",
    "less_than_equal": "不得大于 {le}",
    "literal_error": "只能取 {expected}",
    "path_type": "应为路径",
    "string_type": "应为文字",
}


def _fault(detail: ErrorDetails) -> str:
    variable = PREFIX + "_".join(str(part) for part in detail["loc"]).upper()
    kind = detail["type"]
    if kind == "value_error":
        reason = str(detail["ctx"]["error"])
    else:
        reason = _MESSAGES.get(kind, detail["msg"]).format(**detail.get("ctx", {}))
    # A misspelt name may stand before a secret.
    value = "" if kind == "extra_forbidden" else f"={detail['input']!r}"
    return f"{variable}{value}：{reason.replace(' or ', '、')}"
