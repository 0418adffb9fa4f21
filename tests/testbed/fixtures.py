"""Fixtures of everything that runs on the testbed: one real control plane per run, a fresh
namespace per test.

A program that is missing is built; if it cannot be, the tests fail. They never skip: a green run
must mean that the bot was tried against a real API server. `make` builds the programs beforehand,
because a cold build takes longer than any test may. `GITOPS_BOT_TESTBED=<directory>` uses the
control plane that `python -m tests.testbed.control_plane --directory <directory>` keeps running.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.access import ADMIN, ClusterAccess, Kubectl, eventually
from tests.testbed.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ClusterAccess]:
    """The control plane of this run; tests keep apart by namespaces."""
    running = os.environ.get("GITOPS_BOT_TESTBED")
    if running:
        yield ClusterAccess.load(Path(running))
        return
    with ControlPlane() as started:
        yield started.access


@pytest.fixture(scope="session")
def kubectl(control_plane: ClusterAccess, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """The built kubectl as admin: `kubectl("get", "pods", "-n", namespace)`."""
    return Kubectl(control_plane, ADMIN, tmp_path_factory.mktemp("kubectl"))


@pytest.fixture
def namespace(control_plane: ClusterAccess, kubectl: Kubectl) -> Iterator[str]:
    """A namespace of this test alone, ready for pods; it is deleted without waiting."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    kubectl("create", "namespace", name)
    # Pods are refused until the controller manager has made the account they run under.
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    eventually("the default service account", lambda: control_plane.get(account).ok)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
