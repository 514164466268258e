"""The composition root: settings in, everything that serves out."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from service import fonts
from service.catalog import Catalog
from service.convert import Converter, EngineOptions, SofficeEngine, canary_docx
from service.errors import ServiceError
from service.pipeline.readiness import Readiness
from service.pipeline.render import Renderer
from service.pipeline.verify import VerificationDesk
from service.settings import Settings
from service.verification import KeyRing, create_development_issuer

_LOG = structlog.get_logger("wenyin.start")


@dataclass(frozen=True, slots=True)
class Services:
    """What an entry point works with.

    Attributes:
        settings: The settings it was made from.
        renderer: Makes documents.
        desk: Judges documents.
        readiness: Says whether documents can be made.
        converter: For reports about versions and isolation.
        keyring: For reports about issuers.
        catalog: For reports about templates.
    """

    settings: Settings
    renderer: Renderer
    desk: VerificationDesk
    readiness: Readiness
    converter: Converter
    keyring: KeyRing
    catalog: Catalog


def work_dir(settings: Settings) -> Path:
    """Return the parent folder of all temporary files."""
    return settings.work_dir or Path(tempfile.gettempdir()) / f"wenyin-{os.geteuid()}"


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
    return KeyRing.load(folder)


def font_stage(settings: Settings) -> fonts.FontSet:
    """Return the fonts that LibreOffice will see."""
    return fonts.FontSet.find(licensed_dir=settings.font_dir, cache_dir=settings.state_dir / "cache")


def make_converter(settings: Settings, font_set: fonts.FontSet) -> Converter:
    """Return the engine that the settings ask for, not yet started."""
    options = EngineOptions(
        fontconfig=font_set.fontconfig_xml(),
        work_dir=work_dir(settings),
        readable_dirs=font_set.directories,
        soffice=settings.soffice,
        slots=settings.converters,
        queue_limit=settings.queue_limit,
        sandbox=settings.sandbox,
    )
    return SofficeEngine(options, canary_docx(fonts.OFFICIAL_NAMES))


@contextmanager
def open_services(settings: Settings, *, with_converter: bool = True) -> Iterator[Services]:
    """Make everything, hand it out, and clear it away.

    Args:
        settings: What to make it from.
        with_converter: Start LibreOffice; verifying alone does without.

    LibreOffice's absence does not stop the start: verification and docx still work,
    and ``/readyz`` says what is missing.

    Raises:
        ConfigError: Settings or key files are wrong.
        TemplateError: There is no usable template.
    """
    catalog = Catalog.load(settings.templates_dir)
    for folder, reason in catalog.faults.items():
        _LOG.error("模板未载入", template=folder, reason=reason)
    keyring = open_keyring(settings)
    font_set = font_stage(settings)
    converter = make_converter(settings, font_set)
    desk = VerificationDesk(catalog, keyring, work_dir(settings), settings.sandbox)
    try:
        if with_converter:
            _start(converter)
        renderer = Renderer(
            catalog, converter, keyring, font_set.has_glyph, settings.base_url, settings.issuer
        )
        readiness = Readiness(converter, fonts.OFFICIAL_NAMES)
        yield Services(settings, renderer, desk, readiness, converter, keyring, catalog)
    finally:
        converter.close()
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
    _LOG.info(
        "转换器已就绪",
        version=state.version,
        layers=list(state.layers),
        missing_layers=list(state.missing_layers),
    )
