"""What a docx says to a reader, from its XML parts; stable when LibreOffice saves it again."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lxml import etree

from service.errors import NotVerifiable

_W_SPACES = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
)
_CHOICE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Choice"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_FEATURES = frozenset(
    "http://schemas.microsoft.com/office/" + name
    for name in (
        "word/2010/wordml",
        "word/2010/wordprocessingCanvas",
        "word/2010/wordprocessingDrawing",
        "word/2010/wordprocessingGroup",
        "word/2010/wordprocessingInk",
        "word/2010/wordprocessingShape",
        "word/2012/wordml",
        "drawing/2010/main",
    )
)
_R_IDS = (
    "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id",
    "{http://purl.oclc.org/ooxml/officeDocument/relationships}id",
)
_BODY = "word/document.xml"
_NOTES = ("word/footnotes.xml", "word/endnotes.xml")
_UNREAD = frozenset({"del", "moveFrom", "delText", "instrText", "delInstrText", "rPr", "pPr", "sectPr"})
_BREAKS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "\u2011"}
_PAGE_FIELD = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES)\b", re.I)
# A page field may hide only a page number: its stored result is shown until the next update,
# so anything longer counts as text.
_PAGE_NUMBER = re.compile(r"[\s\-–—0-9０-９ivxlcdmIVXLCDM一二三四五六七八九十百千〇零]{0,8}")
_HIDING = frozenset({"vanish", "specVanish", "webHidden"})
_OFF = frozenset({"0", "false", "off"})
_TRACKED = {"ins": "修订插入", "del": "修订删除", "moveFrom": "修订移动", "moveTo": "修订移动"}


@dataclass(slots=True)
class _Frame:
    """A text box, or a field whose result is being read."""

    kind: Literal["story", "box", "field", "simple"]
    text: list[str] = field(default_factory=list)
    instruction: list[str] = field(default_factory=list)


def docx_text(parts: Mapping[str, bytes]) -> str:
    """Return the text of a docx: body, text boxes, notes, then headers and footers.

    Headers and footers are the sorted set of those shown, since a re-save copies and
    renumbers their parts. Page number fields are left out, because nobody computed them yet
    when the docx is sealed. Text boxes follow the text that they are anchored in, for
    re-savers move the anchors.

    Args:
        parts: Part name to bytes, from `service.archive.read_docx`.

    Returns:
        Text with a line per paragraph; not yet canonical.

    Raises:
        NotVerifiable: A part is missing or is not well-formed XML.
    """
    body = _parse(parts, _BODY)
    texts = [_story_text(body)]
    texts += [_story_text(_parse(parts, name)) for name in _NOTES if name in parts]
    texts += sorted({_story_text(_parse(parts, name)) for name in _shown_margins(parts, body)})
    return "\n".join(text for text in texts if text.strip())


def doubtful_text(parts: Mapping[str, bytes]) -> str:
    """Return the part of a docx's text that its pages need not show as it stands.

    That is hidden text, results of fields, which are worked out anew, and headers and footers: one that is for the
    first page or for even pages alone may have no page.

    Args:
        parts: Part name to bytes, from `service.archive.read_docx`.

    Raises:
        NotVerifiable: A part is missing or is not well-formed XML.
    """
    body = _parse(parts, _BODY)
    vanishing = _vanishing_styles(parts)
    texts = [_doubtful_runs(body, vanishing)]
    texts += [_doubtful_runs(_parse(parts, name), vanishing) for name in _NOTES if name in parts]
    texts += [_story_text(_parse(parts, name)) for name in _shown_margins(parts, body)]
    return "\n".join(texts)


def _doubtful_runs(story: etree._Element, vanishing: frozenset[str]) -> str:
    texts, fields = [], 0
    for element in story.iter():
        name = _w_name(element)
        if name == "fldChar":
            kind = _w_attribute(element, "fldCharType")
            fields += (kind == "begin") - (kind == "end")
        elif name == "t" and (fields > 0 or _is_unsure(element, vanishing)):
            texts.append(element.text or "")
    return "".join(texts)


def _is_unsure(text: etree._Element, vanishing: frozenset[str]) -> bool:
    """Whether text is hidden by itself or by a style, or is the result of a simple field."""
    for above in text.iterancestors():
        name = _w_name(above)
        if name == "fldSimple":
            return True
        if name not in ("r", "p"):
            continue
        for properties in above.iterchildren(*(f"{{{space}}}{name}Pr" for space in _W_SPACES)):
            for mark in properties:
                kind = _w_name(mark)
                if kind in _HIDING and name == "r" and _is_on(mark):
                    return True
                if kind in ("rStyle", "pStyle") and _w_attribute(mark, "val") in vanishing:
                    return True
        if name == "p":
            break
    return False


def docx_flags(parts: Mapping[str, bytes]) -> tuple[str, ...]:
    """Name what a docx holds that its text does not tell.

    Args:
        parts: Part name to bytes, from `service.archive.read_docx`.

    Returns:
        Chinese phrases, each completing 文件含有…; empty for a clean file.

    Raises:
        NotVerifiable: A part is missing or is not well-formed XML.
    """
    body = _parse(parts, _BODY)
    stories = [
        body,
        *(_parse(parts, name) for name in (*_NOTES, *_shown_margins(parts, body)) if name in parts),
    ]
    found = {flag for story in stories for flag in _story_flags(story, _vanishing_styles(parts))}
    media = sum(name.startswith("word/media/") for name in parts)
    if media > 1:
        found.add(f"二维码以外的图片 {media - 1} 张")
    if any(re.fullmatch(r"word/comments\w*\.xml", name) for name in parts):
        found.add("批注")
    return tuple(sorted(found))


def _parse(parts: Mapping[str, bytes], name: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
    try:
        return etree.fromstring(parts[name], parser)
    except (KeyError, etree.XMLSyntaxError, ValueError) as error:
        raise NotVerifiable(
            "Word 文件内部结构损坏，无法核验，请上传签发的原文件。", detail=f"{name}: {error!r}"
        ) from error


def _w_name(element: etree._Element) -> str | None:
    tag = element.tag
    if not isinstance(tag, str):
        return None  # a comment or processing instruction
    space, _, name = tag[1:].rpartition("}")
    return name if space in _W_SPACES else None


def _w_attribute(element: etree._Element, name: str) -> str | None:
    for space in _W_SPACES:
        value = element.get(f"{{{space}}}{name}")
        if value is not None:
            return str(value)
    return None


def _story_text(root: etree._Element) -> str:
    story = _Frame("story")
    boxes: list[str] = []
    stack = [story]
    walker = etree.iterwalk(root, events=("start", "end"))
    for event, element in walker:
        name = _w_name(element)
        if event == "end":
            _leave(name, element, stack, boxes)
        elif name in _UNREAD or _is_passed_over(element):
            if name == "instrText":
                stack[-1].instruction.append(element.text or "")
            walker.skip_subtree()
        else:
            _enter(name, element, stack)
    while len(stack) > 1:
        _close(stack, boxes)
    return "\n".join(["".join(story.text), *boxes])


def _enter(name: str | None, element: etree._Element, stack: list[_Frame]) -> None:
    if name == "t":
        stack[-1].text.append(element.text or "")
    elif name == "sym":
        stack[-1].text.append(_symbol(_w_attribute(element, "char") or ""))
    elif name in _BREAKS:
        stack[-1].text.append(_BREAKS[name])
    elif name == "txbxContent":
        stack.append(_Frame("box"))
    elif name == "fldSimple":
        stack.append(_Frame("simple", instruction=[_w_attribute(element, "instr") or ""]))
    elif name == "fldChar" and _w_attribute(element, "fldCharType") == "begin":
        stack.append(_Frame("field"))


def _symbol(code: str) -> str:
    return chr(int(code, 16)) if re.fullmatch(r"[0-9A-Fa-f]{4}", code) else ""


def _leave(name: str | None, element: etree._Element, stack: list[_Frame], boxes: list[str]) -> None:
    if name == "p":
        stack[-1].text.append("\n")
    elif name in ("txbxContent", "fldSimple"):
        kind = "box" if name == "txbxContent" else "simple"
        while stack[-1].kind != kind:  # a field left open inside
            _close(stack, boxes)
        _close(stack, boxes)
    elif name == "fldChar" and _w_attribute(element, "fldCharType") == "end" and stack[-1].kind == "field":
        _close(stack, boxes)


def _close(stack: list[_Frame], boxes: list[str]) -> None:
    frame = stack.pop()
    text = "".join(frame.text)
    if frame.kind == "box":
        boxes.append(text)
    elif not (_PAGE_FIELD.match("".join(frame.instruction)) and _PAGE_NUMBER.fullmatch(text)):
        stack[-1].text.append(text)


def _is_passed_over(element: etree._Element) -> bool:
    """Whether Word shows another branch of an ``mc:AlternateContent`` (ECMA-376-3 §7.6)."""
    if element.tag not in (_CHOICE, _FALLBACK):
        return False
    chosen_before = any(_is_understood(choice) for choice in element.itersiblings(_CHOICE, preceding=True))
    return chosen_before or (element.tag == _CHOICE and not _is_understood(element))


def _is_understood(choice: etree._Element) -> bool:
    # A choice that requires an unknown feature is not shown: its text must not count.
    return all(choice.nsmap.get(prefix) in _FEATURES for prefix in choice.get("Requires", "?").split())


def _shown_margins(parts: Mapping[str, bytes], body: etree._Element) -> list[str]:
    """Return the header and footer parts that some page can show."""
    targets = dict(_relationships(parts))
    shown = set()
    for section in _each(body, "sectPr"):
        kinds = {"default"}
        if any(_is_on(mark) for mark in _each(section, "titlePg")):
            kinds.add("first")
        if "word/settings.xml" in parts:
            settings = _parse(parts, "word/settings.xml")
            if any(_is_on(mark) for mark in _each(settings, "evenAndOddHeaders")):
                kinds.add("even")
        for name in ("headerReference", "footerReference"):
            for reference in _each(section, name):
                target = next(
                    (targets.get(reference.get(key, "")) for key in _R_IDS if reference.get(key)), None
                )
                if target and (_w_attribute(reference, "type") or "default") in kinds:
                    shown.add(target)
    return sorted(name for name in shown if name in parts)


def _relationships(parts: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    name = "word/_rels/document.xml.rels"
    if name not in parts:
        return
    for element in _parse(parts, name):
        target = element.get("Target", "")
        yield element.get("Id", ""), target.lstrip("/") if target.startswith("/") else f"word/{target}"


def _each(root: etree._Element, name: str) -> Iterator[etree._Element]:
    for space in _W_SPACES:
        yield from root.iter(f"{{{space}}}{name}")


def _is_on(element: etree._Element) -> bool:
    return (_w_attribute(element, "val") or "true").lower() not in _OFF


def _story_flags(story: etree._Element, vanishing: frozenset[str]) -> Iterator[str]:
    for element in story.iter():
        name = _w_name(element)
        if name in _TRACKED:
            yield _TRACKED[name]
        elif name == "altChunk":
            yield "嵌入的其他文件（altChunk）"
        elif name in _HIDING and _is_on(element):
            # A paragraph mark may be hidden without hiding a word.
            parent = element.getparent()
            if parent is not None and (grand := parent.getparent()) is not None and _w_name(grand) == "r":
                yield "隐藏文字"
        elif name in ("rStyle", "pStyle") and _w_attribute(element, "val") in vanishing:
            yield "隐藏文字"


def _vanishing_styles(parts: Mapping[str, bytes]) -> frozenset[str]:
    if "word/styles.xml" not in parts:
        return frozenset()
    bases: dict[str, str | None] = {}
    vanishing = set()
    for style in _each(_parse(parts, "word/styles.xml"), "style"):
        style_id = _w_attribute(style, "styleId") or ""
        bases[style_id] = next((_w_attribute(base, "val") for base in _each(style, "basedOn")), None)
        if any(_is_on(mark) for mark in _each(style, "vanish")):
            vanishing.add(style_id)
    for _ in bases:
        heirs = {style_id for style_id, base in bases.items() if base in vanishing} - vanishing
        if not heirs:
            break
        vanishing |= heirs
    return frozenset(vanishing)
