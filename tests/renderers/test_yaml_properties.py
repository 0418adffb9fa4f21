"""Properties of the reader: what is written is read, and nothing but RenderFailed ever comes out."""

import contextlib
import json

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import RenderFailed
from bot.renderers.yaml import load_manifests, read_documents

text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)
scalar = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), text)
values = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)
tokens = st.sampled_from(
    ["a", "- ", ": ", "\n", "  ", "&x ", "*x", "<<", "{", "}", "[", "]", ",", "!!str ", "!x ", "'",
     '"', "---\n", "|\n", ">-\n", "? ", "# ", "0644", "1e3", "~", "\t", "\\", "%TAG ", "kind: List\n",
     "apiVersion: v1\n", "items:\n", "metadata: {name: a}\n", "é", "\x85", "\ufeff"]
)  # fmt: skip


class Quoting(yaml.SafeDumper):
    """A dumper that quotes every string: no reader can take one for something else."""


Quoting.add_representer(
    str, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')
)


def only(found):
    documents = list(found)
    return documents[0].value if documents else None


@given(values)
@settings(deadline=None)
def test_what_is_dumped_is_read_again(value):
    """Strings in quotes, numbers and structure survive YAML."""
    dumped = yaml.dump(value, Dumper=Quoting, allow_unicode=True).encode()
    assert only(read_documents(dumped, "f.yaml")) == value


@given(st.dictionaries(text, values))
@settings(deadline=None)
def test_json_in_a_yaml_file_reads_like_json(value):
    """Both ways into the reader give the same."""
    assert only(read_documents(json.dumps(value).encode(), "f.yaml")) == value


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_arbitrary_bytes_are_objects_or_render_failed(data):
    """No other exception, whatever the bytes, as YAML and as JSON."""
    for file in ("f.yaml", "f.json"):
        with contextlib.suppress(RenderFailed):
            load_manifests(data, file)


@given(st.lists(tokens, max_size=30))
@settings(deadline=None, max_examples=500)
def test_yaml_like_text_is_objects_or_render_failed(parts):
    """Closer to YAML than random bytes come."""
    with contextlib.suppress(RenderFailed):
        load_manifests("".join(parts).encode(), "f.yaml")
