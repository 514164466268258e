"""VerificationDesk: a token, a PDF or a docx in, a verdict out."""

import base64
from collections.abc import Iterable
from typing import Any, Literal

from service.errors import NotVerifiable, UnsupportedMedia
from service.evidence import PdfSignature
from service.model import TemplateSpec, Verdict, VerdictCode
from service.pipeline.examiner import Examiner, Findings
from service.verification import ExaminedFile, FileKind, FoundCode, Trust, Verifier, judge_file

# Verdicts that a signature which was not looked into could still make better or worse.
_BY_SIGNATURE = (VerdictCode.TEXT_MATCH, VerdictCode.CLAIMS_ONLY)


class VerificationDesk:
    """Judges what people bring.

    Args:
        catalog: Templates, for the captions of facts.
        trust: Keys and issuers.
        examiner: Looks into uploads; closed with this desk.
    """

    def __init__(self, catalog: Iterable[TemplateSpec], trust: Trust, examiner: Examiner) -> None:
        specs = {spec.verify.doc_type: spec for spec in catalog}
        rules = {kind: spec.verify.facts for kind, spec in specs.items()}
        self._verifier = Verifier(trust, rules, {kind: spec.title for kind, spec in specs.items()})
        self._trust = trust
        self._examiner = examiner

    def close(self) -> None:
        """Clear away what uploads needed."""
        self._examiner.close()

    def verify_token(self, text: str) -> Verdict:
        """Judge a token given as verification URL or as its digits.

        Args:
            text: What the QR said, or the digits.
        """
        return self._verifier.judge_link(text)

    def verify_file(self, data: bytes) -> Verdict:
        """Judge an uploaded PDF or docx, or a scan or photograph of the paper.

        Args:
            data: The file; nothing of it is kept.

        Raises:
            UnsupportedMedia: Neither PDF nor docx nor PNG nor JPEG.
            NotVerifiable: Too large, broken or hostile to be examined within the limits.
            QueueTimeout: Too many others wait.
        """
        kind = _kind_of(data)
        found = self._examine(kind, data, thorough=False)
        verdict = self._judge(kind, found)
        if kind == "pdf" and not found["thorough"] and _is_open(verdict, found):
            verdict = self._judge(kind, self._examine(kind, data, thorough=True))
        return verdict

    def _judge(self, kind: str, found: Findings) -> Verdict:
        judged: FileKind = "scan" if found.get("scan") else "docx" if kind == "docx" else "pdf"
        signature = found.get("signature")
        return judge_file(
            self._verifier,
            ExaminedFile(
                kind=judged,
                codes=tuple(FoundCode(text, page) for text, page in found["codes"]),
                texts=tuple(tuple(pages) for pages in found["texts"]),
                pages=found["pages"],
                flags=tuple(found.get("flags", ())),
                signature=PdfSignature(**signature) if signature is not None else None,
            ),
        )

    def _examine(self, kind: str, data: bytes, *, thorough: bool) -> Findings:
        anchors = [base64.b64encode(item.der).decode("ascii") for item in self._trust.certificates()]
        found = self._examiner.examine(kind, data, anchors, thorough=thorough)
        if "error" in found:
            raise NotVerifiable(found["error"]["message"], code=found["error"]["code"])
        return found


def _is_open(verdict: Verdict, found: dict[str, Any]) -> bool:
    """Return whether a second look could change the verdict on a PDF."""
    codes = {verdict.code, *(document.code for document in verdict.documents)}
    unread = found["signature"] is None and verdict.code in _BY_SIGNATURE
    return unread or VerdictCode.ALTERED in codes


def _kind_of(data: bytes) -> Literal["pdf", "docx", "picture"]:
    if data[:1024].lstrip().startswith(b"%PDF-"):
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "docx"
    if data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return "picture"
    raise UnsupportedMedia("只能核验 PDF、Word（.docx）文件，或纸面的扫描图片（PNG、JPEG）。")
