"""VerificationDesk: a token, a PDF or a docx in, a verdict out."""

import base64
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from service import __file__ as _package_file
from service.errors import NotVerifiable, UnsupportedMedia
from service.isolation.process import Limits, run
from service.isolation.sandbox import Sandbox, SandboxMode
from service.isolation.workspace import Workspace
from service.model import Deadline, PdfSignature, TemplateSpec, Verdict
from service.verification import FileKind, Trust, Verifier

_EXAMINE_S = 20.0
_ADDRESS_SPACE_BYTES = 3_000_000_000
_FILE_BYTES = 50_000_000
_ANSWER_BYTES = 32_000_000
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


class VerificationDesk:
    """Judges what people bring.

    Args:
        catalog: Templates, for the captions of facts.
        trust: Keys and issuers.
        work_dir: Parent of the folder in which uploads are examined.
        sandbox: Whether the examining child lives in bubblewrap.
    """

    def __init__(
        self, catalog: Iterable[TemplateSpec], trust: Trust, work_dir: Path, sandbox: SandboxMode = "auto"
    ) -> None:
        rules = {spec.verify.doc_type: spec.verify.facts for spec in catalog}
        self._verifier = Verifier(trust, rules)
        self._trust = trust
        self._workspace = Workspace(work_dir)
        package_root = Path(_package_file).resolve().parent.parent
        readable = (package_root, Path(sys.prefix), Path(sys.base_prefix))
        self._sandbox, _ = Sandbox.open(sandbox, self._workspace, readable)
        self._python_path = str(package_root)

    def close(self) -> None:
        """Remove the work folder."""
        self._workspace.close()

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
        """
        kind = _kind_of(data)
        found = self._examine(kind, data)
        judged: FileKind = "scan" if found.get("scan") else "docx" if kind == "docx" else "pdf"
        flags = tuple(found.get("flags", ()))
        verdict = self._verifier.judge_text(found["qr_texts"], found["texts"], judged, flags)
        if judged == "pdf":
            verdict = self._verifier.judge_signature(verdict, PdfSignature(**found["signature"]))
        return verdict

    def _examine(self, kind: str, data: bytes) -> dict[str, Any]:
        deadline = Deadline.after(_EXAMINE_S)
        with self._workspace.job() as job:
            upload = job / "upload"
            upload.write_bytes(data)
            anchors = job / "anchors.json"
            anchors.write_text(json.dumps(self._anchors()), "utf-8")
            command = [sys.executable, "-I", "-c", _BOOT, self._python_path, kind, str(upload), str(anchors)]
            line = Limits(_ADDRESS_SPACE_BYTES, int(_EXAMINE_S) + 5, _FILE_BYTES).wrap(command)
            environment = {**_ENVIRONMENT, "HOME": str(job), "TMPDIR": str(job)}
            if self._sandbox:
                line = self._sandbox.wrap(line, job, environment)
            answer = job / "answer.json"
            ended = run(line, environment=environment, directory=job, output_file=answer, deadline=deadline)
            if ended.timed_out or ended.returncode != 0 or answer.stat().st_size > _ANSWER_BYTES:
                raise NotVerifiable(
                    "文件过于复杂或已损坏，未能在限定的资源内完成核验；请上传签发的原 PDF 或 docx。",
                    detail=ended.output,
                )
            # A library may have complained first; the answer is the last line.
            result: dict[str, Any] = json.loads(answer.read_bytes().splitlines()[-1])
        if "error" in result:
            raise NotVerifiable(result["error"]["message"], code=result["error"]["code"])
        return result

    def _anchors(self) -> list[str]:
        """Return the public certificates; nothing secret ever goes to the child."""
        return [base64.b64encode(item.der).decode("ascii") for item in self._trust.certificates()]


_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    " from service.pipeline.examine_child import main; main(sys.argv[2:])"
)


def _kind_of(data: bytes) -> Literal["pdf", "docx", "picture"]:
    if data[:1024].lstrip().startswith(b"%PDF-"):
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "docx"
    if data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return "picture"
    raise UnsupportedMedia("只能核验 PDF、Word（.docx）文件，或纸面的扫描图片（PNG、JPEG）。")
