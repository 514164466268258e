"""Write the shipped templates: ``python -m templates.authoring [FOLDER]``."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from templates.authoring import commendation, notice, plan_form, plaque_labels, summary_report

BUILDERS: Mapping[str, Callable[[], bytes]] = {
    "commendation": commendation.build,
    "notice": notice.build,
    "plan-form": plan_form.build,
    "plaque-labels": plaque_labels.build,
    "summary-report": summary_report.build,
}
"""Template id to the function that builds its ``template.docx``."""


def main(arguments: list[str]) -> int:
    """Build every template into ``FOLDER/<id>/template.docx``.

    Args:
        arguments: At most one: the folder; the default is ``templates/docx`` of this tree.
    """
    folder = Path(arguments[0]) if arguments else Path(__file__).parents[1] / "docx"
    for name, build in BUILDERS.items():
        target = folder / name / "template.docx"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(build())
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
