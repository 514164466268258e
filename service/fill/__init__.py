"""Fill a docx template with data: the only module that knows docxtpl and jinja2.

Template owners write docxtpl's grammar in Word (``{{ name }}``, ``{%p if … %}``, ``{%tr for … %}``), and
docxtpl's ``patch_xml`` turns it into a jinja source. The rendering itself is done here, because docxtpl's own
loop parses with error recovery (text after a fault is lost in silence), rewrites ``{_{`` in the *data* to
``{{``, escapes core properties twice, and parses the whole package again for every document. Every part is
compiled once per template; a render holds no state of its own, so it may run in any thread.

The rules a template owner needs:

* Every field that the schema declares exists; one that the request left out is ``none`` and prints nothing.
* A misspelt name is an error, at load where it can be seen, else when the line is rendered.
* A line feed in a value is a line break in the document, a tab is a tab.
* Two directives set what Word cannot hold as a tag: ``{% indent LEFT, RIGHT %}`` and ``{% size POINTS %}`` (see `service.fill.directives`).
* Filters: see `service.fill.typeset`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2
from docxtpl import DocxTemplate
from jinja2 import meta
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from lxml import etree

from service.archive import read_docx, write_docx
from service.errors import TemplateError
from service.fill import lists, typeset
from service.fill.directives import move_directives
from service.fill.lists import award_name
from service.fill.typeset import cn_date

__all__ = [
    "FILTER_NAMES",
    "award_name",
    "cn_date",
    "complete",
    "fill_docx",
    "moved_directives",
    "template_variables",
]

FILTER_NAMES = frozenset({*typeset.FILTERS, *lists.FILTERS})
"""Names of the filters that templates may use besides jinja's own."""

_CACHED_TEMPLATES = 64
_LONGEST_REPEAT = 100_000
_FLOW_PART = re.compile(r"word/(?:document|header\d*|footer\d*|footnotes|endnotes|comments)\.xml")
_PROPERTY_PART = re.compile(r"docProps/(?:core|app|custom)\.xml")
_MARKS = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
_XML_TAG = re.compile(r"<[^>]*>")
_TEXT = re.compile(r"<w:t(?: [^>]*)?>[^<]*[\n\t][^<]*</w:t>")
_DOC_PR_ID = re.compile(r'(<wp:docPr\b[^>]*?\bid=")[^"]*(")')
_PARAGRAPH_ID = re.compile(r' w14:(?:paraId|textId)="[^"]*"')
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


class _TooMuchError(SecurityError):
    """An expression asks for more than any document needs."""


class _Environment(ImmutableSandboxedEnvironment):
    """Sandbox in which ``record.items`` is the field ``items``, not a dict's method."""

    intercepted_binops = frozenset({"*", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look a mapping's key up first."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse powers, and repeats that would fill the memory."""
        if operator == "**":
            raise _TooMuchError("power is not allowed")
        for sequence, times in ((left, right), (right, left)):
            is_repeat = isinstance(sequence, str | list | tuple) and isinstance(times, int)
            if is_repeat and len(sequence) * times > _LONGEST_REPEAT:
                raise _TooMuchError("repeated too often")
        return super().call_binop(context, operator, left, right)


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of the package that holds tags."""

    name: str
    template: jinja2.Template
    is_flow: bool
    has_column_loop: bool


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A template ready to be rendered: fixed parts as bytes, the others compiled.

    ``drawings`` is how many drawings the fixed parts hold; they have the ids up to that number.
    """

    fixed: Mapping[str, bytes]
    order: tuple[str, ...]
    filled: Mapping[str, _Part]
    variables: frozenset[str]
    drawings: int


@dataclass(slots=True)
class _DrawingIds:
    """Gives each drawing an id of its own, as Word wants it over all parts of a file."""

    last: int = 0

    def renumber(self, text: str) -> str:
        return _DOC_PR_ID.sub(self._next, text)

    def _next(self, match: re.Match[str]) -> str:
        self.last += 1
        return f"{match[1]}{self.last}{match[2]}"


def fill_docx(
    template: bytes,
    data: Mapping[str, Any],
    extras: Mapping[str, Any],
    *,
    schema: Mapping[str, Any] | None = None,
) -> bytes:
    """Fill a template.

    Args:
        template: The docx; read, checked and compiled once, then cached by its bytes.
        data: Checked and cleaned request data.
        extras: Values of the service: ``verify_host`` (str), ``draft`` (bool). They win over ``data``.
        schema: The template's JSON Schema; fields it declares and ``data`` lacks become ``None``.

    Returns:
        The filled docx; equal input gives equal bytes.

    Raises:
        TemplateError: The template has a syntax error, names an unknown variable or filter, tries to
            leave the sandbox, leaves a tag unfilled or makes broken XML.
        UnsafeArchive: The template is no docx, or one that must not be opened.
    """
    compiled = _load(template)
    context = {**complete(data, schema or {}), **extras}
    ids = _DrawingIds(compiled.drawings)
    parts = {}
    for name in compiled.order:
        part = compiled.filled.get(name)
        parts[name] = compiled.fixed[name] if part is None else _render(part, context, ids)
    return write_docx(parts)


def template_variables(template: bytes) -> frozenset[str]:
    """Return the names of all variables that a template asks for.

    Args:
        template: The docx.

    Returns:
        Top-level names; those set inside the template are left out.

    Raises:
        TemplateError: The template cannot be compiled.
        UnsafeArchive: The template is no docx, or one that must not be opened.
    """
    return _load(template).variables


def moved_directives(template: bytes) -> bytes:
    """Return a template whose directives are in the properties, as any other reader of jinja expects.

    Args:
        template: The docx.
    """
    parts = read_docx(template)
    for name in parts:
        if _FLOW_PART.fullmatch(name):
            root = _parsed(name, parts[name])
            move_directives(root)
            parts[name] = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    return write_docx(parts)


def complete(data: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Give every object all the fields that its schema declares.

    Args:
        data: A JSON object.
        schema: JSON Schema; ``properties``, ``items``, ``allOf`` and local ``$ref`` are followed.

    Returns:
        A copy in which absent fields are ``None``, at every depth.
    """
    completed = _completed(data, schema, schema)
    return dict(completed) if isinstance(completed, Mapping) else {}


def _completed(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    schema = _resolved(schema, root)
    for branch in schema.get("allOf", ()):
        value = _completed(value, branch, root)
    if isinstance(value, Mapping):
        properties: Mapping[str, Any] = schema.get("properties", {})
        absent = {name: None for name in properties if name not in value}
        present = {name: _completed(item, properties.get(name, {}), root) for name, item in value.items()}
        return {**absent, **present}
    if isinstance(value, list | tuple):
        return [_completed(item, schema.get("items", {}), root) for item in value]
    return value


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    while isinstance(schema, Mapping) and str(schema.get("$ref", "")).startswith("#/"):
        target: Any = root
        for piece in schema["$ref"][2:].split("/"):
            target = target[piece.replace("~1", "/").replace("~0", "~")]
        schema = target
    return schema if isinstance(schema, Mapping) else {}


def _finalize(value: Any) -> Any:
    return "" if value is None else value


def _environment() -> _Environment:
    environment = _Environment(undefined=jinja2.StrictUndefined, autoescape=True, finalize=_finalize)
    environment.filters.update({**typeset.FILTERS, **lists.FILTERS})
    return environment


@lru_cache(maxsize=_CACHED_TEMPLATES)
def _load(template: bytes) -> _Compiled:
    parts = read_docx(template)
    environment = _environment()
    engine = DocxTemplate(None)
    filled: dict[str, _Part] = {}
    variables: set[str] = set()
    ids = _DrawingIds()
    for name, content in parts.items():
        is_flow = _FLOW_PART.fullmatch(name) is not None
        if is_flow or _PROPERTY_PART.fullmatch(name):
            root = _parsed(name, content)
            has_column_loop = "%tc " in "".join(root.itertext())
            source = _source(root, engine if is_flow else None)
            if _MARKS.search(source):
                filled[name] = _compile(name, source, environment, is_flow, has_column_loop)
                variables |= meta.find_undeclared_variables(environment.parse(source))
                continue
            parts[name] = ids.renumber(content.decode("utf-8", "surrogateescape")).encode(
                "utf-8", "surrogateescape"
            )
        if name.endswith((".xml", ".rels")) and _MARKS.search(content.decode("utf-8", "replace")):
            raise TemplateError(
                f"模板的 {name} 中有不会被填写的标记，请移到正文、页眉页脚或脚注中。", detail=name
            )
    return _Compiled(parts, tuple(parts), filled, frozenset(variables), ids.last)


def _source(root: Any, engine: Any) -> str:
    # Written out of the tree, quotes and entities are uniform, which patch_xml's expressions rely on.
    if engine is None:
        return str(etree.tostring(root, encoding="unicode"))
    move_directives(root)
    source = _PARAGRAPH_ID.sub("", str(etree.tostring(root, encoding="unicode")))
    # A line feed before each paragraph lets jinja's line numbers point at a paragraph.
    return re.sub(r"<w:p([ >])", r"\n<w:p\1", engine.patch_xml(source))


def _compile(
    name: str, source: str, environment: _Environment, is_flow: bool, has_column_loop: bool
) -> _Part:
    try:
        template = environment.from_string(source)
        static = "\0".join(text for _, kind, text in environment.lex(source) if kind == "data")
    except jinja2.TemplateSyntaxError as error:
        near = _near(source, error.lineno)
        raise TemplateError(
            f"模板有语法错误（{name}）：{near or error.message}",
            detail=f"{name}: {error.message}; near {near}",
        ) from error
    except (SyntaxError, RecursionError, MemoryError) as error:
        # Python itself gives up on what jinja makes of it: blocks or brackets nested too deep.
        raise TemplateError(
            f"模板的循环、条件或括号嵌套过深（{name}），请减少层次。", detail=f"{name}: {error!r}"
        ) from error
    leftover = _MARKS.search(_XML_TAG.sub("", static))
    if leftover:
        raise TemplateError(
            f"模板中有不成对的标记“{leftover[0]}”（{name}）。", detail=f"{name}: {leftover[0]}"
        )
    return _Part(name, template, is_flow=is_flow, has_column_loop=has_column_loop)


def _render(part: _Part, context: Mapping[str, Any], ids: _DrawingIds) -> bytes:
    try:
        text = part.template.render(context)
    except jinja2.UndefinedError as error:
        raise TemplateError(
            f"模板用到了没有定义的字段：{error.message}", detail=f"{part.name}: {error}"
        ) from error
    except (_TooMuchError, OverflowError, RecursionError) as error:
        raise TemplateError(
            "模板的计算量或篇幅超出限度，请检查循环、重复和宏。",
            code="render-limit",
            detail=f"{part.name}: {error}",
        ) from error
    except SecurityError as error:
        raise TemplateError(
            "模板含有不允许的表达式。", code="template-unsafe", detail=f"{part.name}: {error}"
        ) from error
    except (
        jinja2.TemplateError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise TemplateError("模板中的表达式无法计算。", detail=f"{part.name}: {error!r}") from error
    if part.is_flow:
        text = ids.renumber(_TEXT.sub(_breaks, text.replace("\n<w:p", "<w:p")))
    _parsed(part.name, text.encode())
    if part.is_flow and part.has_column_loop:
        text = str(etree.tostring(DocxTemplate(None).fix_tables(text), encoding="unicode"))
    return _DECLARATION + text.encode()


def _breaks(match: re.Match[str]) -> str:
    preserved = '<w:t xml:space="preserve">'
    text = match[0].replace("\n", f"</w:t><w:br/>{preserved}").replace("\t", f"</w:t><w:tab/>{preserved}")
    return preserved + text.split(">", 1)[1]


def _parsed(name: str, content: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise TemplateError("模板的结构有误，填写后不是完整的文档。", detail=f"{name}: {error}") from error


def _near(source: str, line: int) -> str:
    lines = source.splitlines()
    return _XML_TAG.sub("", "".join(lines[max(0, line - 1) : line]))[:80]
