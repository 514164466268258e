"""Make the spreadsheets under fixtures/rows that are not saved by another program.

usage: python -m tools.make_row_fixtures
"""

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter

ROWS = Path(__file__).resolve().parent.parent / "fixtures" / "rows"
TITLES = ("收件单位", "收件人", "联系电话", "邮政编码", "收件地址", "表扬名称", "牌匾编号")
FAULTY_LINES = (18, 150, 301, 444, 587, 730, 999)
_KEYS = ("unit", "attn", "phone", "postcode", "address", "award", "plaque_no")
_AWARDS = ("优秀组织单位", "积极贡献单位")
_PLACES = ("云州", "临川", "永宁", "银湖", "兰亭", "清溪", "新安", "宝山", "梅岭", "白鹿")
_KINDS = ("科学技术促进会", "科技馆", "农业科学研究所", "第一中学", "职业技术学院")
_PEOPLE = ("欧阳䶮", "㛃思远", "买买提·艾力", "王𬀩", "李文", "张明远", "陈立")


def label(number: int) -> list[str]:
    """Return the cells of one label, different for every number."""
    place = _PLACES[number % 10]
    return [
        f"云江省{place}市第{number}{_KINDS[number % 5]}",
        _PEOPLE[number % 7],
        f"010-0000-{number % 2}{number // 2 % 2}{number // 4 % 2}{number // 8 % 2}",
        f"0{number % 2}0{number // 2 % 2}00",
        f"云江省{place}市不存在路{number}号科技大厦{number % 30 + 1}层",
        _AWARDS[number % 2],
        f"2026-{number:04d}",
    ]


def thousand_labels() -> bytes:
    """Return 1,000 labels of which seven rows are each wrong in a way of their own."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        book.set_properties({"created": datetime(2026, 1, 1)})
        text, day = book.add_format({"num_format": 49}), book.add_format({"num_format": "yyyy-mm"})
        sheet = book.add_worksheet("名单")
        sheet.write_row(0, 0, TITLES)
        for line in range(2, 1_002):
            for index, value in enumerate(label(line - 1)):
                sheet.write_string(line - 1, index, value, text)
        faulty = [line - 1 for line in FAULTY_LINES]
        sheet.write_number(faulty[0], 2, 1.2e17)
        sheet.write_datetime(faulty[1], 6, datetime(2026, 1, 1), day)
        sheet.write_formula(faulty[2], 1, "=VLOOKUP(A301,通讯录!A:B,2,0)", None, "")
        sheet.write_string(faulty[3], 5, "一等奖", text)
        sheet.write_string(faulty[4], 3, "1200", text)
        sheet.write_blank(faulty[5], 4, None, text)
        sheet.write_string(faulty[6], 0, "云江省\u202e永宁市科技馆", text)
    return buffer.getvalue()


def gb18030_labels() -> bytes:
    """Return what a spreadsheet program of an office saves as CSV: GB18030, semicolons, a cell of two lines."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow(["序号", *reversed(TITLES)])
    for number in range(1, 21):
        cells = label(number)
        if number == 7:
            cells[4] = "云江省云州市\n不存在路7号"
        writer.writerow([str(number), *reversed(cells)])
    return text.getvalue().encode("gb18030")


def plan_forms() -> bytes:
    """Return fifty plan forms, a line each, with the award and the number of the plaque beside them."""
    lines = []
    for number in range(1, 51):
        cells = label(number)
        form: dict[str, Any] = {
            "host": {"unit_id": f"yz-{number:04d}", "name": cells[0]},
            "contact": {"name": cells[1], "office_phone": cells[2], "mobile": f"1{number:010b}"},
            "mailing_address": {"text": cells[4], "postcode": cells[3]},
            "award": ("excellent_organizer", "active_contributor")[number % 2],
            "plaque_no": cells[6],
        }
        if number % 10 == 0:
            del form["contact"]["mobile"], form["mailing_address"]["postcode"]
        lines.append(json.dumps(form, ensure_ascii=False))
    return "\n".join(lines).encode() + b"\n"


FILES = {
    "labels-1000-with-7-faulty.xlsx": thousand_labels,
    "labels-gb18030.csv": gb18030_labels,
    "plan-forms-with-award.ndjson": plan_forms,
}


def main() -> None:
    """Write the files."""
    ROWS.mkdir(parents=True, exist_ok=True)
    for name, make in FILES.items():
        (ROWS / name).write_bytes(make())


if __name__ == "__main__":
    main()
