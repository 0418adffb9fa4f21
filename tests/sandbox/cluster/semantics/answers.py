"""Requests to either server, and what of an answer must be the same on both."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import requests

from tests.sandbox.cluster.semantics.custom_lives import DEFINITIONS
from tests.testbed.access import eventually

Json = dict[str, Any]
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TOKEN = re.compile(r"kube-api-access-[a-z0-9]{5}")
_GIVEN_OUT = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


class Server:
    """One API server, as its admin."""

    def __init__(self, url: str, token: str, ca_file: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ca_file
        self._session.headers["Authorization"] = f"Bearer {token}"

    def ask(
        self, method: str, path: str, content: str, body: Any, options: dict[str, str]
    ) -> tuple[int, Json]:
        answer = self._session.request(
            method, self._url + path, params=options, data=json.dumps(body),
            headers={"Content-Type": content}, timeout=30,
        )  # fmt: skip
        return answer.status_code, answer.json()

    def make_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        status, said = self.ask("POST", "/api/v1/namespaces", "application/json", body, {})
        assert status == 201, said

    def make_kind(self, definition: Json) -> None:
        """Create a CustomResourceDefinition and wait until its kind is served."""
        status, said = self.ask("POST", DEFINITIONS, "application/json", definition, {})
        assert status == 201, said
        named = f"{DEFINITIONS}/{definition['metadata']['name']}"
        eventually("the custom kind", lambda: self._is_served(named))

    def _is_served(self, named: str) -> bool:
        said = self.ask("GET", named, "application/json", None, {})[1]
        found = (said.get("status") or {}).get("conditions") or ()
        if not any(c["type"] == "Established" and c["status"] == "True" for c in found):
            return False
        spec = said["spec"]
        listing = f"/apis/{spec['group']}/v1/{spec['names']['plural']}"
        return self.ask("GET", listing, "application/json", None, {})[0] == 200

    def close(self) -> None:
        self._session.close()


def comparable(status: int, body: Json) -> Json:
    """What both servers must agree on: the object with its owners, or the whole refusal.

    Left out: uids, versions and times; addresses given out by chance; the status, which controllers
    write; the order of owners with the same second; the order of conflicts, random in the real one.
    """
    if status >= 300:
        return _refusal(status, body)
    shown = copy.deepcopy(body)
    custom = shown["kind"] == "Thing"  # no controller writes its status
    if not custom:
        shown.pop("status", None)
    metadata = shown["metadata"]
    for name in ("uid", "resourceVersion", "creationTimestamp", "namespace"):
        metadata.pop(name, None)
    owners = [
        e for e in metadata.get("managedFields", []) if custom or e.get("subresource") != "status"
    ]
    for entry in owners:
        entry.pop("time", None)
    owners.sort(key=lambda e: (e["operation"], e["manager"], e.get("subresource", "")))
    metadata["managedFields"] = owners
    if shown["kind"] == "Service":
        for name in _GIVEN_OUT:
            shown["spec"].pop(name, None)
        for port in shown["spec"].get("ports", []):
            port.pop("nodePort", None)
    return _without_chance({"status": status, "object": shown})


def _refusal(status: int, body: Json) -> Json:
    details = body.get("details") or {}
    causes = sorted(json.dumps(each, sort_keys=True) for each in details.get("causes", []))
    message = "" if len(causes) > 1 else body.get("message", "")
    shown = {
        "status": status,
        "reason": body.get("reason", ""),
        "message": message,
        "causes": causes,
    }
    return _without_chance(shown)


def _without_chance(shown: Json) -> Json:
    """Uids and generated names made alike."""
    text = _TOKEN.sub("kube-api-access-<name>", _UID.sub("<uid>", json.dumps(shown)))
    read: Json = json.loads(text)
    return read
