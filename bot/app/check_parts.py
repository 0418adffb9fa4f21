"""What `config check` asks: each function is one question and answers with one or more lines.

Nothing here writes: no database is made or migrated, no mirror is begun.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.app.wiring import App
from bot.config import Settings
from bot.domain.check import Check, Result
from bot.domain.environment import Environment, Mode, RendererName
from bot.domain.forge import RepoRef
from bot.domain.pattern import placeholders
from bot.errors import Permanent
from bot.git.mirror import Mirrors
from bot.git.program import Remote
from bot.isolation import MIB, ToolMissing, probe
from bot.renderers.kustomize import find_tool

# The first release without the WAL-reset fault (https://sqlite.org/wal.html, "WAL-reset").
SAFE_SQLITE = (3, 51, 3)
# A mirror and a database of some hundred repositories fit; much less ends in a full disk soon.
LITTLE_SPACE = 512 * MIB
# Of a pattern whose directories choose their namespace; more of them tell nothing new.
MEMBERS_CHECKED = 5


@dataclass(frozen=True, slots=True)
class Part:
    """One question. name: what it is called while it runs and when it does not answer."""

    name: str
    ask: Callable[[], list[Check]]


def parts(settings: Settings) -> list[Part]:
    """Everything that takes time, in the order in which it is shown."""
    app = App(settings, "cli")
    found = [
        Part("git", git),
        Part("kustomize", partial(kustomize, settings)),
        Part("sandbox", lambda: probe().checks()),
        Part("store", partial(store, app)),
        Part("directory", partial(directory, settings.store.directory)),
    ]
    found += [
        Part(f"forge {forge}: {name}", partial(repository, app, forge, name))
        for forge, name in repositories(settings)
    ]
    found += [
        Part(f"environment {name}", partial(environment, app, name)) for name in settings.literals
    ]
    return found + [
        Part(f"pattern {name}", partial(pattern, app, name)) for name in settings.patterns
    ]


def repositories(settings: Settings) -> list[tuple[str, str]]:
    """(forge, owner/name), each once."""
    return sorted({(settings.forge_of(e), e.repository) for e in settings.environments.values()})


def secrets(settings: Settings) -> list[Check]:
    """Loading has read them all and measured them; here stands where each one comes from."""
    wanted = [("server.key", settings.server.key)]
    wanted += [(f"forges.{n}.token", f.token) for n, f in settings.forges.items()]
    for name, hook in settings.hooks.items():
        wanted += [(f"hooks.{name}.secrets[{i}]", s) for i, s in enumerate(hook.secrets)]
    wanted += [(f"ledger.previous[{i}]", s) for i, s in enumerate(settings.ledger.previous)]
    own = settings.ledger.key
    wanted += [("ledger.key", own)] if own else []
    found = [Check(f"secret {key}", Result.OK, secret.where) for key, secret in wanted]
    return found if own else [*found, _NO_KEY]


_NO_KEY = Check(
    "secret ledger.key",
    Result.WARNING,
    "the ledger is sealed with a key made from server.key: who reads that can forge seals",
    "give the ledger a key of its own: `openssl rand -hex 32`, see docs/ledger.md",
)


def hooks(settings: Settings) -> list[Check]:
    """Repositories that no hook speaks for are found by looking, so later."""
    heard = {(h.forge, r.lower()) for h in settings.hooks.values() for r in h.repositories}
    checks = []
    for forge, name in repositories(settings):
        if (forge, name.lower()) in heard:
            continue
        every = settings.forges[forge].poll_interval
        detail = f"no hook speaks for it: what happens there is found only every {every:g} s"
        remedy = "list it under `hooks` and set up the webhook at the forge"
        checks.append(Check(f"webhook of {name}", Result.WARNING, detail, remedy))
    return checks


def credentials(settings: Settings) -> list[Check]:
    """A preview that holds the rights of a sync is one mistake away from being one."""
    checks = []
    for name, target in settings.targets.items():
        what = f"target {name}: two credentials"
        if target.preview == target.apply:
            detail = "previews of pull requests use the credentials that syncs use"
            remedy = (
                "make an identity for previews that may do dry runs only (deploy/ has the roles)"
            )
            checks.append(Check(what, Result.WARNING, detail, remedy))
        else:
            checks.append(Check(what, Result.OK, "previews and syncs use different ones"))
    return checks


def git() -> list[Check]:
    """In a room of its own, so that nothing is begun in the bot's."""
    with tempfile.TemporaryDirectory(prefix="gitops-bot-") as room:
        return Mirrors(Path(room), _no_remote).check()


def _no_remote(repo: RepoRef) -> Remote:
    raise Permanent(f"{repo}: a check fetches nothing")


def kustomize(settings: Settings) -> list[Check]:
    """Missing is a failure only where an environment is bound to need it."""
    configured, uses = (
        settings.tools.kustomize,
        [e.renderer for e in settings.environments.values()],
    )
    try:
        tool = find_tool(str(configured) if configured else None)
    except ToolMissing as error:
        if all(u is RendererName.PLAIN for u in uses):
            return [Check("kustomize", Result.OK, "not found, and no environment needs it")]
        needed = configured is not None or RendererName.KUSTOMIZE in uses
        result = Result.FAILED if needed else Result.WARNING
        remedy = "install kubectl, kustomize or gitops-bot[kubectl], or set `tools.kustomize`"
        return [Check("kustomize", result, error.public, remedy)]
    return [Check("kustomize", Result.OK, f"{tool} at {tool.path}")]


def store(app: App) -> list[Check]:
    """The database, if there is one, else the directory where it will be."""
    path = Path(app.settings.store.url.removeprefix("sqlite:///"))
    if not path.exists():
        found = directory(path.parent, "database")
        fresh = Check("database", Result.OK, f"{path} will be made at the first start")
        return [*(found if found[0].result is Result.FAILED else [fresh]), sqlite()]
    about = app.store.about()
    detail = f"{path}, schema {about['schema']}"
    writes = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if not writes:
        remedy = f"give the bot's account the file and its directory {path.parent}"
        return [Check("database", Result.FAILED, f"{detail}, may not be written", remedy), sqlite()]
    if about["schema"] != about["newest"]:
        pending = f"{detail}: the next start brings it to {about['newest']}"
        remedy = "make a backup first; an older version does not read it afterwards"
        return [Check("database", Result.WARNING, pending, remedy), sqlite()]
    app.store.workers()  # a file that cannot be read fails here
    return [Check("database", Result.OK, detail), sqlite()]


def sqlite() -> Check:
    """Older libraries can damage a database when two connections checkpoint at once."""
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return Check("SQLite library", Result.OK, version)
    detail = (
        f"{version} has the WAL-reset fault (fixed in 3.51.3). The bot keeps clear of it by making "
        "checkpoints in one place only; open its database with no other program while it runs"
    )
    return Check("SQLite library", Result.OK, detail)


def directory(path: Path, name: str = "store.directory") -> list[Check]:
    """Writable, or creatable; with some room left."""
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        remedy = f"make {path} and give it to the bot's account"
        return [Check(name, Result.FAILED, f"{there} may not be written", remedy)]
    free = shutil.disk_usage(there).free
    detail = f"{path}, {free // MIB} MiB free"
    if free < LITTLE_SPACE:
        return [Check(name, Result.WARNING, detail, "make room, or choose another disk")]
    return [Check(name, Result.OK, detail)]


def repository(app: App, forge: str, name: str) -> list[Check]:
    """The name is looked up now, so this is also the check that the token sees it."""
    found = app.forges[forge].repository(name)
    return app.forges[forge].check(found.ref)


def pattern(app: App, name: str) -> list[Check]:
    """What its environments need of their target. Where a directory chooses target or namespace,
    the environments that are there are asked; before the first one there is nobody to ask."""
    settings = app.settings.environments[name]
    if not (placeholders(settings.namespace) or placeholders(settings.target)):
        return environment(app, name)
    known = _members(app, name)
    checks = [c for e in known[:MEMBERS_CHECKED] for c in app.targets[e.target].check(e)]
    detail = f"{len(known)} environments so far"
    if not known:
        detail = "no environment yet: target and namespace are checked when there is one"
    elif len(known) > MEMBERS_CHECKED:
        detail += f", {MEMBERS_CHECKED} of them were checked"
    return [*checks, Check(f"pattern {name}", Result.OK, detail)]


def _members(app: App, name: str) -> list[Environment]:
    path = Path(app.settings.store.url.removeprefix("sqlite:///"))
    return [e for e in app.catalog().environments if e.pattern == name] if path.exists() else []


def environment(app: App, name: str) -> list[Check]:
    """Everything that its target must let the bot do."""
    settings = app.settings.environments[name]
    bound = settings.bind(name, RepoRef(app.settings.forge_of(settings), 0))
    checks = list(app.targets[settings.target].check(bound))
    if bound.mode is Mode.OBSERVE:
        what, detail = f"environment {name}", "observe mode: nothing is ever written to it"
        checks.append(Check(what, Result.OK, detail))
    return checks
