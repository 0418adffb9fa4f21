"""One server, one origin and mirrors of it, fresh for each test."""

import pytest

from bot.domain.forge import RepoRef
from bot.git.mirror import Mirrors
from bot.git.program import Remote
from tests.git.server import GitServer, Origin

REPO = RepoRef("github", 7)


@pytest.fixture
def origin(tmp_path):
    return Origin(tmp_path / "served" / "7.git")


@pytest.fixture
def server(tmp_path):
    server = GitServer(tmp_path / "served")
    yield server
    server.close()


@pytest.fixture
def make_mirrors(tmp_path, server):
    """Mirrors with options; repository N is `/N.git` of the server."""
    made = []

    def make(root="mirrors", **options):
        def remote(repo):
            return Remote(f"{server.url}/{repo.id}.git", "bot", lambda: server.password or "none")

        mirrors = Mirrors(tmp_path / root, options.pop("remotes", remote), **options)
        made.append(mirrors)
        return mirrors

    yield make
    for mirrors in made:
        mirrors.close()


@pytest.fixture
def mirrors(make_mirrors):
    return make_mirrors()
