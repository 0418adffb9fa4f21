"""The digest of what a render reads: equal for equal inputs, different for every real change."""

import pytest

from bot.domain.environment import RendererName
from bot.errors import Temporary, Unusable
from bot.renderers.kustomize import KustomizeTool
from bot.renderers.pipeline import Renderers
from tests.renderers.shop import OVERLAYS, SHOP
from tests.renderers.tools import (
    Link,
    MemoryTree,
    Submodule,
    config_map,
    environment,
    never_started,
)

PLAIN = {"app/a.yaml": config_map("a"), "app/README.md": "1", "other/x.yaml": "1"}


def inputs(files, path="app", tool=never_started, **fields) -> str:
    return Renderers(tool, None).inputs(MemoryTree(files), environment(path, **fields))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_file_of_the_closure_and_no_other_changes_the_digest(overlay):
    """Each file of the repository is touched once: shared ones move every overlay."""
    before = inputs(SHOP, overlay)
    moved = {name for name in SHOP if inputs({**SHOP, name: SHOP[name] + "\n"}, overlay) != before}
    expected = {n for n in SHOP if n.startswith(("base/", overlay)) and n != "base/notes.txt"}
    tls = {n for n in SHOP if n.startswith("components/")} if overlay != OVERLAYS[0] else set()
    assert moved == expected | tls


def test_plain_reads_manifests_below_its_directory_only():
    """Neither the README nor a sister directory."""
    before = inputs(PLAIN)
    assert inputs({**PLAIN, "app/README.md": "2", "other/x.yaml": "2"}) == before
    assert inputs({**PLAIN, "app/a.yaml": config_map("b")}) != before
    assert inputs({**PLAIN, "app/deep/b.yaml": ""}) != before


def test_a_renamed_file_changes_the_digest():
    """Order and sources depend on names."""
    assert inputs({"app/b.yaml": config_map("a")}) != inputs({"app/a.yaml": config_map("a")})


def test_what_makes_a_render_fail_is_an_input_too():
    """A kustomization, a submodule or a link that appears."""
    before = inputs(PLAIN, renderer=RendererName.PLAIN)
    for name, what in (
        ("x/kustomization.yaml", ""),
        ("v", Submodule("0" * 40)),
        ("l", Link("../..")),
    ):
        assert inputs({**PLAIN, f"app/{name}": what}, renderer=RendererName.PLAIN) != before


@pytest.mark.parametrize("kustomized", [False, True])
def test_the_target_of_a_link_is_an_input(kustomized):
    """Content behind a link is content."""
    files = {"app/l.yaml": Link("real/a.txt"), "app/real/a.txt": config_map("a")}
    if kustomized:
        files["app/kustomization.yaml"] = "resources: [l.yaml]"
    assert inputs({**files, "app/real/a.txt": config_map("b")}) != inputs(files)


def test_tool_version_directory_namespace_and_renderer_are_inputs():
    """The arguments of a render beside its files."""
    files = {"app/kustomization.yaml": "", "b/kustomization.yaml": ""}
    files = dict.fromkeys(files, "namePrefix: x")

    def newer() -> KustomizeTool:
        return KustomizeTool(never_started().path, "kubectl", "v1")

    digests = {
        inputs(files),
        inputs(files, tool=newer),
        inputs(files, "b"),
        inputs(files, namespace="other"),
        inputs(files, renderer=RendererName.KUSTOMIZE),
    }
    assert len(digests) == 5


@pytest.mark.parametrize(
    "files",
    [
        {"app/kustomization.yaml": "resources: [gone.yaml]"},
        {"app/kustomization.yaml": "resources: [https://example.com/x]"},
        {"app/kustomization.yaml": "a: ["},
        {"app/kustomization.yaml": b"\xff"},
        {"app/kustomization.yaml": "novelty: x"},
        {"app/kustomization.yaml": "", "app/Kustomization": ""},
        {"app/kustomization.yaml": Link("../../x")},
        {"app": "a file"},
    ],
)
def test_what_cannot_be_followed_widens_to_the_whole_repository(files):
    """Never an error, and any change anywhere changes the digest."""
    assert inputs({**files, "far/away.txt": "1"}) != inputs({**files, "far/away.txt": "2"})
    assert inputs(files) == inputs(files)


def test_a_missing_directory_is_an_input_of_its_own():
    """Only the change that brings it touches the environment, not every change there is."""
    before = inputs({"far/away.txt": "1"}, renderer=RendererName.KUSTOMIZE, tool=None)
    assert inputs({"far/away.txt": "2"}, renderer=RendererName.KUSTOMIZE, tool=None) == before
    assert inputs({"far/away.txt": "1", "app/a.yaml": ""}) != before


def test_an_outage_of_the_tree_is_not_broken_content():
    """Temporary errors stay what they are: to be tried again."""

    class Down(MemoryTree):
        def list(self, path):
            raise Temporary("the mirror is away")

    with pytest.raises(Temporary):
        Renderers(never_started, None).inputs(Down(PLAIN), environment())


def test_a_missing_tool_is_said_at_once():
    """The operator's problem, not a digest of everything."""
    with pytest.raises(Unusable, match="no kubectl"):
        inputs({"app/kustomization.yaml": "namePrefix: x"}, tool=None)


def test_the_rendering_carries_the_digest_of_its_inputs():
    """What a preview records is what it was made from."""
    renderers = Renderers(None, None)
    tree = MemoryTree(PLAIN)
    assert renderers.render(tree, environment()).inputs == renderers.inputs(tree, environment())
