"""`python -m bot.sandbox.cluster` in a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

COMMAND = [sys.executable, "-m", "bot.sandbox.cluster"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_a_kubeconfig_and_ends_cleanly(number: signal.Signals) -> None:
    """Exit status 0, nothing on the error stream, the kubeconfig gone."""
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        config = json.loads(path.read_text())
        server = config["clusters"][0]["cluster"]["server"]
        token = config["users"][0]["user"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(_authority(config, path.parent))
            assert session.get(f"{server}/api/v1/nodes", headers=headers, timeout=20).ok
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert not path.exists()


def _authority(config: dict, folder: Path) -> Path:
    import base64

    path = folder / "ca.crt"
    data = config["clusters"][0]["cluster"]["certificate-authority-data"]
    path.write_bytes(base64.b64decode(data))
    return path


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--port", str(port)], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"Error: Port {port} of 127.0.0.1 is in use; choose another, or 0 for any free one."
    )
