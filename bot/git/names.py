"""What may be a path, a ref or an object id. Everything else never reaches Git or a disk.

Rules of refs: `git check-ref-format`. Rules of `.git` look-alikes: Git's own `fsck` and
`verify_path` (NTFS short names and streams, code points that HFS+ ignores).
"""

from __future__ import annotations

import re

from bot.domain.forge import is_sha
from bot.errors import Unusable

MAX_COMPONENT, MAX_PATH, MAX_DEPTH, MAX_REF = 255, 4096, 128, 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Code points that HFS+ leaves out when it compares names (git utf8.c, next_hfs_char).
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|[/.]$")


def shown(text: str, limit: int = 120) -> str:
    """A stranger's name, safe to print: escapes for what is not plain, and shortened."""
    safe = "".join(c if c.isprintable() and not _HFS_IGNORED.match(c) else _escape(c) for c in text)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}"


def split(path: str) -> tuple[str, ...]:
    """The components of a path inside a tree; () for its root. `Unusable` for anything that is
    not plainly relative and safe to create on a disk."""
    if path == "":
        return ()
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH:
        raise Unusable(
            f"repository too large: a path is too long (more than {MAX_PATH} bytes): {shown(path)}"
        )
    parts = tuple(path.split("/"))
    if len(parts) > MAX_DEPTH:
        raise Unusable(
            f"repository too large: a path is too deep (more than {MAX_DEPTH} levels): {shown(path)}"
        )
    for part in parts:
        check_component(part, path)
    return parts


def check_component(name: str, path: str) -> None:
    """Refuse one name of `path`, with a reason, if it is not safe on every file system."""
    reason = _fault(name)
    if reason:
        raise Unusable(f"path is refused, {reason}: {shown(path)}")


def _fault(name: str) -> str:
    if name in {"", ".", ".."}:
        return "it is absolute, or has an empty, '.' or '..' component"
    if _CONTROL.search(name) or "\\" in name or "/" in name:
        return "it holds control characters, backslashes or bytes that are not UTF-8"
    if len(name.encode()) > MAX_COMPONENT:
        return f"a component is longer than {MAX_COMPONENT} bytes"
    return "it could be taken for '.git'" if is_dot_git(name) else ""


def is_dot_git(name: str) -> bool:
    """True for `.git` and everything that some file system takes for it."""
    plain = _HFS_IGNORED.sub("", name).casefold()
    return plain.split(":")[0].rstrip(". ") in {".git", "git~1"}


def check_ref(ref: str) -> str:
    """`ref` itself if it is a full ref name (`refs/heads/main`), else `Unusable`."""
    if not ref.startswith("refs/") or ref.count("/") < 2 or _BAD_REF.search(ref):
        raise Unusable(f"not a full ref name: {shown(ref)!r}")
    if len(ref.encode("utf-8", "surrogatepass")) > MAX_REF or _CONTROL.search(ref):
        raise Unusable(f"not a usable ref name: {shown(ref)!r}")
    return ref


def check_sha(sha: str) -> str:
    """`sha` itself if it is a full object id, else `Unusable`."""
    if not is_sha(sha):
        raise Unusable(f"not a full commit SHA: {shown(sha)!r}")
    return sha
