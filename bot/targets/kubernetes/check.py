"""What `config check` asks a cluster: connection, identities, permissions, and the fence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bot.domain.check import Check, Result
from bot.domain.environment import Environment, Mode
from bot.errors import BotError
from bot.targets.kubernetes.answers import expect, refusal
from bot.targets.kubernetes.reading import parallel
from bot.targets.kubernetes.verbs import PreviewClient

# (group, resource) of what nearly every environment holds. Server-side apply is the verb patch,
# and create for what does not exist; a dry run needs the same verbs as the real thing.
COMMON = (
    ("", "configmaps"), ("", "secrets"), ("", "services"), ("", "serviceaccounts"),
    ("apps", "deployments"), ("apps", "statefulsets"), ("batch", "jobs"), ("batch", "cronjobs"),
    ("networking.k8s.io", "ingresses"),
)  # fmt: skip
PREVIEW_VERBS = ("get", "list", "create", "patch")
APPLY_VERBS = ("get", "list", "create", "patch", "delete")
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
FENCE = "gitops-bot-dry-run-fence"
FENCE_PARTS = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class Checker:
    """Asks as both identities of a target; writes nothing."""

    def __init__(self, name: str, preview: PreviewClient, apply: PreviewClient) -> None:
        self._name = name
        self._preview = preview
        self._apply = apply

    def check(self, environment: Environment) -> list[Check]:
        found = [self._reach("preview", self._preview)]
        if environment.mode is Mode.DEPLOY:
            found.append(self._reach("apply", self._apply))
        if any(c.result is Result.FAILED for c in found):
            return found
        found += self._rights(environment, "preview", self._preview, PREVIEW_VERBS)
        if environment.mode is Mode.DEPLOY:
            found += self._rights(environment, "apply", self._apply, APPLY_VERBS)
            found.append(self._inventory(environment))
        return [*found, *self._separation(environment)]

    def _what(self, text: str) -> str:
        return f"target {self._name}: {text}"

    def _reach(self, which: str, client: PreviewClient) -> Check:
        """Address, version, who we are, and the cluster's identity."""
        what = self._what(f"{which} identity reaches the API server")
        try:
            version = expect(client.get("/version"), "The version")
            user = _whoami(client)
            expect(client.get("/api/v1/namespaces/kube-system"), "Namespace kube-system")
        except BotError as error:
            return Check(what, Result.FAILED, error.public,
                         "check kubeconfig, context and network; the identity needs "
                         "`get` on namespace kube-system (deploy/rbac)")  # fmt: skip
        detail = f"{client.server}, {version.get('gitVersion')}, as {user}"
        return Check(what, Result.OK, detail)

    def _rights(
        self, environment: Environment, which: str, client: PreviewClient, verbs: Iterable[str]
    ) -> list[Check]:
        """One line for each namespace: what of the common kinds the identity may not do."""
        return [
            self._rights_in(namespace, which, client, tuple(verbs))
            for namespace in sorted({environment.namespace, *environment.allow.namespaces})
        ]

    def _rights_in(
        self, namespace: str, which: str, client: PreviewClient, verbs: tuple[str, ...]
    ) -> Check:
        what = self._what(f"{which} identity may work in namespace {namespace}")
        asked = [(verb, group, plural) for group, plural in COMMON for verb in verbs]
        try:
            answers = parallel(lambda a: _may(client, namespace, *a), asked)
        except BotError as error:
            return Check(what, Result.FAILED, error.public, "see the line above")
        missing = [_spelled(a) for a, allowed in zip(asked, answers, strict=True) if not allowed]
        if not missing:
            return Check(what, Result.OK)
        shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if missing[6:] else "")
        return Check(what, Result.WARNING, f"may not: {shown}",
                     "grant it (deploy/rbac), or leave such objects out")  # fmt: skip

    def _inventory(self, environment: Environment) -> Check:
        what = self._what(f"apply identity may keep the inventory in {environment.namespace}")
        verbs = ("get", "create", "update")
        lacking = [
            v for v in verbs if not _may(self._apply, environment.namespace, v, "", "configmaps")
        ]
        if not lacking:
            return Check(what, Result.OK)
        return Check(what, Result.FAILED, f"may not {', '.join(lacking)} configmaps",
                     "grant it (deploy/rbac/apply)")  # fmt: skip

    def _separation(self, environment: Environment) -> Iterator[Check]:
        what = self._what("previews run under an identity of their own")
        if self._preview.credentials == self._apply.credentials:
            yield Check(what, Result.WARNING, "preview and apply use the same credentials",
                        "give previews an identity that the dry-run fence holds (deploy/rbac)")  # fmt: skip
            return
        # Where nothing is ever written, the apply identity need not even work.
        acts = environment.mode is Mode.DEPLOY
        if acts and _whoami(self._preview) == _whoami(self._apply):
            yield Check(what, Result.WARNING, "both credentials are the same user",
                        "give previews an identity of their own (deploy/rbac)")  # fmt: skip
            return
        yield Check(what, Result.OK)
        yield self._fence(environment)

    def _fence(self, environment: Environment) -> Check:
        """RBAC does not tell dry runs apart: without the fence the preview identity could write.
        Nothing is tried for real; the fence is looked for."""
        what = self._what("the dry-run fence holds the preview identity")
        if not _may(self._preview, environment.namespace, "patch", "", "configmaps"):
            return Check(what, Result.OK, "the preview identity has no write verbs")
        answers = [self._preview.get(f"{ADMISSION}/{part}/{FENCE}") for part in FENCE_PARTS]
        absent = next((refusal(a) for a in answers if not a.ok), None)
        if absent is not None:
            return Check(what, Result.WARNING,
                         f"the preview identity may write for real, and the fence was not found "
                         f"({absent.code})",
                         "apply deploy/rbac/fence")  # fmt: skip
        user = _whoami(self._preview)
        if not _names(answers[0].json(), user):
            return Check(what, Result.WARNING, f"the fence is there, but does not name {user}",
                         "name that user in the match condition of deploy/rbac/fence")  # fmt: skip
        return Check(what, Result.OK, f"ValidatingAdmissionPolicy {FENCE} names {user}")


def _names(policy: dict[str, Any], user: str) -> bool:
    """Whether a match condition of the fence is about this user."""
    conditions = (policy.get("spec") or {}).get("matchConditions") or ()
    texts = [str(c.get("expression") or "") for c in conditions]
    return any(f"{quote}{user}{quote}" in text for text in texts for quote in ("'", '"'))


def _whoami(client: PreviewClient) -> str:
    question = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    body = expect(client.ask(WHO, question), "The bot's own user name")
    return str(body["status"]["userInfo"]["username"])


def _may(client: PreviewClient, namespace: str, verb: str, group: str, plural: str) -> bool:
    """Any answer but a clear yes is a no."""
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": plural}
    question: dict[str, Any] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    body = expect(client.ask(REVIEW, question), "The bot's own rights")
    return bool((body.get("status") or {}).get("allowed"))


def _spelled(asked: tuple[str, str, str]) -> str:
    verb, group, plural = asked
    return f"{verb} {plural}.{group}" if group else f"{verb} {plural}"
