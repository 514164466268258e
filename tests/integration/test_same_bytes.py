"""The same document gives the same bytes, whoever converts it, whenever, and after what."""

import hashlib
import io
import json
from datetime import date
from pathlib import Path

import pypdf
import pytest

from service.bootstrap import load_catalog
from service.convert import make_engine
from service.fill import fill_docx
from service.pdf.finish import PdfStamp, finish_pdf
from service.settings import Settings
from tests.engines import CANARY, convert, plan

pytestmark = pytest.mark.libreoffice


def notice(title: str) -> bytes:
    spec = load_catalog(Settings.from_mapping({})).get("notice")
    data = json.loads(spec.sample) | {"title": title}
    return fill_docx(spec.docx, data, {"verify_host": "v.example.cn", "draft": False}, schema=spec.schema)


def digests(folder: Path, documents_per_child: int, documents: list[bytes]) -> list[str]:
    stamp = PdfStamp(311, 8, 8, bytes(8), date(2021, 5, 8))
    made = make_engine(
        plan(folder, documents_per_child=documents_per_child),
        CANARY,
        lambda: (CANARY, notice("关于预热的通知")),
        lambda *_: None,
    )
    made.start()
    try:
        pdfs = [convert(made, document) for document in documents]
    finally:
        made.close()
    assert len(pypdf.PdfReader(io.BytesIO(pdfs[0])).pages) > 1
    return [hashlib.sha256(finish_pdf(pdf, stamp).pdf).hexdigest() for pdf in pdfs]


def test_bytes_depend_on_the_document_alone(tmp_path: Path) -> None:
    one, other = notice("关于开展主题活动的通知"), notice("关于报送总结报告的通知")
    fresh = digests(tmp_path / "a", 1, [one, other])
    assert fresh[0] != fresh[1]
    # Another zygote, children that have converted before, another order.
    assert digests(tmp_path / "b", 20, [other, one, one, other]) == [fresh[1], fresh[0], fresh[0], fresh[1]]
    assert digests(tmp_path / "c", 3, [one, one, one, one, other]) == [fresh[0]] * 4 + [fresh[1]]
