"""Record what the real API server answers, for the tests that run without it.

    GITOPS_BOT_TESTBED=folder python -m tests.sandbox.cluster.semantics.record

`refusals.json.gz` holds requests and their answers; the requests stay, the answers are asked for
anew. `lives.json.gz` and `custom.json.gz` hold the answers to the requests of `lives` and
`custom_lives`.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.sandbox.cluster.semantics.answers import Server, comparable
from tests.sandbox.cluster.semantics.custom_lives import DEFINITIONS, custom_lives, definition
from tests.sandbox.cluster.semantics.sequences import Step, lives
from tests.testbed.access import ADMIN, ClusterAccess

DATA = Path(__file__).resolve().parent / "data"
SEED, LIVES = 20261123, 60
GROUP = "recorded.example"


def read(name: str) -> Any:
    return json.loads(gzip.decompress((DATA / name).read_bytes()))


def write(name: str, value: Any) -> None:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    (DATA / name).write_bytes(gzip.compress(text.encode(), mtime=0))


def real(access: ClusterAccess) -> Server:
    return Server(access.server, access.token(ADMIN), str(access.ca_file))


def main() -> int:
    server = real(ClusterAccess.load(Path(os.environ["GITOPS_BOT_TESTBED"])))
    namespace = f"record-{uuid.uuid4().hex[:8]}"
    server.make_namespace(namespace)
    cases = read("refusals.json.gz")
    for case in cases:
        case["answer"] = ask_case(server, case, namespace)
    write("refusals.json.gz", cases)
    recorded = record_lives(server, lives(SEED, LIVES), namespace)
    write("lives.json.gz", recorded)
    server.make_kind(definition(GROUP))
    custom = record_lives(server, custom_lives(SEED, LIVES, GROUP), namespace)
    write("custom.json.gz", custom)
    for path in (f"/api/v1/namespaces/{namespace}", f"{DEFINITIONS}/things.{GROUP}"):
        server.ask("DELETE", path, "application/json", None, {})
    print(f"{len(cases)} refusals, {sum(map(len, (*recorded, *custom)))} steps")
    return 0


def record_lives(server: Server, of: Iterator[list[Step]], namespace: str) -> list[list[Any]]:
    """Comparable answers to all steps, with the namespace called `recorded`."""
    recorded = []
    for life in of:
        said = (
            server.ask(s.method, s.path.format(namespace=namespace), s.content, s.body, s.options)
            for s in life
        )
        texts = [json.dumps(comparable(*each)).replace(namespace, "recorded") for each in said]
        recorded.append([json.loads(text) for text in texts])
    return recorded


def ask_case(server: Server, case: dict[str, Any], namespace: str) -> Any:
    """The comparable answer to a recorded dry run of a POST."""
    options = {"dryRun": "All", "fieldManager": "tester"}
    if case.get("validation"):
        options["fieldValidation"] = case["validation"]
    path = case["path"].replace("{namespace}", namespace)
    return comparable(*server.ask("POST", path, "application/json", case["body"], options))


if __name__ == "__main__":
    sys.exit(main())
