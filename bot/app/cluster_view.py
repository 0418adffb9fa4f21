"""Gives the cluster pages of the sandbox the Kubernetes engine's own rules of reading.

The sandbox knows no adapter; so what is healthy, what is secret and who owns a field is decided in
one place for comments and pages alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.sandbox.pages import ClusterView, Lens
from bot.targets.kubernetes.emit import yaml_lines
from bot.targets.kubernetes.fields import leaves, text_of
from bot.targets.kubernetes.health import evaluate
from bot.targets.kubernetes.secrets import masked


def cluster_view(url: str, ca_file: Path | None, token: str) -> ClusterView:
    """A view of the cluster at this address with this token's rights."""
    return ClusterView(url, ca_file, token, Lens(evaluate, masked, _yaml, _owned))


def _yaml(body: dict[str, Any]) -> list[str]:
    return [line.text for line in yaml_lines(body)]


def _owned(fields: dict[str, Any]) -> list[str]:
    return [text_of(path) for path in leaves(fields)]
