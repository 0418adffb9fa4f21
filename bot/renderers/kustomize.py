"""Kustomize builds by the real tool, on an exported copy of what it may read and nothing else.

The tool runs sandboxed: empty environment, private home, no network, bounded in time, memory and
output. Its default load restrictor stays, and no flag that enables helm, functions or plugins is
ever passed; `closure.py` has refused what would need them.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog

from bot import isolation
from bot.domain.change import Manifest
from bot.errors import RenderFailed
from bot.ports import Tree
from bot.renderers.closure import Closure
from bot.renderers.faults import repository_fault
from bot.renderers.sources import Sources
from bot.renderers.yaml import load_manifests

log = structlog.get_logger(__name__)

# A build of 2,000 objects takes 11 s and one of 1,000 with a prefix 122 MB (measured).
LIMITS = isolation.Limits(seconds=60, memory=isolation.GIB, stdout=64 * isolation.MIB)
_VERSION_LIMITS = isolation.Limits(seconds=20, stdout=isolation.MIB)
MAX_MESSAGE = 1500
# How the directory of a build is called. What a killed one left is found and removed by it, below
# TMPDIR too, so it is a name that nobody else gives.
BUILD = "gitops-bot-build-"

# As much of the tool's words as is looked at, from the end; what is shown is bounded again.
_KEPT = 8192

_MISSING = re.compile(r"no such file or directory|not a valid directory|doesn't exist")
_LINE = re.compile(r"\bline (\d{1,7})\b")
# Configuration and patches that the tool quotes: they may hold values of Secrets.
_QUOTED = re.compile(r"`[^`]*`|(?<=patch from )\[.*|\[[^\[\]]*\n.*", re.DOTALL)
_WARNING = re.compile(r"^# Warning: .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KustomizeTool:
    """The program that builds. name: `kubectl` or `kustomize`. version: as it says itself."""

    path: Path
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class InputMissing(RenderFailed):
    """The tool looked for a file that it was not given."""


def find_tool(configured: str | None = None) -> KustomizeTool:
    """The configured program, else kubectl or kustomize beside our interpreter or on PATH.

    `Unusable` says what to do when there is none, or when it does not tell its version.
    """
    if configured is not None:
        path = Path(configured)
        name = "kustomize" if path.name.startswith("kustomize") else "kubectl"
        return _identify(isolation.find(name, path), name)
    try:
        return _identify(isolation.find("kubectl"), "kubectl")
    except isolation.ToolMissing:
        pass
    try:
        return _identify(isolation.find("kustomize"), "kustomize")
    except isolation.ToolMissing:
        raise isolation.ToolMissing(
            "neither kubectl nor kustomize was found; install one of them, or install "
            "gitops-bot[kubectl], or configure where it is"
        ) from None


def _identify(path: Path, name: str) -> KustomizeTool:
    wanted = ["version"] if name == "kustomize" else ["version", "--client", "-o", "json"]
    done = isolation.run([str(path), *wanted], limits=_VERSION_LIMITS, tier=isolation.Sandbox())
    version = _version(name, done.stdout) if done.code == 0 else None
    if not version:
        raise isolation.ToolMissing(
            f"{path} does not tell its version like {name} does; install another {name}"
        )
    return KustomizeTool(path, name, version)


def _version(name: str, output: bytes) -> str | None:
    if name == "kustomize":
        found = re.search(rb"v\d+\.\d+\.\d+[\w.+-]{0,40}", output)
        return found[0].decode() if found else None
    try:
        told = orjson.loads(output)
        version = f"{told['clientVersion']['gitVersion']} (kustomize {told['kustomizeVersion']})"
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None
    return version if version.isprintable() and len(version) < 100 else None


def render(tool: KustomizeTool, tree: Tree, closure: Closure, workdir: Path) -> list[Manifest]:
    """The objects of one build, in the tool's order. `InputMissing` when the closure was too
    small or the repository lacks a file."""
    sources = Sources.read(tree, closure)
    workdir.mkdir(mode=0o700, parents=True, exist_ok=True)  # it may have been wiped since
    with tempfile.TemporaryDirectory(prefix=BUILD, dir=workdir) as made:
        root = Path(made).resolve() / "tree"
        root.mkdir()
        with repository_fault(closure.kustomization):
            tree.export(_wanted(tree, closure), root)
        output = _build(tool, root, closure, sources.secrets)
    return [Manifest(each.body, sources.of(each)) for each in _objects(output, closure)]


def _objects(output: bytes, closure: Closure) -> list[Manifest]:
    """Lines of the output are not lines of any file, so an error names the kustomization only."""
    try:
        return load_manifests(output, closure.kustomization)
    except RenderFailed as error:
        raise RenderFailed(f"what was built: {error.message}", closure.kustomization) from None


def _wanted(tree: Tree, closure: Closure) -> list[str]:
    if closure.whole_tree:
        return [entry.path for entry in tree.list("")]
    return sorted(closure.paths)


def _build(tool: KustomizeTool, root: Path, closure: Closure, secrets: frozenset[str]) -> bytes:
    verb = "build" if tool.name == "kustomize" else "kustomize"
    directory = root / closure.directory
    sandbox = isolation.Sandbox(readable=(root,))
    try:
        done = isolation.run(
            [str(tool.path), verb, str(directory)], cwd=directory, limits=LIMITS, tier=sandbox
        )
    except (isolation.ToolTimedOut, isolation.OutputTooLarge) as error:
        raise RenderFailed(error.public, closure.kustomization) from error
    if done.code == 0:
        return done.stdout
    log.info("kustomize failed", directory=closure.directory, code=done.code, seconds=done.seconds)
    if done.code < 0:
        raise RenderFailed(
            f"the build was stopped by signal {-done.code}; it may use {LIMITS.memory} bytes of "
            f"memory and {LIMITS.seconds:g} s",
            closure.kustomization,
        )
    raise _failure(done.stderr, root, closure, secrets)


def _failure(stderr: bytes, root: Path, closure: Closure, secrets: frozenset[str]) -> RenderFailed:
    """The tool's own words as an error: without our paths, quoted content and control
    characters, with file and line when it names them."""
    text = _WARNING.sub("", stderr[-_KEPT:].decode(errors="replace"))
    text = text.replace(f"{root}{os.sep}", "").replace(str(root), ".")
    file = _last_named(text, closure)
    line = _LINE.search(text) if file else None
    kind = InputMissing if _MISSING.search(text) else RenderFailed
    return kind(
        _shown(text, secrets), file or closure.kustomization, int(line[1]) if line else None
    )


def _last_named(text: str, closure: Closure) -> str | None:
    """The file of the closure that the text names last: tools tell the cause at the end."""
    found = [(text.rfind(path), len(path), path) for path in closure.paths if path in text]
    return max(found)[2] if found else None


def _shown(text: str, secrets: frozenset[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…")
    text = " ".join(_QUOTED.sub("…", text).split())
    text = "".join(c for c in text if c.isprintable()).removeprefix("error: ")
    kept = text if len(text) <= MAX_MESSAGE else "… " + text[-MAX_MESSAGE:]
    return f"kustomize: {kept or 'failed without a word'}"
