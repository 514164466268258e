"""The composition root: settings in, everything that serves out."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from service.access import AccessGate, WayReport, open_gate, report_access
from service.catalog import Catalog, Fingerprint, fingerprint
from service.convert import (
    CACHE_MARK,
    Converter,
    ConverterHost,
    ConverterPlan,
    RemoteConverter,
    canary_docx,
    make_engine,
)
from service.errors import ServiceError, TemplateError
from service.fill import template_variables
from service.fonts import OFFICIAL, FaceTable
from service.model import TemplateSpec
from service.pipeline.examiner import Examiner, ExaminerHost, FreshExaminer
from service.pipeline.faces import FacedConverter
from service.pipeline.filling import fill
from service.pipeline.font_stage import FontStage
from service.pipeline.official_seal import SealProvider
from service.pipeline.pictures import Covers
from service.pipeline.readiness import Readiness
from service.pipeline.render import Renderer
from service.pipeline.trial import TrialRoom
from service.pipeline.verify import VerificationDesk
from service.schema import check_schema
from service.settings import Settings
from service.slim import slim_docx
from service.verification import (
    MOST_TYPES,
    TYPE_NAMES,
    KeyRing,
    TrustFolder,
    china_today,
    create_development_issuer,
    give_development_certificate,
)

_LOG = structlog.get_logger("wenyin.start")
_OFFICIAL_NAMES = tuple(chain.name for chain in OFFICIAL)


@dataclass(frozen=True, slots=True)
class Services:
    """What an entry point works with.

    Attributes:
        settings: The settings it was made from.
        renderer: Makes documents.
        desk: Judges documents.
        covers: Draws what templates look like.
        readiness: Says whether documents can be made.
        converter: For reports about versions and isolation.
        keyring: For reports about issuers.
        catalog: For reports about templates.
        pictures: For reports about the pictures of official seals.
        fonts: For reports about what stands in for what.
        gate: Says who asks, and what he may do.
        trial: Tries templates that are sent to be looked at; ``None`` where that is not offered.
    """

    settings: Settings
    renderer: Renderer
    desk: VerificationDesk
    covers: Covers
    readiness: Readiness
    converter: Converter
    keyring: KeyRing
    catalog: Catalog
    pictures: SealProvider
    fonts: FontStage
    gate: AccessGate
    trial: TrialRoom | None = None


def work_dir(settings: Settings) -> Path:
    """Return the parent folder of all temporary files."""
    return settings.work_dir or Path(tempfile.gettempdir()) / f"wenyin-{os.geteuid()}"


def load_catalog(settings: Settings) -> Catalog:
    """Load all templates, slimmed; those that a stage cannot work with are left out and named.

    Raises:
        TemplateError: There is no usable template at all, or the files change all the time.
    """
    catalog = Catalog.load(settings.templates_dir)
    faults = {}
    taken: dict[int, TemplateSpec] = {}
    # Who bears the name of its type has the older right to it.
    for spec in sorted(catalog, key=lambda spec: TYPE_NAMES.get(spec.verify.doc_type) != spec.title):
        try:
            check_schema(spec.schema, spec.rules)
            template_variables(spec.docx)
            _check_type(spec, taken.setdefault(spec.verify.doc_type, spec))
        except ServiceError as error:
            faults[spec.template_id] = str(error)
    catalog = catalog.without(faults)
    if not len(catalog):
        raise TemplateError("没有可用的模板：" + "；".join(catalog.faults.values()))
    return catalog.with_docx(slim_docx)


def _check_type(spec: TemplateSpec, first: TemplateSpec) -> None:
    """Refuse a type whose captions another template has set: the verdict page knows a type by its number."""
    captions, others = ([fact.caption for fact in one.verify.facts] for one in (spec, first))
    if captions != others:
        raise TemplateError(
            f"模板 {spec.template_id} 的 doc_type {spec.verify.doc_type} 已由模板 {first.template_id} 使用，"
            f"而公开要素不同，核验页会张冠李戴；请改用 {len(TYPE_NAMES) + 1}–{MOST_TYPES} 中没有用过的编号。"
        )


def open_keyring(settings: Settings) -> KeyRing:
    """Load the key ring; on a first run make the development issuer and say so.

    Raises:
        ConfigError: The key files are wrong.
    """
    folder = settings.keys_folder
    if not folder.exists():
        create_development_issuer(folder)
        _LOG.warning(
            "已生成开发试用签发者和密钥：签发的文件不具效力，正式使用前请配置签发单位", folder=str(folder)
        )
    give_development_certificate(folder)
    keyring = KeyRing.load(folder)
    signing = {certificate.issuer.issuer_id for certificate in keyring.certificates()}
    for issuer in keyring.issuers_public()["issuers"]:
        if issuer["id"] not in signing:
            _LOG.warning("该签发单位没有 PDF 签名证书，签发的 PDF 不签名", issuer=issuer["id"])
    return keyring


def look_at_access(settings: Settings) -> Sequence[WayReport]:
    """Return how each way of access does today; see `report_access`."""
    return report_access(settings, china_today())


def _open_pictures(settings: Settings, keyring: KeyRing) -> SealProvider:
    pictures = SealProvider.load(settings.seal_dir)
    for issuer in pictures.sides_px().keys() - {item["id"] for item in keyring.issuers_public()["issuers"]}:
        _LOG.warning("印章图样不属于任何签发单位，不会用到", issuer=issuer)
    return pictures


def plan_converter(settings: Settings, font_stage: FontStage) -> ConverterPlan:
    """Return what the settings ask of a converter."""
    return ConverterPlan(
        engine=settings.engine,
        fontconfig=font_stage.fontconfig(Path(CACHE_MARK)),
        work_dir=str(work_dir(settings)),
        readable_dirs=tuple(map(str, font_stage.folders)),
        soffice=str(settings.soffice) if settings.soffice else None,
        slots=settings.converters,
        queue_limit=settings.conversions_limit,
        sandbox=settings.sandbox,
        documents_per_child=settings.documents_per_child,
    )


def warm_docs(catalog: Catalog, base_url: str) -> list[bytes]:
    """Return every template filled by its sample: what LibreOffice will see, more or less."""
    filled = []
    for spec in catalog:
        try:
            extras = {"verify_host": urlsplit(base_url).netloc, "draft": False}
            filled.append(fill(spec, json.loads(spec.sample), extras).docx)
        except (ServiceError, ValueError) as error:
            _LOG.warning("样例无法用于预热", template=spec.template_id, reason=str(error))
    return filled


def inputs_fingerprint(settings: Settings) -> Fingerprint:
    """Return what changes when a template or a font of the operator's does."""
    folders = (settings.templates_dir, settings.font_dir)
    return tuple(chain.from_iterable(fingerprint(folder) for folder in folders if folder))


def start_host(settings: Settings, font_stage: FontStage | None = None) -> ConverterHost:
    """Start the converter that all HTTP workers share; feed it soon.

    Args:
        settings: What to make it from.
        font_stage: The fonts, if they have been looked at already.

    Raises:
        ConfigError: The work folder or the font folder is wrong.
    """
    plan = plan_converter(settings, font_stage or FontStage.find(settings))
    return ConverterHost(work_dir(settings), plan, canary_docx(_OFFICIAL_NAMES))


@contextmanager
def open_services(
    settings: Settings,
    *,
    with_converter: bool = True,
    once: bool = False,
    host: ConverterHost | None = None,
    examiner: ExaminerHost | None = None,
) -> Iterator[Services]:
    """Make everything, hand it out, and clear it away.

    Args:
        settings: What to make it from.
        with_converter: Start LibreOffice; verifying alone does without.
        once: For a single document: LibreOffice is not warmed up first.
        host: The shared converter, already started; gets its warm-up documents from here.
        examiner: The shared process that looks into uploads; without it each upload gets a process.

    LibreOffice's absence does not stop the start: verification and docx still work,
    and ``/readyz`` says what is missing.

    Raises:
        ConfigError: Settings or key files are wrong.
        TemplateError: There is no usable template.
    """
    catalog = load_catalog(settings)
    for folder, reason in catalog.faults.items():
        _LOG.error("模板未载入", template=folder, reason=reason)
    if host:
        _warm(host, settings, catalog)
    keyring = open_keyring(settings)
    gate = open_gate(settings, keyring.master, china_today)
    pictures = _open_pictures(settings, keyring)
    fonts = FontStage.find(settings)
    table = FaceTable(fonts.faces)
    converter = FacedConverter(
        host.client() if host else _own_converter(settings, fonts, catalog, once=once), table
    )
    desk = VerificationDesk(catalog, keyring, _examiner(settings, examiner))
    trial = _trial_room(settings, fonts, table)
    try:
        if with_converter:
            _start(converter)
        renderer = _renderer(settings, catalog, converter, keyring, table, pictures)
        covers, ready = Covers(renderer, settings.timeout_s), Readiness(converter, _OFFICIAL_NAMES)
        yield Services(
            settings, renderer, desk, covers, ready, converter, keyring, catalog, pictures, fonts, gate, trial
        )
    finally:
        _close(converter, desk, trial)


def _close(*used: Converter | VerificationDesk | TrialRoom | None) -> None:
    for one in used:
        if one is not None:
            one.close()


def _trial_room(settings: Settings, fonts: FontStage, table: FaceTable) -> TrialRoom | None:
    if not settings.template_preview:
        return None
    return TrialRoom.equipped(plan_converter(settings, fonts), canary_docx(_OFFICIAL_NAMES), table)


def _renderer(
    settings: Settings,
    catalog: Catalog,
    converter: Converter,
    keyring: KeyRing,
    table: FaceTable,
    pictures: SealProvider,
) -> Renderer:
    return Renderer(
        catalog,
        converter,
        keyring,
        table.has_glyph,
        settings.base_url,
        settings.issuer,
        pictures,
        settings.on_missing_glyph,
        settings.stamping,
        table.postscript_names(name for spec in catalog for name in spec.fonts),
    )


def _warm(host: ConverterHost, settings: Settings, catalog: Catalog) -> None:
    """Give a new converter what warms it up; behind one that serves, start another for what is new by now."""
    docs = warm_docs(catalog, settings.base_url)
    if host.fed:
        host.renew(plan_converter(settings, FontStage.find(settings)), docs)
    else:
        host.feed(docs)


def make_examiner_host(settings: Settings) -> ExaminerHost:
    """Prepare the process that looks into uploads for all HTTP workers; start it when there is time.

    Raises:
        ConfigError: The work folder is wrong, or a demanded sandbox does not work.
    """
    return ExaminerHost(work_dir(settings), settings.sandbox)


def _examiner(settings: Settings, host: ExaminerHost | None = None) -> Examiner:
    fresh = FreshExaminer(work_dir(settings), settings.sandbox)
    return host.client(fresh) if host else fresh


@contextmanager
def open_worker(settings: Settings | None = None, converter_path: Path | None = None) -> Iterator[Renderer]:
    """Make what a worker of a batch needs: it renders, and judges nothing.

    Args:
        settings: What to make it from; ``None`` reads this machine's own.
        converter_path: Socket of a shared converter; ``None`` starts one.

    Raises:
        ConfigError: Settings or key files are wrong.
        TemplateError: There is no usable template.
        ConverterUnavailable: LibreOffice does not start.
    """
    settings = settings or Settings.from_env()
    catalog = load_catalog(settings)
    font_stage = FontStage.find(settings)
    table = FaceTable(font_stage.faces)
    engine: Converter
    if converter_path is None:
        engine = _own_converter(settings, font_stage, catalog, once=False)
    else:
        engine = RemoteConverter(converter_path)
    converter = FacedConverter(engine, table)
    try:
        converter.start()
        keyring = open_keyring(settings)
        pictures = _open_pictures(settings, keyring)
        yield _renderer(settings, catalog, converter, keyring, table, pictures)
    finally:
        converter.close()


def _own_converter(settings: Settings, font_stage: FontStage, catalog: Catalog, *, once: bool) -> Converter:
    plan = plan_converter(settings, font_stage)
    canary = canary_docx(_OFFICIAL_NAMES)
    if once:
        # To warm up takes as long as the one document does without.
        plan = replace(plan, slots=1, warm_children=False)
    docs = (lambda: ()) if once else (lambda: (canary, *warm_docs(catalog, settings.base_url)))
    return make_engine(plan, canary, docs, lambda message, values: _LOG.warning(message, **values))


@contextmanager
def open_offline_desk(settings: Settings, trust_dir: Path) -> Iterator[VerificationDesk]:
    """Judge by downloaded files alone; no key folder is read or made.

    Args:
        settings: For folders and the sandbox.
        trust_dir: See `service.verification.trust`.

    Raises:
        ConfigError: The files are missing or wrong.
    """
    trust = TrustFolder(trust_dir)
    desk = VerificationDesk(load_catalog(settings), trust, _examiner(settings))
    try:
        yield desk
    finally:
        desk.close()


def _start(converter: Converter) -> None:
    try:
        converter.start()
    except ServiceError as error:
        if error.http_status != 503:
            raise
        _LOG.error("转换器不可用", reason=str(error), detail=error.detail)
        return
    state = converter.state()
    layers = {"layers": list(state.layers), "missing_layers": list(state.missing_layers)}
    _LOG.info("转换器已就绪", engine=state.engine, version=state.version, **layers)
