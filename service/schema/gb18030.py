"""Private-use code points of GBK and old GB 18030 that have had a standard code point since.

Old Chinese systems export 䶮 as U+E863, since GBK and GB 18030-2000 gave 106 positions to the private use
area. GB 18030-2022 maps every one of them to a standard character. The positions run in order, which is how
the table below is written: the n-th private code point of a block belongs to its n-th byte pair.
"""

_FE50_TO_FEA0 = (
    "⺁𠂇𠂉𠃌⺄㑳㑇⺈⺋龴㖞㘚㘎⺌⺗㥮㤘龵㧏㧟㩳㧐龶龷㭎㱮㳠⺧𡗗龸⺪䁖䅟⺮䌷⺳⺶⺷𢦏䎱䎬⺻䏝䓖䙡䙌龹"
    "䜣䜩䝼䞍⻊䥇䥺䥽䦂䦃䦅䦆䦟䦛䦷䦶龺𤇾䲣䲟䲠䲡䱷䲢䴓䴔䴕䴖䴗䴘䴙䶮龻"
)
_A6D9_TO_A6F3 = "︐︒︑︓︔︕︖︗︘︙"
_A989_TO_A995 = "〾⿰⿱⿲⿳⿴⿵⿶⿷⿸⿹⿺⿻"

STANDARD_BY_PRIVATE: dict[str, str] = {
    "\ue76c": "€",
    "\ue7c7": "ḿ",
    "\ue7c8": "ǹ",
    **{chr(0xE78D + place): char for place, char in enumerate(_A6D9_TO_A6F3)},
    **{chr(0xE7E7 + place): char for place, char in enumerate(_A989_TO_A995)},
    **{chr(0xE815 + place): char for place, char in enumerate(_FE50_TO_FEA0)},
}
"""Private-use character to its standard character."""
