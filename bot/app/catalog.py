"""Configuration and memory become the catalogue of environments."""

from __future__ import annotations

from collections.abc import Sequence

from bot.config import Settings
from bot.domain.catalog import Catalog
from bot.domain.environment import Environment
from bot.domain.pattern import Pattern
from bot.domain.record import BranchRecord, Enrolment

Facts = tuple[Settings, list[Enrolment], list[BranchRecord]]


def catalog_of(
    settings: Settings, enrolments: Sequence[Enrolment], branches: Sequence[BranchRecord]
) -> Catalog:
    """Environments and patterns whose repository is enrolled, by the id it had then."""
    known = {(e.repo.forge, e.full_name.lower()): e.repo for e in enrolments}
    literals: list[Environment] = []
    patterns: list[Pattern] = []
    for name, each in settings.environments.items():
        repo = known.get((settings.forge_of(each), each.repository.lower()))
        if repo is not None and each.is_pattern:
            patterns.append(each.pattern(name, repo))
        elif repo is not None:
            literals.append(each.bind(name, repo))
    return Catalog(tuple(literals), tuple(patterns), tuple(branches))
