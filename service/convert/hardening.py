"""LibreOffice's own settings, put where no document and no user profile can undo them."""

import json
from pathlib import Path

LAYER_FILE = "hardening.xcd"

# A finalized property in a layer of its own survives a hostile and a broken user
# profile; the same lines in the profile would fail open. No <dependency>: one that
# cannot be resolved makes soffice hang for ever.
LAYER = """<?xml version="1.0" encoding="UTF-8"?>
<oor:data xmlns:oor="http://openoffice.org/2001/registry">
  <oor:component-data oor:package="org.openoffice.Office" oor:name="Common">
    <node oor:name="Security">
      <node oor:name="Scripting">
        <prop oor:name="BlockUntrustedRefererLinks" oor:finalized="true"><value>true</value></prop>
        <prop oor:name="DisableMacrosExecution" oor:finalized="true"><value>true</value></prop>
        <prop oor:name="DisableActiveContent" oor:finalized="true"><value>true</value></prop>
        <prop oor:name="DisablePythonRuntime" oor:finalized="true"><value>true</value></prop>
        <prop oor:name="MacroSecurityLevel" oor:finalized="true"><value>3</value></prop>
      </node>
    </node>
  </oor:component-data>
  <oor:component-data oor:package="org.openoffice.Office" oor:name="Writer">
    <node oor:name="Content">
      <node oor:name="Update">
        <prop oor:name="Link" oor:finalized="true"><value>2</value></prop>
      </node>
    </node>
  </oor:component-data>
</oor:data>
"""

# Without a forced filter LibreOffice sniffs: text, HTML and even an empty file
# named .docx become a PDF.
INPUT_FILTER = "MS Word 2007 XML"

_PDF_OPTIONS: dict[str, tuple[str, str]] = {
    "SelectPdfVersion": ("long", "2"),
    "UseTaggedPDF": ("boolean", "true"),
    "ExportBookmarks": ("boolean", "true"),
    # Reducing would blur the QR placeholder and costs time.
    "ReduceImageResolution": ("boolean", "false"),
    "UseLosslessCompression": ("boolean", "true"),
}


def pdf_options() -> str:
    """Return the PDF export's options as JSON: tagged PDF/A-2b, pictures untouched."""
    options = {name: {"type": kind, "value": value} for name, (kind, value) in _PDF_OPTIONS.items()}
    return json.dumps(options, separators=(",", ":"))


def pdf_filter() -> str:
    """Return the ``--convert-to`` value with the same options."""
    return "pdf:writer_pdf_Export:" + pdf_options()


def configuration_layers(registry: Path, layer_dir: Path, profile: Path) -> str:
    """Return the value of LibreOffice's ``CONFIGURATION_LAYERS`` bootstrap variable.

    Args:
        registry: LibreOffice's ``share/registry``.
        layer_dir: Folder that holds `LAYER_FILE`.
        profile: The job's user profile.
    """
    return (
        f"xcsxcu:{registry.as_uri()} res:{registry.as_uri()} xcsxcu:{layer_dir.as_uri()}"
        f" user:!{profile.as_uri()}/user/registrymodifications.xcu"
    )
