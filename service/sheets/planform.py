"""A plan form that earned a plaque, as the label that goes on the parcel.

Whoever sent the form gave the address for this purpose, so nothing is typed a second time.
"""

from collections.abc import Mapping
from typing import Any

from service.sheets.flat import at

_SOURCES = {
    "unit": ("host", "name"),
    "attn": ("contact", "name"),
    "phone": ("contact", "mobile"),
    "postcode": ("mailing_address", "postcode"),
    "address": ("mailing_address", "text"),
}
_OTHER_PHONE = ("contact", "office_phone")
_BESIDE = ("award", "plaque_no")


def is_plan_form(item: Any) -> bool:
    """Whether an item of a label batch is a plan form (it has a host and an address) and not a label."""
    return isinstance(item, Mapping) and isinstance(item.get("host"), Mapping) and "mailing_address" in item


def label_from_plan_form(form: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the label of a plan form with ``award`` and ``plaque_no`` beside its own fields.

    The parcel service calls a mobile; the office's telephone stands in where no mobile was given.

    Args:
        form: JSON value of the form; what is missing in it is missing in the label.

    Returns:
        The label, and for each of its JSON Pointers the pointer in the form.
    """
    label: dict[str, Any] = {}
    origins: dict[str, str] = {}
    other_phone = not at(form, _SOURCES["phone"]) and at(form, _OTHER_PHONE)
    sources = {**_SOURCES, "phone": _OTHER_PHONE} if other_phone else _SOURCES
    for name, path in sources.items():
        value = at(form, path)
        origins[f"/{name}"] = "/" + "/".join(path)
        if value is not None:
            label[name] = value
    label.update((name, form[name]) for name in _BESIDE if name in form)
    return label, origins
