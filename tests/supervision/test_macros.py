"""No macro of a document runs in LibreOffice as it is set here.

Tried: a text document with a Basic macro bound to its opening, since LibreOffice runs those of OpenDocument most
readily; a profile with the lowest security level, which a document cannot bring along; options of loading that ask
for macros, which the service never gives. Without the hardening the macro writes its file; with it, it does not.
A docx gets that far with nothing to run: `service.archive` refuses docm, VBA, ActiveX and DDE by name, and what is
given to LibreOffice must be a docx and nothing else besides.
"""

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.archive import read_docx
from service.convert import hardening
from service.convert.checks import check_docx
from service.convert.install import find_soffice
from service.errors import UnsafeArchive
from tests.conftest import ROOT
from tests.documents import plain

pytestmark = pytest.mark.libreoffice
TYPE = "application/vnd.oasis.opendocument.text"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
EAGER = "EnableMacrosExecution=true,MacroSecurityLevel=0"
PROFILE = f"""{HEAD}<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="MacroSecurityLevel" oor:op="fuse"><value>0</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="DisableMacrosExecution" oor:op="fuse"><value>false</value></prop></item>
</oor:items>
"""
# LibreOffice's own thread runs what is bound to the opening. A document's whole life here is to be opened and saved as
# a PDF; only where the macro must run is it given longer. At the end no destructor of LibreOffice has anything to do.
LOAD = """
import os, sys, threading
from pathlib import Path
from service.office.kit import Office, _DocumentSlots, _table
program, profile, source, options, canary = sys.argv[1:]
office = Office(program, profile, "{}")
document = office._slots.load_with_options(office._handle, Path(source).as_uri().encode(), options.encode())
saved = document and _table(document, _DocumentSlots).save_as(
    document, Path(source).with_suffix(".pdf").as_uri().encode(), b"pdf", b"{}"
)
for _ in range(600 if canary else 0):
    if Path(canary).exists():
        break
    threading.Event().wait(0.1)
print("saved" if saved else "refused", flush=True)
os._exit(0)
"""


def with_macro(canary: Path) -> dict[str, bytes]:
    """Return the parts of a document that writes a file when it is opened."""
    basic = f'Sub Main\nf = FreeFile\nOpen "{canary}" For Output As #f\nPrint #f, "ran"\nClose #f\nEnd Sub\n'
    library = 'xmlns:library="http://openoffice.org/2000/library"'
    parts = {
        "content.xml": (
            '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
            ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
            ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:ooo="http://openoffice.org/2004/office"'
            ' xmlns:script="urn:oasis:names:tc:opendocument:xmlns:script:1.0"'
            ' xmlns:dom="http://www.w3.org/2001/xml-events" office:version="1.3">'
            "<office:scripts><office:event-listeners><script:event-listener"
            ' script:language="ooo:script" script:event-name="dom:load" xlink:type="simple" xlink:href='
            '"vnd.sun.star.script:Standard.Module1.Main?language=Basic&amp;location=document"/>'
            "</office:event-listeners></office:scripts>"
            "<office:body><office:text><text:p>M</text:p></office:text></office:body>"
            "</office:document-content>"
        ),
        "Basic/script-lc.xml": (
            f'<library:libraries {library}><library:library library:name="Standard" library:link="false"/>'
            "</library:libraries>"
        ),
        "Basic/Standard/script-lb.xml": (
            f'<library:library {library} library:name="Standard" library:readonly="false"'
            ' library:passwordprotected="false"><library:element library:name="Module1"/></library:library>'
        ),
        "Basic/Standard/Module1.xml": (
            '<script:module xmlns:script="http://openoffice.org/2000/script" script:name="Module1"'
            f' script:language="StarBasic">{basic}</script:module>'
        ),
    }
    entries = "".join(
        f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="{kind}"/>'
        for name, kind in (("/", TYPE), *((name, "text/xml") for name in parts))
    )
    parts["META-INF/manifest.xml"] = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
        f' manifest:version="1.3">{entries}</manifest:manifest>'
    )
    return {"mimetype": TYPE.encode(), **{name: (HEAD + text).encode() for name, text in parts.items()}}


def packed(parts: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.fault("T11")
def test_macro_bound_to_the_opening_runs_without_the_hardening_and_not_with_it(tmp_path: Path) -> None:
    canary, layer = tmp_path / "canary", tmp_path / "layer"
    source = tmp_path / "in.odt"
    source.write_bytes(packed(with_macro(canary)))
    layer.mkdir()
    (layer / hardening.LAYER_FILE).write_text(hardening.LAYER, encoding="utf-8")
    program = find_soffice(None).parent

    def load(options: str, *, hardened: bool) -> tuple[str, bool]:
        profile = tmp_path / f"profile-{hardened}-{len(options)}"
        (profile / "user").mkdir(parents=True)
        (profile / "user" / "registrymodifications.xcu").write_text(PROFILE, encoding="utf-8")
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
        environment["SAL_USE_VCLPLUGIN"] = "svp"
        if hardened:
            registry = program.parent / "share" / "registry"
            environment["CONFIGURATION_LAYERS"] = hardening.configuration_layers(registry, layer, profile)
        command = [sys.executable, "-c", LOAD, str(program), profile.as_uri(), str(source), options]
        command.append("" if hardened else str(canary))
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
        )
        return done.stdout.strip(), canary.exists()

    assert load(EAGER, hardened=False) == ("saved", True)
    canary.unlink()
    assert load(EAGER, hardened=True) == ("saved", False)
    # As the service loads documents, one with a macro is not even opened.
    assert load("Batch=true", hardened=True) == ("refused", False)


@pytest.mark.fault("T11", "T12")
def test_document_that_is_a_docx_and_something_with_macros_gets_no_further(tmp_path: Path) -> None:
    macro = with_macro(tmp_path / "canary")
    with zipfile.ZipFile(io.BytesIO(plain("双面"))) as archive:
        docx = {name: archive.read(name) for name in archive.namelist()}
    check_docx(packed(docx))
    for parts in (macro, {**macro, **docx}):
        with pytest.raises(UnsafeArchive):
            check_docx(packed(parts))
    for name in ("word/vbaProject.bin", "word/activeX/activeX1.bin"):
        with pytest.raises(UnsafeArchive) as caught:
            read_docx(packed({**docx, name: b"\0"}))
        assert caught.value.type_code == "active-content"
