"""The optional file: what comes back after a restart, and files that are none."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from bot.errors import Unusable
from bot.sandbox.cluster import EmbeddedCluster
from tests.sandbox.cluster.served import CONFIG_MAPS, Client, config_map
from tests.sandbox.cluster.test_discovery import DEFINITIONS, THING
from tests.testbed.access import eventually

THINGS = "/apis/example.com/v1/namespaces/default/things"


def test_everything_comes_back(tmp_path: Path) -> None:
    """Objects, versions, custom kinds, tokens and the authority: old kubeconfigs keep working."""
    file = tmp_path / "cluster.json"
    with EmbeddedCluster(file=file) as first:
        client = Client(first)
        made = client.create(CONFIG_MAPS, config_map("kept", a="b"))
        client.create(DEFINITIONS, THING)
        eventually("the kind", lambda: client("GET", THINGS).ok)
        token, authority, version = first.token("nobody"), first.ca_pem, first.storage.version
    with EmbeddedCluster(file=file) as second:
        client = Client(second)
        assert client("GET", f"{CONFIG_MAPS}/kept").json() == made
        assert client("GET", THINGS).status_code == 200
        assert (second.token("nobody"), second.ca_pem) == (token, authority)
        assert second.storage.version >= version


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "cluster.json"
    with EmbeddedCluster(file=file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.json"]


def test_what_changes_during_the_last_write_is_in_the_file(tmp_path: Path) -> None:
    """A pipe stands where the file is written, so that the write lasts as long as the test says."""
    file, pipe = tmp_path / "cluster.json", tmp_path / ".cluster.json.partial"
    cluster = EmbeddedCluster(file=file)
    cluster.start()
    client = Client(cluster)
    cluster.settled()
    os.mkfifo(pipe)
    client.create(CONFIG_MAPS, config_map("early", text="x" * 300_000))
    with pipe.open("rb") as reader:  # opens when the write has begun
        client.create(CONFIG_MAPS, config_map("late"))
        stopping = threading.Thread(target=cluster.stop)
        stopping.start()
        stopping.join(0.5)
        reader.read()
    stopping.join()

    assert '"late"' in file.read_text()


def test_changes_reach_the_file_without_a_stop(tmp_path: Path) -> None:
    """What was answered is there a moment later, whatever then happens to the process."""
    file = tmp_path / "cluster.json"
    with EmbeddedCluster(file=file) as cluster:
        Client(cluster).create(CONFIG_MAPS, config_map("soon"))
        eventually("the object in the file", lambda: '"soon"' in file.read_text())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', "nonsense"])
def test_another_file_is_not_overwritten(tmp_path: Path, text: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(text)
    with pytest.raises(Unusable, match="is no file of an embedded cluster"):
        EmbeddedCluster(file=file)
    assert file.read_text() == text


def test_a_file_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    cluster = EmbeddedCluster(file=tmp_path / "missing" / "cluster.json")
    with pytest.raises(Unusable, match="cannot be written: No such file or directory"):
        cluster.start()
    cluster.stop()


def test_kubeconfigs_are_for_their_owner_alone(tmp_path: Path) -> None:
    with EmbeddedCluster() as cluster:
        path = cluster.kubeconfig("deployer", tmp_path / "here" / "config")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        config = json.loads(path.read_text())
        assert config["current-context"] == "deployer"
        assert config["clusters"][0]["cluster"]["server"] == cluster.url
