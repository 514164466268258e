"""Documents that are converted at once look, read and verify as each does by itself."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pypdf
import pytest

from service import sections
from service.bootstrap import Services
from service.model import RenderedDocument
from service.pdf.printed import read_printed
from service.pipeline import together
from tests.conftest import REQUESTS, Rendered

pytestmark = pytest.mark.libreoffice
TEMPLATE_IDS = ("notice", "commendation", "plan-form", "summary-report")


@pytest.fixture
def _any_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "_MORE_CHARS", 1_000)


def made(services: Services, template_id: str, values: list[Any]) -> list[RenderedDocument | None]:
    submissions = [services.renderer.validate(template_id, value) for value in values]
    return list(services.renderer.render_items(template_id, submissions, 240))


def outline(reader: Any, items: Any = None) -> list[Any]:
    found = reader.outline if items is None else items
    return [
        outline(reader, item)
        if isinstance(item, list)
        else (item.title, item.page and reader.get_page_number(item.page.get_object()))
        for item in found
    ]


def tags(element: Any) -> Iterator[tuple[Any, ...]]:
    """Yield kind, alternative text and number of marks of each element that holds something."""
    kids = element.get("/K", [])
    kids = kids if isinstance(kids, list) else [kids]
    below = [kid.get_object() for kid in kids]
    marks = sum(not isinstance(kid, dict) or kid.get("/Type") == "/MCR" for kid in below)
    if marks or "/Alt" in element:
        yield element["/S"], element.get("/Alt"), marks
    for kid in below:
        if isinstance(kid, dict) and kid.get("/Type") != "/MCR":
            yield from tags(kid)


def tree(reader: pypdf.PdfReader) -> list[tuple[Any, ...]]:
    root: Any = reader.root_object["/StructTreeRoot"]
    return list(tags(root["/K"][0].get_object()))


def parents(reader: pypdf.PdfReader) -> list[int]:
    root: Any = reader.root_object["/StructTreeRoot"]
    numbers = root["/ParentTree"]["/Nums"]
    assert list(numbers[::2]) == list(range(len(numbers) // 2))
    return [len(item.get_object()) for item in numbers[1::2]]


@pytest.mark.java
@pytest.mark.usefixtures("_any_characters")
@pytest.mark.parametrize("template_id", TEMPLATE_IDS)
def test_each_document_is_what_it_is_by_itself(
    services: Services, rendered: Rendered, template_id: str
) -> None:
    from tests.verapdf import pdfa_faults

    paths = [path for path in REQUESTS if path.parent.name == template_id]
    before = services.converter.state().conversions
    documents = made(services, template_id, [json.loads(path.read_text("utf-8")) for path in paths])
    # All at once, the first by itself, and now and then one whose first try is not good enough.
    assert services.converter.state().conversions - before < len(paths)
    for path, document in zip(paths, documents, strict=True):
        alone = rendered(path)
        assert document is not None, path
        # The token, over both texts, is the same: so are all its codes.
        assert (document.document_id, document.docx) == (alone.document_id, alone.docx), path
        readers = [pypdf.PdfReader(io.BytesIO(pdf)) for pdf in (document.pdf, alone.pdf)]
        one, other = readers
        assert together._look_alike(document.pdf, alone.pdf), path
        assert [str(page.mediabox) for page in one.pages] == [str(page.mediabox) for page in other.pages]
        assert outline(one) == outline(other), path
        assert tree(one) == tree(other), path
        assert parents(one) == parents(other), path
        assert one.metadata == other.metadata, path
        assert one.root_object.keys() == other.root_object.keys(), path
    sample = documents[-1]
    assert sample is not None
    assert pdfa_faults(sample.pdf) == Counter()
    assert services.desk.verify_file(sample.pdf).code == "EXACT"


def notices(count: int) -> list[dict[str, Any]]:
    path = next(path for path in REQUESTS if path.match("notice/minimal.json"))
    base = json.loads(path.read_text("utf-8"))
    return [{**base, "title": f"关于第{number}项工作的通知"} for number in range(count)]


def test_no_document_holds_what_another_says(services: Services) -> None:
    values = notices(3)
    values[1]["title"] = "关于第1项𬭚工作的通知"
    documents = made(services, "notice", values)
    for number, document in enumerate(documents):
        assert document is not None
        text, pages = read_printed(document.pdf)
        assert f"第{number}项" in text.replace(" ", "")
        assert len(pages) == 1
        assert ("𬭚" in text) == (number == 1)
        reader: Any = pypdf.PdfReader(io.BytesIO(document.pdf))
        assert not any(f"第{other}项".encode("utf-16-be") in document.pdf for other in {0, 1, 2} - {number})
        images = [
            item for item in map(reader.get_object, range(1, int(reader.trailer["/Size"])))
            if isinstance(item, dict) and item.get("/Subtype") == "/Image"
        ]  # fmt: skip
        assert len(images) == 1


def test_what_breaks_a_rule_is_left_out_and_the_others_are_made(services: Services) -> None:
    values = notices(3)
    values[1]["body"] = [{"level": 0, "text": "正文。" * 1_500}] * 40
    services.catalog.get("notice")
    documents = made(services, "notice", values)
    assert [document is None for document in documents] == [False, True, False]


def test_documents_of_other_characters_are_made_one_by_one(services: Services) -> None:
    values = notices(2)
    values[1]["body"] = [{"level": 0, "text": "".join(map(chr, range(0x4E00, 0x4F00)))}]
    before = services.converter.state().conversions
    assert None not in made(services, "notice", values)
    assert services.converter.state().conversions - before == 2


def test_where_the_first_looks_different_all_are_made_one_by_one(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_anew = sections._begin_anew

    def mangled(section: Any) -> None:
        begin_anew(section)
        for item in section:
            if item.tag.endswith("}pgMar"):
                item.set(item.tag.replace("pgMar", "top"), "3000")

    monkeypatch.setattr(sections, "_begin_anew", mangled)
    before = services.converter.state().conversions
    documents = made(services, "notice", notices(3))
    assert services.converter.state().conversions - before == 2 + 3
    assert [document.pages for document in documents if document] == [1, 1, 1]
