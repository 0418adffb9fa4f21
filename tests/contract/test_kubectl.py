"""Scripts of unmodified kubectl, with the same output on every API server.

The transcripts in tests/data/kubectl were written on the real one (`GITOPS_BOT_WRITE_GOLDEN=1` with
`-m live`); each implementation must say the same after one list of replacements.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.contract.cluster import Cluster
from tests.testbed.access import Kubectl

pytestmark = pytest.mark.timeout(240)
DATA = Path(__file__).resolve().parents[1] / "data" / "kubectl"

# Everything that may differ between two runs: names that a server makes up, times, addresses; how
# far a rollout is when kubectl asks; and widths of columns that follow from these.
REPLACEMENTS: tuple[tuple[str, str], ...] = (
    (r"(?m)^Waiting for [^\n]*\n", ""),
    (r"web-[0-9a-z]{8,10}(-[0-9a-z]{5})?\b", "GENERATED"),
    (r"once-[0-9a-z]{5}\b", "GENERATED"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|\.\d+ \+0000( UTC)?)?", "TIME"),
    (r'resourceVersion: "\d+"', "resourceVersion: VERSION"),
    (r"\b10\.0\.0\.\d+\b", "CLUSTER-IP"),
    (r"/tmp/\S*?/?(LIVE|MERGED)-\d+", r"\1"),
    (r"\b\d+m?\d*s\b", "AGE"),
    (r"(?<=\S)[ \t]{2,}", " "),
    (r"(?m)[ \t]+$", ""),
)


def normal(text: str, namespace: str) -> str:
    text = text.replace(namespace, "NAMESPACE")
    for pattern, word in REPLACEMENTS:
        text = re.sub(pattern, word, text)
    return text


def steps(name: str) -> list[str]:
    lines = (DATA / f"{name}.txt").read_text().splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def run(kubectl: Kubectl, namespace: str, step: str) -> str:
    """The step with what it said and how it ended."""
    words = (
        shlex.split(step.replace("NAMESPACE", namespace)) if "{" not in step else step.split(" ")
    )
    words = [str(DATA / each) if each.endswith(".yaml") else each for each in words]
    home = [] if "-n" in words else ["-n", namespace]
    done = kubectl.run(*words, *home)
    said = normal(done.stdout + done.stderr, namespace).replace(f"{DATA}/", "").rstrip("\n")
    ended = f"\n[exit {done.returncode}]" if done.returncode else ""
    return f"$ {step}\n{said}{ended}".rstrip("\n") + "\n"


@pytest.mark.parametrize("name", ["rollout", "objects", "widgets"])
def test_a_script_says_the_same_everywhere(
    cluster: Cluster, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least twenty steps each, refusals and waits included."""
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nexec sed -i "s/a: \\"1\\"/a: \\"2\\"/" "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("KUBE_EDITOR", str(editor))
    cluster.made("CustomResourceDefinition", "widgets.kubectl.example.test")
    cluster.made("Namespace", f"{cluster.namespace}-more")
    expected, kubectl = steps(name), cluster.kubectl
    assert len(expected) >= 20
    transcript = [run(kubectl, cluster.namespace, step) for step in expected]
    path = DATA / f"{name}.txt"
    if os.environ.get("GITOPS_BOT_WRITE_GOLDEN"):
        path.write_text("\n".join(transcript))
    assert "\n".join(transcript).split("\n\n") == path.read_text().split("\n\n")
