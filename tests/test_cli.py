"""The command line as a whole: quick to start, one sentence for every trouble, right exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from bot import __version__
from bot.cli import Program, main
from bot.errors import Temporary
from tests.config.test_faults import GOOD

COMMANDS = ["render", "diff", "sync", "status", "serve", "web", "worker", "config check"]
HEAVY = ["kubernetes", "sqlalchemy", "github", "pydantic", "flask", "rich", "yaml", "requests"]


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    """The program with these arguments, in this process."""
    return CliRunner().invoke(main, arguments, env=env)


def python(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The program as people start it, in a process of its own."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, **(env or {})},
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    """Whoever asks for help does not wait for clients of clusters and databases."""
    script = f"import bot.cli, sys; print([m for m in {HEAVY!r} if m in sys.modules])"

    assert python("-c", script).stdout.strip() == "[]"


def test_help_is_quick() -> None:
    """0.15 s on the machine this was written on; the bound leaves room for a busy one."""
    started = time.monotonic()
    done = python("-m", "bot", "--help")

    assert done.returncode == 0
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str) -> None:
    """Every command has a help text, and the hidden option stays hidden."""
    shown = run(*command.split(), "--help")

    assert shown.exit_code == 0
    assert "Usage:" in shown.stdout
    assert "end-with-parent" not in shown.stdout


def test_version() -> None:
    """The installed version and nothing else."""
    assert run("--version").stdout == f"gitops-bot, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["diff", "."], "Say which environment: -e NAME"),
        (["diff", "-e", "shop", "-n", "shop"], "--namespace cannot be used with -e"),
        (["diff", "-e", "shop", "--allow-namespace", "x"], "--allow-namespace cannot be used with"),
        (["diff", "-e", "shop", "--renderer", "plain"], "--renderer cannot be used with -e"),
        (["diff", "-n", "Not_A_Name"], "'Not_A_Name' is not a name of a-z, 0-9 and dashes."),
        (["diff", "/does/not/exist", "-n", "shop"], "does not exist"),
        (["-c", "/does/not/exist", "diff", "-e", "shop"], "cannot be read: No such file"),
        (["-c", "/does/not/exist", "status"], "/does/not/exist cannot be used:"),
        (["-c", "/does/not/exist", "serve"], "/does/not/exist cannot be used:"),
        (["-c", "/", "status"], "cannot be read: Is a directory"),
        (["sync", "-n", "shop", "--timeout", "0"], "0.0 is not in the range x>=1"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_trouble_is_one_sentence_and_exit_code_2(arguments: list[str], sentence: str) -> None:
    """On standard error; a script that reads standard output sees nothing."""
    done = run(*arguments)

    assert done.exit_code == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good configuration whose secrets are set."""
    for name in ("KEY", "TOKEN", "HOOK"):
        monkeypatch.setenv(name, "0123456789abcdef" * 2)
    file = tmp_path / "config.yaml"
    file.write_text(GOOD.replace("/var/lib", str(tmp_path)))
    return file


@pytest.mark.parametrize("command", ["serve", "web", "worker"])
@pytest.mark.parametrize(
    ("value", "what"), [("", "is empty or not set"), ("8 bytes!", "is too short: 8 bytes")]
)
def test_t02_a_weak_webhook_secret_stops_the_start(
    config: Path, monkeypatch: pytest.MonkeyPatch, command: str, value: str, what: str
) -> None:
    """Non-zero, naming the setting; nothing was started or made."""
    monkeypatch.setenv("HOOK", value)
    done = run("-c", str(config), command)

    assert done.exit_code == 2
    assert f"line 13: hooks.github.secrets[0]: environment variable HOOK {what}" in done.stderr
    assert [p.name for p in config.parent.iterdir()] == ["config.yaml"]


def test_the_configuration_may_be_named_by_the_environment(config: Path) -> None:
    """Option, then GITOPS_BOT_CONFIG, then ./config.yaml."""
    text = "has no environment nowhere; it has shop"

    assert text in run("diff", "-e", "nowhere", env={"GITOPS_BOT_CONFIG": str(config)}).stderr
    assert text in run("-c", str(config), "diff", "-e", "nowhere").stderr


def raising(error: BaseException) -> Program:
    """A program with one command, which fails in this way."""

    @click.command()
    def fail() -> None:
        raise error

    return Program(
        "test", commands={"fail": fail}, params=[click.Option(["--debug"], is_flag=True)]
    )


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (Temporary("the cluster does not answer"), 2, "Error: the cluster does not answer\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (ZeroDivisionError("hunter2"), 2, ("Error: Internal error (ZeroDivisionError). Run the "
            "command again with --debug and report what it shows, without secrets.\n")),
        (PermissionError(13, "Permission denied", "hunter2"), 2,
            "Error: The operating system refused: Permission denied.\n"),
    ],
)  # fmt: skip
def test_no_error_becomes_a_traceback_or_the_code_for_changes(
    error: BaseException, code: int, text: str
) -> None:
    """What nobody foresaw is told by its kind only: its text may hold anything."""
    done = CliRunner().invoke(raising(error), ["fail"])

    assert (done.exit_code, done.stderr) == (code, text)


def test_debug_shows_the_traceback() -> None:
    """For whoever has to find the fault."""
    done = CliRunner().invoke(raising(ZeroDivisionError("why")), ["--debug", "fail"])

    assert isinstance(done.exception, ZeroDivisionError)


CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
data:
  value: "1"
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: password
stringData:
  value: hunter2
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A base and an overlay below a directory that holds `.git`."""
    (tmp_path / ".git").mkdir()
    base, overlay = tmp_path / "base", tmp_path / "overlays" / "prod"
    base.mkdir()
    overlay.mkdir(parents=True)
    (base / "web.yaml").write_text(CONFIG_MAP)
    (base / "password.yaml").write_text(SECRET)
    (base / "kustomization.yaml").write_text("resources: [web.yaml, password.yaml]\n")
    (overlay / "kustomization.yaml").write_text("namePrefix: prod-\nresources: [../../base]\n")
    return tmp_path


def test_an_overlay_reaches_its_base(checkout: Path) -> None:
    """The tree begins at the directory that holds `.git`, not at the one that was named."""
    done = run("render", str(checkout / "overlays" / "prod"))

    assert done.exit_code == 0, done.stderr
    assert re.findall(r"name: (\S+)", done.stdout) == ["prod-web", "prod-password"]


def test_secrets_are_hidden_in_a_way_that_no_server_accepts(checkout: Path) -> None:
    """`(hidden)` is not base64, so a masked rendering cannot be applied by mistake."""
    base = str(checkout / "base")

    assert "hunter2" not in run("render", base).output + run("render", base, "--json").output
    assert "data:\n  value: (hidden)" in run("render", base).stdout
    assert "hunter2" in run("render", base, "--show-secrets").stdout


def test_a_broken_file_is_named_with_its_line(checkout: Path) -> None:
    """File and line, as in the comment on a pull request."""
    (checkout / "base" / "kustomization.yaml").unlink()
    (checkout / "base" / "web.yaml").write_text("a: 1\na: 2\n")
    done = run("render", str(checkout / "base"))

    assert done.exit_code == 2
    assert done.stderr.startswith("Error: base/web.yaml:2:")


def test_a_directory_without_objects_is_an_error(checkout: Path) -> None:
    """Never a wish to delete everything."""
    (checkout / "empty").mkdir()
    done = run("render", str(checkout / "empty"))

    assert done.exit_code == 2
    assert "holds no objects" in done.stderr


def test_several_kubeconfigs_must_be_chosen_from(checkout: Path) -> None:
    """Merging them is kubectl's art; here one is chosen."""
    env = {"KUBECONFIG": "/a:/b"}
    done = run("diff", str(checkout / "base"), "-n", "shop", env=env)

    assert done.exit_code == 2
    assert "choose one with --kubeconfig" in done.stderr
