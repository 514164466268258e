"""What goes into LibreOffice and what comes out, judged by its bytes."""

import io
import xml.parsers.expat
import zipfile

from service.errors import ConversionFailed, UnsafeArchive

_CFB_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP_MAGIC = b"PK\x03\x04"
_MAIN_TYPE = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_TYPES_PART = "[Content_Types].xml"
_MAIN_PART = "word/document.xml"
# Another format's name for itself; LibreOffice would believe it.
_FOREIGN_PART = "mimetype"
_ENTRIES = 2_000
_TOTAL_BYTES = 200_000_000
_RATIO = 1_000
_RATIO_FROM_BYTES = 10_000_000
_EOF_WINDOW_BYTES = 1_024


def check_docx(docx: bytes) -> None:
    """Refuse what is no Word document, before LibreOffice guesses what else it might be.

    LibreOffice makes a PDF of plain text, of HTML and of nothing at all, and hangs or
    wastes its time on half a file. This looks at the archive's directory and at the main
    part only; `service.archive.read_docx` is the full check for files from outside.

    Args:
        docx: The file.

    Raises:
        UnsafeArchive: With ``type_code`` ``not-docx``, ``encrypted`` or ``archive-limit``.
    """
    if docx.startswith(_CFB_MAGIC):
        raise UnsafeArchive("文件已加密或不是 .docx 格式，无法转换。", code="encrypted")
    if not docx.startswith(_ZIP_MAGIC):
        raise _not_docx("no zip")
    try:
        with zipfile.ZipFile(io.BytesIO(docx)) as archive:
            _check_sizes(archive.infolist())
            names = set(archive.namelist())
            if _FOREIGN_PART in names or not {_TYPES_PART, _MAIN_PART} <= names:
                raise _not_docx("wrong parts")
            if _MAIN_TYPE not in archive.read(_TYPES_PART):
                raise _not_docx("wrong main type")
            _check_xml(archive.read(_MAIN_PART))
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, NotImplementedError) as error:
        raise _not_docx(repr(error)) from error
    except RuntimeError as error:  # how zipfile asks for a password
        raise UnsafeArchive("文件已加密，无法转换。", code="encrypted", detail=repr(error)) from error
    except Exception as error:
        # zlib.error has no other base; a fault of ours is already a named one.
        if isinstance(error, UnsafeArchive):
            raise
        raise _not_docx(repr(error)) from error


def check_pdf(pdf: bytes) -> bytes:
    """Return the PDF if it begins and ends as one.

    Raises:
        ConversionFailed: It does not.
    """
    if not pdf.startswith(b"%PDF-") or b"%%EOF" not in pdf[-_EOF_WINDOW_BYTES:]:
        raise ConversionFailed("LibreOffice 生成的 PDF 不完整。", detail=f"{len(pdf)} bytes")
    return pdf


def _check_sizes(members: list[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    dense = any(
        member.file_size > _RATIO_FROM_BYTES and member.file_size > _RATIO * max(1, member.compress_size)
        for member in members
    )
    if len(members) > _ENTRIES or total > _TOTAL_BYTES or dense:
        raise UnsafeArchive("文件解压后过大，无法转换；请减小内容后再提交。", code="archive-limit")


def _check_xml(content: bytes) -> None:
    def refuse(*_: object) -> None:
        raise _not_docx("document type definition")

    parser = xml.parsers.expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except xml.parsers.expat.ExpatError as error:
        raise _not_docx(str(error)) from error


def _not_docx(detail: str) -> UnsafeArchive:
    return UnsafeArchive("这不是完好的 Word 文档（.docx），无法转换。", code="not-docx", detail=detail)
