"""One PDF of several documents into one for each: pages, tags, bookmarks and names as each would have by itself.

The subsets of the fonts stay those of all: they hold, in no order, the characters that the others use.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

import pypdf
from pypdf.errors import PyPdfError
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NullObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

_ROOT_KEYS = ("/ViewerPreferences", "/Lang", "/MarkInfo", "/OutputIntents")
_KNOWN_ROOT = frozenset(
    {*_ROOT_KEYS, "/Type", "/Pages", "/OpenAction", "/Outlines", "/StructTreeRoot", "/Metadata", "/Version"}
)
_KNOWN_TREE = frozenset({"/Type", "/ParentTree", "/RoleMap", "/K"})
_USED = re.compile(rb"/([^\s/<>\[\](){}%]+)\s+(?:Do\b|-?[\d.]+\s+Tf\b)")
_NEAR_PT = 0.2
_NAMED = ("/Font", "/XObject")


class CannotSplit(Exception):
    """The file has something that cannot be given to one of its documents alone."""


def split_pdf(pdf: bytes, wider_pt: float, names: Sequence[Mapping[str, str]]) -> list[bytes]:
    """Return each document of a file in which every second one has wider paper.

    Args:
        pdf: LibreOffice's output.
        wider_pt: By how much, in points; taken back.
        names: What stands in the metadata of each document in the place of which mark.

    Raises:
        CannotSplit: There are more or fewer documents, or the file has what is not known here.
    """
    try:
        whole = _Whole(pypdf.PdfReader(io.BytesIO(pdf)))
        groups = _groups(whole.reader.pages, wider_pt)
        if len(groups) != len(names):
            raise CannotSplit(f"{len(groups)} documents for {len(names)}")
        return [_Section(whole, pages).write(marks) for pages, marks in zip(groups, names, strict=True)]
    except (LookupError, TypeError, ValueError, AttributeError, PyPdfError) as error:
        raise CannotSplit(repr(error)) from error


def _groups(pages: Iterable[Any], wider_pt: float) -> list[list[Any]]:
    """Part pages where their width changes; the first is of the narrow ones."""
    groups: list[list[Any]] = []
    narrow = 0.0
    for page in pages:
        width = float(page.mediabox.width)
        narrow = narrow or width
        is_wide = width > narrow + wider_pt / 2
        if abs(width - narrow - wider_pt * is_wide) > _NEAR_PT:
            raise CannotSplit(f"a page {width} pt wide")
        # Documents of either kind take turns.
        if is_wide == bool(len(groups) % 2):
            groups.append([])
        groups[-1].append(page)
    return groups


class _Whole:
    """The file of all documents, read once."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        self.root = reader.root_object
        self.tree = self.root["/StructTreeRoot"].get_object()
        if not (self.root.keys() <= _KNOWN_ROOT and self.tree.keys() <= _KNOWN_TREE):
            raise CannotSplit(str([*self.root.keys(), *self.tree.keys()]))
        resources = {page.raw_get("/Resources").idnum for page in self.reader.pages}
        tops = self.tree["/K"]
        if len(resources) != 1 or len(tops) != 1:
            raise CannotSplit(f"{len(resources)} resources, {len(tops)} roots")
        self.resources: int = resources.pop()
        self.document: int = tops[0].idnum
        self.pages = {page.indirect_reference.idnum for page in self.reader.pages}
        numbers = self.tree["/ParentTree"]["/Nums"]
        self.parents = {int(numbers[place]): numbers[place + 1] for place in range(0, len(numbers), 2)}
        self.elements = list(self._elements())
        self.bookmarks = list(_bookmarks(self.root.get("/Outlines")))

    def _elements(self) -> Iterator[tuple[int, IndirectObject]]:
        """Yield the page, as an object number, and the reference of each top element."""
        page = self.reader.pages[0].indirect_reference
        document: Any = self.reader.get_object(self.document)
        for element in document["/K"]:
            found = element.get_object()
            page = found.raw_get("/Pg") if "/Pg" in found else page
            yield page.idnum, element


def _bookmarks(outlines: Any, depth: int = 0) -> Iterator[tuple[int, Any]]:
    """Yield all bookmarks in their order, each with its depth."""
    item = outlines.get("/First") if outlines is not None else None
    while item is not None:
        found = item.get_object()
        yield depth, found
        yield from _bookmarks(found, depth + 1)
        item = found.get("/Next")


class _Section:
    """One document on its way out."""

    def __init__(self, whole: _Whole, pages: Sequence[Any]) -> None:
        self._whole = whole
        self._pages = pages
        self._writer = pypdf.PdfWriter()
        self._writer.pdf_header = whole.reader.pdf_header
        self._numbers: dict[int, IndirectObject] = {}
        self._tree = self._writer._add_object(DictionaryObject())
        self._document = self._writer._add_object(DictionaryObject())
        self._numbers |= {whole.document: self._document}
        self._numbers |= {
            page.indirect_reference.idnum: self._writer._add_object(DictionaryObject()) for page in pages
        }
        self._keys = {key: number for number, key in enumerate(sorted(self._struct_parents()))}

    def write(self, marks: Mapping[str, str]) -> bytes:
        root = self._writer.root_object
        for key in _ROOT_KEYS:
            if key in self._whole.root:
                root[NameObject(key)] = self._moved(self._whole.root.raw_get(key))
        self._write_resources()
        for page in self._pages:
            self._write_page(page)
        self._write_tree()
        self._write_bookmarks()
        first = self._reference(self._pages[0])
        opening = (first, NameObject("/XYZ"), NullObject(), NullObject(), NumberObject(0))
        root[NameObject("/OpenAction")] = ArrayObject(opening)
        root[NameObject("/StructTreeRoot")] = self._tree
        self._write_names(marks)
        buffer = io.BytesIO()
        self._writer.write(buffer)
        return buffer.getvalue()

    def _reference(self, page: Any) -> IndirectObject:
        return self._numbers[page.indirect_reference.idnum]

    def _struct_parents(self) -> Iterator[int]:
        for page in self._pages:
            yield int(page["/StructParents"])
            for item in page.get("/Annots", ()):
                yield from (
                    int(item.get_object()[key]) for key in ["/StructParent"] if key in item.get_object()
                )

    def _write_page(self, page: Any) -> None:
        made: Any = self._reference(page).get_object()
        for key in page:
            if key not in ("/Parent", "/StructParents", "/MediaBox"):
                made[NameObject(key)] = self._moved(page.raw_get(key))
        # All have the paper of the first; LibreOffice may round what was added.
        made[NameObject("/MediaBox")] = self._moved(self._whole.reader.pages[0]["/MediaBox"])
        made[NameObject("/StructParents")] = NumberObject(self._keys[int(page["/StructParents"])])
        kids: Any = self._writer.root_object["/Pages"]
        made[NameObject("/Parent")] = self._writer.root_object.raw_get("/Pages")
        kids["/Kids"].append(self._reference(page))
        kids[NameObject("/Count")] = NumberObject(len(kids["/Kids"]))

    def _write_resources(self) -> None:
        """Write the one dictionary of all pages, with the fonts and pictures of this document alone."""
        found: Any = self._whole.reader.get_object(self._whole.resources)
        made = DictionaryObject()
        self._numbers[self._whole.resources] = self._writer._add_object(made)
        used: set[str] = set()
        pictures = found.get("/XObject", DictionaryObject()).get_object()
        streams = [page["/Contents"].get_object() for page in self._pages]
        while streams:
            names = {f"/{name.decode('latin-1')}" for name in _USED.findall(streams.pop().get_data())} - used
            used |= names
            forms = (pictures[name].get_object() for name in names if name in pictures)
            streams += [form for form in forms if form.get("/Subtype") == "/Form"]
        for key in found:
            if key not in _NAMED:
                made[NameObject(key)] = self._moved(found.raw_get(key))
                continue
            all_of = found[key].get_object()
            kept = {name: self._moved(all_of.raw_get(name)) for name in all_of if name in used}
            made[NameObject(key)] = DictionaryObject({NameObject(name): item for name, item in kept.items()})

    def _write_tree(self) -> None:
        own = {page.indirect_reference.idnum for page in self._pages}
        kids = ArrayObject(self._moved(item) for page, item in self._whole.elements if page in own)
        document: Any = self._document.get_object()
        old: Any = self._whole.reader.get_object(self._whole.document)
        for key in old:
            if key not in ("/P", "/Pg", "/K"):
                document[NameObject(key)] = self._moved(old.raw_get(key))
        document[NameObject("/P")] = self._tree
        document[NameObject("/Pg")] = self._reference(self._pages[0])
        document[NameObject("/K")] = kids
        numbers = ArrayObject()
        for old_key, key in self._keys.items():
            numbers.append(NumberObject(key))
            numbers.append(self._moved(self._whole.parents[old_key]))
        # All elements are written by now.
        roles = {
            item["/S"]
            for item in self._writer._objects
            if isinstance(item, DictionaryObject) and "/S" in item
        }
        known: Any = self._whole.tree.get("/RoleMap", DictionaryObject()).get_object()
        tree: Any = self._tree.get_object()
        tree[NameObject("/Type")] = NameObject("/StructTreeRoot")
        tree[NameObject("/ParentTree")] = self._writer._add_object(
            DictionaryObject({NameObject("/Nums"): numbers})
        )
        tree[NameObject("/RoleMap")] = DictionaryObject(
            {NameObject(name): NameObject(known[name]) for name in known if name in roles}
        )
        tree[NameObject("/K")] = ArrayObject([self._document])

    def _write_bookmarks(self) -> None:
        own = {page.indirect_reference.idnum for page in self._pages}
        kept = [(depth, item) for depth, item in self._whole.bookmarks if item["/Dest"][0].idnum in own]
        if not kept:
            return
        outlines = self._writer._add_object(DictionaryObject())
        made = [self._writer._add_object(DictionaryObject()) for _ in kept]
        # The one above may belong to the document before.
        open_above: list[tuple[int, IndirectObject]] = [(-1, outlines)]
        for (depth, old), reference in zip(kept, made, strict=True):
            while open_above[-1][0] >= depth:
                open_above.pop()
            _hang(open_above[-1][1], reference)
            item: Any = reference.get_object()
            for key in ("/Title", "/Dest"):
                item[NameObject(key)] = self._moved(old.raw_get(key))
            open_above.append((depth, reference))
        # LibreOffice counts all of them here, whatever their depth.
        root: Any = outlines.get_object()
        root[NameObject("/Count")] = NumberObject(len(kept))
        self._writer.root_object[NameObject("/Outlines")] = outlines

    def _write_names(self, marks: Mapping[str, str]) -> None:
        metadata: Any = self._whole.root["/Metadata"].get_object()
        text = metadata.get_data().decode()
        info: Any = self._whole.reader.trailer["/Info"].get_object()
        said = {key: str(info[key]) for key in info}
        for mark, name in marks.items():
            if text.count(mark) != 1 or list(said.values()).count(mark) != 1:
                raise CannotSplit(f"mark {mark}")
            text = text.replace(mark, escape(name))
            said = {key: name if value == mark else value for key, value in said.items()}
        made = StreamObject()
        made.set_data(text.encode())
        for key in metadata:
            if key not in ("/Length", "/Filter", "/DecodeParms"):
                made[NameObject(key)] = self._moved(metadata.raw_get(key))
        self._writer.root_object[NameObject("/Metadata")] = self._writer._add_object(made)
        self._writer.metadata = {key: TextStringObject(value) for key, value in said.items()}

    def _moved(self, item: Any) -> Any:
        """Return an object whose references are those of this document; the whole one stays as it is."""
        if isinstance(item, IndirectObject):
            return self._moved_reference(item)
        if isinstance(item, ArrayObject):
            return ArrayObject(self._moved(value) for value in item)
        if isinstance(item, DictionaryObject):
            made = type(item)()
            if isinstance(item, StreamObject):
                made._data = item._data  # type: ignore[attr-defined]
            for key in item:
                made[NameObject(key)] = self._moved(item.raw_get(key))
            if "/StructParent" in item:
                made[NameObject("/StructParent")] = NumberObject(self._keys[_integer(item["/StructParent"])])
            return made
        return item

    def _moved_reference(self, reference: IndirectObject) -> Any:
        known = self._numbers.get(reference.idnum)
        if known is None:
            if reference.idnum in self._whole.pages:
                raise CannotSplit("a page that leads to another document")
            # Its number is known before it is made: elements name their parents, and these name them.
            known = self._numbers[reference.idnum] = self._writer._add_object(NullObject())
            self._writer._objects[known.idnum - 1] = self._moved(self._whole.reader.get_object(reference))
        return known


def _integer(value: Any) -> int:
    return int(value)


def _hang(parent: IndirectObject, reference: IndirectObject) -> None:
    """Add a bookmark as the last below another."""
    above: Any = parent.get_object()
    item: Any = reference.get_object()
    item[NameObject("/Parent")] = parent
    item[NameObject("/Count")] = NumberObject(0)
    if "/Last" in above:
        last = above.raw_get("/Last")
        item[NameObject("/Prev")] = last
        last.get_object()[NameObject("/Next")] = reference
    else:
        above[NameObject("/First")] = reference
    above[NameObject("/Last")] = reference
    count: Any = above.get("/Count", 0)
    above[NameObject("/Count")] = NumberObject(count + 1)
