"""One Kubernetes cluster as a target: the engine behind `ports.Target`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bot.domain.change import Manifest, Plan
from bot.domain.check import Check
from bot.domain.environment import Environment, Mode
from bot.domain.health import ObjectHealth
from bot.errors import Permanent, Temporary
from bot.ports import Applied, Clock, Holder, Inventory, Owned, Prepared, WriteObserver
from bot.targets.kubernetes.apply import Applier
from bot.targets.kubernetes.check import Checker
from bot.targets.kubernetes.client import Connection
from bot.targets.kubernetes.credentials import Credentials
from bot.targets.kubernetes.discovery import Discovery
from bot.targets.kubernetes.inventory import Contents, Parent, read_parent
from bot.targets.kubernetes.jobs import SUCCEEDED
from bot.targets.kubernetes.lanes import Lane, Lanes
from bot.targets.kubernetes.plan import Planner, PreparedPlan
from bot.targets.kubernetes.recovery import Recovery
from bot.targets.kubernetes.rollout import Rollout
from bot.targets.kubernetes.session import Session
from bot.targets.kubernetes.verbs import ApplyClient, PreviewClient

_T = TypeVar("_T")


class KubernetesTarget:
    """Implements `ports.Target`. Thread-safe; connects at the first request.

    preview, apply: the two identities. Previews use a client that cannot send a write; they share
    the limit of requests in flight with applies, and stand behind them.
    """

    def __init__(
        self, name: str, preview: Credentials, apply: Credentials, *, clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        lanes = Lanes()
        self.name = name
        self._clock = clock
        self._sleep = sleep
        self._reading = PreviewClient(
            Connection(preview, lanes, Lane.PREVIEW, fenced=True, sleep=sleep)
        )
        self._writing = ApplyClient(Connection(apply, lanes, Lane.APPLY, fenced=False, sleep=sleep))
        self._read_discovery = Discovery(self._reading)
        self._write_discovery = Discovery(self._writing)

    def preview(
        self, environment: Environment, manifests: Sequence[Manifest],
        base: Sequence[Manifest] | None = None,
    ) -> Plan:  # fmt: skip
        """See `ports.Target.preview`."""
        planner = Planner(self._reading, self._read_discovery, preview=True)
        return self._named(lambda: planner.prepare(environment, manifests, base)).plan

    def plan(self, environment: Environment, manifests: Sequence[Manifest]) -> PreparedPlan:
        """See `ports.Target.plan`."""
        planner = Planner(self._writing, self._write_discovery, preview=False)
        return self._named(lambda: planner.prepare(environment, manifests))

    def apply(
        self, environment: Environment, prepared: Prepared, revision: str, observer: WriteObserver,
        holder: Holder | None = None,
    ) -> Applied:  # fmt: skip
        """See `ports.Target.apply`."""
        if not isinstance(prepared, PreparedPlan):
            raise Permanent("This plan was not made by a Kubernetes target.")
        applier = Applier(self._writing, self._write_discovery, self._clock, self._sleep)
        return self._named(lambda: applier.apply(environment, prepared, revision, observer, holder))

    def owned(self, environment: Environment) -> Owned | None:
        """See `ports.Target.owned`."""
        parent = self._named(lambda: read_parent(self._writing, environment))
        return Owned(parent.subjects, parent.revision, parent.identity) if parent else None

    def health(
        self, environment: Environment, generations: Mapping[str, int],
        observer: WriteObserver | None = None, holder: Holder | None = None,
    ) -> list[ObjectHealth]:  # fmt: skip
        """See `ports.Target.health`."""
        parent = self._named(lambda: read_parent(self._writing, environment))
        if parent is None:
            return []
        rollout = Rollout(self._writing, self._write_discovery)
        found = self._named(lambda: rollout.look(parent.subjects, generations))
        if observer is not None and environment.mode is Mode.DEPLOY:
            self._remember_jobs(environment, parent, rollout, observer, holder)
        return found

    def _remember_jobs(
        self, environment: Environment, parent: Parent, rollout: Rollout, observer: WriteObserver,
        holder: Holder | None,
    ) -> None:  # fmt: skip
        """Write down Jobs that have just ended well. A sync that holds the parent does it."""
        names = {str(s) for s in rollout.succeeded}
        jobs = {
            name: {**known, "outcome": SUCCEEDED} if name in names else known
            for name, known in parent.jobs.items()
        }
        if jobs == parent.jobs:
            return
        contents = Contents(parent.subjects, parent.revision, parent.identity, None, jobs)
        session = Session(self._writing, environment, parent, observer, self._clock, holder=holder)
        try:
            session.refuse_if_locked()
            session.close(contents)
        except Temporary:
            return  # seen again at the next look

    def inventory(self, environment: Environment) -> Inventory:
        """See `ports.Target.inventory`."""
        return self._named(lambda: self._recovery().inventory(environment))

    def rebuild(
        self, environment: Environment, inventory: Inventory, revision: str | None,
        observer: WriteObserver, holder: Holder | None = None,
    ) -> None:  # fmt: skip
        """See `ports.Target.rebuild`."""
        rebuild = self._recovery().rebuild
        self._named(lambda: rebuild(environment, inventory, revision, observer, holder))

    def _recovery(self) -> Recovery:
        return Recovery(self._writing, self._write_discovery, self._clock)

    def check(self, environment: Environment) -> list[Check]:
        """See `ports.Target.check`."""
        return Checker(self.name, self._reading, self._writing).check(environment)

    def _named(self, act: Callable[[], _T]) -> _T:
        """Errors of the connection name the target: a person has several."""
        try:
            return act()
        except Temporary as error:
            raise Temporary(f"Target {self.name}: {error.public}", error.retry_after) from error
