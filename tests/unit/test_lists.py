"""Lists of units: order is the author's, numbers follow 附件说明."""

from service.fill.lists import ListRow, annex_pages, award_name, in_two_columns, with_lists

AWARDS = [
    {"award": "active_contributor", "units": ["甲"]},
    {"award": "excellent_organizer", "units": ["乙", "丙"]},
]


def test_award_is_named_and_an_unknown_one_is_kept() -> None:
    assert award_name("excellent_organizer") == "优秀组织单位"
    assert award_name("特别贡献单位") == "特别贡献单位"


def test_units_fill_the_rows_in_order() -> None:
    assert in_two_columns(["甲", "乙", "丙"], 13) == [ListRow("甲", "乙"), ListRow("丙")]
    long = "甲" * 14
    assert in_two_columns(["乙", long, "丙", "丁"], 13) == [
        ListRow("乙"),
        ListRow(long, is_long=True),
        ListRow("丙", "丁"),
    ]
    assert in_two_columns(["甲" * 13, "乙" * 13], 13) == [ListRow("甲" * 13, "乙" * 13)]


def test_lists_that_were_not_named_come_first_and_annexes_last() -> None:
    annexes = [{"title": "评议\n办法", "body": []}]
    assert with_lists(None, AWARDS, annexes) == ["积极贡献单位名单", "优秀组织单位名单", "评议办法"]
    assert with_lists(["表", "优秀组织单位名单"], AWARDS, None) == [
        "积极贡献单位名单",
        "表",
        "优秀组织单位名单",
    ]


def test_pages_are_numbered_as_they_are_named() -> None:
    names = with_lists(["优秀组织单位名单", "表", "积极贡献单位名单"], AWARDS, None)
    pages = annex_pages(names, AWARDS, None)
    assert [(page.number, page.title) for page in pages] == [
        ("1", "优秀组织单位名单"),
        ("3", "积极贡献单位名单"),
    ]
    (alone,) = annex_pages(["优秀组织单位名单"], AWARDS[1:], None)
    assert alone.number == ""
