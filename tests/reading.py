"""A tagged PDF as a screen reader meets it: the structure tree in order, with the text of its marked content."""

import ctypes
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pypdf
import pypdfium2
import pypdfium2.raw as pdfium
from pypdf.generic import IndirectObject


@dataclass(frozen=True)
class Element:
    """A leaf of the tree: the roles around it from the root, and its text or alternative text."""

    roles: tuple[str, ...]
    text: str
    alternative: str = ""


def marked_texts(pdf: bytes) -> dict[tuple[int, int], str]:
    """Text of every marked content, by page index and its id there."""
    found: dict[tuple[int, int], str] = {}
    document = pypdfium2.PdfDocument(pdf)
    for number, page in enumerate(document):
        textpage = page.get_textpage()
        for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT]):
            length = pdfium.FPDFTextObj_GetText(item.raw, textpage.raw, None, 0)
            buffer = ctypes.create_string_buffer(length)
            pdfium.FPDFTextObj_GetText(
                item.raw, textpage.raw, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), length
            )
            key = (number, pdfium.FPDFPageObj_GetMarkedContentID(item.raw))
            found[key] = found.get(key, "") + buffer.raw[:length].decode("utf-16-le").rstrip("\0")
        textpage.close()
        page.close()
    document.close()
    return found


def reading(pdf: bytes) -> list[Element]:
    """Return the leaves of the structure tree in reading order."""
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    catalog: Any = reader.trailer["/Root"]
    root = catalog["/StructTreeRoot"]
    roles = {str(key): str(value) for key, value in dict(root.get("/RoleMap", {})).items()}
    pages = {
        page.indirect_reference.idnum: index
        for index, page in enumerate(reader.pages)
        if page.indirect_reference
    }
    texts = marked_texts(pdf)

    def walk(node: Any, path: tuple[str, ...], page: int | None) -> Iterator[Element]:
        if isinstance(node, IndirectObject):
            node = node.get_object()
        if isinstance(node, int):
            yield Element(path, texts.get((page if page is not None else -1, int(node)), ""))
            return
        if isinstance(node, list):
            for kid in node:
                yield from walk(kid, path, page)
            return
        if "/Pg" in node:
            page = pages[node.raw_get("/Pg").idnum]
        if node.get("/Type") == "/MCR":
            yield from walk(node["/MCID"], path, page)
            return
        if node.get("/Type") == "/OBJR":
            return
        role = str(node["/S"]) if "/S" in node else ""
        inner = (*path, roles.get(role, role).lstrip("/")) if role else path
        if "/Alt" in node:
            yield Element(inner, "", str(node["/Alt"]))
        if "/K" in node:
            yield from walk(node["/K"], inner, page)

    return list(walk(root["/K"], (), None))
