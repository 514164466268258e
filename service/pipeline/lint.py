"""Template lint: what would go wrong on paper, said before the template serves anybody.

docxtpl-lint judges the tags; `service.pipeline.lint_look` judges what makes a page look other than the owner sees
it in Word; the rules here hold the template's files together: tags, schema, manifest and sample.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import docxtpl_lint

from service.archive import read_docx
from service.docx import placeholder_png
from service.errors import InvalidRequest, ServiceError
from service.fill import FILTER_NAMES, moved_directives, template_variables
from service.model import TemplateSpec
from service.pipeline.filling import fill
from service.pipeline.lint_look import look
from service.pipeline.lint_places import Finding, PartTree, Place, Severity, cell_words, part_name, trees_of
from service.schema import SchemaMap, Validator, check_schema, parse_json
from service.verification import MOST_TYPES, TYPE_NAMES

_GIVEN = {"document": {"verify_host", "draft"}, "labels": {"verify_host", "draft", "label"}}
_UNDECLARED = "DTL304"
_TAG = re.compile(r"\{[{%].*?[%}]\}")
_FIELD_IN_NAME = re.compile(r"\{([A-Za-z_][\w.]*)\}")
_REFERENCE_DEPTH = 6
_EXTRAS = {"verify_host": "wenyin.example.cn", "draft": False}


def lint_template(spec: TemplateSpec) -> tuple[Finding, ...]:
    """Judge one template.

    Args:
        spec: The template as it was loaded, or as it could be loaded.

    Returns:
        Errors first, then warnings; each in the order of the document.
    """
    parts = read_docx(spec.docx)
    trees = trees_of(parts)
    issues = _issues(spec)
    # Where tags do not match, every further word on fields would be a guess.
    if any(issue.severity == "error" and issue.rule != _UNDECLARED for issue in issues):
        findings = list(_tags(issue for issue in issues if issue.rule != _UNDECLARED))
    else:
        findings = [*_tags(issues), *_fields(spec, trees)]
    findings += [*look(spec, parts, trees), *_schema(spec)]
    if not any(finding.severity == "error" for finding in findings):
        findings += _sample(spec)
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: finding.severity))


def placeholder_picture(side_px: int) -> bytes:
    """Return the PNG that a template's owner inserts where the QR code shall be.

    Args:
        side_px: As ``placeholder_px`` in the manifest.
    """
    return placeholder_png(side_px, side_px)


def _issues(spec: TemplateSpec) -> list[Any]:
    # docxtpl-lint reads a schema without following its references.
    declared = _inlined(spec.schema, spec.schema, _REFERENCE_DEPTH)
    known = {**declared.get("properties", {}), **{name: {} for name in _EXTRAS}}
    schema = {**declared, "properties": known} if spec.layout == "document" else None
    result = docxtpl_lint.lint(
        io.BytesIO(moved_directives(spec.docx)), filters=FILTER_NAMES, autoescape=True, schema=schema
    )
    return list(result.issues)


def _tags(issues: Iterable[Any]) -> Iterator[Finding]:
    for issue in issues:
        severity: Severity = "error" if issue.severity == "error" else "warning"
        message = f"{issue.message_for('zh')}（{issue.rule}）"
        if issue.rule == _UNDECLARED:
            path = str(issue.params["path"])
            if "." not in path:
                continue  # said by the rule on fields, which needs no type
            severity = "error"
            message = f"用到了 schema.json 中没有的字段“{path.replace('[*]', '')}”，填写时会出错"
        yield Finding.at(severity, _issue_place(issue.location), message)


def _issue_place(location: Any) -> Place:
    words = f"{part_name(location.part)} 第 {location.paragraph} 段"
    cells = "，".join(cell_words(cell.table, cell.row, cell.col) for cell in location.cells)
    return Place(
        f"{words}（{cells}）" if cells else words, location.paragraph if location.part == "body" else 0
    )


def _inlined(node: Any, root: Mapping[str, Any], depth: int) -> Any:
    if isinstance(node, list):
        return [_inlined(item, root, depth) for item in node]
    if not isinstance(node, Mapping):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/") and depth:
        target: Any = root
        for piece in reference[2:].split("/"):
            target = target.get(piece.replace("~1", "/").replace("~0", "~"), {})
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _inlined({**target, **rest}, root, depth - 1)
    return {key: _inlined(value, root, depth) for key, value in node.items() if key != "$defs"}


def _fields(spec: TemplateSpec, trees: Sequence[PartTree]) -> Iterator[Finding]:
    try:
        used = template_variables(spec.docx)
    except ServiceError as error:
        yield Finding("error", "正文", str(error))
        return
    declared = set(spec.schema.get("properties", {}))
    for name in sorted(used - declared - _GIVEN[spec.layout]):
        message = f"用到了 schema.json 中没有的字段“{name}”，填写时会出错"
        yield Finding.at("error", _first_use(trees, name), message)
    if spec.layout == "document":
        for name in sorted(declared - used - _ruled(spec)):
            yield Finding("warning", "schema.json", f"字段“{name}”在模板中没有用到，填了也不会印出")


def _first_use(trees: Sequence[PartTree], name: str) -> Place:
    word = re.compile(rf"(?<![\w.]){re.escape(name)}\b")
    for tree in trees:
        for paragraph in tree.paragraphs:
            text = "".join(str(piece) for piece in paragraph.itertext())
            if any(word.search(tag) for tag in _TAG.findall(text)):
                return tree.place(paragraph)
    return Place("文档属性（标题、作者等）")


def _ruled(spec: TemplateSpec) -> set[str]:
    """Return the fields that the manifest's rules look at: they need not be printed."""
    values = [value for rule in spec.rules for value in asdict(rule).values()]
    texts = [item for value in values for item in (value if isinstance(value, tuple | list) else (value,))]
    return {text.split("/")[1] for text in texts if isinstance(text, str) and text.startswith("/")}


def _manifest(spec: TemplateSpec) -> Iterator[Finding]:
    """Yield the pointers of the manifest that lead nowhere in the schema."""
    rule = spec.verify
    known = TYPE_NAMES.get(rule.doc_type)
    if known not in (None, spec.title):
        yield Finding(
            "warning",
            "template.toml",
            f"verify.doc_type {rule.doc_type} 在核验页上显示为“{known}”；"
            f"另一种文件请用 {len(TYPE_NAMES) + 1}–{MOST_TYPES} 中没有用过的编号",
        )
    if rule.full_text:
        yield Finding(
            "warning",
            "template.toml",
            "verify.full_text 把全文写进二维码：拿到纸面或照片的任何人都能读出，无法收回；"
            "用这个模板的文件里不得有电话、住址等个人信息",
        )
    named = {"verify.title": rule.title, "verify.ref": rule.ref, "verify.date": rule.date}
    named |= {f"verify.facts “{fact.caption}”": fact.pointer for fact in rule.facts}
    if spec.seal is not None:
        named |= {"seal.unit": spec.seal.unit, "seal.date": spec.seal.date}
    if rule.each is None:
        names = _FIELD_IN_NAME.findall(spec.file_name)
        named |= {f"file_name “{{{name}}}”": "/" + name.replace(".", "/") for name in names}
    for key, pointer in named.items():
        if pointer and not _is_declared(spec, pointer):
            yield Finding("error", "template.toml", f"{key} 指向 schema.json 中没有的字段 {pointer}")


def _schema(spec: TemplateSpec) -> Iterator[Finding]:
    try:
        check_schema(spec.schema, spec.rules)
    except ServiceError as error:
        yield Finding("error", "schema.json", str(error))
        return
    yield from _manifest(spec)


def _is_declared(spec: TemplateSpec, pointer: str) -> bool:
    place = SchemaMap(spec.schema).root
    if spec.verify.each:
        for step in spec.verify.each.split("/")[1:]:
            place = place.child(step)
        place = place.child(0)
    for step in pointer.split("/")[1:]:
        if step not in place.members:
            return False
        place = place.child(step)
    return True


def _sample(spec: TemplateSpec) -> Iterator[Finding]:
    """Yield what is wrong with the sample: it is the first thing that a caller tries."""
    try:
        data = parse_json(spec.sample)
        submission = Validator(spec.schema, spec.rules).validate(data, has_glyph=lambda _: True)
        fill(spec, submission.data, _EXTRAS)
    except InvalidRequest as error:
        for fault in error.faults:
            yield Finding("error", f"sample.json {fault.pointer}".rstrip(), fault.message)
    except ServiceError as error:
        yield Finding("error", "sample.json", f"用样例填写模板失败：{error}")
