"""What the contract suite of `ports.Target` needs from a cluster: an admin, a log, a namespace.

A further implementation adds a function that gives its `Endpoint` to `IMPLEMENTATIONS`. Cases
arrange and assert as admin over plain HTTP, and only the target under test speaks its own client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.change import Change, Manifest, Plan, Subject
from bot.domain.environment import Environment, Mode
from bot.domain.forge import RepoRef
from bot.errors import ClaimLost
from bot.ports import Applied, ObjectResult, Prepared, Target
from bot.renderers.yaml import load_manifests
from tests.contract.admin import Admin, Endpoint
from tests.testbed.access import ADMIN, Kubectl
from tests.testbed.audit import AuditedRequest

PREVIEWER, DEPLOYER, NOBODY = "previewer", "deployer", "nobody"
REVISION = "1" * 40
OTHER_REVISION = "2" * 40
MANAGER = "gitops-bot"
PART_OF = "applyset.kubernetes.io/part-of"
PARENT_ID = "applyset.kubernetes.io/id"


def kube_apiserver(request: pytest.FixtureRequest) -> Endpoint:
    """The real one of the testbed."""
    return _entitled(request, "control_plane")


RIGHTS = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: contract-suite}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects:
  - {{apiGroup: rbac.authorization.k8s.io, kind: User, name: {PREVIEWER}}}
  - {{apiGroup: rbac.authorization.k8s.io, kind: User, name: {DEPLOYER}}}
"""


def _entitled(request: pytest.FixtureRequest, fixture: str) -> Endpoint:
    """The users get their rights here: the cluster knows them by token only."""
    access: Endpoint = request.getfixturevalue(fixture)
    home = request.getfixturevalue("tmp_path_factory").mktemp("rights")
    kubectl = Kubectl(access, ADMIN, home)
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=RIGHTS)
    return access


def embedded(request: pytest.FixtureRequest) -> Endpoint:
    """The one of this product, in this process."""
    return _entitled(request, "embedded_cluster")


IMPLEMENTATIONS: dict[str, Callable[[pytest.FixtureRequest], Endpoint]] = {
    "embedded": embedded,
    "kube-apiserver": kube_apiserver,
}
# Cases about what an implementation says plainly that it does not do: docs/embedded-cluster.md names
# them, and tests/sandbox/cluster/test_refused.py shows how it refuses.
NOT_DONE: dict[str, frozenset[str]] = {
    "embedded": frozenset({
        "test_an_admission_policy_speaks_in_its_own_words",
        "test_t61_an_admission_denial_that_echoes_is_scrubbed",
    })
}  # fmt: skip
# Implementations that need the real programs of the testbed.
LIVE = frozenset({"kube-apiserver"})


class HandClock:
    """Stands still until a test moves it."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def step(self, seconds: float) -> None:
        self.at += seconds


class Witness:
    """A `WriteObserver` that remembers every write, and can forbid some as if the claim were
    lost. `moment(subject, verb)` runs before each write."""

    def __init__(
        self,
        forbids: Callable[[Subject, str], bool] = lambda _subject, _verb: False,
        moment: Callable[[Subject, str], None] = lambda _subject, _verb: None,
    ) -> None:
        self.announced: list[tuple[str, Subject]] = []
        self.done: list[tuple[str, Subject, str]] = []
        self._forbids = forbids
        self._moment = moment

    def before(self, subject: Subject, verb: str) -> None:
        self._moment(subject, verb)
        if self._forbids(subject, verb):
            raise ClaimLost("another worker owns the key")
        self.announced.append((verb, subject))

    def after(
        self, subject: Subject, verb: str, outcome: str, result: ObjectResult | None = None
    ) -> None:
        self.done.append((verb, subject, outcome))

    def verbs(self, name: str) -> list[str]:
        """What was announced for the objects of this name."""
        return [verb for verb, subject in self.announced if subject.name == name]


def manifests(text: str, file: str = "app.yaml") -> list[Manifest]:
    """Manifests as the renderer makes them."""
    return load_manifests(text.encode(), file)


def change(plan: Plan, name: str, kind: str = "") -> Change:
    """The one change of this name (and kind) in the plan."""
    found = [c for c in plan.changes if c.subject.name == name and kind in ("", c.subject.kind)]
    assert len(found) == 1, [str(c.subject) for c in plan.changes]
    return found[0]


def result(applied: Applied, name: str, kind: str = "") -> Any:
    """The one result of this name (and kind)."""
    found = [r for r in applied.results if r.subject.name == name and kind in ("", r.subject.kind)]
    assert len(found) == 1, applied.results
    return found[0]


class Cluster(Admin):
    """A namespace with its admin, the request log, and the target under test."""

    def __init__(self, endpoint: Endpoint, home: Path) -> None:
        super().__init__(endpoint, home)
        self.clock = HandClock()
        self._target: Target | None = None

    @property
    def target(self) -> Target:
        if self._target is None:
            self._target = self.new_target()
        return self._target

    def new_target(
        self,
        preview: str | Path = PREVIEWER,
        apply: str | Path = DEPLOYER,
        name: str = "bed",
    ) -> Target:
        """A target with these two identities; an identity may also be a kubeconfig."""
        from bot.targets.kubernetes.credentials import Credentials
        from bot.targets.kubernetes.target import KubernetesTarget

        return KubernetesTarget(
            name,
            Credentials(self.kubeconfig(preview)),
            Credentials(self.kubeconfig(apply)),
            clock=self.clock,
        )

    def unreachable_target(self) -> Target:
        """A target of which nothing answers; its waits between repeats take no time."""
        from bot.targets.kubernetes.credentials import Credentials
        from bot.targets.kubernetes.target import KubernetesTarget

        path = self.home / "unreachable.kubeconfig"
        # Port 9 (discard) of the loopback interface: the connection is refused at once.
        text = self.kubeconfig(DEPLOYER).read_text()
        path.write_text(text.replace(self.endpoint.server, "https://127.0.0.1:9"))
        credentials = Credentials(path)
        return KubernetesTarget(
            "gone", credentials, credentials, clock=self.clock, sleep=lambda _seconds: None
        )

    def kubeconfig(self, identity: str | Path) -> Path:
        if isinstance(identity, Path):
            return identity
        return self.endpoint.kubeconfig(identity, self.home / f"{identity}.kubeconfig")

    def environment(self, **changes: Any) -> Environment:
        """The environment `shop` in this namespace, which may write."""
        made = Environment(
            name="shop", repo=RepoRef("hub", 1), branch="main", path="deploy", target="bed",
            namespace=self.namespace, mode=Mode.DEPLOY,
        )  # fmt: skip
        return replace(made, **changes)

    def preview(self, text: str, base: str | None = None, **changes: Any) -> Plan:
        return self.target.preview(
            self.environment(**changes),
            manifests(text),
            None if base is None else manifests(base),
        )

    def prepare(self, text: str, **changes: Any) -> Prepared:
        return self.target.plan(self.environment(**changes), manifests(text))

    def plan(self, text: str, **changes: Any) -> Plan:
        return self.prepare(text, **changes).plan

    def sync(
        self,
        text: str,
        *,
        revision: str = REVISION,
        observer: Witness | None = None,
        **changes: Any,
    ) -> Applied:
        """Plan and act on that plan, whatever comes of it."""
        environment = self.environment(**changes)
        prepared = self.target.plan(environment, manifests(text))
        return self.target.apply(environment, prepared, revision, observer or Witness())

    def deploy(self, text: str, **changes: Any) -> Applied:
        """Plan and act, which must work."""
        applied = self.sync(text, **changes)
        assert applied.complete, applied.failures
        return applied

    def parent(self, **changes: Any) -> dict[str, Any] | None:
        """The parent object of the environment, found as any ApplySet tool would find it."""
        wanted = self.environment(**changes).name
        found = [p for p in self.list("ConfigMap", PARENT_ID) if wanted in p["metadata"]["name"]]
        assert len(found) <= 1
        return found[0] if found else None

    # The request log.

    def mark(self) -> int:
        return self.endpoint.audit_mark()

    def requests(self, since: int, *users: str) -> list[AuditedRequest]:
        """What the target (or these users) asked about this case's objects since the mark."""
        wanted = users or (PREVIEWER, DEPLOYER, NOBODY)
        return [
            r
            for r in self.endpoint.audit_requests(since)
            if r.user in wanted and self.namespace in f"{r.uri} {r.namespace} {r.name}"
        ]

    def writes(self, since: int, *users: str) -> list[AuditedRequest]:
        """The real writes among them that the server accepted, oldest first."""
        return [r for r in self.requests(since, *users) if r.is_write and r.succeeded]

    def written(self, since: int) -> list[str]:
        """Names of the objects really written, oldest first, without the parent object."""
        parent = self.parent()
        mine = parent["metadata"]["name"] if parent else ""
        return [r.name for r in self.writes(since) if r.name != mine]
