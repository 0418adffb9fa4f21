"""Take the schemas of the embedded cluster from the real API server.

The OpenAPI documents of the running server say what fields there are and how lists are merged. How
Go reads and writes a field (is `0` kept, is an empty list left out?) they do not say; a small Go
program reads that from the types of the same release.

    GITOPS_BOT_TESTBED=folder python -m tests.testbed.schemas   # writes bot/sandbox/cluster/data
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from tests.testbed.build import HERE, TestbedError

TARGET = HERE.parent.parent / "bot/sandbox/cluster/data/schemas.json.gz"
GO = HERE / "kubernetes"


def main() -> int:
    folder = os.environ.get("GITOPS_BOT_TESTBED")
    if not folder:
        print("set GITOPS_BOT_TESTBED to the folder of a running control plane", file=sys.stderr)
        return 1
    definitions = fetch(json.loads((Path(folder) / "control-plane.json").read_text()))
    add_go_flags(definitions)
    text = json.dumps(dict(sorted(definitions.items())), separators=(",", ":")).encode()
    TARGET.write_bytes(gzip.compress(text, mtime=0))
    print(f"{len(definitions)} definitions, {TARGET.stat().st_size} bytes")
    return 0


def fetch(plane: dict[str, Any]) -> dict[str, Any]:
    """Every definition of every group version, without descriptions."""
    session = requests.Session()
    session.trust_env = False
    session.verify = plane["ca_file"]
    session.headers["Authorization"] = f"Bearer {plane['tokens']['admin']}"
    paths = session.get(f"{plane['server']}/openapi/v3", timeout=30).json()["paths"]
    found: dict[str, Any] = {}
    for path, entry in sorted(paths.items()):
        if path == "api/v1" or (path.startswith("apis/") and path.count("/") == 2):
            url = plane["server"] + entry["serverRelativeURL"]
            found |= session.get(url, timeout=30).json()["components"]["schemas"]
    return {name: without_descriptions(body) for name, body in found.items()}


def without_descriptions(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: without_descriptions(v)
            for k, v in value.items()
            if not (k == "description" and isinstance(v, str))
        }
    return [without_descriptions(v) for v in value] if isinstance(value, list) else value


def add_go_flags(definitions: dict[str, Any]) -> None:
    """`x-go` of a property: o omitempty, z omitzero, * pointer, then its Go type."""
    done = subprocess.run(
        ["go", "run", "-mod=readonly", "./fields"],
        cwd=GO, check=False, capture_output=True, text=True, env={**os.environ, "CGO_ENABLED": "0"},
    )  # fmt: skip
    if done.returncode != 0:
        raise TestbedError(f"the Go types cannot be read:\n{done.stderr[-2000:]}")
    fields = json.loads(done.stdout)
    for name, body in definitions.items():
        known = body.get("properties")
        if known:
            # In the order of the Go struct, which is the order of the server's answers.
            body["properties"] = {
                field: {**known[field], "x-go": flags} for field, flags in fields[name]
            }


if __name__ == "__main__":
    sys.exit(main())
