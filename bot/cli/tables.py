"""Status and checks on the terminal, and their JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.app.status import EnvironmentStatus, Status
from bot.domain.check import Check, Result
from bot.domain.markdown import visible
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


def show_status(status: Status, console: Console) -> None:
    """Environments first: that is what people come for."""
    rows = table("environment", "deployed", "level", "drift", "now")
    for each in status.environments:
        rows.add_row(
            safe(each.name),
            _deployed(each),
            Text(each.level or "unknown", _LEVEL.get(each.level, "")),
            safe(", ".join(each.drift) if each.drift else "none", "yellow" if each.drift else ""),
            safe(_now(each)),
        )
    console.print(rows)
    _show_repositories(status, console)
    _show_workers(status, console)
    _show_queue(status, console)


def _deployed(each: EnvironmentStatus) -> Text:
    if each.deployed is None:
        return Text("never")
    behind = f" (head {short(each.head)})" if each.head and each.head != each.deployed else ""
    return safe(short(each.deployed) + behind)


def _now(each: EnvironmentStatus) -> str:
    if each.sync:
        return (
            f"{each.sync.stage.value} {short(each.sync.revision)} since {_at(each.sync.started_at)}"
        )
    waits = f"waits: {each.waiting}" if each.waiting else ""
    return "; ".join(p for p in (waits, each.error) if p) or each.mode


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _show_repositories(status: Status, console: Console) -> None:
    rows = table("repository", "looked at")
    for each in status.repositories:
        lag = f"{each.lag:.0f} s ago" if each.lag is not None else "never"
        text = lag if each.enrolled else "not enrolled yet: the forge did not show it"
        rows.add_row(safe(f"{each.forge}: {each.name}"), Text(text, "red" if each.late else ""))
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
