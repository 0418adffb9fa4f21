"""Which generators, transformers and validators may be configured: those built into Kustomize.

Everything else is a program of the repository's choice: an exec function, a container, a Go or
legacy exec plugin, a chart inflator. The flags that would run them are never passed; this refusal
says so with file and line, before the tool starts.
"""

from __future__ import annotations

from typing import Any

from bot.domain.change import Source
from bot.errors import RenderFailed
from bot.renderers.documents import shorten

# The built-in plugins of kustomize 5 without HelmChartInflationGenerator, which runs helm.
BUILTIN = frozenset(
    {"AnnotationsTransformer", "ConfigMapGenerator", "HashTransformer", "IAMPolicyGenerator",
     "ImageTagTransformer", "LabelTransformer", "LegacyOrderTransformer", "NamespaceTransformer",
     "PatchJson6902Transformer", "PatchStrategicMergeTransformer", "PatchTransformer",
     "PrefixSuffixTransformer", "PrefixTransformer", "ReplacementTransformer",
     "ReplicaCountTransformer", "SecretGenerator", "SortOrderTransformer", "SuffixTransformer",
     "ValueAddTransformer"}
)  # fmt: skip
_FUNCTION = ("config.kubernetes.io/function", "config.k8s.io/function")


def check_plugin(config: Any, at: Source) -> None:
    """Pass the configuration of a built-in plugin; `RenderFailed` for everything else."""
    if not isinstance(config, dict):
        raise RenderFailed("a plugin's configuration is a mapping", at.file, at.line)
    metadata = config.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    names = annotations if isinstance(annotations, dict) else {}
    if any(name in names for name in _FUNCTION) or "configFn" in (metadata or {}):
        raise RenderFailed("functions (exec or container) are never run", at.file, at.line)
    kind = config.get("kind")
    if config.get("apiVersion") != "builtin" or kind not in BUILTIN:
        raise RenderFailed(
            f"plugin {shorten(str(kind))} is not one of Kustomize's own safe ones; it is never run",
            at.file,
            at.line,
        )
