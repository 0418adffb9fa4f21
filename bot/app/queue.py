"""The work queue by hand: look at a key, try it now, park it. Each word goes into the ledger."""

from __future__ import annotations

from bot.app.operator import who
from bot.domain.key import (
    Kind,
    kind_of,
    parse_branch,
    parse_environment,
    parse_pull_request,
    parse_repository,
)
from bot.errors import Unusable
from bot.ports import Store, WorkRow, WorkState

KEYS = (
    "pr:FORGE/ID#NUMBER, env:NAME, branch:FORGE/ID@BRANCH or repo:FORGE/ID; "
    "`gitops-bot queue list` shows them"
)
_PARSERS = {
    Kind.PULL_REQUEST: parse_pull_request,
    Kind.ENVIRONMENT: parse_environment,
    Kind.BRANCH: parse_branch,
    Kind.REPOSITORY: parse_repository,
}
MOST = 10_000


def listing(store: Store, *, state: str = "", kind: str = "", limit: int) -> list[WorkRow]:
    """Keys with work first, by when it is due. "" for every state and every kind."""
    rows = store.queue.rows(MOST)
    fitting = [r for r in rows if state in ("", r.state.value) and kind in ("", r.kind.value)]
    return fitting[:limit]


def one(store: Store, key: str) -> WorkRow:
    _check(key)
    found = store.queue.row(key)
    if found is None:
        raise Unusable(f"Nothing was ever to do for {key}. Keys are {KEYS}.")
    return found


def retry(store: Store, key: str) -> WorkRow:
    """Due now, parked or not; its failures are forgotten. The key as it stands afterwards."""
    before = one(store, key)
    store.queue.retry(key)
    facts = {"state": before.state.value, "error": before.last_error, **who()}
    store.record("queue.retry", key, facts)
    return one(store, key)


def park(store: Store, key: str, reason: str) -> WorkRow:
    """No run begins before `retry`. One that is under way ends as it would."""
    before = one(store, key)
    said = who()
    store.queue.park_key(key, f"parked by {said['by']}: {reason}")
    store.record("queue.park", key, {"reason": reason, "state": before.state.value, **said})
    return one(store, key)


def is_running(row: WorkRow) -> bool:
    return row.state is WorkState.RUNNING


def _check(key: str) -> None:
    """The whole key: a mistyped one would be parked beside the one that was meant."""
    try:
        _PARSERS[kind_of(key)](key)
    except ValueError as error:
        raise Unusable(f"{key!r} is no key. Keys are {KEYS}.") from error
