"""Spreadsheets for the entry points: the workbook of a template, and a look at what was uploaded."""

from service.model import TemplateSpec
from service.sheets import MEDIA_TYPE as WORKBOOK_TYPE
from service.sheets import (
    Content,
    Preview,
    SheetLimits,
    fill_in_workbook,
    preview,
    read_rows,
)

__all__ = ["WORKBOOK_TYPE", "Preview", "preview_rows", "template_workbook"]


def template_workbook(spec: TemplateSpec) -> bytes:
    """Return the workbook to fill in for a template.

    Args:
        spec: The template.
    """
    return fill_in_workbook(spec)


def preview_rows(
    content: Content, spec: TemplateSpec, *, name: str, content_type: str, rows_limit: int
) -> Preview:
    """Return the first rows of an uploaded file as they were understood.

    Args:
        content: The file.
        spec: Template that its items are for.
        name: The file's name.
        content_type: Media type that it was sent with.
        rows_limit: Most items.

    Raises:
        RequestError: As `read_rows`.
    """
    limits = SheetLimits.of_rows(rows_limit)
    return preview(read_rows(content, spec, name=name, content_type=content_type, limits=limits))
