"""GitHub's own example payloads and OpenAPI description, as its Octokit project publishes them.

Both are npm packages under the MIT licence (@octokit/webhooks-examples, @octokit/openapi-webhooks),
pinned with their checksums by webhooks/package-lock.json. They are fetched, not vendored: 46 MB that
nobody reviews do not belong into this repository.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.testbed.build import HERE, TestbedError, build_lock, cache_root, fresh_folder, say

SOURCE = HERE / "webhooks"


def webhook_examples() -> Path:
    """`index.json` of the examples: a list of {"name": event, "description", "examples": [...]}."""
    return _packages() / "webhooks-examples" / "api.github.com" / "index.json"


def webhook_schemas() -> Path:
    """GitHub's OpenAPI description of its webhooks: one request body for each event and action."""
    return _packages() / "openapi-webhooks" / "generated" / "api.github.com.json"


def _packages() -> Path:
    """The folder with both packages, installed once per pair of versions."""
    wanted: dict[str, str] = json.loads((SOURCE / "package.json").read_text())["dependencies"]
    target = cache_root() / f"webhook-examples-{'-'.join(wanted[name] for name in sorted(wanted))}"
    if not target.exists():
        with build_lock():
            # Somebody else may have fetched them while this process waited for the lock.
            if not target.exists():
                _install(target)
    return target / "node_modules" / "@octokit"


def _install(target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise TestbedError(
            "The webhook examples come from npm, and there is no `npm` on PATH: install Node.js."
        )
    say("fetching the webhook examples ...")
    with fresh_folder(target) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / name, scratch / name)
        # `ci` takes exactly what the lock file says; scripts of packages are never run.
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, check=False, cwd=scratch, capture_output=True, text=True)
        if done.returncode != 0:
            raise TestbedError(f"npm ci of the webhook examples failed:\n{done.stderr.strip()}")


def main() -> int:
    """Fetch them if need be, and print where they are."""
    try:
        print(webhook_examples(), webhook_schemas(), sep="\n")
    except TestbedError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
