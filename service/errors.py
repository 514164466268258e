"""Every failure wenyin can name, with its HTTP status and exit code.

::

    ServiceError
    ├── RequestError                the caller must change the request
    │   ├── MalformedJson           400  the body is not strict JSON
    │   ├── InvalidRequest          422  values break the schema; lists every fault
    │   ├── BadTable                422  a batch's file whose rows cannot be read
    │   ├── OutdatedWorkbook        409  a workbook made for another version of the template
    │   ├── KeyReused               409  an Idempotency-Key that stands for another request
    │   ├── UnknownTemplate         404  no template of that id
    │   ├── Unauthenticated         401  nobody proved who asks
    │   ├── Forbidden               403  whoever asks may not have that
    │   ├── CrossSite               403  another site made a browser send it
    │   ├── TooLarge                413  over a size limit
    │   ├── UnsupportedMedia        415  wrong Content-Type or Content-Encoding
    │   ├── NotAcceptable           406  no such output format
    │   ├── UnsafeArchive           422  a docx that must not be opened
    │   ├── BadTemplate             422  a template sent to be looked at cannot be filled
    │   ├── NotVerifiable           422  a file that cannot be examined
    │   ├── LayoutOverflow          422  the text does not fit the page rules
    │   ├── TextLost                422  LibreOffice does not print a character of the text
    │   └── SealUnavailable         422  no seal picture may be laid over this document
    ├── TemplateError               500  a template of ours is broken
    ├── SealError                   500  the finished document failed its own check
    ├── ServiceStopping             503  the service ends and takes no new work
    ├── ConversionError
    │   ├── ConversionFailed        502  LibreOffice made no usable PDF
    │   ├── ConversionTimeout       504  the deadline passed; the process group was killed
    │   ├── ConverterBusy           429  the queue is full
    │   ├── QueueTimeout            503  the deadline passed while waiting
    │   ├── ConversionCancelled     503  whoever asked has gone
    │   ├── NoSpace                 503  the work folder is full
    │   └── ConverterUnavailable    503  no working LibreOffice
    ├── IdentityUnavailable         503  the keys of the identity provider cannot be had
    ├── WorkerLost                  -    an item of a batch ended the process that made it
    ├── StorageFailed               -    a batch's file cannot be stored or read
    └── ConfigError                 -    start-up only

``str(error)`` is Chinese and safe to show; ``error.detail`` is for the log alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the command line; 130 (Ctrl-C) is the shell's own."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    REQUEST = 3
    VERDICT = 4
    TEMPLATE = 5
    CONVERSION = 6
    UNAVAILABLE = 7
    CONFIG = 8


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one value of the input.

    Attributes:
        pointer: JSON Pointer (RFC 6901) to the value; ``""`` is the whole document.
        keyword: Stable name of the broken rule: a JSON Schema keyword, or one of ours.
        message: Chinese sentence that names the field and says what to do.
    """

    pointer: str
    keyword: str
    message: str

    @property
    def place(self) -> tuple[tuple[tuple[int, str], ...], str]:
        """Sort key: by place, the whole document first, the tenth item after the second."""
        steps = self.pointer.split("/")[1:]
        numbered = tuple((int(step), "") if step.isdecimal() else (-1, step) for step in steps)
        return numbered, self.keyword


class ServiceError(Exception):
    """Base of all named failures.

    Args:
        message: Chinese, safe to show to whoever sent the request.
        detail: For the log only: tool output, paths, the cause.
        faults: All faults found in the input, in the order of their pointers.
        code: Replaces the class's stable type for this one error.
        retry_after_s: Seconds after which the same request is worth repeating.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "服务内部错误"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        detail: str = "",
        faults: Sequence[Fault] = (),
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.detail = detail
        self.faults = tuple(sorted(faults, key=lambda fault: fault.place))
        self.type_code = code or self.code
        self.retry_after_s = retry_after_s


class RequestError(ServiceError):
    """The caller must change the request; repeating it unchanged cannot help."""

    code = "bad-request"
    title = "请求有误"
    http_status = 400
    exit_code = ExitCode.REQUEST


class MalformedJson(RequestError):
    """The body is not strict JSON; ``type_code`` says in which way."""

    code = "json-syntax"
    title = "JSON 无法读取"


class InvalidRequest(RequestError):
    """Values break the template's schema or rules; ``faults`` has them all."""

    code = "invalid-request"
    title = "数据不符合模板要求"
    http_status = 422


class BadTable(RequestError):
    """The file of a batch cannot be read as rows; ``type_code`` says why, ``faults`` names the columns."""

    code = "bad-table"
    title = "表格无法读取"
    http_status = 422


class OutdatedWorkbook(RequestError):
    """The workbook was made for another template, or for another version of its fields."""

    code = "schema-version"
    title = "工作簿与模板版本不一致"
    http_status = 409


class KeyReused(RequestError):
    """An ``Idempotency-Key`` that stands for another request."""

    code = "key-reused"
    title = "键已用于另一个请求"
    http_status = 409


class UnknownTemplate(RequestError):
    """No template has that id."""

    code = "unknown-template"
    title = "没有这个模板"
    http_status = 404


class Unauthenticated(RequestError):
    """Nobody proved who asks, or the proof is not good."""

    code = "unauthenticated"
    title = "没有登录"
    http_status = 401


class Forbidden(RequestError):
    """This caller may not have that."""

    code = "forbidden"
    title = "没有权限"
    http_status = 403


class CrossSite(RequestError):
    """Another site made a browser send the request."""

    code = "cross-site"
    title = "来自其他网站的请求"
    http_status = 403


class TooLarge(RequestError):
    """The body or an uploaded file is over a limit."""

    code = "too-large"
    title = "内容过大"
    http_status = 413


class UnsupportedMedia(RequestError):
    """The Content-Type or Content-Encoding is not one that is read here."""

    code = "unsupported-media-type"
    title = "不支持的内容类型"
    http_status = 415


class NotAcceptable(RequestError):
    """The asked-for output format does not exist."""

    code = "not-acceptable"
    title = "不支持的输出格式"
    http_status = 406


class UnsafeArchive(RequestError):
    """A docx that must not be opened: bomb, active content, outside links."""

    code = "unsafe-archive"
    title = "文件不安全"
    http_status = 422


class BadTemplate(RequestError):
    """A template that was sent to be looked at cannot be read or filled."""

    code = "bad-template"
    title = "模板无法预览"
    http_status = 422
    exit_code = ExitCode.TEMPLATE


class NotVerifiable(RequestError):
    """An uploaded file that cannot be examined within the limits."""

    code = "not-verifiable"
    title = "文件无法核验"
    http_status = 422


class LayoutOverflow(RequestError):
    """The text does not fit the template's page rules."""

    code = "layout-overflow"
    title = "版面放不下"
    http_status = 422


class TextLost(RequestError):
    """LibreOffice does not print a character where it stands; it does in another line, with other text before it."""

    code = "text-lost"
    title = "有字没有印出"
    http_status = 422


class SealUnavailable(RequestError):
    """A seal picture was asked for that is not configured, or has no place on this document."""

    code = "seal-unavailable"
    title = "不能加盖印章图样"
    http_status = 422


class TemplateError(ServiceError):
    """A template of ours is broken or uses an undeclared field."""

    code = "template-error"
    title = "模板有误"
    exit_code = ExitCode.TEMPLATE


class SealError(ServiceError):
    """The finished document failed its own check and was withheld."""

    code = "seal-failed"
    title = "成品自检未通过"


class ServiceStopping(ServiceError):
    """The service is about to end: what it has begun is finished, new work belongs elsewhere."""

    code = "stopping"
    title = "服务正在停止"
    http_status = 503
    exit_code = ExitCode.UNAVAILABLE
    retryable = True


class ConversionError(ServiceError):
    """Base of everything that goes wrong between docx and PDF."""

    code = "conversion-error"
    title = "转换失败"
    exit_code = ExitCode.CONVERSION
    retryable = True


class ConversionFailed(ConversionError):
    """LibreOffice ended without a usable PDF."""

    code = "conversion-failed"
    http_status = 502


class ConversionTimeout(ConversionError):
    """The deadline passed; the process group was killed."""

    code = "conversion-timeout"
    title = "转换超时"
    http_status = 504


class ConverterBusy(ConversionError):
    """The bounded queue is full."""

    code = "converter-busy"
    title = "服务繁忙"
    http_status = 429
    exit_code = ExitCode.UNAVAILABLE


class QueueTimeout(ConversionError):
    """The deadline passed before a converter was free."""

    code = "queue-timeout"
    title = "排队超时"
    http_status = 503
    exit_code = ExitCode.UNAVAILABLE


class ConversionCancelled(ConversionError):
    """Whoever asked has gone; the answer is for the log alone."""

    code = "cancelled"
    title = "请求已取消"
    http_status = 503
    exit_code = ExitCode.UNAVAILABLE


class NoSpace(ConversionError):
    """The work folder is full; nothing partial was served."""

    code = "no-space"
    title = "磁盘空间不足"
    http_status = 503
    exit_code = ExitCode.UNAVAILABLE


class ConverterUnavailable(ConversionError):
    """No working LibreOffice on this machine."""

    code = "converter-missing"
    title = "转换器不可用"
    http_status = 503
    exit_code = ExitCode.UNAVAILABLE


class IdentityUnavailable(ServiceError):
    """Tokens of the identity provider cannot be judged: its public keys cannot be had."""

    code = "identity-unavailable"
    title = "无法核对登录凭证"
    http_status = 503
    exit_code = ExitCode.UNAVAILABLE
    retryable = True


class WorkerLost(ServiceError):
    """An item of a batch ended the process that made it, alone and more than once."""

    code = "worker-lost"
    title = "工作进程意外终止"


class StorageFailed(ServiceError):
    """A file of a batch cannot be stored or read, though tried several times."""

    code = "storage-failed"
    title = "存储失败"
    exit_code = ExitCode.INTERNAL
    retryable = True


class ConfigError(ServiceError):
    """Settings are wrong; one message names every fault and its variable."""

    code = "config-error"
    title = "配置有误"
    exit_code = ExitCode.CONFIG
