"""`diff` and `sync` on a local directory, around a target in memory."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.app.local import (
    Local,
    Place,
    configured,
    default_kubeconfig,
    shown,
    tree_root,
    unconfigured,
    verdict,
)
from bot.app.local_sync import Observers, apply, claimed, revision_of, wait
from bot.cli.local import Narrator, run_sync, show_diff
from bot.cli.plan import show_plan
from bot.cli.session import console
from bot.domain.change import (
    Action,
    Change,
    Confidence,
    FieldChange,
    FieldOwner,
    Manifest,
    Ownership,
    Plan,
    Source,
    Subject,
)
from bot.domain.decide import Outcome
from bot.domain.environment import Environment, Mode
from bot.domain.health import Level, ObjectHealth
from bot.domain.key import environment_key
from bot.errors import BotError, ClaimLost, Permanent, Temporary, Unusable
from bot.ports import Leasing, WriteObserver
from bot.store.store import SqlStore, open_store
from tests.config.test_faults import GOOD
from tests.store.clocks import HandClock, SystemClock
from tests.stories.memory_target import MemoryTarget

WEB = Subject("", "ConfigMap", "shop", "web")


def write(directory: Path, *names: str, value: str = "1") -> None:
    """One ConfigMap per name, and nothing else."""
    for old in directory.glob("*.yaml"):
        old.unlink()
    for name in names:
        text = (
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{v: '{value}'}}\n"
        )
        (directory / f"{name}.yaml").write_text(text)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Two ConfigMaps."""
    found = tmp_path / "shop"
    found.mkdir()
    write(found, "web", "api")
    return found


def local(directory: Path, target: MemoryTarget, **changes: Any) -> Local:
    """As the command line makes it, but for the target; files are read anew."""
    made = unconfigured(Place(directory, "shop"), prune=False)
    environment = replace(made.environment, **changes)
    return Local(environment, made.root, made.tree, made.renderer, lambda: target)


def sync(made: Local, patience: float | None = 5.0, *, as_json: bool = False) -> int:
    return run_sync(made, nullcontext, patience, as_json=as_json)


def test_diff_tells_changes_by_its_exit_code(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 before the sync, 0 after it, 1 again when a file changed."""
    target = MemoryTarget()
    assert show_diff(local(directory, target), as_json=False) == 1
    assert "create" in capsys.readouterr().out

    assert sync(local(directory, target)) == 0
    capsys.readouterr()
    assert show_diff(local(directory, target), as_json=False) == 0
    assert (
        capsys.readouterr().out == "local-shop: no change (checked: server)\n2 objects unchanged.\n"
    )

    write(directory, "web", "api", value="2")
    assert show_diff(local(directory, target), as_json=False) == 1
    out = capsys.readouterr().out
    assert "-data.v: 1\n+data.v: 2\n" in out
    assert "update ConfigMap shop/web  (web.yaml:1)" in out


def test_diff_as_json_has_the_documented_shape(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keys that docs/command-line.md promises."""
    target = MemoryTarget()
    sync(local(directory, target))
    write(directory, "web", "api", value="2")
    capsys.readouterr()

    assert show_diff(local(directory, target), as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert list(found) == [
        "environment", "target_identity", "digest", "result", "verified", "first_contact",
        "owned", "counts", "blocked", "prune_blocked", "warnings", "changes",
    ]  # fmt: skip
    assert (found["result"], found["counts"], len(found["digest"])) == (
        "changes",
        {"update": 2},
        64,
    )
    assert found["changes"][1] == {
        "subject": {"group": "", "kind": "ConfigMap", "namespace": "shop", "name": "web"},
        "action": "update",
        "confidence": "server",
        "fields": [{"path": "data.v", "old": "1", "new": "2"}],
        "owners": [],
        "reason": "",
        "warnings": [],
        "source": {"file": "web.yaml", "line": 1},
        "diff": "-data.v: 1\n+data.v: 2",
    }


def test_a_second_sync_writes_nothing(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Level-based: what is so already is not written again."""
    target = MemoryTarget()
    assert sync(local(directory, target)) == 0
    assert len(target.writes) == 2
    assert "create ConfigMap shop/web: done" in capsys.readouterr().err

    assert sync(local(directory, target)) == 0
    assert len(target.writes) == 2
    assert ", 0 objects written, healthy." in capsys.readouterr().out


def test_a_refused_object_keeps_everything_from_being_written(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Diff and sync end with 2, and the object is named with its file."""
    target = MemoryTarget(refuses={"web": "spec.x is no field"})

    assert show_diff(local(directory, target), as_json=False) == 2
    assert "web.yaml:1: ConfigMap shop/web: refused. spec.x is no field" in capsys.readouterr().out
    assert sync(local(directory, target)) == 2
    assert target.writes == []
    assert "Nothing was written: ConfigMap shop/web: spec.x is no field" in capsys.readouterr().out


def test_observe_mode_refuses_before_the_target_is_asked(directory: Path) -> None:
    """The mode is the operator's word; a person at a keyboard does not overrule it."""
    target = MemoryTarget(down=True)

    with pytest.raises(Permanent, match="observe mode"):
        sync(local(directory, target, mode=Mode.OBSERVE))


def test_what_does_not_become_healthy_is_trouble(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason is the controller's; `--no-wait` does not ask."""
    sick = ObjectHealth(WEB, Level.FAILED, "image cannot be pulled")
    target = MemoryTarget(sick={"web": sick})

    assert sync(local(directory, target), None) == 0
    assert "nobody waited for health" in capsys.readouterr().out
    assert sync(local(directory, target)) == 2
    assert "ConfigMap shop/web: failed. image cannot be pulled" in capsys.readouterr().out


def test_the_wait_for_health_ends(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Progress is told once, and the deadline is a failure."""
    slow = ObjectHealth(WEB, Level.PROGRESSING, "1 of 2 ready")
    target = MemoryTarget(sick={"web": slow})
    started = time.monotonic()

    assert sync(local(directory, target), 0.1) == 2
    assert time.monotonic() - started < 10
    assert capsys.readouterr().err.count("waiting: ConfigMap shop/web (1 of 2 ready)") == 1


def test_health_that_cannot_be_read_is_not_healthy(directory: Path) -> None:
    """An outage during the wait is waited out, until the deadline."""

    class Deaf(MemoryTarget):
        def health(self, *_: Any) -> list[ObjectHealth]:
            raise Temporary("no answer")

    synced = apply(made := local(directory, Deaf()), Narrator(), print)

    assert wait(made, synced, 0.1, print).outcome is Outcome.FAILED


def test_sync_as_json_has_the_documented_shape(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Progress goes to standard error, so standard output is one JSON document."""
    assert sync(local(directory, MemoryTarget()), as_json=True) == 0
    found = json.loads(capsys.readouterr().out)

    assert list(found) == [
        "result", "revision", "refusal", "written", "rollout", "objects", "health", "plan",
    ]  # fmt: skip
    assert (found["result"], found["written"], found["rollout"]) == ("done", 2, "done")
    assert {h["level"] for h in found["health"]} == {"healthy"}
    assert {o["outcome"] for o in found["objects"]} == {"written"}


# claims


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    """A real store with a short lease."""
    url = f"sqlite:///{tmp_path}/bot.db"
    made = open_store(url, "cli", SystemClock(), leasing=Leasing(lease=0.6))
    made.migrate()
    return made


def test_a_sync_holds_the_claim_and_writes_the_ledger(directory: Path, store: SqlStore) -> None:
    """Heartbeats keep the claim for longer than one lease; afterwards the key is due at once."""

    class Slow(MemoryTarget):
        def _act(self, change: Change, wanted: Any, observer: WriteObserver) -> Any:
            time.sleep(0.9)
            assert store.queue.claim_key("somebody else", environment_key("local-shop")) is None
            return super()._act(change, wanted, observer)

    claim = partial(claimed, store, SystemClock(), "local-shop", print)
    assert run_sync(local(directory, Slow()), claim, None, as_json=False) == 0

    found = {entry.kind: entry.facts for entry in store.ledger()}
    assert [entry.kind for entry in store.ledger()] == [
        "cli.claimed", "sync.started", "plan", *["write.intent", "write.outcome"] * 2,
        "cli.released", "sync.ended",
    ]  # fmt: skip
    assert len({facts["sync"] for facts in found.values()}) == 1
    assert found["sync.started"]["actors"][0]["by"]
    assert (found["sync.ended"]["level"], found["sync.ended"]["written"]) == ("rolling out", 2)
    (row,) = store.queue.rows()
    assert (row.key, row.owner, row.crashes) == ("env:local-shop", None, 0)
    assert row.due_at is not None
    assert row.due_at <= time.time()


def test_a_claim_that_somebody_holds_is_waited_for_and_then_refused(store: SqlStore) -> None:
    """Who asks too long gets a sentence that says where to look."""
    patient = open_store(store.about()["path"].join(["sqlite:///", ""]), "cli", SystemClock())
    assert patient.queue.claim_key("worker", environment_key("shop"))
    told: list[str] = []

    with (
        pytest.raises(Temporary, match=r"look at `gitops-bot status`"),
        claimed(patient, SystemClock(), "shop", told.append, patience=0.1),
    ):
        pytest.fail("the claim is somebody else's")
    assert told == ["waiting for the worker that is busy with env:shop right now"]


def test_a_lost_claim_ends_the_writing(directory: Path, tmp_path: Path) -> None:
    """Whoever holds the claim now goes on; this sync writes nothing more."""
    clock = HandClock()
    store = open_store(f"sqlite:///{tmp_path}/bot.db", "cli", clock, lease_clock=clock.lease)
    store.migrate()
    target = MemoryTarget()

    with claimed(store, clock, "shop", print) as journal:
        clock.advance(store.queue.leasing.lease + 1)
        assert store.queue.claim_key("worker", environment_key("shop"))
        with pytest.raises(ClaimLost):
            apply(local(directory, target), Observers((journal,)), print)

    assert target.writes == []
    assert store.queue.rows()[0].owner == "worker"


# places


def test_the_tree_begins_at_git(tmp_path: Path) -> None:
    """The nearest directory above that holds `.git` (a file in a linked work tree), else here."""
    (tmp_path / "repo" / "a" / "b").mkdir(parents=True)
    assert tree_root(tmp_path / "repo" / "a" / "b") == tmp_path / "repo" / "a" / "b"

    (tmp_path / "repo" / ".git").write_text("gitdir: elsewhere\n")
    assert tree_root(tmp_path / "repo" / "a" / "b") == tmp_path / "repo"
    made = unconfigured(Place(tmp_path / "repo" / "a" / "b", "shop"), prune=False)
    assert (made.environment.path, made.environment.name) == ("a/b", "local-a-b")


def test_a_local_name_is_a_name(tmp_path: Path) -> None:
    """Whatever the directory is called; two of them do not share an inventory by accident."""
    odd = tmp_path / ("Ünder_scores and " + "x" * 80)
    odd.mkdir()
    name = unconfigured(Place(odd, "shop"), prune=False).environment.name

    assert name.startswith("local-nder-scores-and-xxx")
    assert len(name) <= 63


def test_the_default_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    """$KUBECONFIG when it names one file, else the one in the home directory."""
    monkeypatch.setenv("KUBECONFIG", "/a/b")
    assert default_kubeconfig() == Path("/a/b")
    monkeypatch.delenv("KUBECONFIG")
    assert default_kubeconfig() == Path.home() / ".kube" / "config"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A good configuration; its secrets are not set, and not needed."""
    file = tmp_path / "config.yaml"
    file.write_text(GOOD)
    return file


def test_the_policy_comes_from_the_configuration(config: Path, directory: Path) -> None:
    """Path, namespace and mode; but a local directory prunes only when it is told to."""
    (directory / "deploy").mkdir()
    made = configured(config, "shop", directory, prune=False).environment
    pruning = configured(config, "shop", directory, prune=True).environment

    assert (made.path, made.namespace, made.mode) == ("deploy", "shop", Mode.DEPLOY)
    assert (made.prune.enabled, pruning.prune.enabled) == (False, True)
    assert pruning.prune.max_objects == 5


@pytest.mark.parametrize(
    ("name", "extra", "sentence"),
    [
        ("prod", "", "has no environment prod; it has shop"),
        ("shop", "    prune: {enabled: false}\n", "switches the prune of shop off"),
    ],
)
def test_a_wish_that_the_configuration_denies(
    config: Path, directory: Path, name: str, extra: str, sentence: str
) -> None:
    """The operator's word counts."""
    config.write_text(GOOD + extra)

    with pytest.raises(Unusable, match=sentence):
        configured(config, name, directory, prune=True)


# revisions


def git(directory: Path, *arguments: str) -> str:
    env = {
        "HOME": str(directory), "PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip
    argv = ["git", "-C", str(directory), *arguments]
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout.strip()


def test_a_sync_of_a_clean_checkout_is_the_commit(directory: Path) -> None:
    """Judged by the files that are rendered: others may differ. Anything else is `local:`."""
    assert revision(directory).startswith("local:")
    git(directory, "init", "-q")
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "one")
    head = git(directory, "rev-parse", "HEAD")
    assert revision(directory) == head

    (directory / "notes.txt").write_text("not rendered")
    assert revision(directory) == head

    write(directory, "web", "api", value="2")
    assert revision(directory).startswith("local:")


def revision(directory: Path) -> str:
    made = local(directory, MemoryTarget())
    return revision_of(made, made.render())


def test_a_damaged_repository_is_no_trouble(directory: Path) -> None:
    """The revision is a label; not knowing it is said by `local:`."""
    (directory / ".git").mkdir()
    (directory / ".git" / "HEAD").write_text("ref: refs/heads/main\n")

    assert revision(directory).startswith("local:")


# verdicts and what is shown


def plan(*changes: Change, **more: Any) -> Plan:
    return Plan("shop", "uid", changes, **more)


def change(action: Action, confidence: Confidence = Confidence.SERVER, **more: Any) -> Change:
    return Change(WEB, action, confidence, **more)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (plan(), 0),
        (plan(change(Action.UNCHANGED)), 0),
        (plan(change(Action.UNCHANGED, Confidence.PROVEN)), 0),
        (plan(change(Action.UNCHANGED, Confidence.RENDERED)), 2),
        (plan(change(Action.UNCHANGED, Confidence.UNKNOWN)), 2),
        (plan(change(Action.KEEP)), 0),
        (plan(change(Action.CREATE, Confidence.SIMULATED)), 1),
        (plan(change(Action.UPDATE)), 1),
        (plan(change(Action.DELETE)), 1),
        (plan(change(Action.REFUSED)), 2),
        (plan(change(Action.CONFLICT)), 2),
        (plan(change(Action.UNKNOWN, Confidence.UNKNOWN)), 2),
        (plan(change(Action.UPDATE), blocked=("another cluster",)), 2),
    ],
)
def test_the_exit_code_of_a_diff(found: Plan, code: int) -> None:
    """ "No change" is said only of what was compared."""
    assert verdict(found) == code


def test_foreign_text_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences in names, diffs, reasons and files are shown, not sent."""
    evil = "\x1b]0;owned\x07\x9b31m\u202e"
    subject = Subject("", "ConfigMap", "shop", evil)
    changes = (
        Change(subject, Action.UPDATE, Confidence.SERVER, diff=f"-{evil}\n+x", source=Source(evil)),
        Change(subject, Action.REFUSED, Confidence.SERVER, reason=evil, warnings=(evil,),
               owners=(FieldOwner(evil, evil, Ownership.CONTESTED),)),
    )  # fmt: skip
    show_plan(plan(*changes, warnings=(evil,), blocked=(evil,), prune_blocked=evil), console())
    out = capsys.readouterr().out

    assert not set(out) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert "<U+001B>]0;owned<U+0007>" in out


def test_what_needs_a_person_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Owners, kept objects, take-overs and conflicts, each with what happens."""
    owners = (
        FieldOwner("spec.replicas", "hpa", Ownership.YIELDED),
        FieldOwner("data.v", "kubectl-edit", Ownership.TAKEN),
    )
    conflict = change(Action.CONFLICT, reason="spec.x is set by tuner", source=Source("a.yaml", 3))
    show_plan(
        plan(
            change(Action.UPDATE, owners=owners, fields=(FieldChange("data.v", 1, 2),)),
            replace(change(Action.KEEP, reason="prune is off"), subject=replace(WEB, name="old")),
            replace(conflict, subject=replace(WEB, name="tuned")),
            first_contact=True,
        ),
        console(),
    )
    out = capsys.readouterr().out

    assert "leaves spec.replicas to hpa; takes data.v back from kubectl-edit" in out
    assert "prune is off" in out
    assert "The first sync takes over 2 objects that exist already." in out
    assert "a.yaml:3: ConfigMap shop/tuned: conflict. spec.x is set by tuner Take the field" in out


def test_a_secret_is_masked_wherever_its_values_stand() -> None:
    """Both ways to write values, and the copy that `kubectl apply` leaves in an annotation."""
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "a": "b"}
    body = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": annotations},
        "data": {"a": "aHVudGVyMg=="}, "stringData": {"b": "hunter2"},
    }  # fmt: skip
    masked = shown(Manifest(body, Source("s.yaml")), secrets=False)

    assert "hunter2" not in json.dumps(masked)
    assert "aHVudGVyMg" not in json.dumps(masked)
    assert masked["data"] == {"a": "(hidden)", "b": "(hidden)"}
    assert masked["metadata"]["annotations"]["a"] == "b"
    assert shown(Manifest(body, Source("s.yaml")), secrets=True) == body


def test_an_outage_is_an_error_of_the_bot(directory: Path) -> None:
    """Not a plan without changes."""
    with pytest.raises(BotError):
        show_diff(local(directory, MemoryTarget(down=True)), as_json=False)


def test_environment_of_the_command_line_is_narrow(directory: Path) -> None:
    """Namespaced kinds in the one namespace, deploy mode, no prune."""
    made: Environment = unconfigured(Place(directory, "shop"), prune=False).environment

    assert made.allow.namespaces == frozenset()
    assert made.allow.cluster_kinds == frozenset()
    assert not made.prune.enabled


def test_an_environment_of_a_pattern_is_found_in_the_checkout(
    config: Path, directory: Path
) -> None:
    """By the name that the pattern gives to one of its directories."""
    config.write_text(
        GOOD + '  apps: {repository: acme/shop, path: "apps/{app}/prod", name: "{app}-prod", '
        "target: prod, namespace: apps, mode: observe}\n"
    )
    (directory / "apps/wiki/prod").mkdir(parents=True)
    (directory / "apps/wiki/prod/x.yaml").write_text("x")
    made = configured(config, "wiki-prod", directory, prune=False).environment

    assert (made.path, made.namespace, made.pattern) == ("apps/wiki/prod", "apps", "apps")
    with pytest.raises(Unusable, match="has no environment shop-prod"):
        configured(config, "shop-prod", directory, prune=False)
