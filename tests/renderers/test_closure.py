"""The graph of kustomizations: what belongs to a build, and what is refused before it starts."""

import json
from pathlib import Path

import pytest

from bot.errors import RenderFailed
from bot.git.directory import DirectoryTree
from bot.renderers.closure import closure_of
from bot.renderers.pipeline import Renderers
from bot.renderers.references import is_remote
from tests.renderers.tools import (
    Link,
    MemoryTree,
    config_map,
    environment,
    never_started,
    refused,
)

A = {"app/a.yaml": config_map("a")}

ADDRESSES = [
    "https://example.com/x.yaml",
    "HTTPS://example.com/x.yaml",
    "http://169.254.169.254/latest/meta-data",
    "https://github.com/org/repo//base?ref=v1",
    "github.com/org/repo",
    "github.com/org/repo//base",
    "GitHub.com/org/repo",
    "github.com:org/repo.git",
    "git@github.com:org/repo.git",
    "user@host:org/repo",
    "git::https://example.com/repo",
    "gh:org/repo",
    "ssh://git@example.com/repo",
    "file:///etc",
    "gitlab.com/group/repo",
    "bitbucket.org/org/repo",
    "dev.azure.com/org/project/_git/repo",
    "org/repo.git",
    "org/repo.git/base",
    "repo//base",
    "base?ref=main",
    " https://example.com/x.yaml",
    "example.com/org/repo",
    "s3::https://s3.amazonaws.com/bucket/x",
]


def quoted(text: str) -> str:
    return json.dumps(text)


FIELDS = {
    "resources": "resources:\n- a.yaml\n- {}",
    "bases": "bases:\n-  a\n- {}",
    "components": "components:\n\n- {}",
    "crds": "crds:\n\n- {}",
    "configurations": "configurations:\n\n- {}",
    "openapi": "openapi:\n\n  path: {}",
    "patches": "patches:\n\n- path: {}",
    "patchesJson6902": "patchesJson6902:\n\n- path: {}",
    "patchesStrategicMerge": "patchesStrategicMerge:\n\n- {}",
    "replacements": "replacements:\n\n- path: {}",
    "transformers": "transformers:\n\n- {}",
    "generators": "generators:\n\n- {}",
    "validators": "validators:\n\n- {}",
    "configMapGenerator.files": "configMapGenerator:\n- name: x\n  files: [{}]",
    "configMapGenerator.keyed": "configMapGenerator:\n- name: x\n  files: [key={}]",
    "configMapGenerator.envs": "configMapGenerator:\n- name: x\n  envs: [{}]",
    "secretGenerator.env": "secretGenerator:\n- name: x\n  env: {}",
}


def closure(files, path="app"):
    return closure_of(MemoryTree(files), path)


@pytest.mark.parametrize("address", ADDRESSES)
def test_t42_every_form_of_an_address_is_refused_before_the_tool_starts(address):
    """The tool of this test does not exist: were it started, the error would be another."""
    error = refused({**A, "app/kustomization.yaml": f"resources:\n- a.yaml\n- {quoted(address)}"})
    assert "remote base not allowed" in error.message
    assert (error.file, error.line) == ("app/kustomization.yaml", 3)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("address", ["https://example.com/x.yaml", "github.com/org/repo"])
def test_t42_an_address_is_refused_in_every_field(field, address):
    """Kustomize fetches whatever file is an address, not only resources."""
    base = {**A, "app/a/kustomization.yaml": "{}"}
    text = FIELDS[field].replace("{}", address if "keyed" in field else quoted(address))
    if "keyed" in field:
        text = text.replace(f"[key={address}]", f"[{quoted('key=' + address)}]")
    error = refused({**base, "app/kustomization.yaml": text})
    assert "remote base not allowed" in error.message
    assert (error.file, error.line) == ("app/kustomization.yaml", 3)


def test_t42_an_address_deep_in_the_graph_is_refused():
    """The whole graph is walked, components and bases of bases too."""
    files = {
        "app/kustomization.yaml": "resources: [../one]",
        "one/kustomization.yaml": "components: [../two]",
        "two/kustomization.yaml": "kind: Component\npatches:\n- path: https://example.com/p.yaml",
    }
    error = refused(files)
    assert (error.file, error.line) == ("two/kustomization.yaml", 3)


def test_t42_a_local_directory_does_not_make_an_address_local():
    """Kustomize clones before it looks for a directory of that name."""
    files = {
        "app/kustomization.yaml": "resources: [github.com/org/repo]",
        "app/github.com/org/repo/kustomization.yaml": "resources: []",
    }
    assert "remote base not allowed" in refused(files).message


@pytest.mark.parametrize("key", ["Resources", "RESOURCES", "reſources"])
def test_t42_keys_in_another_case_do_not_hide_an_address(key):
    """Kustomize reads them without regard to case, Unicode folding included."""
    error = refused({**A, "app/kustomization.yaml": f"{key}:\n- https://example.com/x"})
    assert "write" in error.message
    assert (error.file, error.line) == ("app/kustomization.yaml", 2)


def test_t42_keys_in_another_case_do_not_hide_a_path():
    """In entries too."""
    text = "patches:\n- Path: https://example.com/x.yaml"
    assert "`path`" in refused({**A, "app/kustomization.yaml": text}).message


@pytest.mark.parametrize(
    "text", ["{}\n---\nresources: [https://example.com/x]", "resources: []\nresources: [b]", "- a"]
)
def test_t42_a_kustomization_that_two_readers_read_differently_is_refused(text):
    """Two documents, duplicate keys, no mapping: what the tool would take is not guessed."""
    assert refused({**A, "app/kustomization.yaml": text}).file == "app/kustomization.yaml"


@pytest.mark.parametrize(
    "name", ["base", "../base", "./x/../base", "app.v1/base", "my-github.com-copy", "v1.2/x.yaml"]
)
def test_ordinary_paths_are_not_taken_for_addresses(name):
    """Dots, dashes and versions stand in many names."""
    assert not is_remote(name)


def test_a_local_directory_that_looks_like_a_host_may_be_used():
    """Only hosts that Kustomize knows without a scheme are refused unseen."""
    files = {
        "app/kustomization.yaml": "resources: [example.com/base]",
        "app/example.com/base/kustomization.yaml": "resources: []",
    }
    assert "app/example.com/base/kustomization.yaml" in closure(files).paths


@pytest.mark.parametrize(
    "reference",
    ["../secret.yaml", "../../secret.yaml", "../../../etc/passwd", "/etc/passwd", "a/../../secret.yaml",
     "~/.kube/config", "a\\..\\b", "link.yaml", "up/secret.yaml", "out.yaml", "loop.yaml"],
)  # fmt: skip
@pytest.mark.parametrize("field", [f for f in FIELDS if f not in ("bases", "components")])
def test_t43_no_file_outside_of_the_kustomization_is_read(field, reference):
    """`..`, absolute, by link, by a directory that is a link: in every field that names files."""
    files = {
        **A,
        "secret.yaml": "canary: hunter2",
        "app/link.yaml": Link("../secret.yaml"),
        "app/out.yaml": Link("../../outside.yaml"),
        "app/loop.yaml": Link("loop.yaml"),
        "app/up": Link(".."),
    }
    value = quoted(f"key={reference}" if "keyed" in field else reference)
    text = FIELDS[field].replace("key={}" if "keyed" in field else "{}", value)
    error = refused({**files, "app/kustomization.yaml": text})
    assert (error.file, error.line) == ("app/kustomization.yaml", 3)
    assert "hunter2" not in str(error)


def test_t43_a_canary_outside_of_the_root_is_never_read(tmp_path: Path):
    """The same on a real directory, with a link to a real file beside it."""
    (tmp_path / "canary.yaml").write_text(config_map("hunter2"))
    app = tmp_path / "repo" / "app"
    app.mkdir(parents=True)
    (app / "kustomization.yaml").write_text("resources: [link.yaml]")
    (app / "link.yaml").symlink_to(tmp_path / "canary.yaml")
    with pytest.raises(RenderFailed, match="link that leaves") as caught:
        Renderers(never_started, None).render(DirectoryTree(tmp_path / "repo"), environment())
    assert "hunter2" not in str(caught.value)


def test_t43_a_base_behind_a_link_is_refused():
    """`..` in it would mean another directory for the tool than in the exported copy."""
    files = {
        "app/kustomization.yaml": "resources:\n- base",
        "app/base": Link("../real"),
        "real/kustomization.yaml": "resources: []",
    }
    assert "symbolic link" in refused(files).message


def test_t43_a_base_outside_of_the_repository_is_refused():
    """`..` more often than there are directories."""
    assert (
        "leaves the repository"
        in refused({"app/kustomization.yaml": "resources: [../../x]"}).message
    )


PLUGIN = "apiVersion: {}\nkind: {}\nmetadata:\n  name: x\n  annotations: {}\n"


@pytest.mark.parametrize("field", ["generators", "transformers", "validators"])
@pytest.mark.parametrize(
    "config",
    [
        PLUGIN.format("v1", "Any", "{config.kubernetes.io/function: 'exec: {path: ./x.sh}'}"),
        PLUGIN.format("v1", "Any", "{config.kubernetes.io/function: 'container: {image: x}'}"),
        PLUGIN.format("builtin", "PrefixTransformer", "{config.k8s.io/function: 'exec: {}'}"),
        PLUGIN.format("example.com/v1", "GoPlugin", "{}"),
        PLUGIN.format("builtin", "HelmChartInflationGenerator", "{}"),
        PLUGIN.format("builtin", "Unknown", "{}"),
        "apiVersion: v1\nkind: X\nmetadata: {configFn: {container: {image: x}}}\n",
        "just text\nof two lines\n",
    ],
)
def test_t44_functions_and_plugins_are_refused_in_file_and_inline(field, config):
    """No process is started: the tool of this test does not exist."""
    in_file = refused({**A, "app/kustomization.yaml": f"{field}: [p.yaml]", "app/p.yaml": config})
    assert in_file.file == "app/p.yaml"
    inline = refused(
        {**A, "app/kustomization.yaml": f"resources: [a.yaml]\n{field}:\n- {quoted(config)}"}
    )
    assert (inline.file, inline.line) == ("app/kustomization.yaml", 3)


def test_t44_a_second_plugin_in_one_file_is_refused_too():
    """Every document is looked at."""
    good = PLUGIN.format("builtin", "PrefixTransformer", "{}")
    files = {**A, "app/kustomization.yaml": "transformers: [p.yaml]",
             "app/p.yaml": good + "---\n" + PLUGIN.format("v1", "Exec", "{}")}  # fmt: skip
    error = refused(files)
    assert (error.file, error.line) == ("app/p.yaml", 6)


def test_t44_a_directory_of_plugins_is_refused():
    """What a kustomization makes of plugins cannot be known before it runs."""
    files = {**A, "app/kustomization.yaml": "transformers: [plugins]",
             "app/plugins/kustomization.yaml": "resources: []"}  # fmt: skip
    assert "not a file" in refused(files).message


def test_t44_paths_in_built_in_plugins_are_held_to_the_same_rules():
    """A patch transformer fetches its `path` like a patch does."""
    config = PLUGIN.format("builtin", "PatchTransformer", "{}") + "path: https://example.com/p"
    files = {**A, "app/kustomization.yaml": "transformers: [p.yaml]", "app/p.yaml": config}
    error = refused(files)
    assert (error.file, error.line) == ("app/p.yaml", 6)


@pytest.mark.parametrize("key", ["helmCharts", "helmChartInflationGenerator", "helmGlobals"])
def test_t45_charts_are_refused_before_the_tool_starts(key, tmp_path: Path):
    """A release name that is an option of helm never reaches helm."""
    marker = tmp_path / "marker"
    text = f"resources: [a.yaml]\n{key}:\n- name: x\n  releaseName: --post-renderer={marker}\n"
    error = refused({**A, "app/kustomization.yaml": text})
    assert key in error.message
    assert (error.file, error.line) == ("app/kustomization.yaml", 3)
    assert not marker.exists()


def test_the_closure_holds_every_file_of_a_build():
    """One of each field that names files."""
    files = {
        "app/kustomization.yaml": """
resources: [a.yaml, ../base]
components: [../parts/tls]
crds: [crd.json]
configurations: [conf.yaml]
openapi: {path: schema.json}
patches:
- path: p1.yaml
- patch: "- {op: remove, path: /data}"
  target: {kind: ConfigMap}
patchesJson6902:
- {path: p2.yaml, target: {version: v1, kind: ConfigMap, name: a}}
patchesStrategicMerge:
- p3.yaml
- |
  apiVersion: v1
  kind: ConfigMap
  metadata: {name: a}
replacements:
- path: r.yaml
- {source: {kind: ConfigMap}, targets: []}
transformers: [t.yaml]
configMapGenerator:
- {name: x, files: [f.txt, key=g.txt], envs: [e.env], literals: [a=b]}
secretGenerator:
- {name: y, env: s.env}
images: [{name: nginx, newTag: "1"}]
""",
        **A,
        "base/kustomization.yml": "resources: [b.yaml]",
        "base/b.yaml": config_map("b"),
        "parts/tls/Kustomization": "kind: Component",
        "app/t.yaml": PLUGIN.format("builtin", "PatchTransformer", "{}") + "path: tp.yaml",
        **{
            f"app/{name}": "{}"
            for name in ("crd.json", "conf.yaml", "schema.json", "p1.yaml", "p2.yaml", "p3.yaml",
                         "r.yaml", "f.txt", "g.txt", "e.env", "s.env", "tp.yaml")
        },
    }  # fmt: skip
    found = closure({**files, "app/unused.yaml": "", "base/unused.yaml": ""})
    assert found.paths == files.keys()
    assert found.resources == ("app/a.yaml", "base/b.yaml")
    assert not found.whole_tree


def test_links_to_files_bring_their_targets_into_the_closure():
    """Both are inputs: the link and what it says."""
    files = {"app/kustomization.yaml": "resources: [l.yaml]", "app/l.yaml": Link("a.yaml"), **A}
    assert closure(files).paths == files.keys()


def test_an_unknown_field_widens_the_closure():
    """It may name files; a missed input would be a missed preview."""
    assert closure({**A, "app/kustomization.yaml": "resources: [a.yaml]\nnovelty: [x]"}).whole_tree


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"app/kustomization.yaml": "resources:\n\n- ."}, "cycle"),
        ({"app/kustomization.yaml": "resources:\n\n- .."}, "cycle"),
        (
            {"app/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "\n\nresources: [../app]"},
            "cycle",
        ),
        ({"app/kustomization.yaml": "resources:\n\n- gone.yaml"}, "there is no"),
        ({"app/kustomization.yaml": "bases:\n\n- a.yaml", **A}, "not a directory"),
        ({"app/kustomization.yaml": "resources:\n\n- d", "app/d/x.yaml": ""}, "no kustomization"),
        ({"app/kustomization.yaml": "\n\nresources: a.yaml"}, "a list is needed"),
        ({"app/kustomization.yaml": "resources:\n\n- 5"}, "text is needed"),
        ({"app/kustomization.yaml": "patches:\n\n- p.yaml"}, "a mapping is needed"),
        ({"app/kustomization.yaml": "resources:\n\n- ''"}, "not a relative path"),
        ({"app/kustomization.yaml": "secretGenerator:\n\n- {literals: [hunter2]}"}, "key=value"),
    ],
)  # fmt: skip
def test_broken_graphs_are_refused_at_their_line(files, words):
    """Before the tool starts, with words that say what to do."""
    error = refused(files)
    assert words in error.message
    assert error.line == 3
    assert "hunter2" not in str(error)


def test_two_kustomization_files_in_one_directory_are_refused():
    """Which of them counts is not guessed."""
    files = {"app/kustomization.yaml": "", "app/Kustomization": ""}
    assert "two kustomization files" in refused(files).message


def test_a_base_used_twice_is_read_once():
    """A diamond is no cycle."""
    files = {
        "app/kustomization.yaml": "resources: [../x, ../y]",
        "x/kustomization.yaml": "resources: [../base]\nnamePrefix: x-",
        "y/kustomization.yaml": "resources: [../base]\nnamePrefix: y-",
        "base/kustomization.yaml": "namePrefix: b-",
    }
    assert closure(files).paths == files.keys()


def test_kustomizations_have_limits():
    """Fifty in a row and five hundred in all, without a recursion error on the way."""
    chain = {f"d{n}/kustomization.yaml": f"resources: [../d{n + 1}]" for n in range(700)}
    names = [f"../d{n}" for n in range(600)]
    fan = {f"d{n}/kustomization.yaml": "" for n in range(600)}
    fan = dict.fromkeys(fan, "namePrefix: x") | {
        "d700/kustomization.yaml": f"resources: {json.dumps(names)}"
    }
    for files, path in ((chain, "d0"), (fan, "d700")):
        with pytest.raises(RenderFailed, match="more than 500 kustomizations, or 50 in a row"):
            closure(files, path)
