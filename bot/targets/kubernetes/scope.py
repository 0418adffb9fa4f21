"""May an environment hold this object? Asked before the first request about it (T62, T72).

By default an environment holds namespaced kinds in its own namespace. Everything else needs a word
in the operator's configuration, so that a pull request cannot read or claim what is not its own.
"""

from __future__ import annotations

from bot.domain.change import Subject
from bot.domain.environment import Environment

PARENT_PREFIX = "gitops-bot-"


def outside(environment: Environment, subject: Subject) -> str:
    """Why the object is outside the environment's scope; "" when it is inside."""
    if subject.namespace:
        return _namespaced(environment, subject)
    if subject.full_kind not in environment.allow.cluster_kinds:
        return (
            f"cluster-scoped {subject.full_kind} is outside what {environment.name} may hold; "
            "an operator can list it under `allow.cluster_kinds`"
        )
    return ""


def _namespaced(environment: Environment, subject: Subject) -> str:
    allow = environment.allow
    if subject.namespace != environment.namespace and subject.namespace not in allow.namespaces:
        return (
            f"namespace {subject.namespace} is outside what {environment.name} may hold; "
            "an operator can list it under `allow.namespaces`"
        )
    if allow.kinds is not None and subject.full_kind not in allow.kinds:
        return (
            f"{subject.full_kind} is outside what {environment.name} may hold; "
            "an operator can list it under `allow.kinds`"
        )
    if subject.full_kind == "ConfigMap" and subject.name.startswith(PARENT_PREFIX):
        return f"ConfigMaps named {PARENT_PREFIX}… hold the bot's own inventories"
    return ""
