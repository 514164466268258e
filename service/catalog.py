"""The template folders: loaded once, checked at start, handed out as values."""

import contextlib
import hashlib
import json
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.archive import read_docx
from service.errors import ServiceError, TemplateError, UnknownTemplate
from service.model import (
    FactRule,
    FullText,
    QrRule,
    SealRule,
    TemplateSpec,
    VerifyRule,
)
from service.pagerules import Area, LayoutRule, PageRule, SignatureRule
from service.rules import DataRule, NotAfter, Stages, WordLimit

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Path, size in bytes and two times in nanoseconds of each file of a folder."""

_READINGS = 10
_BETWEEN_READINGS_S = 0.5
_POINTER = r"^(/[^/]+)+$"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Pages(_Strict):
    minimum: int = Field(default=1, ge=1)
    maximum: int = Field(default=200, ge=1, le=5_000)


class _Fact(_Strict):
    caption: str = Field(min_length=1, max_length=20)
    pointer: str = Field(pattern=_POINTER)
    optional: bool = False


class _Verify(_Strict):
    doc_type: int = Field(ge=1, le=255)
    title: str | None = Field(None, pattern=_POINTER)
    ref: str | None = Field(None, pattern=_POINTER)
    date: str | None = Field(None, pattern=_POINTER)
    facts: tuple[_Fact, ...] = ()
    each: str | None = Field(None, pattern=_POINTER)
    digest: tuple[Annotated[str, Field(pattern=_POINTER)], ...] = ()
    full_text: FullText = False

    @model_validator(mode="after")
    def _one_text(self) -> "_Verify":
        if self.full_text and self.each is not None:
            raise ValueError("items share a page, and none has a text of its own")
        return self


class _Qr(_Strict):
    marker: str = Field("wenyin-qr", min_length=1)
    picture_mm: float = Field(gt=5, le=100)
    module_min_mm: float = Field(0.33, ge=0.25, le=2)
    placeholder_px: int = Field(311, ge=101, le=2_000)


class _Seal(_Strict):
    unit: str = Field(pattern=_POINTER)
    date: str | None = Field(None, pattern=_POINTER)
    suffix: str = ""
    label: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _date_or_label(self) -> "_Seal":
        if (self.date is None) is (self.label is None):
            raise ValueError("either date or label")
        return self


_Pointer = Annotated[str, Field(pattern=_POINTER)]


class _Rule(_Strict):
    severity: Literal["warning", "error"] = "warning"
    unless: _Pointer | None = None

    @property
    def common(self) -> dict[str, Any]:
        return {"is_error": self.severity == "error", "unless": self.unless or ""}


class _WordLimit(_Rule):
    kind: Literal["word_limit"]
    each: _Pointer
    parts: tuple[_Pointer, ...] = Field(min_length=1)
    limit: int = Field(ge=1)

    def made(self) -> DataRule:
        return WordLimit(self.parts, self.limit, self.each, **self.common)


class _TotalWordLimit(_Rule):
    kind: Literal["total_word_limit"]
    parts: tuple[_Pointer, ...] = Field(min_length=1)
    limit: int = Field(ge=1)

    def made(self) -> DataRule:
        return WordLimit(self.parts, self.limit, **self.common)


class _Stages(_Rule):
    kind: Literal["stages"]
    pointer: str = Field(pattern=r"^/[^/*]+/\*/[^/*]+$")
    stages: tuple[int, ...] = Field(min_length=1)

    def made(self) -> DataRule:
        return Stages(self.pointer, self.stages, **self.common)


class _NotAfter(_Rule):
    kind: Literal["not_after"]
    pointer: _Pointer
    limit: _Pointer

    def made(self) -> DataRule:
        return NotAfter(self.pointer, self.limit, **self.common)


_AnyRule = Annotated[_WordLimit | _TotalWordLimit | _Stages | _NotAfter, Field(discriminator="kind")]


class _Area(_Strict):
    left: float = Field(ge=0, le=300)
    top: float = Field(ge=0, le=300)
    right: float = Field(gt=0, le=450)
    bottom: float = Field(gt=0, le=450)


class _Signature(_Strict):
    name: _Pointer
    date: _Pointer
    lines_above: int = Field(2, ge=1, le=10)
    text: tuple[_Pointer, ...] = Field(min_length=1)


class _Contract(_Strict):
    area_mm: _Area
    qr_page: int = Field(1, ge=1, le=5_000)
    first_page: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    before: tuple[_Pointer, ...] = ()
    signature: _Signature | None = None
    foot: tuple[_Pointer, ...] = ()

    def made(self) -> LayoutRule:
        signature = SignatureRule(**self.signature.model_dump()) if self.signature else None
        area = Area(**self.area_mm.model_dump())
        return LayoutRule(area, self.qr_page, self.first_page, self.before, signature, self.foot)


class _Manifest(_Strict):
    title: str = Field(min_length=1)
    version: int = Field(ge=1, le=65_535)
    file_name: str = "{title}"
    fonts: tuple[str, ...] = ()
    layout: Literal["document", "labels"] = "document"
    pages: _Pages = _Pages()
    verify: _Verify
    qr: _Qr
    seal: _Seal | None = None
    rules: tuple[_AnyRule, ...] = ()
    recipient: tuple[str, ...] = ()
    contract: _Contract | None = None


class Catalog:
    """All templates of a folder, by id.

    Args:
        specs: Loaded templates.
        faults: Folder name to the Chinese reason why it was left out.
    """

    def __init__(self, specs: Mapping[str, TemplateSpec], faults: Mapping[str, str] | None = None) -> None:
        self._specs = dict(specs)
        self.faults = dict(faults or {})

    @classmethod
    def load(cls, directory: Path) -> "Catalog":
        """Load every template folder below ``directory``.

        A broken folder is left out and named in `faults`; the others serve. If a file changes meanwhile,
        all is read anew: else some could be older than others.

        Raises:
            TemplateError: There is no usable template at all, or the files change all the time.
        """
        for _ in range(_READINGS):
            seen = fingerprint(directory)
            catalog = cls._read(directory)
            if fingerprint(directory) == seen:
                return catalog
            threading.Event().wait(_BETWEEN_READINGS_S)
        raise TemplateError(f"模板文件夹 {directory} 里的文件一直在变动，没有载入；请等文件拷贝完再试。")

    @classmethod
    def _read(cls, directory: Path) -> "Catalog":
        specs: dict[str, TemplateSpec] = {}
        faults: dict[str, str] = {}
        for folder in sorted(path.parent for path in directory.glob("*/template.toml")):
            try:
                specs[folder.name] = load_template(folder)
            except ServiceError as error:
                faults[folder.name] = str(error)
        if not specs:
            reasons = "；".join(faults.values()) or "文件夹内没有模板"
            raise TemplateError(f"模板文件夹 {directory} 不可用：{reasons}")
        return cls(specs, faults)

    def get(self, template_id: str) -> TemplateSpec:
        """Return the template of that id.

        Raises:
            UnknownTemplate: There is none; the message lists those that exist.
        """
        try:
            return self._specs[template_id]
        except KeyError:
            known = "、".join(self._specs)
            raise UnknownTemplate(f"没有名为“{template_id[:60]}”的模板，可用的有：{known}。") from None

    def without(self, faults: Mapping[str, str]) -> "Catalog":
        """Return the catalog less the templates that another stage found broken.

        Args:
            faults: Template id to the Chinese reason.
        """
        kept = {name: spec for name, spec in self._specs.items() if name not in faults}
        return Catalog(kept, {**self.faults, **faults})

    def with_docx(self, change: Callable[[bytes], bytes]) -> "Catalog":
        """Return the catalog with every template's docx changed; its digest stays the files'.

        Args:
            change: From docx to docx.
        """
        specs = {name: replace(spec, docx=change(spec.docx)) for name, spec in self._specs.items()}
        return Catalog(specs, self.faults)

    def __iter__(self) -> Iterator[TemplateSpec]:
        return iter(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)


def fingerprint(directory: Path) -> Fingerprint:
    """Return what changes when any file below a folder does, without opening one.

    Args:
        directory: May hold anything.
    """
    found = []
    for path in sorted(directory.rglob("*")):
        # One that goes away while it is looked at is a change as well.
        with contextlib.suppress(OSError):
            seen = path.stat()
            # Copying may keep the time of the content; the time of the change is the system's own.
            found.append((str(path), seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns))
    return tuple(found)


def load_template(folder: Path) -> TemplateSpec:
    """Read and check one template folder.

    Args:
        folder: Holds ``template.docx``, ``template.toml``, ``schema.json``, ``sample.json``.

    Returns:
        The template.

    Raises:
        TemplateError: A file is missing or wrong; the message names folder and file.
    """
    docx = _read(folder, "template.docx")
    manifest_bytes = _read(folder, "template.toml")
    schema_bytes = _read(folder, "schema.json")
    sample = _read(folder, "sample.json")
    manifest = _parse_manifest(folder, manifest_bytes)
    try:
        schema: dict[str, Any] = json.loads(schema_bytes)
    except ValueError as error:
        raise TemplateError(f"模板 {folder.name} 的 schema.json 不是有效的 JSON：{error}") from error
    try:
        read_docx(docx)
    except ServiceError as error:
        raise TemplateError(f"模板 {folder.name} 的 template.docx 不可用：{error}") from error
    digest = hashlib.sha256()
    for content in (docx, manifest_bytes, schema_bytes):
        digest.update(hashlib.sha256(content).digest())
    return TemplateSpec(
        template_id=folder.name,
        title=manifest.title,
        version=manifest.version,
        directory=folder,
        docx=docx,
        schema=schema,
        sample=sample,
        fonts=manifest.fonts,
        pages=PageRule(manifest.pages.minimum, manifest.pages.maximum),
        verify=_verify_rule(manifest.verify),
        qr=QrRule(**manifest.qr.model_dump()),
        file_name=manifest.file_name,
        sha256=digest.hexdigest(),
        rules=tuple(rule.made() for rule in manifest.rules),
        layout=manifest.layout,
        seal=SealRule(**manifest.seal.model_dump()) if manifest.seal else None,
        recipient=manifest.recipient,
        contract=manifest.contract.made() if manifest.contract else None,
    )


def _verify_rule(rule: _Verify) -> VerifyRule:
    return VerifyRule(
        doc_type=rule.doc_type,
        title=rule.title,
        ref=rule.ref,
        date=rule.date,
        facts=tuple(FactRule(fact.caption, fact.pointer, fact.optional) for fact in rule.facts),
        each=rule.each,
        digest=rule.digest,
        full_text=rule.full_text,
    )


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise TemplateError(f"模板 {folder.name} 缺少 {name}，或无法读取。", detail=repr(error)) from error


def _parse_manifest(folder: Path, content: bytes) -> _Manifest:
    try:
        return _Manifest.model_validate(tomllib.loads(content.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TemplateError(f"模板 {folder.name} 的 template.toml 无法读取：{error}") from error
    except ValidationError as error:
        places = "、".join(".".join(str(part) for part in item["loc"]) for item in error.errors())
        raise TemplateError(
            f"模板 {folder.name} 的 template.toml 有误，请检查：{places}。", detail=str(error)
        ) from error
