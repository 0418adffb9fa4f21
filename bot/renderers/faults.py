"""Whose fault it is: what a tree refuses is wrong in the repository, and its author can mend it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bot.errors import RenderFailed, Unusable


@contextmanager
def repository_fault(file: str) -> Iterator[None]:
    """Tell a tree's refusal (a bad path, a link that leaves, too many files) as a failed render
    of `file`. Only around calls to the tree: a missing tool is the operator's."""
    try:
        yield
    except Unusable as error:
        raise RenderFailed(error.public, file or ".") from error
