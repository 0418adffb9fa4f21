"""Secrets are read where the configuration says, and weak ones stop the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.config import Secret, read
from bot.errors import ConfigInvalid, Permanent
from tests.config.test_faults import GOOD, faults

STRONG = "0123456789abcdef" * 2


@pytest.fixture
def strong(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Every secret of the good configuration is set and long enough."""
    for name in ("KEY", "TOKEN", "HOOK"):
        monkeypatch.setenv(name, STRONG)
    return monkeypatch


def test_strong_secrets_are_accepted(strong: pytest.MonkeyPatch) -> None:
    """The configuration of the table with secrets set has no fault."""
    assert faults(GOOD, secrets=True) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HOOK", "", "line 13: hooks.github.secrets[0]: environment variable HOOK is empty or not set"),
        ("HOOK", "8 bytes!", ("line 13: hooks.github.secrets[0]: environment variable HOOK is too "
                             "short: 8 bytes, at least 16 are needed")),
        ("HOOK", " " * 40, ("line 13: hooks.github.secrets[0]: environment variable HOOK is empty "
                           "or not set")),
        ("KEY", STRONG[:31], ("line 3: server.key: environment variable KEY is too short: "
                             "31 bytes, at least 32 are needed")),
        ("TOKEN", "", "line 9: forges.github.token: environment variable TOKEN is empty or not set"),
    ],
)  # fmt: skip
def test_t02_a_weak_secret_is_a_fault_that_names_the_setting(
    strong: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    """Empty and short secrets are told apart, and the value is never repeated."""
    strong.setenv(name, value)

    assert faults(GOOD, secrets=True) == [expected]
    assert faults(GOOD, secrets=False) == []


def test_a_fault_never_repeats_the_value_of_a_secret() -> None:
    """Somebody who wrote the secret itself into the file does not find it in a log."""
    text = GOOD.replace("{env: HOOK}", "hunter2hunter2").replace("{env: KEY}", "[hunter2hunter2]")
    told = faults(text, secrets=True)

    assert any("hooks.github.secrets[0]" in t for t in told)
    assert any("server.key" in t for t in told)
    assert "hunter2" not in "".join(told)


def test_a_secret_is_read_anew_each_time_and_trimmed(tmp_path: Path) -> None:
    """Rotation needs no restart; the line end of an editor is not part of the secret."""
    file = tmp_path / "secret"
    secret = Secret(file=file)
    file.write_text("first\n")
    assert secret.reveal() == "first"

    file.write_text("  second\n")
    assert secret.reveal() == "second"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), (b"\xff\xfe", "it is not text")],
)
def test_a_secret_that_cannot_be_read(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """The file and the reason are named; the content is not."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(Permanent) as caught:
        Secret(file=file).reveal()

    assert caught.value.public == f"file {file} cannot be read: {reason}"


def test_a_secret_shows_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor dump knows the value."""
    monkeypatch.setenv("PASSWORD", "hunter2")
    secret = Secret(env="PASSWORD")

    assert secret.reveal() == "hunter2"
    assert "hunter2" not in repr(secret) + str(secret) + secret.model_dump_json()


def test_a_secret_in_the_clear_is_refused_without_its_value() -> None:
    """`ConfigInvalid` of the loader is the only error, and its text is safe to log."""
    text = GOOD.replace("{env: KEY}", "hunter2hunter2").encode()

    with pytest.raises(ConfigInvalid) as caught:
        read(text, "config.yaml", secrets=False)

    assert "hunter2" not in str(caught.value) + repr(caught.value)
