"""The word of a person that ends an environment whose directory is gone: its objects go, too.

Until then nothing is deleted, whatever Git says. The plan that is shown is the plan that is acted
on; what changed in between is refused by its uid. Protected kinds stay without an explicit word in
the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.app.local_sync import Tell, claimed, wait_for_claim
from bot.app.operator import to_write, who
from bot.app.wiring import App
from bot.config import Settings
from bot.domain.catalog import Catalog
from bot.domain.decide import plan_refusal
from bot.domain.environment import Environment, Mode
from bot.domain.key import branch_key
from bot.domain.record import EnvironmentRecord
from bot.errors import Permanent
from bot.ports import Applied, Prepared


@dataclass(frozen=True, slots=True)
class Ending:
    """What would be deleted of an environment that is gone."""

    app: App
    environment: Environment
    prepared: Prepared


def propose(app: App, name: str) -> Ending:
    """Plan with nothing wanted. `Permanent` for an environment that lives: what should go there
    leaves Git first, and goes within the budget."""
    environment = _gone(app.catalog(), name)
    if environment.mode is Mode.OBSERVE:
        raise Permanent(f"{name} is in observe mode: nothing is ever written to it")
    if not environment.prune.enabled:
        raise Permanent(f"the configuration switches the prune of {name} off")
    ending = replace(environment, prune=replace(environment.prune, ending=True))
    return Ending(app, ending, app.targets[ending.target].plan(ending, ()))


def opened(settings: Settings) -> App:
    """The application on the database that is there."""
    app = App(settings, "cli")
    vars(app)["store"] = to_write(settings)
    return app


def _gone(catalog: Catalog, name: str) -> Environment:
    found = next((made for made, _ in catalog.gone if made.name == name), None)
    if found is not None:
        return found
    if name in catalog.by_name:
        raise Permanent(
            f"{name} lives: its directory {catalog.by_name[name].path} is on its branch. Only the "
            "objects of an environment whose directory is gone are removed this way"
        )
    names = ", ".join(made.name for made, _ in catalog.gone) or "none"
    raise Permanent(f"There is no environment {name} whose directory is gone; there is: {names}")


def prune(ending: Ending, tell: Tell) -> Applied:
    """Delete what was proposed, under the environment's claim, then give its name up."""
    app, environment = ending.app, ending.environment
    refusal = plan_refusal(ending.prepared.plan, commanded=True)
    if refusal:
        raise Permanent(refusal)
    with claimed(app.store, app.clock, environment.name, tell) as journal:
        _gone(app.catalog(), environment.name)  # it may have come back meanwhile
        journal.note("environment.pruned", target=environment.target, **who())
        revision = app.store.environment(environment.name).revision or "pruned"
        applied = app.targets[environment.target].apply(
            environment, ending.prepared, revision, journal, journal.holder
        )
        if applied.complete:
            _give_up(app, environment, tell)
    return applied


def _give_up(app: App, environment: Environment, tell: Tell) -> None:
    """Nothing of it is left, so its name is free, and nothing of it counts as deployed. Under the
    branch's claim: its own run writes the same record."""
    queue = app.store.queue
    claim = wait_for_claim(queue, branch_key(environment.repo, environment.branch), tell)
    try:
        record = app.catalog().branch(environment.repo, environment.branch)
        rest = tuple(m for m in record.members if m.name != environment.name)
        app.store.put_branch(replace(record, members=rest))
        app.store.put_environment(EnvironmentRecord(environment.name))
    finally:
        queue.finish(claim, app.clock.now())
