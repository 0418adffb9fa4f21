"""The demo as a newcomer meets it: what it needs is said in a sentence, and Ctrl-C leaves nothing.

The story itself is `make demo`, which `.ci/run` plays twice.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from bot.app.demo.screen import Screen

STARTED = re.compile(r"1\. The bot meets")


def demo(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """`gitops-bot demo` with TMPDIR in a directory of the test."""
    env = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "100", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "bot", "demo", *arguments], text=True, env=env,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        # Who runs the tests in the background has told them to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip


def refusal(process: subprocess.Popen[str]) -> str:
    """What it says when it ends by itself with trouble."""
    output, _ = process.communicate(timeout=50)
    assert process.returncode == 2, output
    assert "Traceback" not in output
    return output


def mentions(directory: Path) -> list[str]:
    """Processes whose command line names the directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found


def test_a_port_in_use_is_one_sentence(tmp_path: Path):
    """It names the port and the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        said = refusal(demo(tmp_path, "--port", port))

    assert f"Port {port} of 127.0.0.1 is in use" in said
    assert "--port" in said
    assert list(tmp_path.iterdir()) == []


def test_a_missing_kubectl_is_one_sentence(tmp_path: Path):
    """A PATH with git alone, and an interpreter without kubectl beside it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    alone = tmp_path / "python"
    alone.mkdir()
    (alone / "python").symlink_to(sys.executable)
    code = "import sys; sys.executable = sys.argv.pop(1); from bot.cli import main; main(['demo'])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(alone / "python")], text=True, capture_output=True,
        env={**os.environ, "PATH": str(programs), "TMPDIR": str(tmp_path)}, check=False,
    )  # fmt: skip

    assert done.returncode == 2
    assert "neither kubectl nor kustomize was found; install one of them" in done.stderr
    assert not list(tmp_path.glob("gitops-bot-demo-*"))


def test_an_old_git_is_one_sentence(tmp_path: Path):
    """The version that was found and the one that is needed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    old = programs / "git"
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)

    said = refusal(demo(tmp_path, PATH=f"{programs}:{os.environ['PATH']}"))

    assert "git 2.38 or newer is needed" in said
    assert "2.30.2" in said


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    """TMPDIR that is no directory, as every other temporary directory of this machine."""
    code = (
        "import tempfile, sys; tempfile.tempdir = '/proc/nowhere'; "
        "from bot.cli import main; main(['demo'])"
    )
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)

    assert done.returncode == 2
    assert "TMPDIR" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("seconds", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interruption_leaves_nothing(tmp_path: Path, seconds: float, number: signal.Signals):
    """No process and no file, whenever it comes; a second Ctrl-C does not break the first."""
    process = demo(tmp_path)
    assert process.stdout
    if seconds:
        time.sleep(seconds)
    process.send_signal(number)
    time.sleep(0.1)
    process.send_signal(number)
    output, _ = process.communicate(timeout=50)

    assert process.returncode in (130, -number), output
    assert "Traceback" not in output
    assert mentions(tmp_path) == []
    assert not list(tmp_path.glob("gitops-bot-*"))


@pytest.mark.timeout(180)
def test_a_killed_demo_takes_the_bot_with_it(tmp_path: Path):
    """kill -9 of the demo: the bot's standard input closes, and it stops by itself."""
    process = demo(tmp_path)
    assert process.stdout
    for line in process.stdout:
        if STARTED.search(line):
            break
    assert mentions(tmp_path)
    process.kill()
    process.wait()
    process.stdout.close()

    deadline = time.monotonic() + 40
    while mentions(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mentions(tmp_path) == []


def test_the_screen_opens_the_first_fold_and_hides_the_marker():
    """What is folded on the forge's page is a line here; nothing looks like HTML."""
    console = Console(width=80, record=True, file=io.StringIO())
    body = (
        "### Preview\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "<details><summary>first · <code>x</code></summary>\n\n```diff\n-old\n+new\n```\n</details>\n"
        "<details><summary>second</summary>\n\nhidden words\n</details>\n\n<!-- marker -->"
    )
    Screen(console).comment(body)
    shown = console.export_text()

    assert "▾ first · x" in shown
    assert "+new" in shown
    assert "▸ second" in shown
    assert "hidden words" not in shown
    assert "marker" not in shown
    assert "<" not in shown
