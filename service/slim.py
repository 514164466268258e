"""Takes out of a template what no page of it shows but every conversion pays for.

A style costs LibreOffice about a quarter of a millisecond, used or not; the default file
of some programs brings 160 of them.
"""

import posixpath
import re

from lxml import etree

from service.archive import read_docx, write_docx

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STYLES = "word/styles.xml"
_TYPES = "[Content_Types].xml"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
_STYLE_USE = re.compile(
    rb"<w:(?:pStyle|rStyle|tblStyle|styleLink|numStyleLink|defaultTableStyle|clickAndTypeStyle)\b"
    rb"[^>]*\bw:val=\"([^\"]+)\""
)
# A field such as TOC or STYLEREF names styles by the names that people see.
_FIELD_TEXT = re.compile(rb"<w:instrText\b[^>]*>([^<]*)<|\bw:instr=\"([^\"]*)\"")
_STYLE_FIELD = re.compile(rb"TOC|STYLEREF", re.I)
_FOLLOWED = ("basedOn", "next", "link")
_OPTIONAL = re.compile(
    r"(?:word/(?:stylesWithEffects|webSettings)\.xml|docProps/thumbnail\.\w+|customXml/.*)"
)
_BOUND_TO_CUSTOM_XML = b"w:dataBinding"


def slim_docx(docx: bytes) -> bytes:
    """Drop unused styles, the list of latent styles, and optional parts.

    A style stays if a part uses it, if it is a default, or if one that stays is based on it,
    linked to it or followed by it. Every page looks as before.

    Args:
        docx: A template that `service.archive.read_docx` accepts.

    Returns:
        The smaller template; the same bytes for the same input.

    Raises:
        UnsafeArchive: It is not a docx to be opened.
    """
    parts = read_docx(docx)
    contents = [content for name, content in parts.items() if name.endswith(".xml") and name != _STYLES]
    dropped = {name for name in parts if _OPTIONAL.fullmatch(name)}
    if any(_BOUND_TO_CUSTOM_XML in content for content in contents):
        dropped = {name for name in dropped if not name.startswith("customXml/")}
    if _STYLES in parts and not any(_names_styles(content) for content in contents):
        parts[_STYLES] = _slim_styles(parts[_STYLES], contents)
    return write_docx(_without(parts, dropped))


def _names_styles(content: bytes) -> bool:
    # One field's text may be spread over several runs.
    fields = b"".join(run or simple for run, simple in _FIELD_TEXT.findall(content))
    return bool(_STYLE_FIELD.search(fields))


def _slim_styles(styles: bytes, contents: list[bytes]) -> bytes:
    root = etree.fromstring(styles, _PARSER)
    known = {style.get(f"{_W}styleId", ""): style for style in root.findall(f"{_W}style")}
    used = {name.decode() for content in contents for name in _STYLE_USE.findall(content)}
    wanted = [
        name for name, style in known.items() if name in used or style.get(f"{_W}default") in ("1", "true")
    ]
    kept: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in kept or name not in known:
            continue
        kept.add(name)
        for kind in _FOLLOWED:
            other = known[name].find(f"{_W}{kind}")
            if other is not None:
                wanted.append(other.get(f"{_W}val", ""))
    for name, style in known.items():
        if name not in kept:
            root.remove(style)
    for latent in root.findall(f"{_W}latentStyles"):
        root.remove(latent)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)


def _without(parts: dict[str, bytes], dropped: set[str]) -> dict[str, bytes]:
    if not dropped:
        return parts
    kept = {name: content for name, content in parts.items() if name not in dropped}
    for name in [name for name in kept if name.endswith(".rels")]:
        # word/_rels/document.xml.rels speaks of parts relative to word/.
        base = posixpath.dirname(posixpath.dirname(name))
        root = etree.fromstring(kept[name], _PARSER)
        for item in list(root):
            target = item.get("Target", "")
            if posixpath.normpath(posixpath.join(base, target)).lstrip("/") in dropped:
                root.remove(item)
        kept[name] = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    types = etree.fromstring(kept[_TYPES], _PARSER)
    for item in list(types):
        if item.get("PartName", "").lstrip("/") in dropped:
            types.remove(item)
    kept[_TYPES] = etree.tostring(types, xml_declaration=True, encoding="UTF-8", standalone=True)
    return kept
