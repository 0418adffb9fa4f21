"""Somebody at the pages of an embedded forge, through real HTTP, and what may stand in an answer."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import requests

from bot.sandbox.forge import EmbeddedForge, Role
from bot.sandbox.pages import ClusterView, Pages

PEOPLE = ("alice", "bob", "carol")
HOOK_SECRET = "It's a Secret to Everybody"
YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"


class World:
    """acme/shop with a maintainer (alice), a writer (bob) and a reader (carol), its pages, and a
    repository that none of them may read."""

    def __init__(self, root: Path, cluster: ClusterView | None = None) -> None:
        self.forge = EmbeddedForge(root / "forge")
        self.acme = self.forge.create_user("acme")
        self.bot = self.forge.create_user("gitops-bot", bot=True)
        self.alice, self.bob, self.carol = map(self.forge.create_user, PEOPLE)
        roles = {
            "alice": Role.maintain, "bob": Role.write, "carol": Role.read, "gitops-bot": Role.write,
        }  # fmt: skip
        self.shop = self.forge.create_repository(self.acme, "shop", roles=roles)
        files = {
            "README.md": b"# The shop\n\nIts **manifests**.\n", "base/a.yaml": YAML.encode(),
            "base/windows.txt": b"one\r\ntwo\r\n", "logo.png": b"\x89PNG\xff\x00",
        }  # fmt: skip
        self.first = self.forge.commit_files(self.shop, "main", files, "Begin", self.alice)
        self.hidden = self.forge.create_repository(self.acme, "hidden", private=True)
        self.forge.commit_files(self.hidden, "main", {"secret.txt": b"x\n"}, "Begin", self.acme)
        self.forge.show(Pages(self.forge, PEOPLE, cluster=cluster, tour="1. Look at `main`."))
        self.forge.start()
        self.visitors: list[Visitor] = []

    def close(self) -> None:
        for visitor in self.visitors:
            visitor.close()
        self.forge.stop()

    def visitor(self, person: str = "alice") -> Visitor:
        visitor = Visitor(self.forge.url)
        self.visitors.append(visitor)
        if person != PEOPLE[0]:
            assert visitor.post("/-/person", person=person, next="/").status_code == 303
        return visitor

    def pull(self, branch: str = "change", title: str = "Change", body: str = "", **files) -> int:
        """By Bob, from a branch with one commit."""
        content = files or {"base/a.yaml": (YAML + "data: {x: '1'}\n").encode()}
        start = self.forge.head(self.shop, "main")
        self.forge.commit_files(self.shop, branch, content, title, self.bob, start=start)
        return self.forge.open_pull_request(self.shop, self.bob, branch, title=title, body=body)

    def events(self) -> list[str]:
        """`push`, `pull_request.opened`, … that the hook was told."""
        return [f"{s.event}.{s.action}".rstrip(".") for s in self.forge.courier.log]


class Visitor(requests.Session):
    """A browser without script: cookies, forms with their token, the origin that browsers send."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.trust_env = False
        self.url = url

    def page(self, path: str) -> str:
        """A page that answers and is harmless."""
        answer = self.get(self.url + path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        assert_harmless(answer.text)
        return answer.text

    def status(self, path: str) -> int:
        return self.get(self.url + path, allow_redirects=False).status_code

    def token(self) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.get(self.url + "/").text)
        assert found
        return found[1]

    def post(self, path: str, /, **form: str) -> requests.Response:
        form.setdefault("token", self.token())
        headers = {"Origin": self.url}
        return super().post(self.url + path, data=form, headers=headers, allow_redirects=False)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def tags(html: str) -> list[tuple[str, dict[str, str]]]:
    parser = _Tags()
    parser.feed(html)
    parser.close()
    return parser.found


FORBIDDEN = {"iframe", "object", "embed", "svg", "math", "base", "style", "audio", "video", "frame"}


def assert_harmless(html: str) -> None:
    """Nothing that runs or loads but the page's own script and stylesheet."""
    for tag, attributes in tags(html):
        assert tag not in FORBIDDEN, f"<{tag}>"
        assert not [a for a in attributes if a.startswith("on") or a == "style"], (tag, attributes)
        assert tag != "script" or attributes == {"src": "/-/live.js", "defer": ""}
        if tag == "link":
            assert attributes["href"] in ("/-/pages.css", "data:,")
        if tag == "img":
            assert "src" not in attributes
        for name in ("href", "action", "formaction"):
            address = attributes.get(name, "")
            assert urlsplit(address).scheme in ("", "http", "https", "mailto", "data"), address
            assert not address.startswith("data:") or tag == "link"
