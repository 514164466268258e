"""Documents and verdicts as HTTP answers."""

import base64
import hashlib
import re
from typing import Any
from urllib.parse import quote

from flask import Response, jsonify, request

from service.model import OutputFormat, RenderedDocument, Verdict

MEDIA_TYPES = {
    OutputFormat.PDF: "application/pdf",
    OutputFormat.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    OutputFormat.BUNDLE: "application/zip",
}
_EXTENSIONS = {OutputFormat.PDF: "pdf", OutputFormat.DOCX: "docx", OutputFormat.BUNDLE: "zip"}
_NOT_ASCII_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def document_answer(document: RenderedDocument, content: bytes, output: OutputFormat) -> Response:
    """Hand out a document with the headers of the contract.

    Args:
        document: What was rendered.
        content: The bytes in the asked-for form.
        output: That form.
    """
    response = Response(content, content_type=MEDIA_TYPES[output])
    digest = hashlib.sha256(content).digest()
    headers = response.headers
    headers["Content-Disposition"] = content_disposition(
        f"{document.file_stem}.{_EXTENSIONS[output]}", f"{document.template_id}-{document.document_id}"
    )
    headers["Content-Digest"] = f"sha-256=:{base64.b64encode(digest).decode()}:"
    headers["ETag"] = f'"{digest.hex()}"'
    headers["X-Document-Id"] = document.document_id
    headers["X-Verify-Url"] = document.verify_url
    headers["X-Warnings"] = str(len(document.warnings))
    headers["Server-Timing"] = ", ".join(
        f"{stage};dur={seconds * 1000:.1f}" for stage, seconds in document.timings_s.items()
    )
    return response


def revalidated(response: Response, cache_control: str = "private, no-cache") -> Response:
    """Give an answer to GET its ETag; nothing but headers where the client has it already (RFC 9110 §13.1.2).

    Args:
        response: Complete.
        cache_control: Who may keep it; by default anybody who asks again before each use.
    """
    response.headers["Cache-Control"] = cache_control
    response.add_etag()
    response.make_conditional(request)
    return response


def content_disposition(name: str, ascii_stem: str) -> str:
    """Return an attachment header with a plain and a full name (RFC 6266, RFC 8187).

    Args:
        name: File name, any script, already free of separators and control characters.
        ascii_stem: Stem of the name for old clients.
    """
    extension = name.rpartition(".")[2]
    fallback = _NOT_ASCII_NAME.sub("-", ascii_stem).strip("-.") or "document"
    return f"attachment; filename=\"{fallback}.{extension}\"; filename*=UTF-8''{quote(name, safe='')}"


def verdict_body(verdict: Verdict) -> dict[str, Any]:
    """Return the JSON form of a verdict, names as the contract fixes them."""
    body: dict[str, Any] = {
        "verdict": verdict.code.value,
        "claims": dict(verdict.claims),
        "checked": list(verdict.checked),
        "not_checked": list(verdict.not_checked),
        "message": verdict.message,
    }
    if verdict.document_id:
        body["document_id"] = verdict.document_id
    if verdict.development:
        body["development"] = True
    if verdict.authenticated_text is not None:
        body["authenticated_text"] = verdict.authenticated_text
    if verdict.differences:
        body["differences"] = [{"kind": span.kind, "text": span.text} for span in verdict.differences]
    if verdict.pages:
        body["page"], body["last_page"] = verdict.pages
    if verdict.documents:
        body["documents"] = [verdict_body(document) for document in verdict.documents]
    return body


def verdict_answer(verdict: Verdict) -> Response:
    """Hand out a verdict as JSON; the question was answered, so 200."""
    return jsonify(verdict_body(verdict))
