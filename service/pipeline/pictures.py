"""Pages as pictures: what a document will look like, and what each template looks like."""

import hashlib
import threading
from collections.abc import Callable

from service.model import Deadline, RenderedDocument, TemplateSpec
from service.pdf import page_pngs
from service.pipeline.render import Renderer

PAGES_SHOWN = 12
"""Most pages shown at once: a long list would weigh more than a slow line carries."""

_PAGE_DPI = 110
_COVER_DPI = 48


def page_pictures(document: RenderedDocument, first: int) -> list[bytes]:
    """Return some pages of a document as PNG.

    Args:
        document: With a PDF.
        first: Page to begin at, from 1.
    """
    return page_pngs(document.pdf, _PAGE_DPI, range(first - 1, first - 1 + PAGES_SHOWN))


class Covers:
    """The first page of every template's sample; drawn when first asked for, kept in memory.

    Args:
        renderer: Makes the samples.
        timeout_s: Longest time for one.
    """

    def __init__(self, renderer: Renderer, timeout_s: float) -> None:
        self._renderer = renderer
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._drawn: dict[str, bytes] = {}

    def version(self, spec: TemplateSpec) -> str:
        """Return what changes whenever the picture may change, for its address."""
        return hashlib.sha256(spec.sha256.encode() + spec.sample).hexdigest()[:12]

    def cover(self, template_id: str, cancelled: Callable[[], bool] | None = None) -> bytes:
        """Return the picture as PNG.

        Args:
            template_id: Which template.
            cancelled: As in `Renderer.render`.

        Raises:
            ServiceError: As `Renderer.render`.
        """
        spec = self._renderer.catalog.get(template_id)
        key = self.version(spec)
        if key not in self._drawn:
            # One at a time: whoever opens the front page asks for all of them at once.
            with self._lock:
                if key not in self._drawn:
                    deadline = Deadline.after(self._timeout_s)
                    document = self._renderer.render(template_id, spec.sample, deadline, cancelled=cancelled)
                    self._drawn[key] = page_pngs(document.pdf, _COVER_DPI, [0])[0]
        return self._drawn[key]
