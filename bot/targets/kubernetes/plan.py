"""What a sync to a rendering would do: the order of questions, and the plan of the answers.

Inventory and identity, discovery, intake (scope comes before the first request about an object),
live objects by list, each object compared, what is no longer rendered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from bot.domain.change import Action, Change, Confidence, Manifest, Plan, Subject
from bot.domain.environment import Environment
from bot.targets.kubernetes import diff, prune
from bot.targets.kubernetes.answers import Refusal, expect
from bot.targets.kubernetes.compare import Ask, Comparer, Step
from bot.targets.kubernetes.discovery import Catalog, Discovery
from bot.targets.kubernetes.emit import unified, whole
from bot.targets.kubernetes.intake import Intake, Wanted, take_in
from bot.targets.kubernetes.inventory import (
    Parent,
    applyset_id,
    encode,
    other_claims,
    read_parent,
)
from bot.targets.kubernetes.jobs import ran_already
from bot.targets.kubernetes.normalize import PART_OF, shown
from bot.targets.kubernetes.reading import Address, Live, Reader, parallel
from bot.targets.kubernetes.secrets import Scrubber, masked, masked_git_pair
from bot.targets.kubernetes.verbs import PreviewClient

NOT_OWNED = "exists, not owned: it would be taken over"
NOT_COMPARED = "values are not compared with the cluster"


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """A plan with everything that acting on it needs: payloads, uids, the parent object."""

    plan: Plan
    steps: tuple[Step, ...] = field(repr=False)
    parent: Parent | None = field(repr=False)
    wanted: frozenset[Subject]


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every question of one plan stands on."""

    environment: Environment
    identity: str
    parent: Parent | None
    part_of: str

    @property
    def owned(self) -> frozenset[Subject]:
        return self.parent.subjects if self.parent else frozenset()


def read_identity(client: PreviewClient) -> str:
    """The cluster's identity: the uid of its kube-system namespace, which no copy shares."""
    answer = client.get("/api/v1/namespaces/kube-system")
    body = expect(answer, "The cluster's identity (namespace kube-system)")
    return str(body["metadata"]["uid"])


class Planner:
    """Plans as one identity. preview: nothing that a pull request may not see is in the plan."""

    def __init__(self, client: PreviewClient, discovery: Discovery, *, preview: bool) -> None:
        self._client = client
        self._discovery = discovery
        self._reader = Reader(client)
        self._preview = preview

    def prepare(
        self, environment: Environment, manifests: Sequence[Manifest],
        base: Sequence[Manifest] | None = None,
    ) -> PreparedPlan:  # fmt: skip
        ground, catalog = self._ground(environment)
        intake = take_in(environment, manifests, catalog, ground.part_of)
        if intake.unserved or intake.awaited:
            catalog = self._fresh(intake)
            intake = take_in(environment, manifests, catalog, ground.part_of)
        scrub = Scrubber(m.body for m in (*manifests, *(base or ())))
        round_ = _Round(self, ground, catalog, intake, scrub)
        steps, blocked = round_.steps(base)
        return self._prepared(ground, intake, steps, blocked)

    def _fresh(self, intake: Intake) -> Catalog:
        """Read anew: a catalog that is older than a CRD would call its objects new once they
        exist. Where the CRD is at hand no typing error is behind it, and nothing is spared."""
        return self._discovery.again(older_than=0.0) if intake.awaited else self._discovery.again()

    def _ground(self, environment: Environment) -> tuple[_Ground, Catalog]:
        with ThreadPoolExecutor(3) as pool:
            identity = pool.submit(read_identity, self._client)
            parent = pool.submit(read_parent, self._client, environment)
            catalog = pool.submit(self._discovery.catalog)
        ground = _Ground(environment, identity.result(), parent.result(), applyset_id(environment))
        return ground, catalog.result()

    def _prepared(
        self, ground: _Ground, intake: Intake, steps: list[Step], prune_blocked: str
    ) -> PreparedPlan:
        refused = [Step(change) for change in intake.refused]
        ordered = tuple(sorted([*refused, *steps], key=lambda s: s.subject))
        plan = Plan(
            ground.environment.name, ground.identity, tuple(s.change for s in ordered),
            len(ground.owned), ground.parent is None, policy_digest(ground.environment),
            _blocked(ground, intake), prune_blocked,
        )  # fmt: skip
        return PreparedPlan(
            plan, ordered, ground.parent, frozenset(w.subject for w in intake.wanted)
        )

    @property
    def client(self) -> PreviewClient:
        return self._client

    @property
    def reader(self) -> Reader:
        return self._reader

    @property
    def is_preview(self) -> bool:
        return self._preview


def _blocked(ground: _Ground, intake: Intake) -> tuple[str, ...]:
    """Sentences that keep the whole plan from being applied."""
    parent = ground.parent
    if parent is not None and parent.identity != ground.identity:
        sentence = (
            f"{ground.environment.name} was deployed to another cluster (identity "
            f"{parent.identity}), and this one is {ground.identity}; nothing is written until "
            "the environment is rebound"
        )
        return (sentence,)
    encode(ground.owned | intake.subjects)
    return ()


def policy_digest(environment: Environment) -> str:
    """Digest of what decides about scope and deletions, as part of a plan's digest."""
    allow, rule = environment.allow, environment.prune
    text = orjson.dumps([
        environment.namespace, environment.target, sorted(allow.namespaces),
        sorted(allow.cluster_kinds), None if allow.kinds is None else sorted(allow.kinds),
        rule.enabled, rule.max_objects, rule.max_percent, sorted(rule.protected_allowed),
    ])  # fmt: skip
    return hashlib.sha256(text).hexdigest()[:16]


class _Round:
    """One plan under way: reads what is needed and asks about each object."""

    def __init__(
        self, planner: Planner, ground: _Ground, catalog: Catalog, intake: Intake, scrub: Scrubber
    ) -> None:
        self._planner = planner
        self._ground = ground
        self._catalog = catalog
        self._intake = intake
        self._compare = Comparer(planner.client, scrub, preview=planner.is_preview)
        self._base: dict[Subject, dict[str, Any]] | None = None
        self._claims: prune.Claims | None = None

    def steps(self, base: Sequence[Manifest] | None) -> tuple[list[Step], str]:
        """Every wanted object's step, then what is pruned; and why nothing is ("" when it is)."""
        self._base = self._secrets_of(base)
        gone = self._ground.owned - self._intake.subjects
        old = prune.candidates(
            self._ground.environment, gone, self._catalog, self._definition_exists
        )
        addresses = {w.subject: self._address(w) for w in self._intake.wanted if w.resource}
        live = self._planner.reader.read([*addresses.values(), *old.addresses.values()])
        found = {s: live[a] for s, a in addresses.items()}
        self._claims = self._claims_if_needed(found, bool(old.addresses))
        first = [self._wanted(w, found) for w in self._intake.wanted]
        asked = iter(parallel(lambda ask: ask(), [a for a in first if not isinstance(a, Step)]))
        answered = [a if isinstance(a, Step) else next(asked) for a in first]
        steps = [self._with_maker(step, found) for step in answered]
        return self._pruned(steps, old, {s: live[a] for s, a in old.addresses.items()})

    def _pruned(
        self, steps: list[Step], old: prune.Candidates, live: dict[Subject, Live]
    ) -> tuple[list[Step], str]:
        environment = self._ground.environment
        home = prune.Home(environment, self._ground.part_of, self._claims or {})
        judged = [prune.judge(home, s, a.resource, live[s]) for s, a in old.addresses.items()]
        leaving = [*old.steps, *(step for step in judged if step is not None)]
        leaving, blocked = prune.within_budget(
            environment, leaving, len(self._ground.owned), rendered=len(self._intake.wanted)
        )
        return [*steps, *leaving], blocked

    def _with_maker(self, step: Step, found: dict[Subject, Live]) -> Step:
        live = found.get(step.subject)
        if not isinstance(live, dict) or not self._made_before(step.subject, live):
            return step
        return replace(step, change=replace(step.change, made_before=True))

    def _made_before(self, subject: Subject, live: dict[str, Any]) -> bool:
        """The environment's own Namespace is the one object that comes before the inventory that
        would know it: an apply that died between the two has left it with our label."""
        home = Subject("", "Namespace", "", self._ground.environment.namespace)
        label = (live["metadata"].get("labels") or {}).get(PART_OF)
        return subject == home and label == self._ground.part_of

    def _address(self, wanted: Wanted) -> Address:
        assert wanted.resource is not None
        return Address(
            wanted.resource, wanted.subject.namespace, wanted.subject.name,
            self._brings_value(wanted),
        )  # fmt: skip

    def _wanted(self, wanted: Wanted, live: dict[Subject, Live]) -> Step | Ask:
        found = live.get(wanted.subject)
        if isinstance(found, Refusal):
            return self._compare.unreadable(wanted, found)
        if found is not None:
            return self._existing(wanted, found)
        if wanted.resource is None or self._namespace_comes(wanted, live):
            return self._by_git(wanted, self._compare.simulated(wanted))
        if ran_already(wanted.subject, wanted.payload, self._ground.parent):
            return Step(Change(
                wanted.subject, Action.UNCHANGED, Confidence.PROVEN, source=wanted.source,
                reason="this Job has run to its end with this spec and is not created again",
            ), keep=True)  # fmt: skip
        return lambda: self._by_git(wanted, self._compare.create(wanted))

    def _existing(self, wanted: Wanted, live: dict[str, Any]) -> Step | Ask:
        stranger = self._other_environment(wanted.subject, live)
        if stranger:
            return Step(Change(
                wanted.subject, Action.CONFLICT, Confidence.SERVER, source=wanted.source,
                reason=f"belongs to environment {stranger}, and is not applied here until that "
                       "one gives it up",
            ))  # fmt: skip
        known = self._is_owned(wanted.subject, live) or self._made_before(wanted.subject, live)
        if self._planner.is_preview and not known:
            return Step(Change(
                wanted.subject, Action.UPDATE, Confidence.RENDERED, reason=NOT_OWNED,
                source=wanted.source,
            ))  # fmt: skip
        if self._brings_value(wanted):
            return self._secret_by_git(wanted)
        return self._compare.update(wanted, live)

    def _namespace_comes(self, wanted: Wanted, live: dict[Subject, Live]) -> bool:
        """Its namespace is part of the rendering and not there yet."""
        name = wanted.subject.namespace
        if name not in self._intake.namespaces:
            return False
        return live.get(Subject("", "Namespace", "", name)) is None

    def _is_owned(self, subject: Subject, live: dict[str, Any]) -> bool:
        label = (live["metadata"].get("labels") or {}).get(PART_OF)
        return subject in self._ground.owned and label == self._ground.part_of

    def _other_environment(self, subject: Subject, live: dict[str, Any]) -> str | None:
        """Whose inventory holds an object that carries another environment's label."""
        label = (live["metadata"].get("labels") or {}).get(PART_OF)
        if label in (None, self._ground.part_of):
            return None
        name, inventory = (self._claims or {}).get(label, ("", frozenset()))
        return name if subject in inventory else None

    def _claims_if_needed(self, found: dict[Subject, Live], pruning: bool) -> prune.Claims:
        foreign = any(
            isinstance(o, dict)
            and (o["metadata"].get("labels") or {}).get(PART_OF, self._ground.part_of)
            != self._ground.part_of
            for o in found.values()
        )
        if not pruning and not foreign:
            return {}
        return other_claims(self._planner.client, self._ground.environment)

    def _definition_exists(self, subject: Subject) -> bool:
        """May the CRD of a kind that is not served be there all the same? Any doubt is a yes."""
        crds = self._catalog.any_version(
            Subject("apiextensions.k8s.io", "CustomResourceDefinition", "", "")
        )
        if crds is None or self._catalog.stale:
            return True
        for page in self._planner.client.pages(crds.collection()):
            if not page.ok:
                return True
            for item in page.json().get("items") or ():
                spec = item["spec"]
                if (spec["group"], spec["names"]["kind"]) == (subject.group, subject.kind):
                    return True
        return False

    # What a pull request brings into a Secret is compared with Git only (T59): whether a guess
    # is right must not show, neither as a difference nor as a conflict or a refusal.

    def _secrets_of(self, base: Sequence[Manifest] | None) -> dict[Subject, dict[str, Any]] | None:
        if base is None or not self._planner.is_preview:
            return None
        intake = take_in(
            self._ground.environment, [m for m in base if m.body.get("kind") == "Secret"],
            self._catalog, self._ground.part_of,
        )  # fmt: skip
        return {w.subject: w.payload for w in intake.wanted}

    def _brings_value(self, wanted: Wanted) -> bool:
        """A Secret in a preview that is not, value for value, the one of the base branch."""
        if not (self._planner.is_preview and wanted.secret):
            return False
        return self._base is None or self._base.get(wanted.subject) != wanted.payload

    def _secret_by_git(self, wanted: Wanted) -> Step:
        change = Change(
            wanted.subject, Action.UPDATE, Confidence.RENDERED, reason=NOT_COMPARED,
            source=wanted.source,
        )  # fmt: skip
        return self._by_git(wanted, Step(change, wanted.resource))

    def _by_git(self, wanted: Wanted, step: Step) -> Step:
        """Of a Secret that a pull request brings: what Git changes, instead of anything live."""
        if self._base is None or not self._brings_value(wanted):
            return step
        if step.change.action not in (Action.CREATE, Action.UPDATE):
            return step
        base = self._base.get(wanted.subject)
        if base is None:
            text = whole(masked(shown(wanted.payload)), "+")
            fields = diff.git_fields({}, masked(shown(wanted.payload)))
        else:
            old, new = masked_git_pair(shown(base), shown(wanted.payload))
            text, fields = unified(old, new), diff.git_fields(old, new)
        return replace(step, change=replace(step.change, fields=fields, diff=text))
