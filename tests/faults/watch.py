"""Stands at every port of a running bot and tells each step and moment to whoever listens."""

from __future__ import annotations

import inspect
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

from sqlalchemy import Connection, event

from bot.app.wiring import App
from bot.domain.change import Subject
from bot.domain.key import kind_of
from bot.store.engine import _WRITES
from tests.faults import classify
from tests.faults.steps import Moment, Step

# The exit code of a process that did something which stands in no registry.
UNKNOWN_STEP = 71

Told = Callable[[Step, Moment], None]


class Watch:
    """Per thread: the step of the record under way, and effects that no record followed yet."""

    def __init__(self, app: App, told: Told) -> None:
        self._store = app.store
        self._told = told
        self._here = threading.local()
        engine: Any = app.store._database._engine
        event.listen(engine, "begin", partial(self._of_record, Moment.BEFORE))
        event.listen(engine, "commit", partial(self._of_record, Moment.DONE))

    def tell(self, step: Step, moment: Moment) -> None:
        self._told(step, moment)

    @contextmanager
    def run_of(self, key: str) -> Iterator[None]:
        self._here.flow, self._here.pending = kind_of(key), []
        try:
            yield
        finally:
            self._here.flow = ""

    def effect(self, call: classify.Call, act: Callable[[], Any], given: dict[str, Any]) -> Any:
        """RECORDED is told when the next record of this thread is committed."""
        step = self._named(call, given)
        self.tell(step, Moment.BEFORE)
        answer = act()
        self.tell(step, Moment.DONE)
        self._here.pending = [*getattr(self._here, "pending", []), step]
        return answer

    def record(self, call: classify.Call, act: Callable[[], Any], given: dict[str, Any]) -> Any:
        """Nothing is told of a call that wrote nothing."""
        step, here = self._named(call, given), self._here
        here.step, here.begun, here.done = step, False, False
        try:
            answer = act()
        finally:
            here.step = None
        if here.done:
            for effect in getattr(here, "pending", []):
                self.tell(effect, Moment.RECORDED)
            here.pending = []
            self.tell(step, Moment.RECORDED)
        return answer

    def _named(self, call: classify.Call, given: dict[str, Any]) -> Step:
        """The end of the process, where the product does something that is no step: an error
        would only be a failed run, and be tried again."""
        try:
            return call(self._store, given, getattr(self._here, "flow", ""))
        except Exception:
            traceback.print_exc()
            os._exit(UNKNOWN_STEP)

    def _of_record(self, moment: Moment, connection: Connection) -> None:
        """A record is told once, however many transactions it has. Reads begin and commit as
        well; only what may write is marked by the store."""
        here = self._here
        step = getattr(here, "step", None)
        if step is None or not connection.get_execution_options().get(_WRITES):
            return
        if moment is Moment.BEFORE and not here.begun:
            here.begun = True
            self.tell(step, moment)
        if moment is Moment.DONE and not here.done:
            here.done = True
            self.tell(step, moment)


class Port:
    """A port with a watch at the calls of `table`; everything else goes straight through."""

    def __init__(self, inner: Any, table: dict[str, classify.Call], tell: Callable[..., Any]):
        self._inner, self._table, self._tell = inner, table, tell

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        call = self._table.get(name)
        if call is None:
            return found
        signature = inspect.signature(found)

        @wraps(found)
        def watched(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            return self._tell(call, lambda: found(*args, **kwargs), given)

        return watched


class StorePort(Port):
    """Its queue is a port as well."""

    def __init__(self, store: Any, watch: Watch) -> None:
        super().__init__(store, classify.STORE, watch.record)
        self.queue = Port(store.queue, classify.QUEUE, watch.record)
        self._files = Port(store, classify.FILES, watch.effect)

    def checkpoint(self) -> bool:
        done: bool = self._files.checkpoint()
        return done


class Writes:
    """A `WriteObserver` between the engine and the journal."""

    def __init__(self, inner: Any, watch: Watch, *, jobs: bool) -> None:
        self._inner, self._watch, self._jobs = inner, watch, jobs
        self._locked = False

    def before(self, subject: Subject, verb: str) -> None:
        self._inner.before(subject, verb)
        self._watch.tell(self._step(subject, verb), Moment.BEFORE)

    def after(self, subject: Subject, verb: str, outcome: str, *more: Any) -> None:
        step = self._step(subject, verb)
        self._watch.tell(step, Moment.DONE)
        self._inner.after(subject, verb, outcome, *more)
        self._watch.tell(step, Moment.RECORDED)
        self._locked = self._locked or verb == "lock"

    def _step(self, subject: Subject, verb: str) -> Step:
        return classify.write_of(verb, subject.kind, locked=self._locked, jobs=self._jobs)


class TargetPort:
    """A target whose writes are watched."""

    def __init__(self, inner: Any, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def apply(self, environment: Any, prepared: Any, revision: str, observer: Any, *more: Any):
        seen = Writes(observer, self._watch, jobs=False)
        return self._inner.apply(environment, prepared, revision, seen, *more)

    def health(self, environment: Any, generations: Any, observer: Any = None, *more: Any):
        seen = Writes(observer, self._watch, jobs=True) if observer else None
        return self._inner.health(environment, generations, seen, *more)


class ReconcilerPort:
    """Says in which flow a thread is."""

    def __init__(self, inner: Any, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def reconcile(self, claim: Any, stop: Any) -> float | None:
        with self._watch.run_of(claim.key):
            return self._inner.reconcile(claim, stop)

    def report_poison(self, claim: Any) -> None:
        with self._watch.run_of(claim.key):
            self._inner.report_poison(claim)


def watched(app: App, told: Told) -> App:
    """The same app with a watch at each of its ports; call it before anything else is built."""
    watch = Watch(app, told)
    parts: dict[str, Any] = vars(app)
    parts["store"] = StorePort(app.store, watch)
    parts["forges"] = {n: Port(f, classify.FORGE, watch.effect) for n, f in app.forges.items()}
    parts["git"] = Port(app.git, classify.GIT, watch.effect)
    parts["renderer"] = Port(app.renderer, classify.RENDERER, watch.effect)
    parts["targets"] = {n: TargetPort(t, watch) for n, t in app.targets.items()}
    parts["reconcilers"] = {k: ReconcilerPort(r, watch) for k, r in app.reconcilers.items()}
    return app
