"""The configuration as JSON Schema, for editors: names, descriptions, what may stand where.

Made from the model itself. An editor sees one file at a time and no clusters, so what one part
says about another, and what placeholders need, is told by `gitops-bot config check`.
"""

from __future__ import annotations

from typing import Any

from bot.config.model import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. Secrets are references: exactly one of `file` and `env`."""
    schema = Settings.model_json_schema()
    schema = {"$schema": DIALECT, **schema, "title": "gitops-bot configuration"}
    secret = schema["$defs"]["Secret"]
    secret["oneOf"] = [{"required": ["file"]}, {"required": ["env"]}]
    for name, model in schema["$defs"].items():
        if "description" in model and name not in _TOLD:
            del model["description"]  # written for programmers
    del schema["description"]
    return schema


_TOLD = ("Secret",)
