"""Labels from request to seal: one token each, none of them with a person's data in it."""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest

from service.bootstrap import Services
from service.errors import InvalidRequest
from service.model import Deadline, OutputFormat, RenderedDocument, RenderOptions, VerdictCode
from service.pdf import picture_sizes, render_pages
from service.verification import Verifier, decode_picture, decode_symbols, token_from_url
from tests.conftest import FIXTURES

pytestmark = pytest.mark.libreoffice


def request_of(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / "plaque-labels" / f"{name}.json").read_text("utf-8"))
    return loaded


def rendered(services: Services, data: Mapping[str, Any], *, draft: bool = False) -> RenderedDocument:
    body = json.dumps(data, ensure_ascii=False).encode()
    return services.renderer.render("plaque-labels", body, Deadline.after(120), RenderOptions(draft=draft))


@pytest.fixture(scope="module")
def sheet(services: Services) -> RenderedDocument:
    return rendered(services, request_of("sheet-and-one"))


def test_each_label_has_its_own_code_in_pdf_and_docx(sheet: RenderedDocument) -> None:
    urls = [item.verify_url for item in sheet.items]
    assert len(set(urls)) == 25
    assert [item.pointer for item in sheet.items] == [f"/labels/{number}" for number in range(25)]
    assert len(picture_sizes(sheet.pdf)) == 25
    found = {url for page in render_pages(sheet.pdf, 300) for url in decode_symbols(page)}
    assert found == set(urls)
    with zipfile.ZipFile(io.BytesIO(sheet.docx)) as archive:
        pictures = sorted(name for name in archive.namelist() if "wenyinqr" in name)
        read = {url for name in pictures for url in decode_picture(archive.read(name))}
    assert read == set(urls)


def test_token_says_award_unit_and_number_and_nothing_personal(
    services: Services, sheet: RenderedDocument
) -> None:
    label = request_of("sheet-and-one")["labels"][0]
    verdict = services.desk.verify_token(sheet.items[0].verify_url)
    assert verdict.code is VerdictCode.CLAIMS_ONLY
    said = json.dumps(verdict.claims, ensure_ascii=False)
    assert verdict.claims["ref"] == label["plaque_no"]
    assert label["unit"] in said
    assert "优秀组织单位" in said
    for key in ("attn", "phone", "address"):
        assert label[key] not in said
    token = token_from_url(sheet.items[0].verify_url)
    assert token is not None
    for key in ("attn", "phone", "address", "postcode"):
        assert label[key].encode() not in token


def test_values_typed_off_a_label_match_its_token(services: Services, sheet: RenderedDocument) -> None:
    label = {**request_of("sheet-and-one")["labels"][0], "award": "优秀组织单位"}
    rule = services.catalog.get("plaque-labels").verify
    verifier = Verifier(services.keyring, {rule.doc_type: rule.facts})
    token = token_from_url(sheet.items[0].verify_url)
    assert token is not None
    values = [label.get(pointer.removeprefix("/"), "") for pointer in rule.digest]
    assert verifier.judge_label(token, values).code is VerdictCode.TEXT_MATCH
    values[1] = "张三"
    assert verifier.judge_label(token, values).code is VerdictCode.ALTERED


def test_same_request_gives_the_same_sheet_and_id(services: Services) -> None:
    one, two = (rendered(services, request_of("minimal")) for _ in range(2))
    assert (one.document_id, one.verify_url, one.docx) == (two.document_id, two.verify_url, two.docx)
    assert one.document_id == one.items[0].document_id


def test_sheet_id_covers_all_labels_in_order(services: Services, sheet: RenderedDocument) -> None:
    data = request_of("minimal")
    label = data["labels"][0]
    other = {**label, "plaque_no": "2026-002"}
    ids = {rendered(services, {"labels": labels}).document_id for labels in ([label, other], [other, label])}
    assert len(ids) == 2
    assert len(sheet.document_id) == 16


def test_bundle_lists_every_label(services: Services, sheet: RenderedDocument) -> None:
    with zipfile.ZipFile(io.BytesIO(services.renderer.bundle(sheet))) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert [item["document_id"] for item in manifest["documents"]] == [i.document_id for i in sheet.items]
    assert manifest["documents"][24]["pointer"] == "/labels/24"


def test_draft_label_says_so_in_print_and_token(services: Services) -> None:
    draft = rendered(services, request_of("minimal"), draft=True)
    verdict = services.desk.verify_token(draft.verify_url)
    assert verdict.claims["draft"] is True
    plain = rendered(services, request_of("minimal"))
    assert draft.document_id != plain.document_id


def test_label_that_does_not_fit_is_refused_and_the_next_shorter_one_is_not(services: Services) -> None:
    with pytest.raises(InvalidRequest) as caught:
        rendered(services, request_of("address-too-long"))
    assert [(f.pointer, f.keyword) for f in caught.value.faults] == [("/labels/0/address", "label_overflow")]
    assert rendered(services, request_of("longest-address")).pages == 1


def test_docx_alone_is_sealed_too(services: Services) -> None:
    body = json.dumps(request_of("minimal")).encode()
    document = services.renderer.render(
        "plaque-labels", body, Deadline.after(60), RenderOptions(OutputFormat.DOCX)
    )
    assert document.docx.startswith(b"PK")
    assert len(document.items) == 1
