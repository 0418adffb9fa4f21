"""The grammar of commands in comments. One table drives the parser, did-you-mean and `/help`.

Commands are the leading lines of a comment, each starting with `/verb` at the margin, then a blank
line or the end. So nothing inside a quote, code, an HTML block, a quoted mail or a later paragraph
is ever one: whatever comes before them ends the reading. HTML comments at the top are skipped,
because a reader does not see them. Words are ASCII names; there are no flags and no quoting.

A verb that is not ours belongs to some other bot and is left alone, unless it is a slip of one of
ours. If a comment holds any `Mistake`, nothing of it may be run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.domain.forge import is_sha

MAX_COMMANDS = 10
MAX_LINE = 500
"""Commands of one comment, and characters of a command line; more is a mistake."""

MAX_NAMES = 50
"""Environments that `/help` lists."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_START = re.compile(r"/([^\s/]{1,40})(?=\s|$)")
_COMMENT_START = re.compile(r" {0,3}<!--")
# Words of other bots that are as near to ours as a slip would be.
_FOREIGN = frozenset({"hold"})


@dataclass(frozen=True, slots=True)
class Command:
    """One understood command line."""

    verb: str
    args: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([f"/{self.verb}", *self.args])


@dataclass(frozen=True, slots=True)
class Mistake:
    """A line that was meant for the bot and cannot be run. line: as written, so a stranger's
    text. problem: a sentence. suggestion: the line that was probably meant, or ""."""

    line: str
    problem: str
    usage: str
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Verb:
    """A row of the table. argument: how one argument is called in the usage, "" for none."""

    name: str
    argument: str
    most: int
    does: str
    needs: str

    @property
    def usage(self) -> str:
        return f"/{self.name} [{self.argument}]" if self.argument else f"/{self.name}"


VERBS = (
    Verb(
        "diff",
        "full head sha",
        1,
        "makes the preview again; on a pull request from a fork it allows the preview of exactly "
        "this commit and needs the SHA",
        "the author of the pull request or write; for a fork write",
    ),
    Verb(
        "sync",
        "environment…",
        20,
        "brings environments to the head of their branch; never deploys the commits of an open "
        "pull request",
        "what `sync_by` of the environment says",
    ),
    Verb("help", "", 0, "shows this table", "read"),
)
_BY_NAME = {verb.name: verb for verb in VERBS}


def parse(text: str) -> tuple[Command | Mistake, ...]:
    """The commands of a comment in order; empty when it holds none for us."""
    found: list[Command | Mistake] = []
    last = ""
    for line in _leading_lines(text):
        start = _START.match(line)
        if start is None:
            return (*found, _run_on(last)) if found else ()
        item = _parse_line(line, start[1])
        if item:
            found.append(item)
            last = line
        if len(found) > MAX_COMMANDS:
            return (_too_many(line),)
    return tuple(found)


def resolve(command: Command, known: Sequence[str]) -> tuple[str, ...] | Mistake:
    """The environments that a `/sync` speaks of: those it names, or all of `known`."""
    for name in command.args:
        if name not in known:
            meant = closest(name, known)
            swapped = [meant if arg == name else arg for arg in command.args]
            return Mistake(
                str(command),
                f"this repository has no environment `{name}`",
                "environments here: " + (", ".join(f"`{k}`" for k in known) or "none"),
                " ".join([f"/{command.verb}", *swapped]) if meant else "",
            )
    return command.args or tuple(known)


def closest(word: str, known: Iterable[str]) -> str:
    """The known word within two edits, the nearest and then first by name; "" if there is none."""
    near = sorted((edits(word, k), k) for k in known if abs(len(word) - len(k)) <= 2)
    return near[0][1] if near and near[0][0] <= 2 else ""


def edits(a: str, b: str) -> int:
    """Levenshtein distance: insertions, deletions and replacements from `a` to `b`."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def _leading_lines(text: str) -> list[str]:
    """Lines of the first visible paragraph, without HTML comments before it."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    at = 0
    while at < len(lines) and (_blank(lines[at]) or _COMMENT_START.match(lines[at])):
        at = at + 1 if _blank(lines[at]) else _after_comment(lines, at)
    end = next((i for i in range(at, len(lines)) if _blank(lines[i])), len(lines))
    return lines[at:end]


def _blank(line: str) -> bool:
    """As CommonMark has it: other spaces, seen or not, are text."""
    return not line.strip(" \t")


def _after_comment(lines: list[str], at: int) -> int:
    """The line after the one that closes the comment: what follows on that line is not shown as
    text of its own. A comment that is never closed hides everything."""
    opened = lines[at].index("<!--") + 4
    if "-->" in lines[at][opened:]:
        return at + 1
    return next((i + 1 for i in range(at + 1, len(lines)) if "-->" in lines[i]), len(lines))


def _parse_line(line: str, word: str) -> Command | Mistake | None:
    verb = _BY_NAME.get(word)
    if verb is None:
        meant = "" if word in _FOREIGN else closest(word.lower(), _BY_NAME)
        return _slip(line, meant) if meant else None
    if len(line) > MAX_LINE:
        return Mistake(line, f"a command has at most {MAX_LINE} characters", verb.usage)
    return _with_arguments(line, verb, line[len(word) + 1 :])


def _with_arguments(line: str, verb: Verb, rest: str) -> Command | Mistake:
    args = tuple(dict.fromkeys(re.split(r"[ \t]+", rest.strip(" \t")))) if rest.strip(" \t") else ()
    problem = _argument_problem(verb, args)
    return Mistake(line, problem, verb.usage) if problem else Command(verb.name, args)


def _argument_problem(verb: Verb, args: tuple[str, ...]) -> str:
    if len(args) > verb.most:
        most = f"at most {verb.most} word{'s' * (verb.most > 1)}" if verb.most else "nothing"
        return f"`/{verb.name}` takes {most} after it"
    if verb.name == "diff":
        wrong = [a for a in args if not is_sha(a)]
        return "the SHA must be the full one, 40 or 64 characters of 0-9 and a-f" if wrong else ""
    wrong = [a for a in args if not _NAME.fullmatch(a)]
    return "names are made of a-z, 0-9 and `-`; there are no options and no quotes" if wrong else ""


def _slip(line: str, meant: str) -> Mistake:
    return Mistake(line, "there is no such command", _BY_NAME[meant].usage, f"/{meant}")


def _run_on(line: str) -> Mistake:
    usage = "each command on a line of its own, then a blank line before other text"
    return Mistake(line, "it is not clear where the command ends", usage)


def _too_many(line: str) -> Mistake:
    return Mistake(line, f"a comment holds at most {MAX_COMMANDS} commands", "fewer commands")


def help_text(environments: Sequence[str]) -> str:
    """`/help`, built from the table. environments: names that `/sync` knows here (from the
    operator's configuration, made of a-z, 0-9 and `-`)."""
    rows = [f"| `{verb.usage}` | {verb.does} | {verb.needs} |" for verb in VERBS]
    here = ", ".join(f"`{name}`" for name in environments[:MAX_NAMES]) or "none"
    if len(environments) > MAX_NAMES:
        here += f" and {len(environments) - MAX_NAMES} more"
    return "\n".join(
        [
            "| command | what it does | who may |",
            "|---|---|---|",
            *rows,
            "",
            "Commands stand at the start of a new comment, one on each line.",
            "Comments that were edited are not read again.",
            "",
            f"Environments of this repository: {here}.",
        ]
    )
