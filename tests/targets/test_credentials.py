"""Kubeconfigs: what is accepted, and what is refused with the key that asks for it (T70)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Unusable
from bot.targets.kubernetes.credentials import Credentials, load_kubeconfig
from tests.targets.wire import kubeconfig

SERVER = "https://cluster.example"


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ({"exec": {"command": "aws"}}, "allow_exec"),
        ({"auth-provider": {"name": "gcp"}}, "auth-provider"),
        ({"token": "t", "as": "admin"}, "impersonation"),
        ({"token": "t", "as-groups": ["system:masters"]}, "impersonation"),
    ],
)
def test_t70_what_runs_programs_or_becomes_somebody_else_is_refused(
    tmp_path: Path, user: dict[str, Any], says: str
) -> None:
    """T70: at load, before the official client has seen the file."""
    with pytest.raises(Unusable, match=says):
        load_kubeconfig(Credentials(kubeconfig(tmp_path, SERVER, user)))


def test_t70_auth_provider_is_refused_even_where_plugins_are_allowed(tmp_path: Path) -> None:
    """T70: its refresh turns the verification of certificates off."""
    path = kubeconfig(tmp_path, SERVER, {"auth-provider": {"name": "oidc"}})
    with pytest.raises(Unusable, match="auth-provider"):
        load_kubeconfig(Credentials(path, allow_exec=True))


@pytest.mark.parametrize("server", ["http://cluster.example", "ftp://x", "", "cluster"])
def test_an_address_without_tls_is_refused(tmp_path: Path, server: str) -> None:
    """Tokens travel over it; plain HTTP is for loopback."""
    with pytest.raises(Unusable, match="server"):
        load_kubeconfig(Credentials(kubeconfig(tmp_path, server)))


def test_skipping_verification_is_refused(tmp_path: Path) -> None:
    """The message names what to give instead."""
    path = kubeconfig(tmp_path, SERVER, **{"insecure-skip-tls-verify": True})
    with pytest.raises(Unusable, match="certificate-authority-data"):
        load_kubeconfig(Credentials(path))


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Not to the directory that the bot was started in."""
    path = kubeconfig(
        tmp_path, SERVER, {"client-certificate": "c.crt", "client-key": "/abs/c.key"},
        **{"certificate-authority": "ca.crt"},
    )  # fmt: skip
    config = load_kubeconfig(Credentials(path)).config
    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    assert user["client-certificate"] == str(tmp_path / "c.crt")
    assert user["client-key"] == "/abs/c.key"
    assert cluster["certificate-authority"] == str(tmp_path / "ca.crt")


def test_only_one_context_is_passed_on(tmp_path: Path) -> None:
    """Other clusters' credentials never reach the client."""
    path = tmp_path / "config"
    path.write_text(json.dumps({
        "current-context": "a",
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in "ab"],
        "clusters": [{"name": n, "cluster": {"server": f"https://{n}.example"}} for n in "ab"],
        "users": [{"name": n, "user": {"token": f"token-of-{n}"}} for n in "ab"],
    }))  # fmt: skip
    assert "token-of-b" not in json.dumps(load_kubeconfig(Credentials(path)).config)
    named = load_kubeconfig(Credentials(path, context="b"))
    assert named.server == "https://b.example"
    assert "token-of-b" not in repr(named)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no configuration"),
        ("[1]", "no configuration"),
        ("a: [", "not valid YAML"),
        ("{}", "current-context"),
        ("{current-context: x}", "no context 'x'"),
        ("{current-context: x, contexts: [{name: x, context: {cluster: k}}]}", "no cluster 'k'"),
    ],
)
def test_a_broken_file_is_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    """Every fault names the file and what is missing."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(Unusable, match=says) as caught:
        load_kubeconfig(Credentials(path))
    assert "config" in caught.value.public


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """Missing, a directory, or nothing named at all."""
    for credentials in (Credentials(tmp_path / "none"), Credentials(tmp_path), Credentials()):
        with pytest.raises(Unusable):
            load_kubeconfig(credentials)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    """Nothing is read without bound."""
    path = tmp_path / "config"
    path.write_bytes(b"#" * (10 * 1024 * 1024 + 1))
    with pytest.raises(Unusable, match="larger"):
        load_kubeconfig(Credentials(path))
