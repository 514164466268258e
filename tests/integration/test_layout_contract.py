"""Every rule of the layout contract, broken once by a template or by data, is refused by its name."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from service.archive import read_docx, write_docx
from service.bootstrap import Services
from service.catalog import load_template
from service.errors import LayoutOverflow, TextLost
from service.model import Deadline, TemplateSpec
from service.pdf.printed import read_printed
from service.pipeline.contract import LoneSignature, check_labels, check_layout, check_pages
from service.pipeline.filling import fill
from service.pipeline.whole import check_text
from service.verification import docx_text
from tests.conftest import FIXTURES, ROOT
from tests.printed import Printed

pytestmark = pytest.mark.libreoffice

BODY, STYLES = "word/document.xml", "word/styles.xml"
TEXT = "科学技术促进社会发展服务群众需要普及知识弘扬精神倡导方法"  # 28 characters: one line
Convert = Callable[[bytes], bytes]
Change = Callable[[str], str]
EXTRAS = {"verify_host": "v.example.cn", "draft": False}


def data_of(template: str, name: str, **changes: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FIXTURES / template / f"{name}.json").read_text("utf-8"))
    return {**loaded, **changes}


def spec_of(template: str, part: str = BODY, change: Change = str) -> TemplateSpec:
    spec = load_template(ROOT / "templates/docx" / template)
    parts = read_docx(spec.docx)
    before = parts[part].decode()
    parts[part] = change(before).encode()
    assert change is str or parts[part] != before.encode()
    return replace(spec, docx=write_docx(parts))


def judged(convert: Convert, spec: TemplateSpec, data: dict[str, Any]) -> str:
    """Convert and hold against the contract; return the refusal, or nothing."""
    docx = fill(spec, data, EXTRAS).docx
    text, pages = read_printed(convert(docx))
    try:
        check_pages(spec, data, len(pages))
        check_layout(spec, data, pages)
        check_text(spec, data, docx_text(read_docx(docx)), text)
    except (LayoutOverflow, TextLost) as refusal:
        (fault,) = refusal.faults
        return f"{refusal} {fault.keyword} {fault.pointer}"
    return ""


def styled(style: str, xml: str) -> Change:
    """Put a paragraph property first into a style."""

    def change(styles: str) -> str:
        found = re.search(rf'<w:style [^>]*w:styleId="{style}">.*?</w:style>', styles, re.DOTALL)
        assert found
        old = found[0]
        if "<w:pPr>" in old:
            new = old.replace("<w:pPr>", f"<w:pPr>{xml}")
        else:
            new = old.replace("<w:qFormat/>", f"<w:qFormat/><w:pPr>{xml}</w:pPr>")
        return styles.replace(old, new)

    return change


def indented(style: str, attributes: str) -> Change:
    """Replace the indent of a style."""

    def change(styles: str) -> str:
        found = re.search(rf'<w:style [^>]*w:styleId="{style}">.*?</w:style>', styles, re.DOTALL)
        assert found
        return styles.replace(found[0], re.sub(r"<w:ind [^>]*/>", f"<w:ind {attributes}/>", found[0]))

    return change


def moved(name: str, down_mm: float) -> Change:
    """Move a floating object."""

    def change(body: str) -> str:
        at = body.index(f'name="{name}"')
        start = body.rindex("<wp:positionV", 0, at)
        old = re.compile(r"<wp:posOffset>(-?\d+)</wp:posOffset>").search(body, start)
        assert old
        return f"{body[: old.start(1)]}{int(old[1]) + round(down_mm * 36_000)}{body[old.end(1) :]}"

    return change


BREAK = "<w:pageBreakBefore/>"
IMPRINT = {"cc": ["云州市教育局"], "printed_by": "云州市科技馆办公室", "printed_on": "2026-06-30"}
NOTICE_PLANTS = [
    pytest.param(
        BODY,
        lambda body: body.replace("<w:sectPr>", f"<w:p><w:pPr>{BREAK}</w:pPr></w:p><w:sectPr>"),
        {},
        "第 2 页是空白页",
        "",
        id="trailing-blank",
    ),
    pytest.param(
        STYLES,
        indented("BodyText", 'w:left="-900"'),
        {},
        "第 1 页有文字超出版心：“自 2026",
        "/body/0/text",
        id="left-of-the-area",
    ),
    pytest.param(
        STYLES,
        indented("BodyText", 'w:right="-1100"'),
        {"body": [{"level": 0, "text": TEXT * 3}]},
        "超出版心",
        "/body/0/text",
        id="right-of-the-area",
    ),
    pytest.param(BODY, moved("版记", 18), IMPRINT, "超出版心：“抄送：云州市教育局", "/cc/0", id="under-the-area"),
    pytest.param(BODY, moved("版记", -30), IMPRINT, "版记没有排在最后一页的末尾", "", id="imprint-too-high"),
    pytest.param(
        BODY,
        moved("版记", -118),
        {**IMPRINT, "body": [{"level": 0, "text": TEXT[:26]}] * 9},
        "第 1 页有文字(重叠|压线)",
        "",
        id="imprint-over-text",
    ),
    pytest.param(BODY, moved("核验二维码", 35), {"title": "关于调整云州市科技馆各科室值班电话的通知"}, "有文字压在图上", "/title", id="code-over-text"),
    pytest.param(
        STYLES, styled("BodyText", BREAK), {}, "首页没有印出「正文」第 1 项「文字」", "/title", id="no-text-on-page-1"
    ),
    pytest.param(
        STYLES, styled("IssuedOn", BREAK), {}, "署名与成文日期不在同一页（第 2 页）", "/body/0/text", id="date-apart"
    ),
    pytest.param(
        BODY,
        lambda body: body.replace("{{ issued_on | cn_date }}", "日期：{{ issued_on | cn_date }}"),
        {},
        "成文日期没有单独成行",
        "layout_overflow /issued_on",
        id="date-in-a-line",
    ),
    pytest.param(
        STYLES,
        styled("Issuer", BREAK),
        {},
        r"署名和成文日期落在第 2 页，上面只有 0 行正文（应不少于 2 行）.*请把最后一段分成两段",
        "/body/0/text",
        id="signature-alone",
    ),
]  # fmt: skip


@pytest.mark.fault("C15", "V7")
@pytest.mark.parametrize(("part", "change", "changes", "said", "pointer"), NOTICE_PLANTS)
def test_broken_notice_is_refused_by_name(
    convert_docx: Convert, part: str, change: Change, changes: dict[str, Any], said: str, pointer: str
) -> None:
    data = data_of("notice", "minimal", **changes)
    assert judged(convert_docx, spec_of("notice"), data) == ""
    refusal = judged(convert_docx, spec_of("notice", part, change), data)
    assert re.search(said, refusal)
    assert pointer in refusal
    assert "最长的一项是「" in refusal


def test_recipients_for_more_than_a_page_are_named(services: Services) -> None:
    data = data_of("notice", "minimal", recipients=[f"云州市东山区第{n}科学技术促进会" for n in range(90)])
    with pytest.raises(LayoutOverflow, match=r"页是空白页；最长的一项是「主送机关」（\d+ 字") as caught:
        services.renderer.render("notice", json.dumps(data).encode(), Deadline.after(120))
    assert caught.value.type_code == "layout-overflow"
    assert [fault.pointer for fault in caught.value.faults] == ["/recipients"]


def test_text_that_a_cell_cuts_off_is_missed(convert_docx: Convert) -> None:
    exact = spec_of("plan-form", change=lambda body: body.replace('w:hRule="atLeast"', 'w:hRule="exact"'))
    data = data_of("plan-form", "minimal")
    data["event"]["name"] = "科技服务进万家系列活动" * 5
    assert judged(convert_docx, spec_of("plan-form"), data) == ""
    refusal = judged(convert_docx, exact, data)
    assert re.search("第 1 页有文字(重叠|压线)|没有印出", refusal)
    assert refusal.endswith(("/event/name", "/activities/0/body"))


def test_code_and_seal_line_belong_to_page_one(convert_docx: Convert) -> None:
    spec = spec_of("plan-form")
    assert spec.contract
    data = data_of("plan-form", "minimal")
    elsewhere = replace(spec, contract=replace(spec.contract, qr_page=2))
    assert "二维码没有印在第 2 页" in judged(convert_docx, elsewhere, data)
    pushed = spec_of("plan-form", STYLES, styled("SealLine", BREAK))
    assert "首页没有印出“单位盖章：”" in judged(convert_docx, pushed, data)


@pytest.mark.fault("C15", "C7")
def test_too_many_pages_name_the_longest_field(convert_docx: Convert) -> None:
    spec = replace(spec_of("notice"), pages=replace(spec_of("notice").pages, maximum=1))
    data = data_of("notice", "minimal", body=[{"level": 0, "text": TEXT * 30}])
    refusal = judged(convert_docx, spec, data)
    assert "成文 2 页，模板只允许 1–1 页；最长的一项是「正文」第 1 项「文字」（840 字" in refusal
    assert "请缩短或分段" in refusal


def test_template_without_a_contract_needs_no_rule(convert_docx: Convert) -> None:
    plain = replace(spec_of("notice", STYLES, styled("IssuedOn", BREAK)), contract=None)
    assert judged(convert_docx, plain, data_of("notice", "minimal")) == ""


@pytest.mark.fault("C15")
@pytest.mark.parametrize(
    "attributes", ['w:left="2600" w:right="0"', 'w:left="-700"'], ids=["cut-off", "over-the-edge"]
)
def test_label_that_is_not_whole_is_named(convert_docx: Convert, attributes: str) -> None:
    data = data_of("plaque-labels", "full-sheet")
    sound = spec_of("plaque-labels")
    broken = spec_of("plaque-labels", STYLES, styled("LabelText", f"<w:ind {attributes}/>"))
    filled = fill(sound, data, EXTRAS)
    check_labels(data, filled.labels, convert_docx(filled.docx))
    filled = fill(broken, data, EXTRAS)
    with pytest.raises(LayoutOverflow, match=r"有 \d+ 枚标签没有完整印在标签之内") as caught:
        check_labels(data, filled.labels, convert_docx(filled.docx))
    fault = caught.value.faults[0]
    assert re.fullmatch(r"/labels/\d+/(address|unit)", fault.pointer)
    assert "请缩短，或改用更大的标签纸" in fault.message


@pytest.mark.parametrize(
    "body",
    [
        [(TEXT * 30)[: 26 + 28 * 15]],
        [(TEXT * 30)[: 26 + 28 * 17]],
        [(TEXT * 30)[: 26 + 28 * 15], "特此通知。"],
        [(TEXT * 30)[: 26 + 28 * 13], "工作要求", "（一）" + TEXT[:20]],
        ["科技馆A楼2026年展览自5月8日至6月28日，每日9:00—17:00开放，周一闭馆。" * 12],
    ],
    ids=["one-long", "one-longer", "short-last", "heading", "digits"],
)
def test_text_goes_over_to_the_page_of_the_signature(services: Services, body: list[str]) -> None:
    """A page that holds 署名 and date alone is laid out anew, so that two lines of text stand over them."""
    levels = [1 if text == "工作要求" else 0 for text in body]
    data = data_of(
        "notice", "minimal", body=[{"level": n, "text": t} for n, t in zip(levels, body, strict=True)]
    )
    request = json.dumps(data).encode()
    document = services.renderer.render("notice", request, Deadline.after(120))
    page = Printed(document.pdf)
    assert len(page.pages) == 2
    texts = [["".join(c["text"] for c in chars) for _, chars in page.lines(n)] for n in (1, 2)]
    assert texts[1].index("2026年6月28日") >= 3
    whole = "".join("".join("".join(lines) for lines in texts).split())
    assert "".join("".join(body).split()) in whole.replace("一、", "")
    assert all(len(line) > 20 for line in texts[0][3:-1] if line not in ("工作要求", "一、工作要求"))
    assert not texts[0][-1].endswith("工作要求")
    assert services.renderer.render("notice", request, Deadline.after(120)).docx == document.docx


def test_lone_signature_says_what_to_do_when_nothing_can_go_over(convert_docx: Convert) -> None:
    spec = spec_of("notice", STYLES, styled("Issuer", BREAK))
    data = data_of("notice", "minimal")
    _, pages = read_printed(convert_docx(fill(spec, data, EXTRAS).docx))
    with pytest.raises(LoneSignature, match="请把最后一段分成两段，或增减几行"):
        check_layout(spec, data, pages)
