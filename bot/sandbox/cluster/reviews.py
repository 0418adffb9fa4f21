"""Questions that are asked by POST and stored nowhere: who am I, what may I do, a token please."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.ports import Clock
from bot.sandbox.cluster.access import Access, Attributes
from bot.sandbox.cluster.accounts import ISSUER, AccountTokens
from bot.sandbox.cluster.identity import Authenticator
from bot.sandbox.cluster.metadata import timestamp
from bot.sandbox.cluster.model import (
    Address,
    Cause,
    Object,
    StatusError,
    User,
    bad_request,
    invalid,
)

AUTHORIZATION, AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
# Seconds a token lasts: unless asked otherwise, at least, and at most.
DEFAULT, LEAST, MOST = 3600, 600, 1 << 32
ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


class Reviews:
    """Answers of authorization.k8s.io and authentication.k8s.io, and TokenRequest."""

    def __init__(
        self, access: Access, authenticator: Authenticator, tokens: AccountTokens, clock: Clock
    ) -> None:
        self._access = access
        self._authenticator = authenticator
        self._tokens = tokens
        self._clock = clock
        self._answers: dict[str, Callable[[Object, User, str], Object]] = {
            "selfsubjectaccessreviews": self._self_access,
            "subjectaccessreviews": self._access_of,
            "localsubjectaccessreviews": self._access_of,
            "selfsubjectrulesreviews": self._rules,
            "selfsubjectreviews": self._self,
            "tokenreviews": self._token_review,
        }

    def answers(self, plural: str) -> bool:
        """Whether this kind is a question."""
        return plural in self._answers

    def ask(self, at: Address, body: Object, user: User) -> Object:
        """The question with its answer in `status`."""
        found = self._answers[at.resource.plural](body, user, at.namespace)
        head = {"kind": at.resource.kind, "apiVersion": at.resource.api_version}
        return {**head, "metadata": body.get("metadata") or {}, **found}

    def _self_access(self, body: Object, user: User, _: str) -> Object:
        spec = body.get("spec") or {}
        return {"spec": spec, "status": self._decision(user, _attributes(spec))}

    def _access_of(self, body: Object, _: User, namespace: str) -> Object:
        spec = body.get("spec") or {}
        wanted = _attributes(spec)
        if not spec.get("user") and not spec.get("groups"):
            raise _spec_fault("at least one of user or group must be specified")
        if namespace and wanted.namespace != namespace:
            raise _spec_fault(f"must match metadata.namespace: {namespace}")
        user = User(spec.get("user") or "", tuple(spec.get("groups") or ()))
        return {"spec": spec, "status": self._decision(user, wanted)}

    def _decision(self, user: User, wanted: Attributes) -> Object:
        decision = self._access.decide(user, wanted)
        reason = {"reason": decision.reason} if decision.reason else {}
        return {"allowed": decision.allowed, **reason}

    def _rules(self, body: Object, user: User, _: str) -> Object:
        namespace = (body.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise bad_request("no namespace on request")
        rules = [grant.rule for grant in self._access.grants(user, namespace, [])]
        status = {
            "resourceRules": [_resource_rule(r) for r in rules if r.get("resources")],
            "nonResourceRules": [_path_rule(r) for r in rules if r.get("nonResourceURLs")],
            "incomplete": False,
        }
        return {"metadata": {}, "spec": {}, "status": status}

    def _self(self, _body: Object, user: User, _: str) -> Object:
        created = timestamp(self._clock.now())
        return {"metadata": {"creationTimestamp": created}, "status": {"userInfo": _user(user)}}

    def _token_review(self, body: Object, _: User, _namespace: str) -> Object:
        spec = body.get("spec") or {}
        try:
            user = self._authenticator.user_of(spec.get("token") or "")
        except StatusError:
            return {"spec": spec, "status": {"user": {}, "error": "invalid bearer token"}}
        status = {"authenticated": True, "user": _user(user), "audiences": [ISSUER]}
        return {"spec": spec, "status": status}

    def token(self, account: Object, body: Object, *, dry_run: bool) -> Object:
        """TokenRequest: a token for this service account. A dry run makes none."""
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds") or DEFAULT
        _check_seconds(seconds)
        audiences = spec.get("audiences") or [ISSUER]
        if spec.get("boundObjectRef"):
            raise bad_request("the embedded cluster does not bind tokens to pods or secrets")
        metadata, now = account["metadata"], self._clock.now()
        made = "" if dry_run else self._tokens.issue(account, audiences, seconds)
        return {
            "kind": "TokenRequest",
            "apiVersion": f"{AUTHENTICATION}/v1",
            "metadata": {
                "name": metadata["name"], "namespace": metadata["namespace"],
                "uid": metadata["uid"], "creationTimestamp": timestamp(now),
            },
            "spec": {
                "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": None,
            },
            "status": {"token": made, "expirationTimestamp": timestamp(now + seconds)},
        }  # fmt: skip


def _attributes(spec: Object) -> Attributes:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (path is None):
        raise _spec_fault(ONE_OF)
    if resource is None:
        assert path is not None
        return Attributes(path.get("verb") or "", path=path.get("path") or "")
    return Attributes(
        resource.get("verb") or "", resource.get("group") or "", resource.get("version") or "",
        resource.get("resource") or "", resource.get("subresource") or "",
        resource.get("namespace") or "", resource.get("name") or "",
    )  # fmt: skip


def _spec_fault(why: str) -> StatusError:
    cause = Cause("FieldValueInvalid", f"Invalid value: null: {why}", "spec")
    return invalid(AUTHORIZATION, "", "", [cause])


def _check_seconds(seconds: Any) -> None:
    problem = ""
    if not isinstance(seconds, int) or seconds < LEAST:
        problem = "may not specify a duration less than 10 minutes"
    elif seconds > MOST:
        problem = "may not specify a duration larger than 2^32 seconds"
    if problem:
        text = f"Invalid value: {seconds}: {problem}"
        cause = Cause("FieldValueInvalid", text, "spec.expirationSeconds")
        raise invalid(AUTHENTICATION, "TokenRequest", "", [cause])


def _resource_rule(rule: Object) -> Object:
    names = ("verbs", "apiGroups", "resources", "resourceNames")
    return {name: rule[name] for name in names if rule.get(name)}


def _path_rule(rule: Object) -> Object:
    return {name: rule[name] for name in ("verbs", "nonResourceURLs")}


def _user(user: User) -> Object:
    found: Object = {"username": user.name}
    if user.uid:
        found["uid"] = user.uid
    if user.groups:
        found["groups"] = list(user.groups)
    if user.extra:
        found["extra"] = {key: list(values) for key, values in user.extra}
    return found
