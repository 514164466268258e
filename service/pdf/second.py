"""The text of a PDF by another library: a second opinion."""

import io

import pypdf
import pypdf.errors

from service.errors import NotVerifiable


def pypdf_text(pdf: bytes) -> list[str]:
    """Return the text layer as pypdf reads it.

    Returns:
        The text of each page.

    Raises:
        NotVerifiable: The file cannot be read.
    """
    try:
        reader = pypdf.PdfReader(io.BytesIO(pdf))
        return [page.extract_text() for page in reader.pages]
    except (pypdf.errors.PyPdfError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotVerifiable("PDF 文件的文字无法读取。", detail=repr(error)) from error
