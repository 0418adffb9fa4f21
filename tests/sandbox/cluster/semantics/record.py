"""Record what the real API server answers, for the tests that run without it.

    GITOPS_BOT_TESTBED=folder python -m tests.sandbox.cluster.semantics.record

`refusals.json.gz` holds requests and their answers; the requests stay, the answers are asked for
anew. `lives.json.gz` holds the answers to the requests of `sequences.lives`.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import uuid
from pathlib import Path
from typing import Any

from tests.sandbox.cluster.semantics.answers import Server, comparable
from tests.sandbox.cluster.semantics.sequences import lives
from tests.testbed.access import ADMIN, ClusterAccess

DATA = Path(__file__).resolve().parent / "data"
SEED, LIVES = 20261123, 60


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
    recorded = []
    for life in lives(SEED, LIVES):
        answers = []
        for step in life:
            path = step.path.format(namespace=namespace)
            said = server.ask(step.method, path, step.content, step.body, step.options)
            answers.append(json.loads(json.dumps(comparable(*said)).replace(namespace, "recorded")))
        recorded.append(answers)
    write("lives.json.gz", recorded)
    server.ask("DELETE", f"/api/v1/namespaces/{namespace}", "application/json", None, {})
    print(f"{len(cases)} refusals, {sum(map(len, recorded))} steps of {len(recorded)} lives")
    return 0


def ask_case(server: Server, case: dict[str, Any], namespace: str) -> Any:
    """The comparable answer to a recorded dry run of a POST."""
    options = {"dryRun": "All", "fieldManager": "tester"}
    if case.get("validation"):
        options["fieldValidation"] = case["validation"]
    path = case["path"].replace("{namespace}", namespace)
    return comparable(*server.ask("POST", path, "application/json", case["body"], options))


if __name__ == "__main__":
    sys.exit(main())
