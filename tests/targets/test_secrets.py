"""Secrets: nothing of a value in what is shown, whatever the shape it comes in (T59–T63)."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.change import ABSENT
from bot.targets.kubernetes import diff
from bot.targets.kubernetes.answers import Answer, describe, refusal
from bot.targets.kubernetes.normalize import comparable, shown
from bot.targets.kubernetes.secrets import (
    CHANGED,
    MASK,
    Scrubber,
    is_secret,
    masked,
    masked_git_pair,
    masked_pair,
)

CANARY = "c4n4ry-of-the-secret"
OTHER = "0th3r-canary-of-it"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(**data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"},
        "type": "Opaque", "data": {k: b64(v) for k, v in data.items()},
    }  # fmt: skip


def told(*values: Any) -> str:
    return repr(values)


def holds_no_canary(text: str) -> bool:
    return not any(form in text for c in (CANARY, OTHER) for form in (c, b64(c), b64(c)[:12]))


@pytest.mark.parametrize("kind", ["Secret", "secret", "SECRET", "SecretList", "sEcReT"])
@pytest.mark.parametrize("version", ["v1", "example.test/v1", ""])
def test_t63_a_secret_of_any_spelling_and_group_is_masked(kind: str, version: str) -> None:
    """T63: the kind decides, in any case and group."""
    body = {**secret(a=CANARY), "kind": kind, "apiVersion": version}
    assert is_secret(body)
    assert holds_no_canary(told(masked(body), masked_pair(body, secret(a=OTHER))))


@pytest.mark.parametrize("key", ["data", "stringData", "immutableData", "spec", "items", "x"])
def test_t63_every_part_that_is_not_known_is_masked(key: str) -> None:
    """T63: of a Secret only identity, labels and type are shown."""
    body = {**secret(), key: {"a": CANARY}, "also": [CANARY], "plain": CANARY}
    assert holds_no_canary(told(masked(body), masked_pair(body, {**body, key: OTHER})))


@pytest.mark.parametrize(
    "text",
    [
        '{"apiVersion":"v1","kind":"Secret","data":{"a":"VALUE"}}',
        "{'kind': 'Secret', 'data': {'a': 'VALUE'}}",
        "apiVersion: v1\nkind: Secret\ndata: {a: VALUE}\n",
        'kind: "Secret"\nstringData: {a: VALUE}',
        '{"kind": "SecretList", "items": [{"data": {"a": "VALUE"}}]}',
    ],
)
def test_t63_a_secret_inside_a_text_is_masked(text: str) -> None:
    """T63: JSON or YAML of a Secret in an annotation or a ConfigMap."""
    text = text.replace("VALUE", CANARY)
    body = {
        "kind": "ConfigMap", "metadata": {"name": "c", "annotations": {"backup": text}},
        "data": {"object": text}, "list": [{"deep": text}],
    }  # fmt: skip
    assert holds_no_canary(told(masked(body)))
    assert holds_no_canary(told(diff.created(body), diff.deleted(body)))


def test_t60_what_tools_leave_on_a_live_secret_is_not_shown() -> None:
    """T60: last-applied, managedFields and annotations of a live Secret."""
    live = secret(a=CANARY)
    live["metadata"] |= {
        "managedFields": [{"manager": CANARY}],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": CANARY,
            "vendor/copy": CANARY,
        },
        "generateName": CANARY,
    }
    other = {**live, "metadata": {**live["metadata"], "annotations": {"vendor/copy": OTHER}}}
    old, new = comparable(live), comparable(other)
    assert holds_no_canary(told(diff.field_changes(old, new, live), diff.text(old, new)))
    assert holds_no_canary(told(diff.deleted(old)))


def test_t60_last_applied_is_dropped_for_every_kind() -> None:
    """T60: it repeats the object, values and all."""
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": CANARY}
    body = {"kind": "ConfigMap", "metadata": {"name": "c", "annotations": annotations}}
    assert holds_no_canary(told(comparable(body)))


def test_t59_live_comparison_tells_that_not_what() -> None:
    """T59: one word for the whole data: which key differs is not told."""
    old, new = comparable(secret(a=CANARY, mine="x")), comparable(secret(a=OTHER, mine="x"))
    [change] = diff.field_changes(old, new, secret())
    assert (change.path, change.old, change.new) == ("data", MASK, CHANGED)
    text = diff.text(old, new)
    assert "mine" not in text
    assert holds_no_canary(text)


def test_t59_git_comparison_tells_per_key_what_git_changes() -> None:
    """T59: added, changed and removed keys, by name."""
    old, new = masked_git_pair(
        shown(secret(same="1", gone=CANARY, moved=CANARY)),
        shown(secret(same="1", moved=OTHER, added=OTHER)),
    )
    found = {c.path: (c.old, c.new) for c in diff.git_fields(old, new)}
    assert found == {
        "data.gone": (MASK, ABSENT),
        "data.moved": (MASK, CHANGED),
        "data.added": (ABSENT, MASK),
    }


VALUES = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=12, max_size=30)


@given(VALUES, VALUES)
def test_masking_looks_the_same_for_every_value(one: str, other: str) -> None:
    """Neither a value nor its length, nor whether two keys share one, can be told."""
    assert masked(secret(a=one, b=other)) == masked(secret(a=other, b=other))
    assert masked_git_pair(secret(a=one), secret(a=one + "x")) == masked_git_pair(
        secret(a=other), secret(a=other + "y")
    )


@given(VALUES)
def test_t61_a_scrubbed_text_holds_no_form_of_a_value(value: str) -> None:
    """T61: raw, base64, JSON- and URL-quoted."""
    from urllib.parse import quote

    tricky = value + '"\n/ä'
    scrub = Scrubber([secret(a=tricky), {**secret(), "stringData": {"b": tricky}}])
    forms = [tricky, b64(tricky), orjson.dumps(tricky).decode()[1:-1], quote(tricky, safe="")]
    text = " | ".join(forms)
    assert value not in scrub(text)
    assert b64(tricky) not in scrub(text)


def test_t61_lines_of_a_longer_value_are_scrubbed() -> None:
    """T61: an error may quote one line of a key."""
    scrub = Scrubber([secret(key="-----BEGIN-----\nMIIEvQIBADANBgkq\n-----END-----")])
    assert "MIIEvQIBADANBgkq" not in scrub("bad line MIIEvQIBADANBgkq here")


def test_short_values_stay_in_texts() -> None:
    """`on` stands in every text by chance: masking it would tell more than it hides."""
    assert Scrubber([secret(a="on")])("on and on") == "on and on"


def test_the_scrubber_looks_at_secrets_only() -> None:
    """A ConfigMap's values are no secrets."""
    body = {"kind": "ConfigMap", "data": {"a": "a-value-of-it"}}
    assert Scrubber([body])("a-value-of-it") == "a-value-of-it"


def status(code: int, message: str, *causes: dict[str, str]) -> Any:
    return refusal(Answer(code, orjson.dumps({
        "kind": "Status", "reason": "Invalid", "message": message,
        "details": {"causes": list(causes)},
    })))  # fmt: skip


ECHO = f'Secret "s" is invalid: data[a]: Invalid value: "{CANARY}": no'


@pytest.mark.parametrize(
    "said",
    [
        status(422, ECHO, {"reason": "FieldValueInvalid", "field": "data[a]", "message": ECHO}),
        status(422, ECHO),
        status(400, f'admission webhook "check.example.test" denied the request: {CANARY}'),
        status(403, f'admission webhook "check.example.test" denied: {b64(CANARY)}'),
        status(500, f"failed to create typed patch object: {CANARY}"),
        status(400, f'strict decoding error: unknown field "{CANARY}"'),
    ],
)
def test_t61_a_refusal_of_a_secret_is_code_reason_and_field(said: Any) -> None:
    """T61: whatever the server echoes, without a scrubber even."""
    text = describe(said, lambda t: t, secret=True)
    assert holds_no_canary(text)
    assert str(said.code) in text


def test_t61_the_webhook_is_named() -> None:
    """T61, T74: the name is what a person needs."""
    said = status(403, f'admission webhook "check.example.test" denied the request: {CANARY}')
    assert "check.example.test" in describe(said, lambda t: t, secret=True)


@pytest.mark.parametrize(
    ("message", "shows", "hides"),
    [
        ('Invalid value: "v4lue": must be no more than 63 characters', "no more than 63", "v4lue"),
        ('Unsupported value: "v4lue": supported values: "A", "B"', "supported values", "v4lue"),
        ("Required value", "Required value", "v4lue"),
        ("Forbidden: may not be changed", "may not be changed", "v4lue"),
        ('Invalid value: map[string]interface {}{"a":"v4lue"}: must be string', "must be", "v4lue"),
        ('Duplicate value: "v4lue"', "Duplicate value", "v4lue"),
        ("Too long: may not be more than 1048576 bytes", "more than 1048576 bytes", "v4lue"),
        ("Too long: v4lue may not be more than 3 bytes", "Too long", "v4lue"),
    ],
)
def test_other_kinds_keep_the_rule_without_the_value(message: str, shows: str, hides: str) -> None:
    """The live object's values are echoed too; the rule is what helps."""
    cause = {"reason": "FieldValueInvalid", "field": "spec.x", "message": message}
    text = describe(status(422, "", cause), lambda t: t, secret=False)
    assert "spec.x" in text
    assert shows in text
    assert hides not in text


def test_a_fault_of_the_whole_object_names_no_field() -> None:
    """A ConfigMap over its limit: the path is empty, and `[]` helps nobody."""
    cause = {
        "reason": "FieldValueTooLong", "field": "[]",
        "message": "Too long: may not be more than 1048576 bytes",
    }  # fmt: skip
    text = describe(status(422, "", cause), lambda t: t, secret=False)
    assert text.endswith(": Too long: may not be more than 1048576 bytes")
    assert "[]" not in text


def test_a_refusal_is_one_printable_line_of_bounded_length() -> None:
    """Messages of webhooks are a stranger's text."""
    text = describe(status(403, "a\x1b[31m\u202eb\n" * 500), lambda t: t, secret=False)
    assert text.isprintable()
    assert len(text) <= 400
