"""Open a docx or a workbook only after it has been found harmless.

A docx is a zip of XML parts. Before any of it reaches an XML parser or LibreOffice
the archive is bounded (entries, bytes, ratio, names) and its content is refused
where it is active or points outside: macros, OLE objects, document type
definitions, linked resources, fields that load or run something.
"""

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from service.errors import UnsafeArchive

_CFB_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP_MAGIC = b"PK\x03\x04"
_READ_BYTES = 1 << 16
OTHER_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"'](?!(?:utf-?8|us-ascii|ascii)[\"'])", re.I)
"""An XML declaration that says the text is not UTF-8: what follows would read otherwise to a parser."""

_HAS_FIELD = re.compile(rb"instrText|InstrText|fldSimple")
_INSTRUCTIONS = frozenset({"instrText", "delInstrText"})
_FORBIDDEN_FIELD = re.compile(r"\s*(?:INCLUDE\w*|DDE\w*|LINK|IMPORT|DATABASE|RD)\b", re.I)
_FORBIDDEN_RELATIONSHIPS = (
    "/oleObject",
    "/package",
    "/vbaProject",
    "/control",
    "/activeXControl",
    "/aFChunk",
    "/attachedTemplate",
    "/frame",
    "/subDocument",
)
_MAIN_TYPE = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_WORKBOOK_TYPE = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
# Nothing else is needed for the values, so nothing else is unpacked.
_WORKBOOK_PARTS = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|xl/(?:workbook|sharedStrings|styles)\.xml"
    r"|xl/_rels/workbook\.xml\.rels|xl/worksheets/[^/]+\.xml"
)


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Bounds on an archive before and while it is unpacked.

    Attributes:
        entries: Most members.
        total_bytes: Most unpacked bytes of all members together.
        entry_bytes: Most unpacked bytes of one member.
        ratio: Largest unpacked : packed ratio of one member of 64 kB or more.
    """

    entries: int = 2_000
    total_bytes: int = 100_000_000
    entry_bytes: int = 50_000_000
    ratio: int = 200


@dataclass(frozen=True, slots=True)
class _Kind:
    """How to speak of a kind of file."""

    code: str
    locked: str
    other: str


_WORD = _Kind(
    "not-docx",
    "文件已加密或是旧版 .doc，请去掉密码并另存为 .docx 后再提交。",
    "这不是 Word 文档（.docx），请用 Word 或 WPS 另存为 .docx 后再提交。",
)
_WORKBOOK = _Kind(
    "not-xlsx",
    "工作簿有打开密码，请去掉密码另存后再提交。",
    "这不是 Excel 工作簿（.xlsx），请用 Excel 或 WPS 另存为 .xlsx 后再提交。",
)


def read_docx(data: bytes, limits: ArchiveLimits | None = None) -> dict[str, bytes]:
    """Unpack a docx within bounds and refuse what must not be opened.

    Args:
        data: The file.
        limits: Bounds; the defaults fit any real official document.

    Returns:
        Part name (no leading slash) to bytes, in the order of the archive.

    Raises:
        UnsafeArchive: With a stable ``type_code``: ``not-docx``, ``encrypted``,
            ``archive-limit``, ``archive-names``, ``dtd-forbidden``,
            ``active-content`` or ``external-resource``.
    """
    parts = read_zip(data, limits or ArchiveLimits())
    content_types = parts.get("[Content_Types].xml", b"")
    if b"macroEnabled" in content_types:
        raise _unsafe("active-content", "文件含有宏（docm），请另存为不含宏的 .docx 后再提交。")
    if _MAIN_TYPE not in content_types or "word/document.xml" not in parts:
        raise _unsafe("not-docx", "这不是 Word 文档（.docx），请用 Word 或 WPS 另存为 .docx 后再提交。")
    for name, content in parts.items():
        _check_part(name, content)
    return parts


def read_xlsx(data: bytes, limits: ArchiveLimits) -> dict[str, bytes]:
    """Unpack the parts of a workbook that hold its values, within bounds.

    Args:
        data: The file.
        limits: Bounds; members that are not needed are not unpacked and do not count.

    Returns:
        Part name (no leading slash) to bytes, in the order of the archive.

    Raises:
        UnsafeArchive: With a stable ``type_code``: ``not-xlsx``, ``encrypted``, ``archive-limit``,
            ``archive-names``, ``dtd-forbidden`` or ``active-content``.
    """
    if data.startswith(_CFB_MAGIC) and _ENCRYPTED not in data:
        raise _unsafe(
            _WORKBOOK.code, "这是旧版工作簿（.xls、.et），请用 Excel 或 WPS 另存为 .xlsx 后再提交。"
        )
    parts = _read_zip(data, limits, _WORKBOOK, _WORKBOOK_PARTS)
    content_types = parts.get("[Content_Types].xml", b"")
    if b"macroEnabled" in content_types:
        raise _unsafe("active-content", "工作簿含有宏（xlsm），请另存为不含宏的 .xlsx 后再提交。")
    if _WORKBOOK_TYPE not in content_types or "xl/workbook.xml" not in parts:
        raise _unsafe(_WORKBOOK.code, _WORKBOOK.other)
    for name, content in parts.items():
        _check_declarations(name, content, _WORKBOOK)
    return parts


def read_zip(data: bytes, limits: ArchiveLimits) -> dict[str, bytes]:
    """Unpack a docx within bounds, whatever it holds.

    Args:
        data: The archive.
        limits: Bounds.

    Returns:
        Member name to bytes.

    Raises:
        UnsafeArchive: ``not-docx``, ``encrypted``, ``archive-limit`` or ``archive-names``.
    """
    return _read_zip(data, limits, _WORD)


def _read_zip(
    data: bytes, limits: ArchiveLimits, kind: _Kind, wanted: re.Pattern[str] | None = None
) -> dict[str, bytes]:
    """Unpack a zip within bounds, by what it holds and not by what it declares."""
    if data.startswith(_CFB_MAGIC):
        raise _unsafe("encrypted", kind.locked)
    if not data.startswith(_ZIP_MAGIC):
        raise _unsafe(kind.code, kind.other)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _unpack(archive, limits, wanted)
    except UnsafeArchive:
        raise
    except Exception as error:  # zlib.error has no public base class
        message = "文件已损坏，无法打开，请重新导出后再提交。"
        raise _unsafe(kind.code, message, detail=repr(error)) from error


def write_docx(parts: Mapping[str, bytes]) -> bytes:
    """Pack parts into a docx whose bytes depend on the parts alone.

    Args:
        parts: Part name to bytes; the order is kept.

    Returns:
        The archive, with a constant time stamp on every member.
    """
    return _pack(parts, zipfile.ZIP_DEFLATED)


def pack_stored(parts: Mapping[str, bytes]) -> bytes:
    """Pack parts as `write_docx` does, without compressing them; for a reader in this process."""
    return _pack(parts, zipfile.ZIP_STORED)


def _pack(parts: Mapping[str, bytes], compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = compression
            info.create_system = 0
            archive.writestr(info, content)
    return buffer.getvalue()


def _unpack(
    archive: zipfile.ZipFile, limits: ArchiveLimits, wanted: re.Pattern[str] | None
) -> dict[str, bytes]:
    members = archive.infolist()
    if len(members) > limits.entries:
        raise _unsafe("archive-limit", f"压缩包内有 {len(members)} 个文件，超过上限 {limits.entries}。")
    parts: dict[str, bytes] = {}
    folded: set[str] = set()
    total = 0
    for member in members:
        name = member.filename
        if name.casefold() in folded or _bad_name(member.orig_filename) or _bad_name(name):
            raise _unsafe("archive-names", "压缩包内有重复或不合法的文件名，文件可能被改动过。")
        folded.add(name.casefold())
        if member.flag_bits & 0x1:
            raise _unsafe("encrypted", "压缩包内有加密的文件，请去掉密码后再提交。")
        if member.is_dir() or (wanted is not None and not wanted.fullmatch(name)):
            continue
        content = _read_member(archive, member, limits, total)
        total += len(content)
        parts[name] = content
    return parts


def _bad_name(name: str) -> bool:
    pieces = name.replace("\\", "/").split("/")
    return "\0" in name or "\\" in name or name.startswith("/") or ".." in pieces or ":" in pieces[0]


def _read_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, limits: ArchiveLimits, already: int
) -> bytes:
    chunks = []
    size = 0
    packed = max(1, member.compress_size)
    if member.file_size > min(limits.entry_bytes, limits.total_bytes - already):
        raise _too_big()
    with archive.open(member) as stream:
        while chunk := stream.read(_READ_BYTES):
            size += len(chunk)
            too_dense = size >= _READ_BYTES and size > packed * limits.ratio
            if size > limits.entry_bytes or already + size > limits.total_bytes or too_dense:
                raise _too_big()
            chunks.append(chunk)
    return b"".join(chunks)


def _check_part(name: str, content: bytes) -> None:
    lowered = name.lower()
    if "vbaproject" in lowered or "/activex/" in lowered or "/embeddings/" in lowered:
        raise _unsafe("active-content", "文件含有宏、控件或嵌入对象，请删除后再提交。", detail=name)
    if not lowered.endswith((".xml", ".rels", ".vml")):
        return
    _check_declarations(name, content, _WORD)
    if lowered.endswith(".rels"):
        _check_relationships(name, content)
    else:
        _check_fields(name, content)


def _check_declarations(name: str, content: bytes, kind: _Kind) -> None:
    # Whatever else may begin a part begins one in UTF-16, UTF-7 or EBCDIC.
    begins = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begins not in (b"", b"<") or b"\0" in content[:4] or OTHER_ENCODING.search(content[:200]):
        raise _unsafe(kind.code, "文件的文字编码不是 UTF-8，请用办公软件另存后再提交。", detail=name)
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise _unsafe("dtd-forbidden", "文件含有文档类型定义（DTD），不予处理。", detail=name)


def _check_relationships(name: str, content: bytes) -> None:
    def check(_element: str, values: Mapping[str, str]) -> None:
        kind = values.get("Type", "").strip()
        if kind.endswith(_FORBIDDEN_RELATIONSHIPS):
            raise _unsafe("active-content", "文件含有嵌入对象、控件或外部模板，请删除后再提交。", detail=name)
        if values.get("TargetMode", "").strip().lower() == "external":
            scheme = values.get("Target", "").strip().split(":", 1)[0].lower()
            if not (kind.endswith("/hyperlink") and scheme in ("http", "https", "mailto")):
                raise _unsafe(
                    "external-resource", "文件引用了外部图片或文件，请改为插入后再提交。", detail=name
                )

    _parse(name, content, check)


def _check_fields(name: str, content: bytes) -> None:
    if not _HAS_FIELD.search(content):
        return
    fields = _Fields()
    _parse(name, content, fields.begin, fields.take, fields.end)
    fields.close()
    if any(_FORBIDDEN_FIELD.match(instruction) for instruction in fields.said):
        raise _unsafe(
            "active-content",
            "文件含有会读取外部内容的域（如 INCLUDETEXT、DDE），请删除后再提交。",
            detail=name,
        )


@dataclass(slots=True)
class _Fields:
    """What each field of a part says: piece by piece, and put together from its runs.

    Attributes:
        said: The instructions so far.
    """

    said: list[str] = field(default_factory=list)
    _open: list[list[str]] = field(default_factory=lambda: [[]])
    _inside: bool = False

    def begin(self, element: str, values: Mapping[str, str]) -> None:
        """Take the start of an element."""
        if element == "fldSimple":
            self.said.append(values.get("instr", ""))
        elif element in _INSTRUCTIONS:
            self._inside = True
            self._open[-1].append("")
        elif element == "fldChar" and values.get("fldCharType") == "begin":
            self._open.append([])
        elif element == "fldChar" and values.get("fldCharType") == "end" and len(self._open) > 1:
            self._put_together(self._open.pop())

    def take(self, text: str) -> None:
        """Take text."""
        if self._inside:
            self._open[-1][-1] += text

    def end(self, element: str) -> None:
        """Take the end of an element."""
        if element in _INSTRUCTIONS:
            self._inside = False

    def close(self) -> None:
        """Take the end of the part: fields may be without one."""
        for pieces in self._open:
            self._put_together(pieces)

    def _put_together(self, pieces: list[str]) -> None:
        self.said += [*pieces, "".join(pieces)]


def _parse(
    name: str,
    content: bytes,
    begin: Callable[[str, Mapping[str, str]], None],
    take: Callable[[str], None] | None = None,
    end: Callable[[str], None] | None = None,
) -> None:
    """Go through a part as a parser does; names come without their namespace.

    A pattern over the bytes would miss what XML allows: references, ">" in a value, any prefix.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = lambda element, values: begin(
        _local(element), {_local(key): value for key, value in values.items()}
    )
    if take and end:
        parser.CharacterDataHandler = take
        parser.EndElementHandler = lambda element: end(_local(element))
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        message = "文件已损坏，无法打开，请重新导出后再提交。"
        raise _unsafe("not-docx", message, detail=f"{name}: {error}") from error


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _too_big() -> UnsafeArchive:
    return _unsafe("archive-limit", "文件解压后过大，无法处理；请减小内容后再提交。")


def _unsafe(code: str, message: str, *, detail: str = "") -> UnsafeArchive:
    return UnsafeArchive(message, code=code, detail=detail)
