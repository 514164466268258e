"""Pages for anybody: the verdict behind a QR, the upload page."""

from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, request, send_from_directory

from service.model import Verdict, VerdictCode
from service.web.answers import verdict_answer
from service.web.api import uploaded_file
from service.web.context import counted, services
from service.web.origin import tell_origin
from service.web.problems import wants_html

BLUEPRINT = Blueprint("pages", __name__)

_TONES = {
    VerdictCode.EXACT: ("green", "✔", "文件与签发时完全一致"),
    VerdictCode.TEXT_MATCH: ("amber", "！", "文字与签发时一致，请核对版面"),
    VerdictCode.CLAIMS_ONLY: ("amber", "！", "验证码真实，请逐项与纸面核对"),
    VerdictCode.ALTERED: ("red", "✘", "内容与签发时不一致"),
    VerdictCode.REVOKED: ("red", "✘", "已作废"),
    VerdictCode.EXPIRED: ("red", "✘", "已过期"),
    VerdictCode.KEY_COMPROMISED: ("red", "✘", "密钥已失效"),
    VerdictCode.UNKNOWN_KEY: ("red", "✘", "非本系统签发"),
    VerdictCode.BAD_TOKEN: ("red", "✘", "非本系统签发"),
    VerdictCode.CONFLICT: ("red", "✘", "文件中的验证码互相矛盾"),
    VerdictCode.NO_SEAL: ("grey", "？", "未发现验证码"),
}


@BLUEPRINT.app_template_filter("cn_date")
def cn_date(iso_date: str) -> str:
    """Return ``2021-05-08`` as ``2021年5月8日``, without leading zeros."""
    year, month, day = iso_date.split("-")
    return f"{year}年{int(month)}月{int(day)}日"


@BLUEPRINT.get("/favicon.ico")
def favicon() -> Response:
    """What a browser asks for beside a page that names no icon."""
    return send_from_directory(Path(__file__).parent / "static", "icon.svg", max_age=86_400)


@BLUEPRINT.get("/V/<digits>")
def verdict_by_digits(digits: str) -> Response:
    """The page behind a QR; JSON for programs."""
    return _verdict(services().desk.verify_token(digits))


@BLUEPRINT.get("/verify")
def verify_form() -> Response:
    """The upload page."""
    limit_mb = services().settings.upload_limit_bytes // 1_000_000
    return tell_origin(make_response(render_template("verify.html", limit_mb=limit_mb)))


@BLUEPRINT.post("/verify")
def verify_upload() -> Response:
    """The verdict on an uploaded file, as a page."""
    return _verdict(services().desk.verify_file(uploaded_file()))


def _verdict(verdict: Verdict) -> Response:
    counted(verdict)
    if not wants_html():
        response = verdict_answer(verdict)
    else:
        tone, icon, headline = _TONES[verdict.code]
        response = make_response(
            render_template(
                "verdict.html", verdict=verdict, tone=tone, icon=icon, headline=headline, tones=_TONES
            )
        )
    response.headers["Vary"] = "Accept"
    response.headers["X-Robots-Tag"] = "noindex"
    if request.method == "GET":
        response.headers["Cache-Control"] = "no-store"
    return response
