"""Asks API servers the same questions and compares what they say.

What the real one (1.37.2) answered is recorded in `tests/data/cluster/answers.json`; every run asks
the embedded one and compares, and a live run asks the real one whether the record still holds.

    GITOPS_BOT_TESTBED=folder python -m tests.sandbox.cluster.asking   # records anew
"""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any

import requests

from tests.sandbox.cluster.questions import Question, questions
from tests.testbed.access import Access

RECORD = Path(__file__).parents[2] / "data" / "cluster" / "answers.json"


def ask(access: Access, question: Question, namespace: str) -> dict[str, Any]:
    """The answer, as far as it can be the same twice."""
    headers = {"Accept": question.accept, "User-Agent": "questions/1"}
    if question.user:
        token = access.token(question.user) if question.user != "stranger" else "no-such-token"
        headers["Authorization"] = f"Bearer {token}"
    body = question.body
    if body is not None:
        headers["Content-Type"] = question.media
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        body = body.replace("NS", namespace) if isinstance(body, str) else body
    answer = requests.request(
        question.method, access.server + question.path.replace("NS", namespace), data=body,
        headers=headers, params=question.query, verify=str(access.ca_file), timeout=20,
    )  # fmt: skip
    return {
        "code": answer.status_code,
        "type": answer.headers.get("Content-Type", "").partition(";")[0],
        "warning": answer.headers.get("Warning"),
        "retry": answer.headers.get("Retry-After"),
        "body": _same(answer.text, namespace),
    }


def _same(text: str, namespace: str) -> Any:
    """Without uids, times, versions and tokens, which are never the same."""
    for pattern, word in (
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r'"resourceVersion": ?"[0-9]+"', '"resourceVersion":"VERSION"'),
        (r'(\\+"resourceVersion\\+":\\+")[0-9]+', r"\1VERSION"),
        (r"127\.0\.0\.1:\d+|10\.0\.0\.\d+", "ADDRESS"),
        (r'"[0-9]+s"', '"AGE"'),
        (r'"description": ?"(\\.|[^"\\])*"', '"description":""'),
        (r"current: \d+|in record \(\d+\)", "VERSION"),
        (r"gen-[a-z0-9]{5}", "gen-NAME"),
        (r"eyJ[A-Za-z0-9_.-]+", "TOKEN"),
        (namespace, "NS"),
    ):
        text = re.sub(pattern, word, text)
    try:
        found = json.loads(text)
    except ValueError:
        return text
    for rules in ("resourceRules", "nonResourceRules"):
        if rules in (found.get("status") or ()) and isinstance(found["status"], dict):
            found["status"][rules].sort(key=json.dumps)  # in whatever order the roles are found
    return found


def answers(access: Access) -> dict[str, dict[str, Any]]:
    """All answers, in a namespace of their own."""
    namespace = f"ask-{uuid.uuid4().hex[:8]}"
    made = Question("", "POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    ask(access, made, namespace)
    try:
        return {
            f"{number:03} {each.name}": ask(access, each, namespace)
            for number, each in enumerate(questions())
        }
    finally:
        ask(access, Question("", "DELETE", f"/api/v1/namespaces/{namespace}"), namespace)


def main() -> int:
    from tests.testbed.access import ClusterAccess

    folder = os.environ.get("GITOPS_BOT_TESTBED")
    if not folder:
        print("set GITOPS_BOT_TESTBED to the folder of a running control plane", file=sys.stderr)
        return 1
    found = answers(ClusterAccess.load(Path(folder)))
    lines = [f"{json.dumps(name)}: {json.dumps(found[name], sort_keys=True)}" for name in found]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(found)} answers in {RECORD}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
