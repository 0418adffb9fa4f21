"""Label selectors and what they select."""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.validation.faults import Faults, mapping
from bot.sandbox.cluster.validation.metadata import check_labels
from bot.sandbox.cluster.validation.names import label_value, qualified_name

Json = dict[str, Any]


def check_selector(faults: Faults, field: str, selector: Any) -> None:
    check_labels(faults, f"{field}.matchLabels", mapping(selector).get("matchLabels"))
    for at, each in enumerate(mapping(selector).get("matchExpressions") or ()):
        _check_expression(faults, f"{field}.matchExpressions[{at}]", each)


def _check_expression(faults: Faults, field: str, each: Json) -> None:
    operator, values = each.get("operator"), each.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            faults.required(f"{field}.values", detail)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            faults.forbidden(f"{field}.values", detail)
    else:
        faults.invalid(f"{field}.operator", operator, "not a valid selector operator")
    key = each.get("key") or ""
    faults.invalid_all(f"{field}.key", key, qualified_name(key))
    for at, value in enumerate(values):
        faults.invalid_all(f"{field}.values[{at}]", value, label_value(value))


def selects(selector: Any, labels: Any) -> bool:
    """Whether a LabelSelector takes these labels. None selects nothing, {} everything."""
    if selector is None:
        return False
    have = mapping(labels)
    wanted = mapping(selector.get("matchLabels"))
    if any(have.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(each, have) for each in selector.get("matchExpressions") or ())


def _holds(each: Json, have: Any) -> bool:
    key, values = each.get("key"), each.get("values") or []
    if each.get("operator") == "In":
        return key in have and have[key] in values
    if each.get("operator") == "NotIn":
        return key not in have or have[key] not in values
    return (key in have) == (each.get("operator") == "Exists")
