"""Each of the eleven verdicts on the page: icon, colour and words."""

import dataclasses

import pytest

from service.bootstrap import Services
from service.model import Verdict, VerdictCode
from service.web.app import create_app

pytestmark = pytest.mark.libreoffice

COLOURS = {
    "EXACT": "green",
    "TEXT_MATCH": "amber",
    "CLAIMS_ONLY": "amber",
    "NO_SEAL": "grey",
}
CLAIMS = {"issuer": "某单位", "type": "通知", "title": "标题", "facts": [], "pages": 3}


@dataclasses.dataclass
class Desk:
    verdict: Verdict

    def verify_token(self, _: str) -> Verdict:
        return self.verdict


@pytest.mark.parametrize("code", list(VerdictCode))
def test_each_verdict_has_icon_colour_and_words(services: Services, code: VerdictCode) -> None:
    text = "核验文字第一行" if code in (VerdictCode.TEXT_MATCH, VerdictCode.EXACT) else None
    verdict = Verdict(code, "给读者的话。", CLAIMS, ("甲",), ("乙",), "0" * 16, False, text)
    app = create_app(dataclasses.replace(services, desk=Desk(verdict)))  # type: ignore[arg-type]
    page = app.test_client().get("/V/1", headers={"Accept": "text/html"}).get_data(as_text=True)
    assert f'class="verdict {COLOURS.get(code.value, "red")}"' in page
    icon = {"green": "✔", "amber": "！", "red": "✘", "grey": "？"}[COLOURS.get(code.value, "red")]
    assert f'<p class="icon" aria-hidden="true">{icon}</p>' in page
    for words in ("给读者的话。", "已核验", "未核验", "某单位"):
        assert words in page
    assert ("核验文字第一行" in page) is (text is not None)
    assert "<details" not in page
    if text:
        assert page.index("某单位") < page.index("核验文字第一行") < page.index("已核验")


@pytest.mark.parametrize(("kind", "caption"), [("通知", "发文字号"), ("牌匾邮寄标签", "牌匾编号")])
def test_reference_number_is_called_what_the_paper_calls_it(
    services: Services, kind: str, caption: str
) -> None:
    claims = {**CLAIMS, "type": kind, "ref": "第 7 号"}
    app = create_app(dataclasses.replace(services, desk=Desk(Verdict(VerdictCode.CLAIMS_ONLY, "", claims))))  # type: ignore[arg-type]
    page = app.test_client().get("/V/1", headers={"Accept": "text/html"}).get_data(as_text=True)
    assert f'<th scope="row">{caption}</th><td>第 7 号</td>' in page
