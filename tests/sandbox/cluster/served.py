"""A client of an embedded cluster for tests: plain requests, as one identity."""

from __future__ import annotations

import json
from typing import Any

import requests

from bot.sandbox.cluster import EmbeddedCluster

APPLY = "application/apply-patch+yaml"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Client:
    """`client("GET", "/api")`; bodies are sent as JSON, queries as keyword arguments."""

    def __init__(self, cluster: EmbeddedCluster, identity: str = "admin", token: str = "") -> None:
        self.url = cluster.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(cluster.ca_file)
        self.session.headers["Authorization"] = f"Bearer {token or cluster.token(identity)}"

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        media: str = "application/json",
        accept: str = "application/json",
        **query: Any,
    ) -> requests.Response:
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = media
        data = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
        return self.session.request(
            method, self.url + path, data=data, headers=headers, params=query, timeout=30
        )

    def create(self, path: str, body: Any) -> dict[str, Any]:
        answer = self("POST", path, body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def apply(self, path: str, body: Any, **query: Any) -> requests.Response:
        query = {"fieldManager": "tests", "force": "true", **query}
        return self("PATCH", path, body, media=APPLY, **query)

    def watch(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All events of a watch that ends by itself after a second."""
        query = {"watch": "1", "timeoutSeconds": "1", **query}
        return [json.loads(line) for line in self("GET", path, **query).text.splitlines()]


def config_map(name: str, labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
