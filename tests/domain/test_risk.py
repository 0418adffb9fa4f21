"""What is named at the top of a preview, and in which order."""

from __future__ import annotations

import pytest

from bot.domain.change import Action, Change, Confidence, FieldChange, Subject
from bot.domain.risk import Risk, rank, risks_of, weight_of_line, weight_of_path
from tests.domain.story import WEB, created, deleted, image_change, taken_replicas

TEMPLATE = "spec.template.spec"


def updated(path: str, old: object = 1, new: object = 2, **facts) -> Change:
    return image_change(fields=(FieldChange(path, old, new),), **{"diff": "", **facts})


def subject(kind: str, group: str = "") -> Subject:
    return Subject(group, kind, "shop", "x")


@pytest.mark.parametrize(
    ("change", "risks"),
    [
        (deleted(subject("PersistentVolumeClaim")), [Risk.LOSES_DATA]),
        (deleted(subject("Namespace")), [Risk.LOSES_DATA]),
        (deleted(subject("ConfigMap")), [Risk.DELETES]),
        (Change(WEB, Action.REFUSED, Confidence.SERVER), [Risk.NOT_APPLIED]),
        (Change(WEB, Action.UNKNOWN, Confidence.UNKNOWN), [Risk.NOT_APPLIED]),
        (Change(WEB, Action.KEEP, Confidence.SERVER), [Risk.KEEPS]),
        (Change(WEB, Action.UNCHANGED, Confidence.PROVEN), []),
        (taken_replicas(), [Risk.TAKES_FIELDS]),
        (image_change(), [Risk.RESTARTS]),
        (image_change(subject=subject("ConfigMap")), []),
        (created(subject("ClusterRole", "rbac.authorization.k8s.io"), "x"), [Risk.PERMISSIONS]),
        (created(subject("Pod"), "spec:\n  hostNetwork: true"), [Risk.CONFINEMENT]),
        (created(subject("Pod"), "  runAsNonRoot: true"), []),
        (created(subject("Pod"), "x", confidence=Confidence.SIMULATED), [Risk.NOT_CHECKED]),
        (updated("spec.replicas", 3, 0), [Risk.SCALES_TO_ZERO]),
        (updated("spec.replicas", 3, 2), []),
        (updated(f"{TEMPLATE}.hostNetwork"), [Risk.CONFINEMENT, Risk.RESTARTS]),
        (
            updated(f"{TEMPLATE}.containers[name=a].securityContext.privileged"),
            [Risk.CONFINEMENT, Risk.RESTARTS],
        ),
    ],
)
def test_risks(change, risks):
    """Each danger is recognised from the plan, the gravest first."""
    assert list(risks_of(change)) == risks
    assert rank(change) is (risks[0] if risks else Risk.NONE)


def test_lines_and_paths_that_stay_longest():
    """When not all fit, rights and confinement come first, then images and replicas."""
    lines = ["+  color: blue", "+  image: nginx", "+  privileged: true"]
    paths = ["data.color", "spec.template.spec.containers[name=a].image", "spec.hostPID"]

    assert sorted(lines, key=weight_of_line) == lines[::-1]
    assert sorted(paths, key=weight_of_path) == paths[::-1]
