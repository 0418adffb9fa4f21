"""Values that the tests of the domain tell stories with: small, named, and always the same."""

from __future__ import annotations

from bot.domain.change import (
    Action,
    Change,
    Confidence,
    FieldChange,
    FieldOwner,
    Ownership,
    Plan,
    Source,
    Subject,
)
from bot.domain.environment import Environment, Mode, SyncPolicy
from bot.domain.forge import Actor, PullRequest, RepoRef
from bot.domain.preview import EnvironmentPreview, Preview
from bot.domain.report import marker

REPO = RepoRef("github", 4711)
ALICE = Actor(1, "alice")
MALLORY = Actor(666, "mallory")
HEAD = "3f2c1ab" + "0" * 33
BASE = "9e01b77" + "1" * 33
MERGED = "77c0ffe" + "2" * 33
KEY = b"a key for the markers of the tests"
MARKER = marker(KEY, "preview", REPO, 42)
DEPLOY_MARKER = marker(KEY, "deployment", REPO, 42)

WEB = Subject("apps", "Deployment", "shop", "web")
CONFIG = Subject("", "ConfigMap", "shop", "settings")

IMAGE_DIFF = """\
@@ -14,7 +14,7 @@
 spec:
   template:
     spec:
       containers:
       - name: web
-        image: ghcr.io/acme/web:1.8.2
+        image: ghcr.io/acme/web:1.9.0
"""


def environment(name: str = "staging", **settings: object) -> Environment:
    facts = {
        "repo": REPO,
        "branch": "main",
        "path": f"apps/{name}",
        "target": "cluster",
        "namespace": "shop",
        "mode": Mode.DEPLOY,
    }
    return Environment(name=name, **{**facts, **settings})


def pull(**facts: object) -> PullRequest:
    known = {
        "repo": REPO,
        "number": 42,
        "author": ALICE,
        "head_sha": HEAD,
        "head_ref": "new-web",
        "head_repo": REPO.id,
        "base_ref": "main",
        "open": True,
        "merged": False,
    }
    return PullRequest(**{**known, **facts})


def merged_pull() -> PullRequest:
    return pull(open=False, merged=True, merge_commit=MERGED)


def image_change(**facts: object) -> Change:
    """The most ordinary change there is: a new image."""
    path = "spec.template.spec.containers[name=web].image"
    field = FieldChange(path, "ghcr.io/acme/web:1.8.2", "ghcr.io/acme/web:1.9.0")
    known = {
        "subject": WEB,
        "action": Action.UPDATE,
        "confidence": Confidence.SERVER,
        "fields": (field,),
        "diff": IMAGE_DIFF,
        "source": Source("apps/base/web.yaml", 1),
    }
    return Change(**{**known, **facts})


def created(subject: Subject, body: str, **facts: object) -> Change:
    diff = "".join(f"+{line}\n" for line in body.splitlines())
    known = {"action": Action.CREATE, "confidence": Confidence.SERVER, "diff": diff}
    return Change(subject=subject, **{**known, **facts})


def deleted(subject: Subject, **facts: object) -> Change:
    return Change(subject, Action.DELETE, Confidence.SERVER, **facts)


def taken_replicas() -> Change:
    owner = FieldOwner("spec.replicas", "kubectl-edit", Ownership.TAKEN, "2026-11-21T08:30:00Z")
    field = FieldChange("spec.replicas", 5, 3, "kubectl-edit", "2026-11-21T08:30:00Z")
    diff = " spec:\n-  replicas: 5\n+  replicas: 3\n   revisionHistoryLimit: 2\n"
    return image_change(owners=(owner,), fields=(field,), diff=diff)


def plan(name: str, *changes: Change, **facts: object) -> Plan:
    ordered = tuple(sorted(changes, key=lambda c: c.subject))
    return Plan(name, "uid-of-kube-system", ordered, **{"owned": 10, **facts})


def planned(name: str, *changes: Change, **facts: object) -> EnvironmentPreview:
    return EnvironmentPreview(environment(name), plan(name, *changes, **facts))


def manual(name: str, *changes: Change) -> EnvironmentPreview:
    where = environment(name, sync=SyncPolicy.MANUAL)
    return EnvironmentPreview(where, plan(name, *changes))


def preview(*environments: EnvironmentPreview, **facts: object) -> Preview:
    return Preview(pull(), BASE, environments, **facts)
