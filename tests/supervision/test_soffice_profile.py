"""The real soffice with a profile that is against us, and with too little memory."""

from pathlib import Path

import pytest

from service.convert import CANARY_IMAGE_PX, SofficeEngine, canary_docx
from service.errors import ConversionFailed
from service.pdf import pdf_text, picture_sizes
from tests.documents import grey_png, plain
from tests.engines import CANARY, FONTS, Listener, convert, engine

pytestmark = pytest.mark.libreoffice

HOSTILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="BlockUntrustedRefererLinks" oor:op="fuse"><value>false</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="DisableActiveContent" oor:op="fuse"><value>false</value></prop></item>
</oor:items>
"""


@pytest.mark.fault("C9")
@pytest.mark.parametrize("profile", [HOSTILE, "<oor:items broken"], ids=["hostile", "broken"])
def test_no_profile_undoes_the_hardening(tmp_path: Path, profile: str) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(grey_png(8))
    # Without the sandbox, which would stop the requests even if LibreOffice made them.
    (tmp_path / "work").mkdir()
    with engine(tmp_path / "work", engine="soffice", sandbox="off") as made, Listener() as listener:
        (settings,) = (tmp_path / "work").glob("instance-*/shared/profile/user/registrymodifications.xcu")
        settings.write_text(profile, encoding="utf-8")
        url = f"http://127.0.0.1:{listener.port}/x.png"
        pdf = convert(made, canary_docx(FONTS, linked_url=url, linked_file=outside.as_uri()), 120)
        assert picture_sizes(pdf) == [(CANARY_IMAGE_PX, CANARY_IMAGE_PX)]
        assert listener.connections == 0


@pytest.mark.fault("C7")
def test_document_beyond_the_memory_fails_alone(tmp_path: Path) -> None:
    with engine(tmp_path, engine="soffice") as made:
        assert isinstance(made, SofficeEngine)
        enough = made._options.address_space_bytes
        object.__setattr__(made._options, "address_space_bytes", 300_000_000)
        with pytest.raises(ConversionFailed) as caught:
            convert(made, CANARY, 120)
        assert caught.value.http_status == 502
        object.__setattr__(made._options, "address_space_bytes", enough)
        assert "".join(pdf_text(convert(made, plain("下一份"), 120)).split()) == "下一份"
