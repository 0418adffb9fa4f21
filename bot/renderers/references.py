"""What one entry of a kustomization may point to: a path inside the repository, never a host.

Kustomize fetches by HTTP whatever file it is given as an address, and clones whatever directory
looks like a repository, before it looks for a local one of that name. So everything that any of
its versions could take for an address is refused here, before the tool starts. The sandbox
without a network stands behind this check, not instead of it.
"""

from __future__ import annotations

import posixpath
import re

# Hosts that Kustomize or its users write without a scheme, and prefixes of other fetchers.
_REMOTE = re.compile(
    r"""
      ://                                     # any scheme
    | ^[a-z][a-z0-9+.-]*::                    # git::, hg::, file::
    | ^[a-z][a-z0-9+.-]{1,}:                  # gh:, ssh:, file:, host:path
    | ^[^/]*@                                 # git@host, user@host
    | [?]                                     # ?ref=, ?timeout=
    | .//                                     # repository//path
    | ^(?:www\.)?(?:github|gitlab|bitbucket|codeberg|gitea|dev\.azure|sourcehut|sr)\.[a-z]+(?:[/:]|$)
    | ^(?:[^/]*\.)?(?:visualstudio\.com|amazonaws\.com|googleapis\.com|googlesource\.com)(?:[/:]|$)
    | \.git(?:/|$)                            # a path that ends in a repository
    | (?:^|/)_git(?:/|$)                      # Azure DevOps
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}(?::\d+)?/.+", re.IGNORECASE)


def is_remote(text: str) -> bool:
    """True for everything that a version of Kustomize could fetch from elsewhere."""
    return bool(_REMOTE.search(text.strip()))


def looks_like_host(text: str) -> bool:
    """True for `example.com/org/repo`: only asked when there is no such path."""
    return bool(_HOST.fullmatch(text.strip()))


def is_plain_path(text: str) -> bool:
    """No control characters, no backslash, not absolute, not empty."""
    return (
        bool(text) and text.isprintable() and "\\" not in text and not text.startswith(("/", "~"))
    )


def join(directory: str, text: str) -> str | None:
    """The path relative to the root of the repository; None when it leaves it."""
    path = posixpath.normpath(posixpath.join(directory, text))
    if path == ".":
        return ""
    return None if path == ".." or path.startswith(("../", "/")) else path


def is_below(path: str, directory: str) -> bool:
    """True when `path` is `directory` or in it."""
    return not directory or path == directory or path.startswith(directory + "/")
