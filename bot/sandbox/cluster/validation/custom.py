"""Objects of custom kinds against the schema of their definition.

What a structural schema can ask for is checked: types, required fields, numbers, texts, lists, maps,
enums, formats, unique list items, and the combinations allOf, anyOf, oneOf, not. Rules in CEL
(x-kubernetes-validations) are not: a definition that has them is refused by `unsupported_rules`.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from bot.sandbox.cluster.model import Cause
from bot.sandbox.cluster.schema import Schema
from bot.sandbox.cluster.structure import BadItem, item_element, same
from bot.sandbox.cluster.validation import names
from bot.sandbox.cluster.validation.faults import Faults

Json = dict[str, Any]


def check_custom(faults: Faults, body: Json, schema: Schema) -> None:
    """An object of a custom kind; its metadata is checked elsewhere."""
    inner = {k: v for k, v in body.items() if k not in ("metadata", "apiVersion", "kind")}
    check_value(faults, "", inner, schema, required_of=body)


def check_value(
    faults: Faults, field: str, value: Any, schema: Schema, *, required_of: Json | None = None
) -> None:
    if schema.typed:
        return
    raw = schema.raw
    if value is None and schema.nullable:
        return
    wrong = _wrong_type(value, schema)
    if wrong:
        name = _type_name(value)
        text = f'{field} in body must be of type {wrong}: "{name}"'
        faults.causes.append(
            Cause("FieldValueTypeInvalid", f'Invalid value: "{name}": {text}', field)
        )
        if (wrong, name) == ("integer", "number"):
            _nowhere(faults, f"Checked value must be of type integer (default format) in {field}")
        return
    _check_enum(faults, field, value, raw)
    if isinstance(value, bool):
        pass
    elif isinstance(value, (int, float)):
        _check_number(faults, field, value, raw)
    elif isinstance(value, str):
        _check_text(faults, field, value, raw)
    elif isinstance(value, list):
        _check_list(faults, field, value, schema)
    elif isinstance(value, dict):
        _check_map(faults, field, value, schema, required_of or value)
    _check_combined(faults, field, value, raw)


def _type_name(value: Any) -> str:
    names_of = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array",
                dict: "object"}  # fmt: skip
    return names_of.get(type(value), "null")


def _wrong_type(value: Any, schema: Schema) -> str:
    """The type that the schema wants, where the value has another one."""
    raw = schema.raw
    if raw.get("x-kubernetes-int-or-string"):
        return "" if _type_name(value) in ("integer", "string") else "integer,string"
    wanted, given = schema.type, _type_name(value)
    if not wanted or wanted == given or (wanted == "number" and given == "integer"):
        return ""
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return ""
    return wanted


def _check_enum(faults: Faults, field: str, value: Any, raw: Json) -> None:
    allowed = raw.get("enum")
    if allowed is not None and not any(same(value, each) for each in allowed):
        faults.choice(field, value, [each for each in allowed if isinstance(each, str)])


def _check_number(faults: Faults, field: str, value: float, raw: Json) -> None:
    low, high, step = raw.get("minimum"), raw.get("maximum"), raw.get("multipleOf")
    if step and Decimal(repr(value)) % Decimal(repr(step)):
        faults.invalid(field, value, f"{field} in body should be a multiple of {step}")
    if high is not None:
        _check_bound(faults, field, value, high, strict=bool(raw.get("exclusiveMaximum")), sign=1)
    if low is not None:
        _check_bound(faults, field, value, low, strict=bool(raw.get("exclusiveMinimum")), sign=-1)


def _check_bound(
    faults: Faults, field: str, value: float, bound: float, *, strict: bool, sign: int
) -> None:
    over = (value - bound) * sign
    if over > 0 or (strict and over == 0):
        word = "less" if sign > 0 else "greater"
        equal = "" if strict else " or equal to"
        detail = f"{field} in body should be {word} than{equal} {bound}"
        faults.invalid(field, value, detail)


def _check_text(faults: Faults, field: str, value: str, raw: Json) -> None:
    most, least, pattern = raw.get("maxLength"), raw.get("minLength"), raw.get("pattern")
    if most is not None and len(value) > most:
        faults.too_long(field, most)
        return
    if least is not None and len(value) < least:
        detail = f"{field} in body should be at least {least} chars long"
        faults.invalid(field, value, detail)
        return
    if pattern and not _matches(pattern, value):
        faults.invalid(field, value, f"{field} in body should match '{pattern}'")
    _check_format(faults, field, value, raw.get("format"))


def _matches(pattern: str, value: str) -> bool:
    """Patterns are those of Go; what Python cannot read is taken as met."""
    try:
        return re.search(re.sub(r"\\z", r"\\Z", pattern), value) is not None
    except re.error:
        return True


def _check_format(faults: Faults, field: str, value: str, kind: Any) -> None:
    if kind == "date-time":
        met = _is_time(value)
    elif kind in ("ipv4", "ipv6"):
        met = not names.ip_address(value) and (":" in value) == (kind == "ipv6")
    elif kind == "cidr":
        met = not names.cidr(value)
    elif kind == "uuid":
        met = re.fullmatch(r"(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", value) is not None
    else:
        return
    if not met:
        faults.wrong_type(field, value, f'{field} in body must be of type {kind}: "{value}"')


def _is_time(value: str) -> bool:
    try:
        return "T" in value.upper() and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _check_list(faults: Faults, field: str, value: list[Any], schema: Schema) -> None:
    raw = schema.raw
    most, least = raw.get("maxItems"), raw.get("minItems")
    if most is not None and len(value) > most:
        faults.too_many(field, len(value), most)
        return
    if least is not None and len(value) < least:
        detail = f"{field} in body should have at least {least} items"
        faults.invalid(field, len(value), detail)
        return
    if schema.list is None:
        return
    for at, each in enumerate(value):
        check_value(faults, f"{field}[{at}]", each, schema.list.items)
    _check_unique(faults, field, value, schema)


def _check_unique(faults: Faults, field: str, value: list[Any], schema: Schema) -> None:
    shape = schema.list
    if shape is None or shape.kind == "atomic":
        return
    seen: set[str] = set()
    for at, each in enumerate(value):
        try:
            element = item_element(shape, each)
        except BadItem:
            continue
        if element in seen:
            keys = {name: each[name] for name in shape.keys if name in each} if shape.keys else each
            faults.duplicate(f"{field}[{at}]", keys)
        seen.add(element)


def _check_map(
    faults: Faults, field: str, value: Json, schema: Schema, required_of: Json
) -> None:  # fmt: skip
    raw = schema.raw
    most, least = raw.get("maxProperties"), raw.get("minProperties")
    if most is not None and len(value) > most:
        faults.too_many(field, len(value), most)
    if least is not None and len(value) < least:
        faults.invalid(
            field, len(value), f"{field} in body should have at least {least} properties"
        )
    for name in raw.get("required") or ():
        if name not in required_of:
            faults.required(_joined(field, name))
    for name, inner in value.items():
        below = schema.child(name)
        if below is not None:
            check_value(faults, _joined(field, name), inner, below)


def _joined(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _check_combined(faults: Faults, field: str, value: Any, raw: Json) -> None:
    for each in raw.get("allOf") or ():
        check_value(faults, field, value, Schema.of_node(each))
    for word in ("anyOf", "oneOf"):
        options = raw.get(word)
        if not options or raw.get("x-kubernetes-int-or-string"):
            continue
        tries = [_tried(field, value, each) for each in options]
        passed = sum(not tried for tried in tries)
        if (word == "anyOf" and not passed) or (word == "oneOf" and passed != 1):
            _nowhere(faults, f'"{field}" must validate {_HOW_MANY[word]} ({word})')
            if not passed:
                faults += min(tries, key=lambda tried: len(tried.causes)).causes[:1]
    if raw.get("not") is not None and not _tried(field, value, raw["not"]):
        _nowhere(faults, f'"{field}" must not validate the schema (not)')


_HOW_MANY = {"anyOf": "at least one schema", "oneOf": "one and only one schema"}


def _tried(field: str, value: Any, raw: Json) -> Faults:
    tried = Faults()
    check_value(tried, field, value, Schema.of_node(raw))
    return tried


def _nowhere(faults: Faults, detail: str) -> None:
    """Faults of combinations carry no field of their own."""
    faults.causes.append(Cause("FieldValueInvalid", f'Invalid value: "": {detail}', "<nil>"))


def unsupported_rules(raw: Any) -> bool:
    """Whether a schema asks for rules in CEL anywhere."""
    if isinstance(raw, dict):
        return "x-kubernetes-validations" in raw or any(map(unsupported_rules, raw.values()))
    return isinstance(raw, list) and any(map(unsupported_rules, raw))
