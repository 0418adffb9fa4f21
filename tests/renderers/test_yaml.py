"""Files to objects: what is read, what is refused and where the error points to."""

import sys
import time

import pytest

from bot.errors import RenderFailed
from bot.renderers.yaml import load_manifests
from tests.renderers.tools import config_map, plain, refused


def error_of(text: str | bytes, name: str = "all.yaml") -> RenderFailed:
    """The refusal of one plain file, which it must name."""
    error = refused({f"app/{name}": text})
    assert error.file == f"app/{name}"
    return error


def at(text: str | bytes, line: int, words: str, name: str = "all.yaml") -> None:
    """The file is refused at this line, with these words."""
    error = error_of(text, name)
    assert words in error.message
    assert error.line == line


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system [touch /tmp/owned]",
        "!!python/name:os.system",
        "!!python/object/new:os.system [ls]",
        "!python/tuple [1]",
        "!vault |\n    secret",
        "!<tag:yaml.org,2002:python/none> x",
        "!Ref x",
        "! x",
    ],
)
def test_t35_tags_never_construct_anything(value):
    """Python objects and all other foreign tags are refused at their line."""
    at(f"{config_map()}{config_map('b', k=value)}", 12, "tag")


def test_t35_a_tag_hidden_behind_a_directive_is_refused():
    """`%TAG` cannot smuggle a tag in under another name."""
    text = "%TAG !e! tag:yaml.org,2002:python/\n---\n" + config_map(k="!e!name:os x")
    at(text, 8, "tag")


def test_t36_alias_bomb_is_refused_within_a_second():
    """Nine levels of nine aliases are 300 bytes that stand for gigabytes."""
    levels = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    levels += [f"{chr(n)}: &{chr(n)} [{','.join([f'*{chr(n - 1)}'] * 9)}]" for n in range(98, 107)]
    started = time.monotonic()
    error = error_of("\n".join(levels))
    assert "aliases expand" in error.message
    assert time.monotonic() - started < 1


def test_t36_a_long_text_cannot_be_multiplied():
    """The budget counts bytes of text, not only nodes."""
    text = f"a: &a {'x' * 100_000}\nb: [{','.join(['*a'] * 1000)}]\n"
    assert "aliases expand" in error_of(text).message


def test_aliases_within_the_budget_become_objects_of_their_own():
    """What was one node in the file is not one object in memory: changing it is local."""
    text = config_map("a", s="&x {q: 1}", t="*x")
    body = plain(text)[0]
    body["data"]["s"]["q"] = 2
    assert body["data"]["t"] == {"q": 1}


def test_t37_merge_bomb_is_refused_within_a_second():
    """Each mapping merges the one before it: quadratic work from a small file."""
    lines = ["m0: &m0 {a: 1}"]
    lines += [f"m{i}: &m{i} {{<<: *m{i - 1}, k{i}: 1}}" for i in range(1, 20_000)]
    started = time.monotonic()
    assert "aliases expand" in error_of("\n".join(lines)).message
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 1_000_000,
        b"- " * 500_000,
        b"a: " * 300_000,
        b"{a: " * 200_000,
        b"&a " * 300_000,
        b"".join(b"%%TAG !%d! b\n" % i for i in range(100_000)) + b"--- a",
        b'"' + b"\\" * 1_000_000,
        b"%YAML 1.1\n" * 100_000,
        b"? " * 300_000,
    ],
    ids=lambda text: text[:6].decode(),
)
def test_t37_input_that_is_hard_to_parse_is_refused_within_a_second(text):
    """Nothing a megabyte can hold keeps the parser busy."""
    started = time.monotonic()
    error_of(text)
    assert time.monotonic() - started < 1


def test_t37_a_file_over_the_size_limit_is_not_read():
    """The limit is checked against the size in the tree, before a byte is parsed."""
    assert "more than" in error_of(b"#" * (16 * 1024 * 1024 + 1)).message


@pytest.mark.parametrize("name", ["all.yaml", "all.json"])
@pytest.mark.parametrize("depth", [201, 900, 5000, 200_000])
def test_t38_deep_nesting_is_a_typed_error(name, depth):
    """No recursion, so no RecursionError, in YAML and JSON."""
    text = '{"apiVersion":"v1","kind":"X","a":' + "[" * depth + "]" * depth + "}"
    error = error_of(text, name)
    assert "deep" in error.message or "depth" in error.message


def test_t38_depth_that_aliases_add_up_is_a_typed_error():
    """Each alias is shallow, their sum is not."""
    rows = [f"    a{i}: &a{i} {'[' * 40}*a{i - 1}{']' * 40}" for i in range(1, 10)]
    text = config_map("x", k="\n    a0: &a0 [x]\n" + "\n".join(rows))
    assert "deep" in error_of(text).message


def test_t38_two_hundred_levels_are_enough_for_a_schema():
    """A custom resource definition of 60 levels is read."""
    text = config_map("a", k="{x: " * 60 + "1" + "}" * 60)
    assert plain(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("apiVersion: v1\nkind: A\nspec:\n  replicas: 1\n  replicas: 2\n", 5),
        ("apiVersion: v1\nkind: A\nspec: {1: a, '1': b}\n", 3),
        ("apiVersion: v1\nkind: A\nspec: {on: a, true: b}\n", 3),
        ("apiVersion: v1\nkind: A\nkind: B\n", 3),
    ],
)
def test_t39_duplicate_keys_are_refused_with_their_line(text, line):
    """kubectl keeps the last one silently; a reviewer saw the first."""
    at(text, line, "duplicate key")


def test_t39_duplicate_keys_in_json_are_refused_with_their_line():
    """JSON readers keep the last one silently too."""
    text = '{"apiVersion": "v1",\n "kind": "A",\n "metadata": {"name": "a",\n "name": "b"}}'
    at(text, 4, 'duplicate key "name"', "a.json")


def test_t39_a_merge_that_overrides_a_key_before_it_is_refused():
    """kubectl lets the merge win, every other reader the key."""
    text = config_map("a", x="&x {q: 1}", y="{q: 2, <<: *x}")
    at(text, 7, 'would override key "q"')


def test_t39_a_key_may_override_its_earlier_merge():
    """This is what merges are for."""
    body = plain(config_map("a", x="&x {q: 1, r: 1}", t="{<<: *x, q: 2}"))[0]
    assert body["data"]["t"] == {"q": 2, "r": 1}


def test_an_anchored_merge_key_is_text_where_it_is_used():
    """The reader's own sign for `<<` never reaches a value."""
    body = plain(config_map("a", t="{&k <<: {q: 1}, z: *k}"))[0]
    assert body["data"]["t"] == {"q": 1, "z": "<<"}


@pytest.mark.parametrize("value", ["&x [*x]", "&x {a: *x}", "&x {a: [1, {b: *x}]}", "&x {<<: *x}"])
def test_t40_self_reference_is_refused(value):
    """An alias inside its own anchor has no end."""
    at(config_map("a", k=value), 6, "contains itself")


def test_t40_unknown_anchor_is_refused():
    """Anchors do not reach from one document into the next."""
    at(config_map("a", k="&x 1") + config_map("b", k="*x"), 13, "unknown anchor")


def test_t41_lists_are_taken_apart():
    """Lists in lists, each item with its own line; typed lists tell their items' kind."""
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- apiVersion: v1\n  kind: List\n  items:\n"
        "  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
        "- apiVersion: v1\n  kind: SecretList\n  items:\n  - metadata: {name: b}\n"
    )
    found = load_manifests(text.encode(), "f.yaml")
    assert [(m.body["kind"], m.body["metadata"]["name"]) for m in found] == [
        ("ConfigMap", "a"),
        ("Secret", "b"),
    ]
    assert found[0].source.line == 7


def test_t41_a_kind_that_only_ends_in_list_is_an_object():
    """Without items it is a custom resource like any other."""
    text = "apiVersion: x.io/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {}\n"
    assert plain(text)[0]["kind"] == "AllowList"


def test_t41_lists_without_end_are_refused():
    """More lists in one another than any tool writes."""
    text = '{"apiVersion":"v1","kind":"List","items":[' * 9 + "]}" * 9
    assert "lists in one another" in error_of(text).message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("kind: A\nmetadata: {name: a}\n", 1, "without apiVersion"),
        ("# c\napiVersion: v1\nmetadata: {name: a}\n", 2, "without kind"),
        ("apiVersion: v1\nkind: A\n", 1, "without metadata"),
        ("apiVersion: v1\nkind: A\nmetadata: {}\n", 1, "without metadata.name"),
        ("apiVersion: v1\nkind: Job\nmetadata: {generateName: a-}\n", 1, "generateName"),
        ("apiVersion: v1\nkind: A\nmetadata: {name: 1.5}\n", 1, "not text"),
        ("apiVersion: v1\nkind: A\nmetadata: {name: on}\n", 1, "not text"),
        ("apiVersion: v1\nkind: A\nmetadata: {name: a/../b}\n", 1, "not a name"),
        ("apiVersion: v1\nkind: A\nmetadata: {name: '..'}\n", 1, "not a name"),
        ('apiVersion: v1\nkind: A\nmetadata: {name: "a\\nb"}\n', 1, "not a name"),
        ("apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: A/b}\n", 1, "namespace"),
        ("apiVersion: v1\nkind: ../x\nmetadata: {name: a}\n", 1, "kind is not"),
        ("apiVersion: ../v1\nkind: A\nmetadata: {name: a}\n", 1, "apiVersion is not"),
        ("apiVersion: v1\nkind: List\nitems:\n", 1, "needs `items`"),
        ("apiVersion: v1\nkind: List\nitems: [null]\n", 1, "not an object"),
        ("- a\n- b\n", 1, "not an object"),
        ("just text\n", 1, "not an object"),
        ("---\n---\n5\n", 2, "not an object"),
        ("a: b\n c: d\n", 2, "not YAML"),
        ("a:\n\tb: c\n", 2, "not YAML"),
        ("a: {null: b}\n", 1, "null cannot be a key"),
        ("a: {1.5: b}\n", 1, "a fraction cannot be a key"),
        ("a: {[b]: c}\n", 1, "a key must be a word"),
        ("a: .inf\n", 1, "do not exist in JSON"),
        ("a: .nan\n", 1, "do not exist in JSON"),
        ("a: 'b\n", 2, "not YAML"),
        ("a: \x01\n", 1, "control characters"),
    ],
)
def test_t41_what_cannot_be_applied_by_name_is_refused(text, line, words):
    """Nothing is skipped in silence: each broken document has its file and line."""
    at(text, line, words)


def test_t41_fifty_thousand_documents_are_counted():
    """One more than the cap is refused, at its line."""
    error = error_of("---\n" * 50_001)
    assert "more than 50000 documents" in error.message
    assert error.line == 50_001


def test_t41_empty_documents_are_not_objects():
    """Comments, markers and null between objects are nothing."""
    text = "---\n# c\n---\nnull\n---\n~\n---\n" + config_map("a") + "...\n---\n" + config_map("b")
    assert [body["metadata"]["name"] for body in plain(text)] == ["a", "b"]


def test_an_object_no_api_server_takes_is_refused():
    """Three MiB is the request limit of the API server."""
    assert "no API server" in error_of(config_map("a", k="x" * (3 * 1024 * 1024))).message


def test_lines_are_those_of_the_file():
    """Documents later in a file point to where they begin."""
    found = load_manifests((config_map("a") + config_map("b")).encode(), "f.yaml")
    assert [str(m.source) for m in found] == ["f.yaml:1", "f.yaml:7"]


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_windows_files_are_read(prefix, ending):
    """Byte order mark and CRLF change nothing."""
    text = prefix + config_map("a", k="v").encode().replace(b"\n", ending)
    assert plain(text)[0]["data"] == {"k": "v"}


@pytest.mark.parametrize(
    "data", [b"a: \xff\n", "a: é\n".encode("latin-1"), "é: b".encode("utf-16")]
)
def test_other_encodings_are_refused(data):
    """Only UTF-8, with the line of the first byte that is not."""
    at(data, 1, "not UTF-8")


def test_json_is_read_by_json_rules():
    """Escapes that YAML's reader lacks, and numbers as Kubernetes keeps them."""
    text = '{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"x":"\\ud83d\\ude00\\/","n":1.0,'
    body = plain(text + '"big":123456789012345678901,"f":1.5e3,"deep":{"m":-0}}', "a.json")[0]
    assert (body["x"], body["n"], body["f"]) == ("😀/", 1, 1500)
    assert isinstance(body["n"], int)
    assert body["big"] == float(123456789012345678901)


@pytest.mark.parametrize(
    ("text", "line"),
    [('{"a": NaN}', 1), ('{"a": 1}\n{"b": 2}', 2), ('{"a":\n 01}', 2), ('{"a": "\\ud800"}', 1)],
)
def test_broken_json_is_refused_with_its_line(text, line):
    """One document in a file, and only what JSON has."""
    at(text, line, "not JSON", "a.json")


def test_flow_style_yaml_is_not_taken_for_json():
    """A YAML file may begin with a brace."""
    assert plain("{apiVersion: v1, kind: A, metadata: {name: a}}")[0]["kind"] == "A"


def test_values_are_not_repeated_in_errors():
    """A value that does not fit its tag may be a password."""
    assert "hunter2" not in str(error_of(config_map("a", k="!!int hunter2")))


def test_the_reader_leaves_the_recursion_limit_alone():
    """Limits of the interpreter are nobody's to change."""
    before = sys.getrecursionlimit()
    error_of(b"[" * 10_000)
    assert sys.getrecursionlimit() == before
