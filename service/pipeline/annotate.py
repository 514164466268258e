"""A copy of a template in which Word shows each finding as a comment at its place."""

import io
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import docx
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml.ns import qn
from docx.text.paragraph import Paragraph

from service.pipeline.lint_places import Finding

_AUTHOR = "wenyin"
_INITIALS = "文"
_STYLES = {
    "CommentReference": ("annotation reference", WD_STYLE_TYPE.CHARACTER),
    "CommentText": ("annotation text", WD_STYLE_TYPE.PARAGRAPH),
}
_WORDS = {"error": "错误", "warning": "提醒"}


def annotated(template: bytes, findings: Sequence[Finding]) -> bytes:
    """Return the template with its findings as comments, one comment a paragraph.

    What lies outside the main text (styles, headers, other files), where Word allows no comment, is said at the
    first paragraph, with its place. The copy is for reading in Word, not for serving.

    Args:
        template: The docx.
        findings: From `service.pipeline.lint.lint_template`.
    """
    document = docx.Document(io.BytesIO(template))
    body = document.element.body
    paragraphs = [Paragraph(_commentable(element), document._body) for element in body.iter(qn("w:p"))]
    if not paragraphs:
        paragraphs = [document.add_paragraph()]
    _add_styles(document)
    by_paragraph: dict[int, list[str]] = defaultdict(list)
    for finding in findings:
        number = finding.paragraph or 1
        where = "" if finding.paragraph else f"{finding.place}："
        by_paragraph[number].append(f"{_WORDS[finding.severity]}：{where}{finding.message}")
    for number, texts in sorted(by_paragraph.items()):
        paragraph = paragraphs[number - 1]
        runs = paragraph.runs or [paragraph.add_run()]
        document.add_comment(runs, text="\n".join(texts), author=_AUTHOR, initials=_INITIALS)
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def _add_styles(document: Any) -> None:
    """Define the styles that comments are written in: Word knows them without, a strict reader does not."""
    known = {style.style_id for style in document.styles}
    for style_id, (name, kind) in _STYLES.items():
        if style_id not in known:
            document.styles.add_style(name, kind, builtin=True).element.set(qn("w:styleId"), style_id)


def _commentable(paragraph: Any) -> Any:
    """Return the paragraph, or of one in a text box that which holds the box: Word allows no comment inside."""
    return [paragraph, *paragraph.iterancestors(qn("w:p"))][-1]
