"""What is left when a story is over: forge, cluster and store, without what may differ between
two runs of one story (times, ids of a cluster, and commits where they hold such)."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from bot.app.clock import SystemClock
from bot.domain.key import pull_request_key
from bot.domain.record import PreviewRecord
from bot.store.store import SqlStore, open_store
from tests.faults.world import World
from tests.live.story import golden

# Times, and what only says how often or when something was looked at.
LOOKS = {
    "previewed_at", "checked_at", "updated_at", "polled_at", "enrolled_at", "received_at",
    "created_at", "seen_at", "started_at", "since", "identity", "drift", "config_digest",
}  # fmt: skip
# Ids, and digests of texts in which a commit may differ; the texts themselves are compared.
NUMBERS = ("comment_id", "comment_digest", "deployment_id", "deployment_digest", "body", "inputs")


def picture(world: World) -> dict[str, Any]:
    store = open_store(f"sqlite:///{world.root}/bot.db", "cli", SystemClock())
    try:
        found = {
            "forge": _forge(world),
            "cluster": world.place.objects(),
            "store": _store(world, store),
        }
        return _plain(found, world)
    finally:
        store.close()


def _forge(world: World) -> dict[str, Any]:
    repo = world.repo
    comments = {
        number: [[c.author.login, golden(c.body), _reactions(world, c.id)]
                 for c in world.forge.comments(repo, number)]
        for number in sorted(repo.pulls)
    }  # fmt: skip
    newest = {(s.sha, s.context): [s.state, golden(s.description or "")] for s in repo.statuses}
    return {"comments": comments, "statuses": {" ".join(k): v for k, v in newest.items()}}


def _reactions(world: World, comment: int) -> list[str]:
    found = world.forge.reactions(world.repo, comment)
    return sorted(r.content for r in found if r.user.id == world.bot.id)


def _store(world: World, store: SqlStore) -> dict[str, Any]:
    enrolled = store.enrolments()
    numbers = sorted(world.repo.pulls)
    keys = [pull_request_key(e.repo, n) for e in enrolled for n in numbers]
    previews = [p for p in (store.preview(key) for key in keys) if p]
    rows = store.queue.rows()
    return {
        "enrolled": [[e.repo.id, sorted(e.heads)] for e in enrolled],
        "previews": [_preview(p) for p in previews],
        "environments": [asdict(e) for _, e in sorted(store.environments().items())],
        "deployments": [asdict(d) for key in keys for d in store.deployments(key)],
        "new commands": [store.new_commands(e.repo, n) for e in enrolled for n in numbers],
        "intents": [i for name in store.environments() for i in store.intents(name)],
        "bounds": [b.sha for key in keys for b in store.bounds(key)],
        "running": [row.key for row in rows if row.owner],
        "parked": [row.key for row in rows if row.state == "parked"],
    }


def _preview(record: PreviewRecord) -> dict[str, Any]:
    said = asdict(record)
    for name in NUMBERS:
        said[name] = bool(said[name])
    return said


def _plain(value: Any, world: World) -> Any:
    if isinstance(value, dict):
        return {_text(str(k), world): _plain(v, world) for k, v in value.items() if k not in LOOKS}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v, world) for v in value]
    return _text(value, world) if isinstance(value, str) else value


def _text(text: str, world: World) -> str:
    text = text.replace(world.place.namespace, "NAMESPACE")
    text = re.sub(r"applyset-[\w-]+", "APPLYSET", text)
    for number, sha in enumerate(_commits(world)):
        text = text.replace(sha, f"COMMIT-{number}").replace(sha[:7], f"SHORT-{number}")
    return re.sub(r"\b[0-9a-f]{40,64}\b", "DIGEST", text)


def _commits(world: World) -> list[str]:
    """Heads and merges in the order in which people made them."""
    return list(dict.fromkeys(world.commits))


def told(world: World) -> set[str]:
    """Names of the objects that the ledger says were about to be written (promise P7)."""
    store = open_store(f"sqlite:///{world.root}/bot.db", "cli", SystemClock())
    try:
        entries = store.newest_entries(kind="write.intent", limit=1000)
        return {str(entry.facts["object"]).rpartition("/")[2].split()[-1] for entry in entries}
    finally:
        store.close()
