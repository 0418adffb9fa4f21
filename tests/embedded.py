"""The embedded cluster as tests meet it: the same questions as to the testbed's control plane."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import requests

from bot.sandbox.cluster import EmbeddedCluster
from tests.testbed.access import ADMIN
from tests.testbed.audit import AuditedRequest


class EmbeddedAccess:
    """`tests.testbed.access.Access` of an embedded cluster."""

    def __init__(self, cluster: EmbeddedCluster) -> None:
        self.cluster = cluster
        self.server = cluster.url
        self.ca_file = cluster.ca_file
        self.token = cluster.token
        self.kubeconfig = cluster.kubeconfig
        self.audit_mark = cluster.log.mark

    @property
    def kubectl(self) -> Path:
        """The one of the wheel, beside the interpreter."""
        return Path(sys.executable).with_name("kubectl")

    def get(self, path: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token(ADMIN)}"}
        return requests.get(
            self.server + path, headers=headers, verify=str(self.ca_file), timeout=10
        )

    def audit_requests(self, since: int = 0) -> list[AuditedRequest]:
        """What was answered since the mark, in the words of the testbed's audit log."""
        names = [each.name for each in fields(AuditedRequest)]
        return [
            AuditedRequest(**{name: getattr(logged, name) for name in names})
            for logged in self.cluster.log.requests(since)
        ]


@pytest.fixture(scope="session")
def embedded_cluster() -> Iterator[EmbeddedAccess]:
    """The embedded cluster of this run; tests keep apart by namespaces."""
    cluster = EmbeddedCluster()
    cluster.start()
    yield EmbeddedAccess(cluster)
    cluster.stop()
