"""Forges lag behind their own webhooks: what to do when a fresh read does not show a fact yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.domain.decide import lag_delay
from bot.ports import Clock, Store


def lag(
    store: Store, clock: Clock, key: str, head: str | None, reaches: Callable[[str], bool]
) -> float | None:
    """When to look again, for a key whose verified deliveries named SHAs; None when all that can
    be waited for is there. reaches: whether `head` holds a SHA."""
    for bound in store.bounds(key):
        if head and reaches(bound.sha):
            store.drop_bounds(key, bound.sha)
            continue
        delay = lag_delay(bound)
        if delay is not None:
            store.keep_bound(replace(bound, tries=bound.tries + 1))
            return clock.now() + delay
        store.record("bound.given-up", key, {"sha": bound.sha, "head": head})
        store.drop_bounds(key, bound.sha)
    return None
