"""The picture of the issuer's seal, laid over 署名 and date as GB/T 9704-2012 7.3.5.1 asks.

Off unless an operator has put a picture into the server's folder, one for each issuer; a request can ask for it,
never bring one. The picture is in the PDF alone and only serves its layout: it is no 电子印章, and what proves a
document is its token and its signature.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.errors import ConfigError, LayoutOverflow, SealUnavailable
from service.fill import cn_date
from service.model import SealRule, TemplateSpec
from service.pdf import TextLine, printed_lines
from service.pdf.seal_picture import SEAL_MM, SealPicture, SealStamp, load_seal_picture
from service.pipeline.naming import as_text, pick

_PT_PER_MM = 72 / 25.4
_SIDE_PT = SEAL_MM * _PT_PER_MM
_LOW_PT = 4.0 * _PT_PER_MM  # by how much name and date lie below the seal's centre
_LINE_PT = 28.95  # GB/T 9704-2012 5.2.3: 22 lines in 225 mm
_ASCENT, _DESCENT = 0.86, 0.12  # of a hanzi, in ems
_LABEL_GAP_PT = 2.0 * _PT_PER_MM


@dataclass(frozen=True, slots=True)
class SealOffer:
    """What can be said of the seal's picture before it is asked for.

    Attributes:
        issuer_name: Whose seal it is.
        hindrance: Why it may not be laid over this document; empty where it may.
    """

    issuer_name: str
    hindrance: str


class SealProvider:
    """The seal pictures of a server.

    Args:
        pictures: Issuer id to its picture; empty where there are none.
    """

    def __init__(self, pictures: Mapping[str, SealPicture] | None = None) -> None:
        self._pictures = dict(pictures or {})

    @classmethod
    def load(cls, folder: Path | None) -> "SealProvider":
        """Read every ``<issuer id>.png`` of a folder.

        Args:
            folder: ``None`` has no pictures.

        Raises:
            ConfigError: The folder or a picture is unusable; the message names it.
        """
        if folder is None:
            return cls()
        if not folder.is_dir():
            raise ConfigError(f"WENYIN_SEAL_DIR={folder}：文件夹不存在。")
        pictures = {}
        for path in sorted(item for item in folder.iterdir() if not item.name.startswith(".")):
            try:
                pictures[path.stem] = load_seal_picture(path.read_bytes())
            except (OSError, ValueError) as error:
                raise ConfigError(f"印章图样 {path.name} 不可用：{error}。", detail=str(path)) from error
        return cls(pictures)

    def sides_px(self) -> dict[str, int]:
        """Return issuer id to the side of its picture."""
        return {issuer: picture.side_px for issuer, picture in self._pictures.items()}

    def chosen(
        self, spec: TemplateSpec, data: Mapping[str, Any], issuer_id: str, issuer_name: str
    ) -> SealPicture:
        """Return the picture for a document, before any work is spent on it.

        Args:
            spec: Its template.
            data: Checked request data.
            issuer_id: Who signs.
            issuer_name: Its Chinese name, which the document must bear.

        Raises:
            SealUnavailable: None is configured, the template has no place, or the unit is another one.
        """
        picture = self._pictures.get(issuer_id)
        if picture is None:
            raise SealUnavailable(
                f"没有为签发单位“{issuer_id}”配置印章图样，请去掉 seal 参数，或由管理员配置 WENYIN_SEAL_DIR。"
            )
        if spec.seal is None:
            raise SealUnavailable(f"“{spec.title}”没有盖章的位置，请去掉 seal 参数。")
        if hindrance := _hindrance(spec.seal, data, issuer_name):
            raise SealUnavailable(f"{hindrance}；请改正署名（{spec.seal.unit}），或去掉 seal 参数。")
        return picture

    def offer(
        self, spec: TemplateSpec, data: Mapping[str, Any], issuer_id: str, issuer_name: str
    ) -> SealOffer | None:
        """Return whether a picture may be asked for; ``None`` where there is none, or no place for it.

        Args:
            spec: The template.
            data: Checked request data.
            issuer_id: Who signs.
            issuer_name: Its Chinese name.
        """
        if spec.seal is None or issuer_id not in self._pictures:
            return None
        return SealOffer(issuer_name, _hindrance(spec.seal, data, issuer_name))


def _hindrance(rule: SealRule, data: Mapping[str, Any], issuer_name: str) -> str:
    unit = as_text(pick(data, rule.unit))
    if unit == issuer_name:
        return ""
    return f"署名“{unit}”与签发单位“{issuer_name}”不同，不能加盖签发单位的印章图样"


def place_seal(rule: SealRule, data: Mapping[str, Any], picture: SealPicture, pdf: bytes) -> SealStamp:
    """Find the seal's place on the page that bears 署名 and date.

    Args:
        rule: What to look for.
        data: Checked request data.
        picture: The picture.
        pdf: What LibreOffice made.

    Raises:
        SealUnavailable: The place is not on any page, or is there more than once.
        LayoutOverflow: Text stands where the seal must be.
    """
    pages = printed_lines(pdf)
    if rule.label is not None:
        places = [
            (number, *_after_label(line, rule.label)) for number, line in _with_label(pages, rule.label)
        ]
    else:
        name = _plain(as_text(pick(data, rule.unit)) + rule.suffix)
        printed = _plain(cn_date(as_text(pick(data, rule.date))))
        places = [
            (number, *_over(block, above))
            for number, lines in enumerate(pages)
            for block, above in _signatures(lines, name, printed)
        ]
    if len(places) != 1:
        raise SealUnavailable(
            f"盖章的位置应有且只有一处，成文中有 {len(places)} 处；请检查署名和日期，或去掉 seal 参数。"
        )
    page, x_pt, y_pt = places[0]
    return SealStamp(picture, page, x_pt - _SIDE_PT / 2, y_pt - _SIDE_PT / 2, _SIDE_PT)


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def _signatures(
    lines: Sequence[TextLine], name: str, printed: str
) -> Iterator[tuple[Sequence[TextLine], TextLine | None]]:
    """Yield every name over a date, with the line above them."""
    for index, line in enumerate(lines):
        if _plain(line.text) != printed:
            continue
        first, found = index, ""
        while first > 0 and len(found) < len(name):
            first -= 1
            found = _plain(lines[first].text) + found
        if found == name:
            yield lines[first : index + 1], lines[first - 1] if first else None


def _over(block: Sequence[TextLine], above: TextLine | None) -> tuple[float, float]:
    """Return the centre of the seal over name and date, in points.

    Both lie low in its centre, and its top is within one line of the text (GB/T 9704-2012 7.3.5.1).

    Raises:
        LayoutOverflow: The text above is too near.
    """
    date = block[-1]
    x_pt = (date.left_pt + date.right_pt) / 2
    top_pt = block[0].baseline_pt + _ASCENT * block[0].size_pt
    middle_pt = (top_pt + date.baseline_pt - _DESCENT * date.size_pt) / 2
    if above is None:
        return x_pt, middle_pt + _LOW_PT
    highest_pt = above.baseline_pt - _DESCENT * above.size_pt - _SIDE_PT / 2
    y_pt = min(max(middle_pt + _LOW_PT, highest_pt - _LINE_PT), highest_pt)
    if y_pt < middle_pt:
        raise LayoutOverflow("署名上方的空白不够盖章，请在模板中把署名段的段前距加大到两行。")
    return x_pt, y_pt


def _with_label(pages: Sequence[Sequence[TextLine]], label: str) -> Iterator[tuple[int, TextLine]]:
    return (
        (number, line)
        for number, lines in enumerate(pages)
        for line in lines
        if _plain(line.text).startswith(_plain(label))
    )


def _after_label(line: TextLine, label: str) -> tuple[float, float]:
    """Return the centre of the seal in the room after a label that begins a line."""
    x_pt = line.left_pt + len(_plain(label)) * line.size_pt + _LABEL_GAP_PT + _SIDE_PT / 2
    return x_pt, line.baseline_pt + (_ASCENT - _DESCENT) / 2 * line.size_pt
