"""Directives: what a template owner can set from data although Word has no place for a tag there.

A number in an attribute (an indent, a type size) cannot be a ``{{ tag }}`` in a file that Word must still
open. So the owner writes a directive as text in the paragraph, and it is moved into the paragraph's
properties when the template is loaded:

* ``{% indent LEFT, RIGHT %}``: indents in twips (1/20 pt) of this paragraph.
* ``{% size POINTS, LINE, BEFORE %}``: type size of all its text, exact height of its line (if left out, the
  same) and space above it (if left out, the style's), all in points.
"""

import re
from typing import Any

from lxml import etree

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DIRECTIVE = re.compile(r"\{%\s*(indent|size)\s+(.*?)\s*%\}")
# Children of w:pPr that come before w:spacing and w:ind, and of w:rPr before w:sz (ISO/IEC 29500-1, 17.3).
_BEFORE_SPACING = (
    "pStyle keepNext keepLines pageBreakBefore framePr widowControl numPr suppressLineNumbers pBdr "
    "shd tabs suppressAutoHyphens kinsoku wordWrap overflowPunct topLinePunct autoSpaceDE "
    "autoSpaceDN bidi adjustRightInd snapToGrid"
)
_BEFORE_INDENT = f"{_BEFORE_SPACING} spacing"
_BEFORE_SIZE = (
    "rStyle rFonts b bCs i iCs caps smallCaps strike dstrike outline shadow emboss imprint noProof "
    "snapToGrid vanish webHidden color spacing w kern position"
)


def move_directives(root: Any) -> None:
    """Move every directive of a part from the text into the properties, in place.

    Args:
        root: lxml element of a document, header, footer or notes part.
    """
    for paragraph in root.iter(f"{_W}p"):
        texts = [text for run in paragraph.findall(f"{_W}r") for text in run.findall(f"{_W}t")]
        whole = "".join(text.text or "" for text in texts)
        if "{%" not in whole:
            continue
        for match in list(_DIRECTIVE.finditer(whole))[::-1]:
            _cut(texts, match.start(), match.end())
            apply = _indent if match[1] == "indent" else _size
            apply(paragraph, match[2])


def _cut(texts: list[Any], start: int, end: int) -> None:
    at = 0
    for text in texts:
        value = text.text or ""
        low, high = max(0, start - at), max(0, end - at)
        text.text = value[:low] + value[high:]
        at += len(value)


def _indent(paragraph: Any, expression: str) -> None:
    left, right = (*_split(expression), "0")[:2]
    indent = _child(_child(paragraph, "pPr", ""), "ind", _BEFORE_INDENT)
    indent.attrib.clear()
    values = {"left": left, "right": right, "firstLine": "0"}
    for name, value in values.items():
        indent.set(f"{_W}{name}", value if name == "firstLine" else f"{{{{ {value} }}}}")


def _split(expression: str) -> list[str]:
    """Return the arguments of a directive, parted by the commas outside all brackets."""
    arguments, depth, begun = [], 0, 0
    for position, char in enumerate(expression):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            arguments.append(expression[begun:position].strip())
            begun = position + 1
    return [*arguments, expression[begun:].strip()]


def _twentieths(points: str) -> str:
    return f"{{{{ (({points}) * 20) | round | int }}}}"


def _size(paragraph: Any, expression: str) -> None:
    size_pt, line_pt, before_pt = (*_split(expression), "", "")[:3]
    spacing = _child(_child(paragraph, "pPr", ""), "spacing", _BEFORE_SPACING)
    if before_pt:
        spacing.set(f"{_W}before", _twentieths(before_pt))
    spacing.set(f"{_W}line", _twentieths(line_pt or size_pt))
    spacing.set(f"{_W}lineRule", "exact")
    for run in paragraph.findall(f"{_W}r"):
        properties = _child(run, "rPr", "")
        for name in ("sz", "szCs"):
            size = _child(properties, name, f"{_BEFORE_SIZE} sz" if name == "szCs" else _BEFORE_SIZE)
            size.set(f"{_W}val", f"{{{{ (({size_pt}) * 2) | round | int }}}}")


def _child(parent: Any, name: str, before: str) -> Any:
    found = parent.find(f"{_W}{name}")
    if found is not None:
        return found
    child = etree.Element(f"{_W}{name}")
    earlier = before.split()
    place = sum(1 for other in parent if etree.QName(other).localname in earlier)
    parent.insert(place, child)
    return child
