"""Many PDFs into one, written as they come: the memory is that of one part, whatever the whole.

Pages, pictures, fonts, links and a bookmark for each part are kept. Structure trees and signatures are not: the
first would have to be held whole, the second cover what no longer exists.
"""

import hashlib
import io
import re
from array import array
from collections.abc import Iterator
from typing import IO, Any

import pypdf
from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NumberObject,
    PdfObject,
    StreamObject,
    TextStringObject,
)

_CATALOG, _PAGES, _OUTLINES = 1, 2, 3
_RESERVED = (_CATALOG, _PAGES, _OUTLINES)
_PAGE_KEYS = ("/MediaBox", "/CropBox", "/Rotate", "/Resources", "/Contents", "/Group")
_ROOT_KEYS = ("/Metadata", "/OutputIntents", "/Lang", "/ViewerPreferences")
_TITLE = re.compile(rb"<dc:title>.*?</dc:title>", re.S)


class PdfJoiner:
    """Writes one PDF out of the pages of many.

    Args:
        target: Takes the bytes, from its start; never read.
    """

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._at = 0
        self._offsets = array("Q", [0] * (len(_RESERVED) + 1))
        self._digest = hashlib.sha256()
        self._equal: dict[bytes, int] = {}
        self._nodes: list[tuple[int, int]] = []
        self._bookmarks: list[tuple[str, int]] = []
        self._root = DictionaryObject()
        self._info: int | None = None

    @property
    def pages(self) -> int:
        """Pages written so far."""
        return sum(count for _, count in self._nodes)

    def add(self, pdf: bytes, title: str = "") -> None:
        """Append the pages of a file of our own making.

        Args:
            pdf: The file.
            title: Of its bookmark; empty for none.
        """
        reader = pypdf.PdfReader(io.BytesIO(pdf))
        if not self._nodes:
            self._begin(reader)
        part = _Part(self, reader)
        node = self._reserve()
        kids = [part.write_page(page, node) for page in reader.pages]
        values = {
            "/Type": NameObject("/Pages"),
            "/Parent": _reference(_PAGES),
            "/Count": NumberObject(len(kids)),
            "/Kids": ArrayObject(map(_reference, kids)),
        }
        self.write(_dictionary(values), node)
        self._nodes.append((node, len(kids)))
        if title:
            self._bookmarks.append((title, kids[0]))

    def close(self) -> None:
        """Write what ends the file; the target stays open.

        Raises:
            ValueError: Nothing was added.
        """
        if not self._nodes:
            raise ValueError("no pages")
        values = {
            "/Type": NameObject("/Pages"),
            "/Count": NumberObject(self.pages),
            "/Kids": ArrayObject(_reference(node) for node, _ in self._nodes),
        }
        self.write(_dictionary(values), _PAGES)
        self._write_bookmarks()
        self._root[NameObject("/Type")] = NameObject("/Catalog")
        self._root[NameObject("/Pages")] = _reference(_PAGES)
        self._root[NameObject("/Outlines")] = _reference(_OUTLINES)
        self.write(self._root, _CATALOG)
        self._end()

    def write(self, item: PdfObject, number: int | None = None) -> int:
        """Write an object, whose references are those of this file, and return its number."""
        if number is None:
            number = self._reserve()
        buffer = io.BytesIO()
        item.write_to_stream(buffer)
        self._offsets[number] = self._at
        self._put(b"%d 0 obj\n%s\nendobj\n" % (number, buffer.getvalue()))
        return number

    def write_once(self, item: PdfObject) -> int:
        """Write an object unless an equal one has been written."""
        buffer = io.BytesIO()
        item.write_to_stream(buffer)
        key = hashlib.sha256(buffer.getvalue()).digest()
        if key not in self._equal:
            self._equal[key] = self.write(item)
        return self._equal[key]

    def _begin(self, reader: pypdf.PdfReader) -> None:
        self._put(reader.pdf_header.encode() + b"\n%\xe2\xe3\xcf\xd3\n")
        part = _Part(self, reader)
        metadata = reader.root_object.get("/Metadata")
        if metadata is not None:
            stream = metadata.get_object()
            stream.set_data(_TITLE.sub(b"", stream.get_data()))
        for key in _ROOT_KEYS:
            if key in reader.root_object:
                self._root[NameObject(key)] = part.moved(reader.root_object.raw_get(key))
        if "/Info" in reader.trailer:
            info: Any = reader.trailer["/Info"].get_object()
            info.pop("/Title", None)
            self._info = self.write(part.moved(info))

    def _reserve(self) -> int:
        self._offsets.append(0)
        return len(self._offsets) - 1

    def _put(self, data: bytes) -> None:
        self._target.write(data)
        self._digest.update(data)
        self._at += len(data)

    def _write_bookmarks(self) -> None:
        numbers = [self._reserve() for _ in self._bookmarks]
        for place, (title, page) in enumerate(self._bookmarks):
            values: dict[str, Any] = {
                "/Title": TextStringObject(title),
                "/Parent": _reference(_OUTLINES),
                "/Dest": ArrayObject((_reference(page), NameObject("/Fit"))),
            }
            if place:
                values["/Prev"] = _reference(numbers[place - 1])
            if place + 1 < len(numbers):
                values["/Next"] = _reference(numbers[place + 1])
            self.write(_dictionary(values), numbers[place])
        values = {"/Type": NameObject("/Outlines"), "/Count": NumberObject(len(numbers))}
        if numbers:
            values |= {"/First": _reference(numbers[0]), "/Last": _reference(numbers[-1])}
        self.write(_dictionary(values), _OUTLINES)

    def _end(self) -> None:
        count = len(self._offsets)
        start = self._at
        identifier = ByteStringObject(self._digest.digest()[:16])
        trailer: dict[str, Any] = {
            "/Size": NumberObject(count),
            "/Root": _reference(_CATALOG),
            "/ID": ArrayObject((identifier, identifier)),
        }
        if self._info is not None:
            trailer["/Info"] = _reference(self._info)
        self._target.write(b"xref\n0 %d\n0000000000 65535 f \n" % count)
        for offset in self._offsets[1:]:
            self._target.write(b"%010d 00000 n \n" % offset)
        buffer = io.BytesIO()
        _dictionary(trailer).write_to_stream(buffer)
        self._target.write(b"trailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (buffer.getvalue(), start))


class _Part:
    """One file on its way into another."""

    def __init__(self, joiner: PdfJoiner, reader: pypdf.PdfReader) -> None:
        self._joiner = joiner
        self._reader = reader
        self._numbers: dict[int, int] = {}

    def write_page(self, page: Any, parent: int) -> int:
        values = {NameObject("/Type"): NameObject("/Page"), NameObject("/Parent"): _reference(parent)}
        moved = {key: page.raw_get(key) for key in _PAGE_KEYS if key in page}
        if "/Resources" not in moved:
            moved["/Resources"] = page["/Resources"]
        links = ArrayObject(_links(page))
        if links:
            moved["/Annots"] = links
        found = DictionaryObject(values)
        for key, value in moved.items():
            found[NameObject(key)] = self.moved(value)
        return self._joiner.write(found)

    def moved(self, item: Any) -> Any:
        """Return an object whose references are those of the new file; what they name is written first."""
        if isinstance(item, IndirectObject):
            return _reference(self._number(item))
        if isinstance(item, ArrayObject):
            return ArrayObject(self.moved(value) for value in item)
        if isinstance(item, DictionaryObject):
            # A stream keeps its data; what is read here is not used again.
            for key in list(item):
                item[key] = self.moved(item.raw_get(key))
        return item

    def _number(self, reference: IndirectObject) -> int:
        number = self._numbers.get(reference.idnum)
        if number is None:
            item = self.moved(self._reader.get_object(reference))
            is_picture = isinstance(item, StreamObject) and item.get("/Subtype") == "/Image"
            number = self._joiner.write(item) if is_picture else self._joiner.write_once(item)
            self._numbers[reference.idnum] = number
        return number


def _links(page: Any) -> Iterator[DictionaryObject]:
    """Yield the links of a page that lead to the outside."""
    for item in page.get("/Annots", ()):
        link = item.get_object()
        action = link.get("/A")
        if link.get("/Subtype") == "/Link" and action is not None and "/URI" in action.get_object():
            for key in ("/P", "/StructParent", "/Parent"):
                link.pop(key, None)
            yield link


def _reference(number: int) -> IndirectObject:
    return IndirectObject(number, 0, None)


def _dictionary(values: dict[str, Any]) -> DictionaryObject:
    return DictionaryObject({NameObject(key): value for key, value in values.items()})
