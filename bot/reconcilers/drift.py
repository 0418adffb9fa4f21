"""Drift: how a target differs from the revision that was deployed. Told once, healed on wish."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.domain.change import Change, Plan
from bot.domain.decide import EnvironmentFacts, StartSync, plan_refusal, plan_unclear
from bot.domain.record import Deployment, DeployState
from bot.ports import Claim, Clock, Stop, Store
from bot.reconcilers.sync import Syncs
from bot.reconcilers.workshop import Workshop


@dataclass(frozen=True, slots=True)
class DriftWatch:
    """Plans the deployed revision and leaves the plan unacted, unless the environment heals."""

    store: Store
    workshop: Workshop
    clock: Clock
    syncs: Syncs

    def look(self, facts: EnvironmentFacts, claim: Claim, stop: Stop) -> float | None:
        environment, record = facts.environment, facts.record
        assert record.revision is not None
        plan = self.workshop.prepare(environment, record.revision).plan
        stop()
        now = self.clock.now()
        if plan_unclear(plan) and not plan.effective:
            # No drift is seen, but not everything was: what is known of drift stays as it is.
            self.store.put_environment(replace(record, checked_at=now))
            return now + environment.drift_interval
        digest = plan.digest if plan.effective else ""
        seen = replace(record, checked_at=now, drift=digest, drifted=lines_of(plan))
        if digest and digest != record.drift:
            self._tell(facts, plan)
        heals = digest and environment.heal and not record.returned
        heals = heals and not plan_refusal(plan, commanded=False)
        # A look that is followed by healing stays due until that has begun, whatever happens.
        kept = replace(seen, checked_at=record.checked_at) if heals else seen
        self.store.put_environment(kept, self._rows(facts, seen.drifted, digest))
        if heals:
            step = StartSync(record.revision, f"drift:{digest}", commanded=False)
            return self.syncs.start(replace(facts, record=seen), step, claim, stop)
        return now + environment.drift_interval

    def _tell(self, facts: EnvironmentFacts, plan: Plan) -> None:
        self.store.record("drift", facts.environment.name, {
            "revision": facts.record.revision, "digest": plan.digest,
            "objects": [str(c.subject) for c in plan.effective[:100]],
        })  # fmt: skip

    def _rows(
        self, facts: EnvironmentFacts, lines: tuple[str, ...], digest: str
    ) -> list[Deployment]:
        """The pull request that brought what is deployed hears of it, and of its end."""
        record = facts.record
        brought = record.synced or record.revision
        if digest == record.drift or brought is None:
            return []
        state = DeployState.DRIFTED if digest else DeployState.HEALTHY
        rows = self.store.deployments_of(facts.environment.name, brought)
        now = self.clock.now()
        return [
            replace(r, state=state, text="", details=lines, updated_at=now)
            for r in rows
            if r.state in (DeployState.HEALTHY, DeployState.HEALED, DeployState.DRIFTED)
        ]


def lines_of(plan: Plan) -> tuple[str, ...]:
    """One line for each drifted object: what changed, and who changed it when that is known."""
    return tuple(_line(change) for change in plan.effective)


def _line(change: Change) -> str:
    who = sorted({f"{f.manager}" for f in change.fields if f.manager})
    paths = [f.path for f in change.fields]
    shown = ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
    by = f", set by {', '.join(who)}" if who else ""
    words = {"create": "is missing", "delete": "should not be there"}
    return f"{change.subject}: {words.get(change.action.value, shown)}{by}"
