"""A document's way from docx to sealed PDF, gone once more where LibreOffice has to be helped."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import structlog

from service.carry import carry_lines
from service.errors import TextLost
from service.pipeline.contract import LoneSignature, squeezed
from service.pipeline.faces import keep_blanks
from service.pipeline.filling import Filled
from service.pipeline.sealing import Sealed
from service.spans import span

_LOG = structlog.get_logger("wenyin.render")


@dataclass(slots=True)
class Clock:
    """Takes the time of each stage.

    Attributes:
        turn: Waits until the stages that compute may begin, and is held while one lasts.
        seconds: Spent so far, by stage.
    """

    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def work(self, name: str) -> Iterator[None]:
        """Wait for a turn, and count the time of the block as a stage's."""
        with self.turn(), self.stage(name):
            yield

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block as a stage's."""
        begun = time.perf_counter()
        try:
            with span(name):
                yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


def sealed_document(
    filled: Filled, convert: Callable[[bytes], bytes], seal: Callable[[Filled, bytes], Sealed], clock: Clock
) -> Sealed:
    """Convert and seal; once more with a few lines carried over where the signature would stand alone.

    Args:
        filled: The document.
        convert: docx to PDF.
        seal: Puts the codes in.
        clock: Takes the times.

    Raises:
        ServiceError: As ``convert`` and ``seal``.
    """
    try:
        return _sealed_whole(filled, convert, seal, clock)
    except LoneSignature as lone:
        filled = _carried(filled, lone)
    return _sealed_whole(filled, convert, seal, clock)


def _sealed_whole(
    filled: Filled, convert: Callable[[bytes], bytes], seal: Callable[[Filled, bytes], Sealed], clock: Clock
) -> Sealed:
    """Convert and seal; once more, with all blanks kept, where LibreOffice left out a character."""
    with clock.stage("convert"):
        pdf = convert(filled.docx)
    with clock.work("seal"):
        try:
            return seal(filled, pdf)
        except TextLost:
            docx = keep_blanks(filled.docx)
            if docx is None:
                raise
    _LOG.warning("LibreOffice 漏印了字符，改用不压缩空白的方式重新转换")
    with clock.stage("convert"):
        pdf = convert(docx)
    with clock.work("seal"):
        return seal(filled, pdf)


def _carried(filled: Filled, lone: LoneSignature) -> Filled:
    """Return the docx with more text on the page of its signature; raise the refusal where that cannot be."""
    docx = carry_lines(filled.docx, lone.lines, lone.name, lone.date, squeezed)
    if docx is None:
        raise lone
    return replace(filled, docx=docx)
