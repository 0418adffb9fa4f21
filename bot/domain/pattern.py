"""Environments by pattern: one entry of the configuration, one environment for each directory.

    path: apps/{app}/overlays/prod      name: "{app}-prod"

A placeholder stands for one directory name. The directories are written by people who open pull
requests, so a name says *that* an environment exists and fills the places that the operator left
open, never more: everything else comes from the operator's file, what a name may become is
bounded there, and what is somebody else's already is not taken (`settle`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from bot.domain.environment import Environment
from bot.domain.forge import RepoRef
from bot.domain.record import Member

# A directory name that may fill a placeholder: what Kubernetes calls a DNS label.
VALUE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]{0,30})\}")
# A `*` never means these: they hold the cluster itself, or what nobody named a home for.
_SYSTEM = re.compile(r"kube-.*|default")

Values = Mapping[str, str]


def placeholders(text: str) -> tuple[str, ...]:
    return tuple(_PLACEHOLDER.findall(text))


def brace_fault(text: str) -> str:
    """What is wrong with the braces of a text; "" when each pair is a placeholder."""
    rest = _PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest:
        return "has a brace that is no placeholder; write {app}, in lower-case letters"
    return ""


def sample(text: str) -> str:
    """The text as some directory might fill it, to check its form."""
    return _PLACEHOLDER.sub("x", text)


def fill(text: str, values: Values) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One entry of the configuration. template: its environment with placeholders in name, path,
    namespace, target and allowed namespaces. limit: how many environments it may give.
    namespaces, targets: what these may become, names or forms with `*`."""

    entry: str
    template: Environment
    limit: int
    namespaces: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def repo(self) -> RepoRef:
        return self.template.repo

    @property
    def branch(self) -> str:
        return self.template.branch

    def environment(self, values: Values) -> Environment:
        """The environment of one directory; whether it may exist is `refusal`'s to say."""
        old = self.template
        spaces = frozenset(fill(n, values) for n in old.allow.namespaces)
        return replace(
            old, name=fill(old.name, values), path=fill(old.path, values), pattern=self.entry,
            namespace=fill(old.namespace, values), target=fill(old.target, values),
            allow=replace(old.allow, namespaces=spaces),
        )  # fmt: skip

    def refusal(self, made: Environment, reserved: Iterable[tuple[str, str]]) -> str:
        """Why this directory gives no environment; "" when it does. reserved: (target, namespace)
        of environments whose namespace an operator wrote out."""
        for what, text in (("name", made.name), ("namespace", made.namespace)):
            if not VALUE.fullmatch(text):
                return f"its {what} would be {text[:80]}: at most 63 letters, digits and dashes"
        if placeholders(self.template.target) and made.target not in self.targets:
            return f"target {made.target} is not in allow.derived_targets"
        kept = frozenset(reserved)
        spaces = [(self.template.namespace, made.namespace)]
        derived = {n for n in self.template.allow.namespaces if placeholders(n)}
        given = made.allow.namespaces - self.template.allow.namespaces
        spaces += [(t, s) for t in sorted(derived) for s in sorted(given)]
        return next((why for t, s in spaces if (why := self._outside(t, s, made, kept))), "")

    def _outside(
        self, template: str, space: str, made: Environment, kept: frozenset[tuple[str, str]]
    ) -> str:
        """A namespace that a directory chose: named by the operator, or inside a `*` and free."""
        if not placeholders(template) or space in self.namespaces:
            return ""
        forms = [form for form in self.namespaces if "*" in form]
        inside = not is_open(template) or any(fnmatchcase(space, form) for form in forms)
        if not inside or _SYSTEM.fullmatch(space):
            return f"namespace {space} is not in allow.derived_namespaces"
        if (made.target, space) in kept:
            return (f"namespace {space} belongs to another environment; an operator can name it "
                    "in allow.derived_namespaces")  # fmt: skip
        return ""


def is_open(namespace: str) -> bool:
    """Whether a directory alone chooses this namespace, with no text of the operator around it."""
    return bool(placeholders(namespace)) and not _PLACEHOLDER.sub("", namespace).strip("-")


def reserved(
    literals: Iterable[Environment], patterns: Iterable[Pattern]
) -> frozenset[tuple[str, str]]:
    """(target, namespace) pairs that no `*` stands for, because an operator wrote them out."""
    written = [*literals, *(p.template for p in patterns)]
    pairs = {(e.target, space) for e in written for space in (e.namespace, *e.allow.namespaces)}
    return frozenset((t, s) for t, s in pairs if not placeholders(t) and not placeholders(s))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an environment comes from: the same place keeps its name against every newcomer."""

    repo: RepoRef
    branch: str
    path: str
    entry: str

    def __str__(self) -> str:
        if not self.entry:
            return "the environment of that name in the configuration"
        return f"{self.path} ({self.entry})"


def place(environment: Environment) -> Place:
    return Place(environment.repo, environment.branch, environment.path, environment.pattern)


@dataclass(frozen=True, slots=True)
class Expansion:
    """What the patterns of one branch give for one tree. problems: sentences for people, each
    about directories that give no environment."""

    environments: tuple[Environment, ...] = ()
    problems: tuple[str, ...] = ()


def settle(
    made: Sequence[Environment], literals: Sequence[Environment], held: Mapping[str, Place]
) -> Expansion:
    """Names and paths are given once. made: candidates of all patterns of a branch. literals:
    every environment that stands in the configuration. held: name → place of the environments
    that patterns gave before, of every branch, also those whose directory is gone: their objects
    still belong to that name.

    Who was there first keeps it; among newcomers nobody gets it, so that no order of files or
    letters decides whose objects are whose.
    """
    names = Counter(e.name for e in made if held.get(e.name) != place(e))
    paths = Counter(e.path for e in made)
    by_name = {e.name: e for e in literals}
    by_path = {(e.repo, e.branch, e.path): e for e in literals}
    kept: list[Environment] = []
    problems: list[str] = []
    for each in made:
        why = (
            _literal(each, by_name.get(each.name), by_path.get((each.repo, each.branch, each.path)))
            or _holder(each, held)
            or _rivals(each, made, names, paths, held)
        )
        if why:
            problems.append(f"{each.path} ({each.pattern}) gives no environment: {why}")
        else:
            kept.append(each)
    return Expansion(tuple(kept), tuple(problems))


def _literal(each: Environment, named: Environment | None, placed: Environment | None) -> str:
    if named is not None:
        return f"{each.name} is environments.{named.name} already"
    if placed is not None:
        return f"this directory is environments.{placed.name} already"
    return ""


def _holder(each: Environment, held: Mapping[str, Place]) -> str:
    holder = held.get(each.name)
    if holder is None or holder == place(each):
        return ""
    return f"{each.name} is the environment of {holder} already"


def _rivals(
    each: Environment,
    made: Sequence[Environment],
    names: Mapping[str, int],
    paths: Mapping[str, int],
    held: Mapping[str, Place],
) -> str:
    """Another directory or pattern of the same tree wants the same."""
    if held.get(each.name) == place(each):
        return ""
    if names[each.name] > 1:
        other = next(e for e in made if e.name == each.name and e is not each)
        return f"{other.path} ({other.pattern}) would be {each.name} too"
    if paths[each.path] > 1:
        other = next(e for e in made if e.path == each.path and e is not each)
        return f"{other.pattern} takes the same directory"
    return ""


def holders(repo: RepoRef, branch: str, members: Iterable[Member]) -> dict[str, Place]:
    return {m.name: Place(repo, branch, m.path, m.entry) for m in members}
