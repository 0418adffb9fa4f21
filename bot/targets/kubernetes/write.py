"""One write to one object, with everything around it: the claim, the lock, force or not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import orjson

from bot.domain.change import Action, Confidence, Subject
from bot.errors import BotError, ClaimLost, Temporary
from bot.ports import ObjectResult, WriteObserver
from bot.targets.kubernetes.answers import Answer, Refusal, describe, refusal
from bot.targets.kubernetes.compare import Step, taken
from bot.targets.kubernetes.discovery import Discovery, Resource
from bot.targets.kubernetes.owners import conflicts, is_conflict
from bot.targets.kubernetes.secrets import Scrubber, is_secret
from bot.targets.kubernetes.session import Session
from bot.targets.kubernetes.verbs import ApplyClient

# A kind that has just been defined answers 404 for a moment after discovery shows it.
SETTLE = (0.2, 0.5, 1.0, 2.0)


class Writer:
    """Writes the objects of one apply, from several threads. After `ClaimLost` nothing more."""

    def __init__(
        self, client: ApplyClient, discovery: Discovery, observer: WriteObserver,
        session: Session, sleep: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._client = client
        self._discovery = discovery
        self._observer = observer
        self._session = session
        self._sleep = sleep
        self._ended = threading.Event()

    def write(self, step: Step, *, locked: bool = True) -> ObjectResult:
        """Create or update. locked: False for the one write that comes before the lock."""
        verb = "create" if step.change.action is Action.CREATE else "update"
        return self._observed(step.subject, verb, lambda: self._applied(step), locked=locked)

    def delete(self, step: Step) -> tuple[ObjectResult, bool]:
        """The result, and whether the object is gone (no finalizer holds it)."""
        gone: list[bool] = []
        result = self._observed(step.subject, "delete", lambda: self._deleted(step, gone))
        return result, bool(gone and gone[0])

    def _observed(
        self, subject: Subject, verb: str, act: Callable[[], ObjectResult], *, locked: bool = True
    ) -> ObjectResult:
        try:
            if self._ended.is_set():
                raise ClaimLost("the claim was lost during this apply")
            if locked:
                self._session.ensure()
            self._observer.before(subject, verb)
        except BotError:
            self._ended.set()
            raise
        try:
            result = act()
        except Temporary as error:
            result = ObjectResult(subject, "failed", error.public, temporary=True)
        self._observer.after(subject, verb, result.outcome, result)
        return result

    def _applied(self, step: Step) -> ObjectResult:
        assert step.payload is not None
        resource = step.resource or self._defined(step.payload)
        if resource is None:
            return _failed(step, f"the cluster does not serve {step.subject.full_kind} yet", True)
        payload = _with_uid(step.payload, step.uid)
        path = resource.path(step.subject.namespace, step.subject.name)
        answer = self._settled(step, path, orjson.dumps(payload))
        if answer.status == 409:
            answer = self._taken_back(step, path, payload, answer)
        return _result(step, answer)

    def _defined(self, payload: dict[str, Any]) -> Resource | None:
        """A kind that this very apply has brought."""
        return self._discovery.catalog().find(str(payload["apiVersion"]), str(payload["kind"]))

    def _settled(self, step: Step, path: str, body: bytes) -> Answer:
        answer = self._client.apply(path, body, force=False)
        if step.change.confidence is not Confidence.SIMULATED:
            return answer
        for pause in SETTLE:
            if answer.status != 404:
                break
            self._sleep(pause)
            answer = self._client.apply(path, body, force=False)
        return answer

    def _taken_back(self, step: Step, path: str, payload: dict[str, Any], answer: Answer) -> Answer:
        """With force, if everything in the way is what the plan said it takes back."""
        said = refusal(answer)
        if not is_conflict(said):
            return answer
        found = {(c.field, c.manager) for c in conflicts(said, payload, {})}
        if not found <= taken(step.change):
            return answer
        return self._client.apply(path, orjson.dumps(payload), force=True)

    def _deleted(self, step: Step, gone: list[bool]) -> ObjectResult:
        assert step.resource is not None
        assert step.uid is not None
        path = step.resource.path(step.subject.namespace, step.subject.name)
        answer = self._client.delete(path, step.uid)
        if answer.status == 404:
            gone.append(True)
        elif not answer.ok:
            return _refused(step, refusal(answer))
        else:
            left = answer.json()
            gone.append(left.get("kind") == "Status" or not _held(left))
        return ObjectResult(step.subject, "deleted", uid=step.uid)


def _held(body: dict[str, Any]) -> bool:
    return bool((body.get("metadata") or {}).get("finalizers"))


def _with_uid(payload: dict[str, Any], uid: str | None) -> dict[str, Any]:
    """An object that was made anew since the plan is not overwritten: its uid is another."""
    if uid is None:
        return payload
    return {**payload, "metadata": {**payload["metadata"], "uid": uid}}


def _result(step: Step, answer: Answer) -> ObjectResult:
    if not answer.ok:
        return _refused(step, refusal(answer))
    metadata = answer.json()["metadata"]
    outcome = "unchanged" if metadata["resourceVersion"] == step.version else "written"
    return ObjectResult(
        step.subject, outcome, generation=metadata.get("generation"),
        uid=str(metadata.get("uid", "")), version=str(metadata["resourceVersion"]),
    )  # fmt: skip


def _refused(step: Step, said: Refusal) -> ObjectResult:
    if said.code == 409:
        return _failed(
            step, "it was changed or made anew since the plan; it is planned again", True
        )
    payload = step.payload or {}
    text = describe(said, Scrubber([payload]), secret=is_secret(payload))
    return _failed(step, text, said.temporary)


def _failed(step: Step, why: str, temporary: bool) -> ObjectResult:
    return ObjectResult(step.subject, "failed", why, temporary=temporary)
