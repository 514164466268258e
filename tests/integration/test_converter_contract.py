"""What both engines promise, and the shared converter as well: one suite, run against each."""

import io
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pypdf
import pytest

from service.convert import CANARY_IMAGE_PX, CANARY_TEXT, Converter, ConverterHost, canary_docx
from service.errors import ConversionCancelled, ConversionTimeout, UnsafeArchive
from service.model import Deadline
from service.pdf import pdf_text, picture_sizes
from tests.documents import docx, grey_png, nested_tables, paragraph, plain, slow
from tests.engines import CANARY, FONTS, Listener, convert, engine, plan, wait_until

pytestmark = pytest.mark.libreoffice


@pytest.fixture(scope="module", params=["lok", "lok-bare", "soffice", "shared"])
def converter(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Converter]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "shared":
        host = ConverterHost(folder, plan(folder), CANARY)
        host.feed(())
        yield host.client()
        host.close()
        return
    name, _, bare = request.param.partition("-")
    with engine(folder, engine=name, sandbox="off" if bare else "auto") as made:
        yield made


def squeezed(pdf: bytes) -> str:
    return "".join(pdf_text(pdf).split())


def test_a_document_becomes_a_tagged_archive_pdf_with_its_text(converter: Converter) -> None:
    pdf = convert(converter, plain("关于开展主题活动的通知"))
    assert squeezed(pdf) == "关于开展主题活动的通知"
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]  # type: ignore[index]
    metadata = root["/Metadata"].get_object().get_data().decode()  # type: ignore[index]
    assert re.search(r"pdfaid:part>2<", metadata)
    assert re.search(r"pdfaid:conformance>B<", metadata)


@pytest.mark.parametrize("size_kb", [1, 3_000])
def test_size_does_not_matter(converter: Converter, size_kb: int) -> None:
    # Many times what a socket's buffer holds, and no text of it printed twice.
    bulk = bytes(range(256)) * 4 * size_kb
    assert squeezed(convert(converter, docx(paragraph("大"), custom__bulk=bulk))) == "大"


def test_thirty_nested_tables_are_no_trouble(converter: Converter) -> None:
    assert "最里层" in squeezed(convert(converter, docx(nested_tables(30))))


def _half_xml() -> bytes:
    parts = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain("半截"))) as source, zipfile.ZipFile(parts, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content[: len(content) // 2] if name == "word/document.xml" else content)
    return parts.getvalue()


def _dtd() -> bytes:
    document = plain("x")
    with zipfile.ZipFile(io.BytesIO(document)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    parts["word/document.xml"] = (
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + parts["word/document.xml"].partition(b"\n")[2]
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


BAD = {
    "nothing": (b"", "not-docx"),
    "text": ("关于开展主题活动的通知".encode(), "not-docx"),
    "html": (b'<html><img src="file:///etc/passwd"></html>', "not-docx"),
    "half a zip": (plain("半截")[:700], "not-docx"),
    "encrypted": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5_000), "encrypted"),
    "half XML": (_half_xml(), "not-docx"),
    "entities": (_dtd(), "not-docx"),
    "bomb": (docx(paragraph("炸"), word__media__bomb=bytes(190_000_000)), "archive-limit"),
    "another format inside": (
        docx(paragraph("x"), mimetype=b"application/vnd.oasis.opendocument.text"),
        "not-docx",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_by_name_and_at_once(converter: Converter, name: str) -> None:
    content, code = BAD[name]
    with pytest.raises(UnsafeArchive) as caught:
        convert(converter, content)
    assert caught.value.type_code == code
    assert any("\u4e00" <= char <= "\u9fff" for char in str(caught.value))


@pytest.mark.fault("C2")
def test_endless_document_is_504_at_the_deadline_and_the_next_is_fine(converter: Converter) -> None:
    begun = time.monotonic()
    with pytest.raises(ConversionTimeout) as caught:
        convert(converter, slow(), 2.0)
    assert 1.5 < time.monotonic() - begun < 12
    assert caught.value.http_status == 504
    assert squeezed(convert(converter, plain("下一份"))) == "下一份"
    wait_until(lambda: not converter.state().active, 10, "nothing runs any more")


def test_cancelled_document_is_given_up_at_once_and_the_next_is_fine(converter: Converter) -> None:
    gone = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(converter.convert, slow(), Deadline.after(120), cancelled=gone.is_set)
        wait_until(lambda: converter.state().active, 10, "the conversion runs")
        gone.set()
        with pytest.raises(ConversionCancelled):
            running.result(60)
    assert squeezed(convert(converter, plain("下一份"))) == "下一份"
    wait_until(lambda: not converter.state().active, 10, "nothing runs any more")


@pytest.mark.fault("C10", "T10")
def test_outside_pictures_are_not_fetched_and_the_embedded_one_is_kept(
    converter: Converter, tmp_path: Path
) -> None:
    local = Path("/usr/share/icons/hicolor")
    local = next(iter(local.rglob("*.png")), tmp_path / "x.png")
    with Listener() as listener:
        for linked in (local.as_uri(), f"file://127.0.0.1/{local}", "\\\\127.0.0.1\\share\\x.png"):
            hostile = canary_docx(
                FONTS, linked_url=f"http://127.0.0.1:{listener.port}/x.png", linked_file=linked
            )
            pdf = convert(converter, hostile)
            assert picture_sizes(pdf) == [(CANARY_IMAGE_PX, CANARY_IMAGE_PX)]
            assert squeezed(pdf).count(CANARY_TEXT) == len(FONTS)
        assert listener.connections == 0


PROBE = """
import sys
from pathlib import Path
from service.convert import canary_docx
from tests.engines import FONTS, convert, engine

name, folder, *linked = sys.argv[1:]
with engine(Path(folder), engine=name, sandbox="off") as made:
    for file in linked:
        hostile = canary_docx(FONTS, linked_url="http://127.0.0.1:9/x.png", linked_file=file)
        assert convert(made, hostile, 100).startswith(b"%PDF-")
"""


@pytest.mark.fault("C10", "T10")
@pytest.mark.parametrize("name", ["lok", "soffice"])
def test_the_kernel_sees_no_connection_and_no_look_at_a_linked_file(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(grey_png(8))
    (tmp_path / "work").mkdir()
    record = tmp_path / "calls"
    linked = (secret.as_uri(), str(secret), "\\\\127.0.0.1\\share\\x.png")
    # Without the sandbox, which would stop them even if LibreOffice tried.
    probe = [sys.executable, "-c", PROBE, name, str(tmp_path / "work"), *linked]
    watched = "trace=connect,sendto,open,openat,openat2"
    subprocess.run(
        ["strace", "-f", "-qq", "--seccomp-bpf", "-e", watched, "-o", record, *probe],
        check=True,
        timeout=250,
        cwd=Path(__file__).parents[2],
    )
    calls = record.read_text(encoding="utf-8", errors="replace").splitlines()
    assert any("AF_UNIX" in call or "in.docx" in call for call in calls)
    assert not [call for call in calls if "AF_INET" in call or "127.0.0.1" in call]
    assert not [call for call in calls if "secret.png" in call]


def test_state_tells_what_runs_and_what_happened(converter: Converter) -> None:
    before = converter.state()
    convert(converter, plain("计数"))
    after = converter.state()
    assert after.engine in ("lok", "soffice")
    assert after.version.startswith("LibreOffice ")
    assert after.layers
    assert after.conversions == before.conversions + 1
    assert after.busy_s > before.busy_s
    assert (after.engine == "soffice") == (after.pss_bytes == 0)


def test_four_at_once_are_four_right_ones(converter: Converter) -> None:
    results: dict[str, str] = {}

    def work(text: str) -> None:
        results[text] = squeezed(convert(converter, plain(text)))

    threads = [threading.Thread(target=work, args=(text,)) for text in "甲乙丙丁"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {text: text for text in "甲乙丙丁"}
