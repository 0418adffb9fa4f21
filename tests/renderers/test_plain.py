"""Plain directories through the whole renderer: which files, which refusals."""

import pytest

from bot.domain.environment import RendererName
from bot.errors import RenderFailed, Unusable
from bot.renderers.pipeline import Renderers
from tests.renderers.tools import (
    Link,
    MemoryTree,
    Submodule,
    config_map,
    environment,
    never_started,
    refused,
)


def render(files, **fields):
    return Renderers(None, None).render(MemoryTree(files), environment(**fields))


def names(files, **fields) -> list[str]:
    return [m.body["metadata"]["name"] for m in render(files, **fields).manifests]


def test_every_manifest_below_the_directory_is_read_by_path():
    """Three suffixes, sub-directories, and nothing from beside or above."""
    files = {
        "app/b.yml": config_map("b"),
        "app/a/z.yaml": config_map("az"),
        "app/c.json": '{"apiVersion": "v1", "kind": "A", "metadata": {"name": "c"}}',
        "app/README.md": "not yaml: [",
        "app/c.yaml.bak": "{",
        "application/x.yaml": config_map("beside"),
        "top.yaml": config_map("above"),
    }
    assert names(files) == ["az", "b", "c"]


def test_sources_are_paths_of_the_repository_with_lines():
    """What the comment links to."""
    found = render({"app/a.yaml": config_map("a") + config_map("b")}).manifests
    assert [str(m.source) for m in found] == ["app/a.yaml:1", "app/a.yaml:7"]


def test_hidden_files_and_directories_configure_tools_and_are_not_read():
    """`.github`, `.sops.yaml`."""
    files = {
        "app/.sops.yaml": "creation_rules: []",
        "app/.github/x.yaml": "name: ci",
        "app/a.yaml": config_map("a"),
    }
    assert names(files) == ["a"]


def test_the_root_of_a_repository_can_be_an_environment():
    """The empty path."""
    assert names({"a.yaml": config_map("a"), ".github/w.yaml": "x: y"}, path="") == ["a"]


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_kustomization_inside_is_never_read_as_plain(name):
    """Its bases and patches are not finished objects; the error names the file and the way out."""
    error = refused({"app/a.yaml": config_map("a"), f"app/sub/{name}": "resources: []"})
    assert error.file == f"app/sub/{name}"
    assert "renderer: kustomize" in error.message


def test_a_kustomization_is_not_plain_even_when_plain_is_named():
    """The name of a renderer does not make a kustomization an object."""
    files = {"app/a.yaml": config_map("a"), "app/kustomization.yaml": "resources: [a.yaml]"}
    with pytest.raises(RenderFailed, match=r"app/kustomization.yaml: .*not read as plain"):
        render(files, renderer=RendererName.PLAIN)


def test_objects_of_kustomize_are_refused():
    """A component under another file name."""
    text = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nmetadata: {name: a}\n"
    error = refused({"app/component.yaml": config_map("b") + text})
    assert (error.file, error.line) == ("app/component.yaml", 7)


def test_kustomizations_of_flux_are_ordinary_objects():
    """Another group of the same kind."""
    text = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\n"
    assert names({"app/a.yaml": text}) == ["a"]


@pytest.mark.parametrize(
    "files",
    [{"app/README.md": "x"}, {"app/a.yaml": "---\n# nothing\n"}, {"app/.x/a.yaml": "x"}],
)
def test_t58_an_empty_render_is_an_error(files):
    """Never zero objects: zero objects would prune everything."""
    assert "nothing to deploy" in refused(files).message


def test_t58_a_missing_directory_is_an_error():
    """A renamed directory is not a wish to delete."""
    error = refused({"other/a.yaml": config_map("a")})
    assert error.file == "app"
    assert "does not exist" in error.message


def test_t58_one_broken_file_fails_the_whole_render():
    """Half a render is none."""
    error = refused({"app/a.yaml": config_map("a"), "app/b.yaml": "a: ["})
    assert error.file == "app/b.yaml"


def test_a_file_in_place_of_the_directory_is_an_error():
    """The path of an environment is a directory."""
    assert "not a directory" in refused({"app": config_map("a")}).message


@pytest.mark.parametrize(
    "second", ["{name: a}", "{name: a, namespace: shop}", "{name: a, namespace: ''}"]
)
def test_objects_defined_twice_are_an_error_that_names_both(second):
    """Also when one of them only gets its namespace at the target."""
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {second}\n"
    error = refused({"app/a.yaml": config_map("a"), "app/b.yaml": text})
    assert (error.file, error.line) == ("app/b.yaml", 1)
    assert "app/a.yaml:1" in error.message


def test_the_same_name_in_two_namespaces_or_groups_is_two_objects():
    """Identity is group, kind, namespace and name; the version is not part of it."""
    texts = [
        "apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: one}\n",
        "apiVersion: v1\nkind: A\nmetadata: {name: a, namespace: two}\n",
        "apiVersion: g.io/v1\nkind: A\nmetadata: {name: a, namespace: two}\n",
    ]
    assert names({"app/a.yaml": "---\n".join(texts)}) == ["a", "a", "a"]
    both = "---\n".join([texts[2], texts[2].replace("v1", "v2")])
    assert "defined twice" in refused({"app/a.yaml": both}).message


def test_the_renderer_leaves_namespaces_alone():
    """An object without one stays without one."""
    assert "namespace" not in render({"app/a.yaml": config_map()}).manifests[0].body["metadata"]


def test_t43_links_inside_the_repository_are_read_others_refused():
    """A link to a file is the file; one that leaves, leads nowhere or to a directory is refused."""
    files = {"shared/a.yaml": config_map("a"), "app/a.yaml": Link("../shared/a.yaml")}
    assert names(files) == ["a"]
    for target in ("../../etc/passwd", "/etc/passwd", "../shared", "../gone.yaml", "link.yaml"):
        error = refused({**files, "app/link.yaml": Link(target)})
        assert error.file == "app/link.yaml"
        assert "link" in error.message


def test_t21_a_submodule_is_refused_not_passed_over():
    """It could hold manifests, and is never fetched."""
    error = refused({"app/a.yaml": config_map("a"), "app/vendor": Submodule("0" * 40)})
    assert error.file == "app/vendor"
    assert "never fetched" in error.message


def test_too_many_files_are_refused():
    """The count is checked before any is read."""
    files = {f"app/{n}.yaml": "" for n in range(10_001)}
    assert "more than 10000 files" in refused(files).message


def test_without_a_tool_a_kustomization_is_the_operators_problem():
    """Not a failed render of the author's files, but something to install."""
    with pytest.raises(Unusable, match="no kubectl or kustomize"):
        render({"app/kustomization.yaml": "resources: []"})


def test_plain_needs_no_tool():
    """The finder is not even called."""
    tree = MemoryTree({"app/a.yaml": config_map("a")})
    assert Renderers(never_started, None).render(tree, environment()).tool.startswith("plain YAML")
