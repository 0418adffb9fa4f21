"""What is wrong with a configuration is said all at once, with key path and line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.config import load, read
from bot.config.source import MAX_BYTES
from bot.errors import ConfigInvalid

GOOD = """\
server:
  public_url: https://bot.example.com
  key: {env: KEY}
store:
  url: sqlite:////var/lib/bot.db
  directory: /var/lib/bot
forges:
  github:
    token: {env: TOKEN}
hooks:
  github:
    forge: github
    secrets: [{env: HOOK}]
    repositories: [acme/shop]
targets:
  prod:
    preview: {kubeconfig: /etc/preview}
    apply: {kubeconfig: /etc/apply}
environments:
  shop:
    repository: acme/shop
    path: deploy
    target: prod
    namespace: shop
    mode: deploy
"""


def faults(text: str | bytes, *, secrets: bool = False) -> list[str]:
    """Each fault as a person sees it; none when the text is a good configuration."""
    raw = text if isinstance(text, bytes) else text.encode()
    try:
        read(raw, "config.yaml", secrets=secrets)
    except ConfigInvalid as error:
        return [str(fault) for fault in error.faults]
    return []


def test_the_good_one_is_good() -> None:
    """The table below changes one thing each; the rest of the text is without fault."""
    assert faults(GOOD) == []


CASES = [
    ("public_url:", "public_ulr:", [
        "line 1: server.public_url: is missing",
        "line 2: server.public_ulr: is not a known key; did you mean public_url?"]),
    ("https://bot", "http://bot", [
        "line 2: server.public_url: must use https (http is for loopback only)"]),
    ("https://bot", "https://me:pw@bot", [
        "line 2: server.public_url: must hold no credentials, query or fragment"]),
    ("store:\n", "  listen: 127.0.0.1:99999\nstore:\n", [
        "line 4: server.listen: is not an address and port like 127.0.0.1:8080"]),
    ("key: {env: KEY}", "key: s3cr3t-in-the-clear", [
        ("line 3: server.key: a secret never stands in the configuration itself; "
        "write {file: /path/to/it} or {env: NAME_OF_VARIABLE}")]),
    ("key: {env: KEY}", "key: {env: KEY, file: /k}", [
        "line 3: server.key: give exactly one of `file` and `env`"]),
    ("sqlite:////var/lib/bot.db", "postgresql://db/bot", [
        "line 5: store.url: is not a database like sqlite:////absolute/path/bot.db"]),
    ("    forge: github\n", "    forge: gitbub\n", [
        "line 12: hooks.github.forge: gitbub is not configured; did you mean github?"]),
    ("[acme/shop]", "acme/shop", [
        "line 14: hooks.github.repositories: must be a list"]),
    ("[acme/shop]", "[acme/shop, ../x]", [
        "line 14: hooks.github.repositories[1]: is not a repository name like acme/shop"]),
    ("preview: {kubeconfig: /etc/preview}", "preview: {}", [
        "line 17: targets.prod.preview: give either `kubeconfig` or `in_cluster: true`"]),
    ("preview: {kubeconfig: /etc/preview}", "preview: {kubeconfig: /p, in_cluster: true}", [
        "line 17: targets.prod.preview: give either `kubeconfig` or `in_cluster: true`"]),
    ("target: prod", "target: prud", [
        "line 23: environments.shop.target: prud is not configured; did you mean prod?"]),
    ("path: deploy", "path: ../deploy", [
        "line 22: environments.shop.path: must be a path inside the repository, without `..`"]),
    ("path: deploy", "path: /deploy", [
        "line 22: environments.shop.path: must be a path inside the repository, without `..`"]),
    ("namespace: shop", "namespace: Shop", [
        "line 24: environments.shop.namespace: is not the name of a namespace"]),
    ("    mode: deploy\n", "", ["line 20: environments.shop.mode: is missing"]),
    ("mode: deploy", "mode: depoly", [
        "line 25: environments.shop.mode: input should be 'observe' or 'deploy'"]),
    ("mode: deploy", "mode: deploy\n    prune: {protected: [Deployment]}", [
        ("line 26: environments.shop.prune.protected: Deployment is not protected; only these are: "
        "CustomResourceDefinition, Namespace, PersistentVolume, PersistentVolumeClaim, "
        "StatefulSet")]),
    ("mode: deploy", "mode: deploy\n    sync_by: []", [
        "line 26: environments.shop.sync_by: names nobody"]),
    ("mode: deploy", "mode: deploy\n    health_timeout: 5 minutes", [
        ("line 26: environments.shop.health_timeout: '5 minutes' is no duration; "
        "write 30s, 10m, 2h or 1d")]),
    ("mode: deploy", "mode: deploy\n    branch: -x", [
        "line 26: environments.shop.branch: is not the name of a branch"]),
    ("mode: deploy", "mode: deploy\n    required: 17", [
        "line 26: environments.shop.required: must be true or false"]),
    ("mode: deploy", "mode: deploy\n    allow: {namespace: [a]}", [
        ("line 26: environments.shop.allow.namespace: is not a known key; "
        "did you mean namespaces?")]),
    ("  shop:\n", "  Shop:\n", [
        ("line 20: environments.Shop: is not a name of lower-case letters, digits and dashes, "
        "at most 63")]),
    ("mode: deploy", "mode: deploy\n    path: other", [
        "line 26: environments.shop.path: stands here twice"]),
    ("target: prod", "target: &t prod\n    branch: *t", [
        "line 24: (file): aliases are not used here"]),
    ("target: prod", "target: !!binary cHJvZA==", [
        ("line 23: environments.shop.target: has the tag tag:yaml.org,2002:binary; "
        "tags are not used here")]),
    ("store:\n", "store: [\n", [
        "line 6: (file): expected ',' or ']', but got ':'"]),
    ("  directory: /var/lib/bot\n", "  directory: /var/lib/bot\n  processes: !!int x\n", [
        "line 7: store.processes: cannot be read as int"]),
    ("    mode: deploy\n", "    mode: deploy\n---\nserver: {}\n", [
        "line 26: (file): holds a second document; one file is one configuration"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CASES)
def test_each_fault_is_named_with_path_and_line(old: str, new: str, expected: list[str]) -> None:
    """One thing is wrong; its key path, its line and what to write instead are said."""
    assert GOOD.count(old) >= 1

    assert faults(GOOD.replace(old, new, 1)) == expected


def test_all_faults_come_in_one_answer_in_the_order_of_the_file() -> None:
    """Mistyped keys, wrong values and names that do not exist, together."""
    text = GOOD.replace("listen", "x").replace("target: prod", "target: prud")
    text = text.replace("mode: deploy", "mode: now").replace("https://bot", "http://bot")

    assert [f.split(": ")[:2] for f in faults(text)] == [
        ["line 2", "server.public_url"],
        ["line 23", "environments.shop.target"],
        ["line 25", "environments.shop.mode"],
    ]


def test_two_forges_make_the_forge_of_an_environment_necessary() -> None:
    """With one forge it is clear; with two it must be said."""
    text = GOOD.replace("hooks:\n", "  other:\n    token: {env: TOKEN}\nhooks:\n")

    assert faults(text) == [
        "line 22: environments.shop.forge: is missing; there are several forges"
    ]


def test_two_environments_cannot_share_one_place() -> None:
    """They would take each other's objects."""
    shop = GOOD[GOOD.index("  shop:\n") :]

    assert faults(GOOD + shop.replace("shop:", "again:", 1)) == [
        "line 26: environments.again: is the same place as shop"
    ]


def test_a_branch_of_the_model_may_be_the_name_of_an_environment() -> None:
    """The path of a fault in an environment called `str` still names it."""
    text = GOOD.replace("  shop:\n", "  str:\n").replace("mode: deploy", "mode: x")

    assert faults(text) == ["line 25: environments.str.mode: input should be 'observe' or 'deploy'"]


def test_t36_an_alias_bomb_is_refused_at_once() -> None:
    """The first alias ends the reading; nothing is expanded."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    started = time.monotonic()

    assert faults("\n".join(lines)) == ["line 2: (file): aliases are not used here"]
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"x" * (MAX_BYTES + 1), "(file): is larger than 1048576 bytes"),
        (b"[" * 50_000, "(file): is nested too deeply"),
        (b"server: \xff\n", "line 1: (file): holds a character that YAML does not allow"),
        (b"\n\na: \0", "line 3: (file): holds a character that YAML does not allow"),
        (b"- 1", "line 1: (file): must be a section of keys"),
        (b"? [a]\n: 1\n", "line 1: (file): has a key that is not a word"),
    ],
)
def test_what_is_no_configuration_at_all(raw: bytes, expected: str) -> None:
    """Too large, too deep, not text, not a mapping."""
    assert faults(raw) == [expected]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The reason is the system's."""
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path / "none.yaml")

    assert caught.value.public == (
        f"{tmp_path}/none.yaml cannot be used:\n  (file): cannot be read: No such file or directory"
    )


def test_a_huge_file_is_not_read_to_its_end() -> None:
    """A device that never ends is refused like any other large file."""
    with pytest.raises(ConfigInvalid, match="larger than"):
        load(Path("/dev/zero"))


# Pieces of good configurations put together wildly reach further than random bytes.
PIECES = st.sampled_from(
    [*GOOD.splitlines(keepends=True), "- ", "? ", ": ", "{", "}", "[", "]", "&a ", "*a", "!!int ",
     "!x ", "<<: ", "|\n", "\t", "'", '"', "#", "---\n", "0x", "1_0", "1e999", ".nan", "~", "\0",
     "2001-01-01", "\ud7ff", "'", "%YAML 9.9\n", "environments: {a: ", "shop: [1]"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.lists(PIECES, max_size=40).map(lambda p: "".join(p).encode()))
@example(b"server: {processes: 0x_}")
@example(b"!!int")
@example(b"server: {processes: " + b"9" * 6000 + b"}")
@example(b'server: {key: {file: "\\0"}}')
@example(b'"\\ud800": {}')
@example(b"environments: {a: {target: [1], forge: {b: 1}, prune: {protected: [[1]]}}}")
def test_whatever_the_bytes_the_answer_is_faults_never_a_traceback(raw: bytes) -> None:
    """Any input is a good configuration or a list of faults."""
    for fault in faults(raw, secrets=True):
        assert fault
