"""Status and checks on the terminal, and their JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.app.status import BranchStatus, EnvironmentStatus, Status
from bot.domain.check import Check, Result
from bot.domain.markdown import visible
from bot.domain.record import ConfigState
from bot.domain.report.words import many, short
from bot.ports import WorkState

_RESULT = {Result.OK: "green", Result.WARNING: "yellow", Result.FAILED: "bold red"}
_LEVEL = {"healthy": "green", "failed": "bold red", "incomplete": "bold red", "refused": "red"}


def table(*columns: str) -> Table:
    made = Table(box=SIMPLE, show_edge=False, pad_edge=False)
    for name in columns:
        made.add_column(name, overflow="fold")
    return made


def safe(text: str, style: str = "") -> Text:
    """Foreign text, made harmless for a terminal."""
    return Text(visible(text), style)


def show_checks(checks: list[Check], console: Console) -> None:
    """Every line, failures last word: how many, and what makes each right."""
    rows = table("", "what", "found", "what makes it right")
    for check in checks:
        result = Text(check.result.value, _RESULT[check.result])
        rows.add_row(result, safe(check.what), safe(check.detail), safe(check.remedy))
    console.print(rows)
    failed = sum(c.result is Result.FAILED for c in checks)
    warned = sum(c.result is Result.WARNING for c in checks)
    ending = f"{many(failed, 'check')} failed, {many(warned, 'warning')}."
    console.print(Text(ending, "bold red" if failed else "bold green"))


def checks_json(checks: list[Check]) -> dict[str, Any]:
    return {
        "result": "failed" if any(c.result is Result.FAILED for c in checks) else "ok",
        "checks": [
            {"what": c.what, "result": c.result.value, "detail": c.detail, "remedy": c.remedy}
            for c in checks
        ],
    }


# More environments than this are too many to read: those that are well are counted.
SHOWN = 40


def show_status(status: Status, console: Console, *, every: bool = False) -> None:
    """Environments first: that is what people come for. every: also those that are well."""
    _show_configuration(status, console)
    many_ = len(status.environments) > SHOWN and not every
    shown = [e for e in status.environments if not many_ or not _is_well(e)]
    rows = table("environment", "deployed", "level", "drift", "now")
    for each in shown:
        rows.add_row(
            safe(each.name),
            _deployed(each),
            Text(each.level or "unknown", _LEVEL.get(each.level, "")),
            safe(", ".join(each.drift) if each.drift else "none", "yellow" if each.drift else ""),
            safe(_now(each)),
        )
    if shown:
        console.print(rows)
    if rest := len(status.environments) - len(shown):
        text = f"{many(rest, 'environment')} healthy and at the head; `status --all` lists them"
        console.print(Text(text, "green"))
    _show_repositories(status, console)
    _show_hooks(status, console)
    _show_workers(status, console)
    _show_queue(status, console)


def _is_well(each: EnvironmentStatus) -> bool:
    quiet = not (each.drift or each.sync or each.waiting or each.error or each.gone_at)
    return quiet and each.level == "healthy"


def _show_configuration(status: Status, console: Console) -> None:
    """Only what is not as the file says."""
    if status.file_error:
        for line in (*status.file_error.splitlines(), "The bot works on with what it has."):
            console.print(safe(line, "bold red"))
    for state in status.processes:
        if state.error and not status.file_error:
            text = (
                f"{state.role} refused the configuration at {_at(state.failed_at)}: {state.error}"
            )
            console.print(safe(text, "bold red"))
        if state.pending:
            text = f"{state.role}: restart it to use the new {', '.join(state.pending)}"
            console.print(safe(text, "yellow"))


def _deployed(each: EnvironmentStatus) -> Text:
    if each.deployed is None:
        return Text("never")
    behind = f" (head {short(each.head)})" if each.head and each.head != each.deployed else ""
    return safe(short(each.deployed) + behind)


def _now(each: EnvironmentStatus) -> str:
    if each.gone_at:
        return f"its directory is gone since {_at(each.gone_at)}; its objects are kept until `inventory prune`"
    if each.sync:
        return (
            f"{each.sync.stage.value} {short(each.sync.revision)} since {_at(each.sync.started_at)}"
        )
    waits = f"waits: {each.waiting}" if each.waiting else ""
    return "; ".join(p for p in (waits, each.error) if p) or each.mode


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _show_repositories(status: Status, console: Console) -> None:
    rows = table("repository", "looked at", "branches")
    for each in status.repositories:
        lag = f"{each.lag:.0f} s ago" if each.lag is not None else "never"
        text = lag if each.enrolled else "not enrolled yet: the forge did not show it"
        heads = "; ".join(_branch(b) for b in each.branches)
        looked = Text(text, "red" if each.late else "")
        rows.add_row(safe(f"{each.forge}: {each.name}"), looked, safe(heads))
    console.print(rows)
    for problem in (p for each in status.repositories for b in each.branches for p in b.problems):
        console.print(safe(problem, "yellow"))


def _branch(branch: BranchStatus) -> str:
    head = short(branch.head) if branch.head else "not there"
    waiting = f", {branch.waiting} not there yet" if branch.waiting else ""
    return f"{branch.name} {head}: {many(branch.environments, 'environment')}{waiting}"


def _show_hooks(status: Status, console: Console) -> None:
    if not status.hooks:
        return
    rows = table("hook", "last delivery", "refused")
    for hook in status.hooks:
        record = hook.record
        last = f"{_at(record.last_at)}" if record.last_at else "none"
        if hook.silent:
            last += "; a poll found what it did not tell: look at the webhook's deliveries there"
        refused = str(record.refused)
        if record.refused:
            refused += f", last {_at(record.refused_at)}: {record.reason}"
        rows.add_row(safe(record.name), safe(last, "red" if hook.silent else ""), safe(refused))
    console.print(rows)


def _show_workers(status: Status, console: Console) -> None:
    alive = [w.record for w in status.workers if w.alive]
    if not alive:
        console.print(Text("No worker is alive: nothing is previewed or deployed.", "bold red"))
    for worker in alive:
        what = "stopping" if worker.stopping else "working"
        text = f"worker {worker.host} pid {worker.pid}, version {worker.version}: {what} "
        console.print(safe(f"{text}since {_at(worker.started_at)}"))


def _show_queue(status: Status, console: Console) -> None:
    depth = status.queue.depth
    counts = {s: sum(n for (_, at), n in depth.items() if at is s) for s in WorkState}
    text = ", ".join(f"{n} {state.value}" for state, n in counts.items() if n) or "empty"
    console.print(Text(f"queue: {text}; the oldest is due for {status.queue.oldest_due:.0f} s"))
    for row in status.trouble:
        console.print(safe(f"{row.key}: {row.state.value}. {row.last_error}", "red"))


def status_json(status: Status) -> dict[str, Any]:
    """Times are seconds since the epoch."""
    return {
        "now": status.now,
        "environments": [_environment_json(e) for e in status.environments],
        "repositories": [asdict(r) for r in status.repositories],
        "workers": [{**asdict(w.record), "alive": w.alive} for w in status.workers],
        "queue": {
            "oldest_due": status.queue.oldest_due,
            "depth": [
                {"kind": kind.value, "state": state.value, "keys": n}
                for (kind, state), n in sorted(status.queue.depth.items())
            ],
        },
        "trouble": [asdict(row) for row in status.trouble],
        "hooks": [{**asdict(h.record), "silent": h.silent} for h in status.hooks],
        "configuration": {
            "file_error": status.file_error,
            "processes": [_process_json(state) for state in status.processes],
        },
    }


def _process_json(state: ConfigState) -> dict[str, Any]:
    """Without the text of the file: it is long, and the operator has it."""
    return {
        "id": state.id,
        "role": state.role,
        "loaded_at": state.loaded_at,
        "failed_at": state.failed_at,
        "error": state.error,
        "needs_restart": list(state.pending),
    }


def _environment_json(each: EnvironmentStatus) -> dict[str, Any]:
    sync = each.sync
    under_way = (
        {
            "revision": sync.revision,
            "cause": sync.cause,
            "stage": sync.stage.value,
            "started_at": sync.started_at,
            "deadline": sync.deadline,
        }
        if sync
        else None
    )
    names = [f for f in EnvironmentStatus.__slots__ if f not in ("sync", "drift")]
    return {**{n: getattr(each, n) for n in names}, "drift": list(each.drift), "sync": under_way}
