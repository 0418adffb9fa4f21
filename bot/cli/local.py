"""`render`, `diff` and `sync`: the bot's engine on a local directory, without a forge."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bot.cli.session import Session, console, print_json, tell

if TYPE_CHECKING:
    from bot.app.local import Local
    from bot.app.local_sync import Synced
    from bot.domain.change import Plan, Subject
    from bot.ports import ObjectResult, WriteObserver
    from bot.reconcilers.sync import Journal

F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ONLY_WITHOUT = ("namespace", "kubeconfig", "context", "allow_exec", "name")
_TWO_WAYS = (
    "Say which environment: -e NAME for one of the configuration, or --namespace NAMESPACE for a "
    "directory without any configuration."
)


def _named(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    for each in value if isinstance(value, tuple) else (value,):
        if each is not None and not _NAME.fullmatch(each):
            raise click.BadParameter(f"{each!r} is not a name of a-z, 0-9 and dashes.", ctx, param)
    return value


_OPTIONS = [
    click.argument(
        "directory", type=click.Path(exists=True, file_okay=False, path_type=Path), default="."
    ),
    click.option(
        "-e", "--environment", help="Environment of the configuration; DIRECTORY is a checkout."
    ),
    click.option("-n", "--namespace", callback=_named, help="Namespace of objects that name none."),
    click.option("--name", callback=_named, help="Name to own objects under; from the directory."),
    click.option(
        "--renderer",
        type=click.Choice(["auto", "plain", "kustomize"]),
        default="auto",
        show_default=True,
        help="How manifests are made.",
    ),
    click.option("--json", "as_json", is_flag=True, help="The result as JSON."),
]
_TARGET_OPTIONS = [
    click.option(
        "--kubeconfig",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Default: $KUBECONFIG or ~/.kube/config.",
    ),
    click.option("--context", help="Context of the kubeconfig; its current one by default."),
    click.option("--allow-exec", is_flag=True, help="Let the kubeconfig start a login program."),
    click.option(
        "--allow-namespace",
        "allow_namespaces",
        multiple=True,
        callback=_named,
        metavar="NS",
        help="A further namespace that objects may be in. Repeatable.",
    ),
    click.option(
        "--allow-cluster-kind",
        "allow_cluster_kinds",
        multiple=True,
        metavar="KIND",
        help="A cluster-scoped kind, like Namespace or ClusterRole.rbac.authorization.k8s.io. "
        "Repeatable.",
    ),
    click.option(
        "--prune", is_flag=True, help="Also delete owned objects that are not here any more."
    ),
]


def _with(options: list[Callable[[F], F]]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@dataclass(frozen=True, slots=True)
class Choice:
    """What the options say of the environment."""

    session: Session
    given: dict[str, Any]

    def open(self) -> Local:
        """From the configuration or from the options alone; both at once is a mistake."""
        self.session.quiet_log()
        if self.given["environment"]:
            return self._configured()
        if not self.given["namespace"]:
            raise click.UsageError(_TWO_WAYS)
        return self._unconfigured()

    def _configured(self) -> Local:
        from bot.app.local import configured

        lists = ("allow_namespaces", "allow_cluster_kinds")
        extra = [o for o in (*_ONLY_WITHOUT, *lists) if self.given.get(o)]
        if extra or self.given["renderer"] != "auto":
            option = (extra or ["renderer"])[0].replace("_", "-").removesuffix("s")
            raise click.UsageError(f"--{option} cannot be used with -e: the configuration says it.")
        name, directory = self.given["environment"], self.given["directory"]
        return configured(
            self.session.config, name, directory, prune=self.given.get("prune", False)
        )

    def _unconfigured(self) -> Local:
        from bot.app.local import Place, unconfigured
        from bot.domain.environment import Allow, RendererName

        given = self.given
        allow = Allow(
            frozenset(given.get("allow_namespaces", ())),
            frozenset(given.get("allow_cluster_kinds", ())),
        )
        place = Place(
            given["directory"], given["namespace"], given["name"], RendererName(given["renderer"]),
            allow, given.get("kubeconfig"), given.get("context"), given.get("allow_exec", False),
        )  # fmt: skip
        return unconfigured(place, prune=given.get("prune", False))


@click.command()
@_with(_OPTIONS)
@click.option("--show-secrets", is_flag=True, help="Show the values of Secrets, too.")
@click.pass_obj
def render(session: Session, /, as_json: bool, show_secrets: bool, **given: Any) -> None:
    """Show the manifests that DIRECTORY renders to.

    Values of Secrets are hidden unless --show-secrets is given.
    """
    from bot.cli.rendered import show_rendering

    # No cluster is asked, so the namespace only matters for what comes later.
    given["namespace"] = given["namespace"] or (None if given["environment"] else "default")
    rendering = Choice(session, given).open().render()
    show_rendering(rendering, secrets=show_secrets, as_json=as_json)


@click.command()
@_with(_OPTIONS + _TARGET_OPTIONS)
@click.pass_context
def diff(ctx: click.Context, /, as_json: bool, **given: Any) -> None:
    """Show what a sync of DIRECTORY would change.

    The API server itself answers (a dry run of every object), and nothing is written. Exit code:
    0 nothing would change, 1 changes, 2 trouble.
    """
    local = Choice(ctx.obj, given).open()
    ctx.exit(show_diff(local, as_json=as_json))


def show_diff(local: Local, *, as_json: bool) -> int:
    """Plan, show, and say the exit code."""
    from bot.app.local import verdict
    from bot.cli.plan import show_plan
    from bot.cli.shapes import plan_json

    tell(f"planning {local.environment.name}")
    plan = local.prepare(local.render()).plan
    if as_json:
        print_json(plan_json(plan))
    else:
        show_plan(plan, console())
    _hint(local, plan)
    return verdict(plan)


def _hint(local: Local, plan: Plan) -> None:
    """What left the directory stays, and the word that deletes it is one option away."""
    from bot.domain.change import Action

    kept = plan.counts()[Action.KEEP]
    if kept and not local.environment.prune.enabled:
        tell(f"{kept} owned objects are not in the directory any more; --prune deletes them")


@click.command()
@_with(_OPTIONS + _TARGET_OPTIONS)
@click.option(
    "--wait/--no-wait", "wait_", default=True, help="Wait until everything is healthy (default)."
)
@click.option(
    "--timeout", type=click.FloatRange(min=1), help="Seconds to wait; from the policy by default."
)
@click.pass_context
def sync(
    ctx: click.Context, /, as_json: bool, wait_: bool, timeout: float | None, **given: Any
) -> None:
    """Make the cluster match DIRECTORY.

    Objects are never deleted without --prune, and then only within the budget. Exit code: 0 done,
    2 trouble.
    """
    local = Choice(ctx.obj, given).open()
    claim = _claim(ctx.obj, local) if given["environment"] else nullcontext
    patience = timeout or local.environment.health_timeout
    ctx.exit(run_sync(local, claim, patience if wait_ else None, as_json=as_json))


def run_sync(
    local: Local,
    claim: Callable[[], AbstractContextManager[Journal | None]],
    patience: float | None,
    *,
    as_json: bool,
) -> int:
    """Write under the claim, wait without it, show. patience: seconds; None for not waiting."""
    from bot.app.local_sync import apply, note_end, ran_jobs, remember_jobs, wait

    with claim() as journal:
        synced = apply(local, _observers(journal), tell, journal)
    if patience is not None and synced.applied and synced.applied.complete:
        synced = wait(local, synced, patience, tell)
    note_end(journal, synced)
    if patience is not None and ran_jobs(synced):
        with claim() as journal:
            remember_jobs(local, _observers(journal), journal.holder if journal else None)
    _show(synced, as_json=as_json)
    _hint(local, synced.plan)
    return 0 if synced.done else 2


def _observers(journal: Journal | None) -> WriteObserver:
    """The journal first: it may forbid the write."""
    from bot.app.local_sync import Observers

    return Observers((journal, Narrator()) if journal else (Narrator(),))


def _show(synced: Synced, *, as_json: bool) -> None:
    from bot.cli.plan import show_synced
    from bot.cli.shapes import synced_json

    if as_json:
        print_json(synced_json(synced))
    else:
        show_synced(synced, console())


class Narrator:
    """Tells each write when it is done."""

    def before(self, subject: Subject, verb: str) -> None:
        """Nothing is worth a line before it happened."""

    def after(
        self,
        subject: Subject,
        verb: str,
        outcome: str,
        result: ObjectResult | None = None,  # noqa: ARG002  # for the ledger, not for the eye
    ) -> None:
        tell(f"  {verb} {subject}: {outcome}")


def _claim(session: Session, local: Local) -> Callable[[], AbstractContextManager[Journal]]:
    """Claims in the configured store. No store, no sync: a worker may be at work."""
    from bot.app.clock import SystemClock
    from bot.app.local_sync import claimed
    from bot.config import load
    from bot.store.store import open_store

    clock = SystemClock()
    store = open_store(load(session.config, secrets=False).store.url, "cli", clock)
    store.migrate()
    return partial(claimed, store, clock, local.environment.name, tell)
