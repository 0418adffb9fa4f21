"""The defaults of the built-in kinds, as the real server 1.37 fills them in when it reads an object.

A table from Go type to function: what holds for a container holds in a Pod, a Deployment and a
CronJob alike. Outer types come first, as in the real server. Kinds of a CustomResourceDefinition
have their defaults in their schema.
"""

from __future__ import annotations

from typing import Any

from bot.sandbox.cluster.custom import with_defaults
from bot.sandbox.cluster.defaults_kinds import KINDS
from bot.sandbox.cluster.defaults_pods import PODS
from bot.sandbox.cluster.defaults_workloads import WORKLOADS
from bot.sandbox.cluster.schema import Schema

Json = dict[str, Any]
_BY_TYPE = {**PODS, **WORKLOADS, **KINDS}


def defaulted(value: Json, schema: Schema) -> Json:
    """An object with its defaults. `value` is what reading it made, and may be changed."""
    if not schema.typed:
        filled: Json = with_defaults(value, schema)
        return filled
    _fill(value, schema)
    return value


def _fill(value: Any, schema: Schema) -> None:
    if isinstance(value, list) and schema.list:
        for each in value:
            _fill(each, schema.list.items)
    if not isinstance(value, dict) or not schema.map:
        return
    _fill_declared(value, schema)
    own = _BY_TYPE.get(schema.definition.rpartition("k8s.")[2].rpartition("pkg.apis.")[2])
    if own:
        own(value)
    for name, inner in value.items():
        below = schema.child(name)
        if below is not None and below.typed:
            _fill(inner, below)


def _fill_declared(value: Json, schema: Schema) -> None:
    """Defaults that the OpenAPI document tells. Empty ones only say that Go always writes it."""
    assert schema.map is not None
    for name, known in schema.map.properties.items():
        if known.default not in (None, "", 0, False, {}, []) and name not in value:
            value[name] = known.default
