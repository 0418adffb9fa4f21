"""`config check`: try everything that the bot will need, and say what is missing.

Every part is asked in a thread of its own and bounded in time, so that one dead server hides
nothing. Nothing is written: a check may run beside a working bot. An answer that does not come is
a failure, never an OK.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bot.app.check_parts import Part, credentials, hooks, parts, secrets
from bot.config import load
from bot.domain.check import Check, Result
from bot.errors import BotError, ConfigInvalid, Temporary

# Longer than every timeout of a single request; a part makes several.
PATIENCE = 60.0


def check_all(config: Path, done: Callable[[str], None], patience: float = PATIENCE) -> list[Check]:
    """Every check, in the order of the configuration. done: called with each part's name."""
    try:
        settings = load(config)
    except ConfigInvalid as error:
        what, remedy = "configuration", "correct the file; docs/configuration.md lists every key"
        return [Check(what, Result.FAILED, str(fault), remedy) for fault in error.faults]
    first = Check(
        "configuration", Result.OK, f"{config}: {len(settings.environments)} environments"
    )
    quick = [first, *secrets(settings), *hooks(settings), *credentials(settings)]
    found = [*quick, *run(parts(settings), done, patience)]
    return list(dict.fromkeys(found))  # repositories of one forge share the answers of its token


def run(parts: Iterable[Part], done: Callable[[str], None], patience: float) -> list[Check]:
    """Ask all parts at once; one that takes longer than `patience` seconds has failed."""
    waiting = list(parts)
    answers: queue.SimpleQueue[tuple[int, list[Check]]] = queue.SimpleQueue()
    for number, part in enumerate(waiting):
        # Daemons: a thread that hangs must not keep the command from ending.
        answer = threading.Thread(target=_answer, args=(number, part, answers), daemon=True)
        answer.start()
    found: dict[int, list[Check]] = {}
    deadline = time.monotonic() + patience
    while len(found) < len(waiting):
        try:
            number, checks = answers.get(timeout=max(0.01, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[number] = checks
        done(waiting[number].name)
    return [c for n, part in enumerate(waiting) for c in found.get(n, [_silent(part, patience)])]


def _answer(number: int, part: Part, answers: queue.SimpleQueue[tuple[int, list[Check]]]) -> None:
    try:
        checks = part.ask()
    except Temporary as error:
        remedy = "make it reachable from here (address, network, proxy), then check again"
        checks = [Check(part.name, Result.FAILED, error.public, remedy)]
    except BotError as error:
        checks = [Check(part.name, Result.FAILED, error.public, "correct that, then check again")]
    except Exception as error:  # noqa: BLE001  # a fault of one adapter must not hide what the others say
        detail = f"internal error ({type(error).__name__})"
        checks = [Check(part.name, Result.FAILED, detail, "run with --debug and report it")]
    answers.put((number, checks))


def _silent(part: Part, patience: float) -> Check:
    detail = f"no answer within {patience:g} s"
    return Check(part.name, Result.FAILED, detail, "look at the network between here and there")
