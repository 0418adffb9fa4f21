"""GitHub's own description of its webhooks as a judge of payloads that we wrote.

One jsonschema-rs `Registry` holds the whole document and every validator points into it: a
self-contained schema for each of the 261 events takes seconds and gigabytes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs
import orjson

from tests.testbed.webhook_examples import webhook_schemas

_DOCUMENT = "urn:github-webhooks"


@cache
def _registry() -> jsonschema_rs.Registry:
    document = orjson.loads(webhook_schemas().read_bytes())
    return jsonschema_rs.Registry([(_DOCUMENT, document)], draft=jsonschema_rs.Draft202012)


def faults(name: str, payload: Any) -> list[str]:
    """What the description says against a payload, as `/path: message`. name: its webhook, like
    `pull-request-closed` or `push`."""
    pointer = f"#/webhooks/{name}/post/requestBody/content/application~1json/schema"
    schema = {"$ref": _DOCUMENT + pointer}
    validator = jsonschema_rs.Draft202012Validator(schema, registry=_registry())
    found = validator.iter_errors(payload)
    return [f"/{'/'.join(map(str, e.instance_path))}: {e.message[:300]}" for e in found]
