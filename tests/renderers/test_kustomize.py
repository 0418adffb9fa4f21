"""Builds by the real kubectl through the whole renderer."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bot.domain.environment import RendererName
from bot.errors import RenderFailed, Unusable
from bot.git.directory import DirectoryTree
from bot.isolation import Tier, best_tier
from bot.renderers.kustomize import KustomizeTool, find_tool
from bot.renderers.pipeline import Renderers
from bot.renderers.yaml import load_manifests
from tests.renderers.shop import OVERLAYS, SHOP
from tests.renderers.tools import KUBECTL, MemoryTree, config_map, environment


@pytest.fixture(scope="module")
def tool() -> KustomizeTool:
    return find_tool(KUBECTL)


@pytest.fixture
def renderers(tool, tmp_path) -> Renderers:
    return Renderers(lambda: tool, None, tmp_path)


def fake(tmp_path: Path, script: str) -> KustomizeTool:
    """A program in place of kubectl, from a shell script."""
    path = tmp_path / "kubectl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return KustomizeTool(path, "kubectl", "v0")


def failed(renderers: Renderers, files, path="app") -> RenderFailed:
    with pytest.raises(RenderFailed) as caught:
        renderers.render(MemoryTree(files), environment(path))
    return caught.value


def on_disk(files, root: Path) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def body(rendering, kind: str) -> dict:
    (found,) = [m.body for m in rendering.manifests if m.body["kind"] == kind]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_build_of_the_closure_equals_a_build_of_the_checkout(renderers, tmp_path, overlay):
    """What kubectl makes of the whole repository is what it makes of the exported part."""
    root = on_disk(SHOP, tmp_path / "checkout")
    done = subprocess.run([KUBECTL, "kustomize", root / overlay], capture_output=True, check=True)
    found = renderers.render(MemoryTree(SHOP), environment(overlay)).manifests
    assert [m.body for m in found] == [m.body for m in load_manifests(done.stdout, "out")]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_the_closure_is_exported(renderers, overlay):
    """Notes and other overlays stay where they are."""
    tree = MemoryTree(SHOP)
    renderers.render(tree, environment(overlay))
    (exported,) = tree.exported
    assert "base/notes.txt" not in exported
    assert not [p for p in exported if p.startswith("overlays/") and not p.startswith(overlay)]


def test_an_overlay_is_built_with_all_its_parts(renderers):
    """Prefix, namespace, component, patch, replacement, generator hash, inline transformer."""
    found = renderers.render(MemoryTree(SHOP), environment("overlays/prod"))
    deployment = body(found, "Deployment")
    assert deployment["metadata"]["name"] == "prod-web"
    assert deployment["metadata"]["namespace"] == "shop"
    assert deployment["metadata"]["labels"]["tier"] == "prod"
    assert deployment["spec"]["replicas"] == 3
    pod = deployment["spec"]["template"]["spec"]
    assert pod["containers"][0]["env"][0]["value"] == "prod-web"
    assert pod["volumes"][0]["configMap"]["defaultMode"] == 420
    assert pod["volumes"][0]["configMap"]["name"].startswith("prod-settings-")
    assert body(found, "Service")["spec"]["ports"] == [{"port": 443}]
    assert found.tool.startswith("kubectl v1.")
    assert "kustomize v5." in found.tool


def test_objects_point_to_the_file_they_were_written_in(renderers):
    """Through prefixes; what a generator makes points to the kustomization."""
    found = renderers.render(MemoryTree(SHOP), environment("overlays/prod")).manifests
    assert {m.body["kind"]: str(m.source) for m in found} == {
        "ConfigMap": "overlays/prod/kustomization.yaml",
        "Deployment": "base/deployment.yaml:2",
        "Namespace": "overlays/prod/namespace.yaml:1",
        "Service": "base/service.yaml:1",
        "ServiceAccount": "base/deployment.yaml:26",
    }


def test_kustomize_works_on_a_real_directory(renderers, tmp_path):
    """The command line renders a checkout."""
    tree = DirectoryTree(on_disk(SHOP, tmp_path / "checkout"))
    assert len(renderers.render(tree, environment("overlays/dev")).manifests) == 4


def test_nothing_is_left_in_the_work_directory(renderers, tmp_path):
    """Neither after a build nor after a failure."""
    renderers.render(MemoryTree(SHOP), environment("overlays/dev"))
    failed(renderers, {"app/kustomization.yaml": "patches: [{patch: nonsense}]"})
    assert not list(tmp_path.iterdir())


def test_the_root_of_a_repository_can_be_a_kustomization(renderers):
    """The empty path."""
    files = {"kustomization.yaml": "resources: [a.yaml]", "a.yaml": config_map("a")}
    assert len(renderers.render(MemoryTree(files), environment("")).manifests) == 1


def test_kustomize_by_name_needs_a_kustomization(renderers):
    """A directory without one is not built as if it had one."""
    with pytest.raises(RenderFailed, match="no kustomization file"):
        renderers.render(
            MemoryTree({"app/a.yaml": config_map()}),
            environment(renderer=RendererName.KUSTOMIZE),
        )


def test_an_empty_build_is_an_error(renderers):
    """Zero objects are never deployed."""
    files = {"app/kustomization.yaml": "resources: [e.yaml]", "app/e.yaml": "# nothing\n"}
    assert failed(renderers, files)


def test_a_broken_resource_is_told_by_our_reader_with_its_line(renderers):
    """The tool would not name the line of every fault."""
    files = {
        "app/kustomization.yaml": "resources: [a.yaml]",
        "app/a.yaml": "apiVersion: v1\nkind: A\nmetadata: {name: a}\ndata: {a: 1, a: 2}\n",
    }
    error = failed(renderers, files)
    assert (error.file, error.line) == ("app/a.yaml", 4)


def test_the_tools_error_names_file_and_line_and_none_of_our_paths(renderers, tmp_path):
    """Its own words, without the temporary directory."""
    files = {
        "app/kustomization.yaml": "resources: [a.yaml]\nconfigurations: [c.yaml]",
        "app/a.yaml": config_map("a"),
        "app/c.yaml": "namePrefix:\n- path: [\n",
    }
    error = failed(renderers, files)
    assert error.message.startswith("kustomize: ")
    assert "build-" not in str(error)
    assert str(tmp_path) not in str(error)
    assert error.file in files


def test_a_patch_without_a_target_fails_the_build(renderers):
    """An ordinary mistake, told in the tool's words."""
    files = {
        "app/kustomization.yaml": "resources: [a.yaml]\npatches:\n- path: p.yaml\n",
        "app/a.yaml": config_map("a"),
        "app/p.yaml": config_map("other").removesuffix("---\n"),
    }
    assert "no matches for Id" in failed(renderers, files).message


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"


@pytest.mark.parametrize(
    "extra",
    [
        {"app/kustomization.yaml": "resources: [s.yaml]\npatches:\n- patch: 'hunter22: [x'\n"},
        {"app/kustomization.yaml": "resources: [s.yaml]\npatches:\n- patch: '{a: hunter22}'\n"},
        {
            "app/kustomization.yaml": "resources: [s.yaml]\nsecretGenerator:\n- name: x\n"
            "  type: [hunter22]\n  literals: [a=hunter22]\n"
        },
        {
            "app/kustomization.yaml": "resources: [s.yaml]\nsecretGenerator:\n- name: x\n"
            "  literals: ['a=hunter22', 'a=hunter22']\n"
        },
        {
            "app/kustomization.yaml": "resources: [s.yaml]\npatches:\n- path: p.yaml\n",
            "app/p.yaml": SECRET + "stringData: {a: hunter22, b: [}\n",
        },
        {
            "app/kustomization.yaml": "resources: [s.yaml]\ntransformers:\n- |\n"
            "  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: x}\n"
            "  patch: |\n    a: hunter22\n    b: c\n"
        },
    ],
)
def test_no_value_of_a_secret_is_in_an_error(renderers, extra):
    """The tool quotes configuration and patches when they are wrong."""
    assert "hunter22" not in str(failed(renderers, {"app/s.yaml": SECRET, **extra}))


def test_values_of_secrets_are_cut_out_of_the_tools_words(tmp_path):
    """Whatever it says: values that stand in Secrets and their generators, plain and decoded."""
    tool = fake(tmp_path, 'echo "bad: plainvalue decodedvalue literalvalue rest" >&2; exit 1')
    text = SECRET + "stringData: {a: plainvalue}\ndata: {b: ZGVjb2RlZHZhbHVl}\n"
    kustomization = "resources: [s.yaml]\nsecretGenerator: [{name: x, literals: [a=literalvalue]}]"
    files = {"app/kustomization.yaml": kustomization, "app/s.yaml": text}
    error = failed(Renderers(lambda: tool, None, tmp_path), files)
    assert error.message == "kustomize: bad: … … … rest"


def test_a_broken_patch_is_told_with_its_line(renderers):
    """The tool would quote the patch and name no line."""
    files = {
        "app/kustomization.yaml": "resources: [a.yaml]\npatches:\n- path: p.yaml\n",
        "app/a.yaml": config_map("a"),
        "app/p.yaml": "kind: ConfigMap\ndata: {a: b\nc: d\n",
    }
    error = failed(renderers, files)
    assert error.file == "app/p.yaml"
    assert error.line


def test_what_was_built_is_checked_like_what_was_written(renderers):
    """A patch can take a name away; the error does not pretend to know a line."""
    files = {
        "app/kustomization.yaml": "resources: [a.yaml]\npatches:\n- target: {kind: ConfigMap}\n"
        "  patch: '- {op: replace, path: /metadata/name, value: a/b}'\n",
        "app/a.yaml": config_map("a"),
    }
    error = failed(renderers, files)
    assert "what was built: metadata.name" in error.message
    assert (error.file, error.line) == ("app/kustomization.yaml", None)


def test_long_errors_are_cut(tmp_path):
    """A comment has room for the end of a message, not for a megabyte; controls are dropped."""
    tool = fake(
        tmp_path, "head -c 900000 /dev/zero | tr '\\0' 'x' >&2; printf '\\033[31mend' >&2; exit 1"
    )
    files = {"app/kustomization.yaml": "namePrefix: x"}
    error = failed(Renderers(lambda: tool, None, tmp_path), files)
    assert len(error.message) < 1600
    assert error.message.endswith("[31mend")


def test_a_file_that_the_walk_missed_widens_the_build_once(tmp_path):
    """The tool asks for a file outside of the closure: the second try has the whole repository."""
    script = """
    if [ ! -e ../other.yaml ]; then echo "lstat other.yaml: no such file or directory" >&2; exit 1; fi
    echo '{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}'"""
    tool = fake(tmp_path, script)
    renderers = Renderers(lambda: tool, None, tmp_path)
    tree = MemoryTree({"app/kustomization.yaml": "namePrefix: x", "other.yaml": "1"})
    narrow = renderers.inputs(tree, environment())
    rendering = renderers.render(tree, environment())
    assert [len(paths) for paths in tree.exported] == [1, 2]
    assert rendering.inputs != narrow
    assert renderers.inputs(tree, environment()) == rendering.inputs
    changed = MemoryTree({**tree.files, "other.yaml": "2"})
    assert renderers.inputs(changed, environment()) != rendering.inputs


def test_a_file_that_nowhere_exists_fails_after_one_more_try(tmp_path):
    """Widening ends."""
    tool = fake(tmp_path, 'echo "no such file or directory" >&2; exit 1')
    tree = MemoryTree({"app/kustomization.yaml": "namePrefix: x"})
    with pytest.raises(RenderFailed, match="no such file"):
        Renderers(lambda: tool, None, tmp_path).render(tree, environment())
    assert len(tree.exported) == 2


def test_t50_the_tool_gets_an_environment_built_from_nothing(tmp_path, monkeypatch):
    """Exactly the private directories, and none of our variables."""
    for name in ("HELM_PLUGINS", "KUBECONFIG", "TF_TOKEN", "GIT_ASKPASS", "KUSTOMIZE_PLUGIN_HOME",
                 "GITHUB_TOKEN", "LD_PRELOAD_X", "PYTHONPATH_X"):  # fmt: skip
        monkeypatch.setenv(name, "/repository/evil")
    script = """
    echo 'apiVersion: v1'; echo 'kind: A'; echo 'metadata: {name: env}'; echo 'data:'
    env | while IFS='=' read -r name value; do echo "  $name: '$value'"; done"""
    tool = fake(tmp_path, script)
    tree = MemoryTree({"app/kustomization.yaml": "namePrefix: x"})
    found = Renderers(lambda: tool, None, tmp_path).render(tree, environment())
    by_shell = {"PWD", "OLDPWD", "SHLVL", "_"}
    seen = found.manifests[0].body["data"]
    private = {
        "HOME",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
    }
    assert seen.keys() - by_shell == private
    assert "evil" not in str(seen)
    assert not [
        v for k, v in seen.items() if k in private and v.startswith(os.environ["HOME"] + "/")
    ]


def test_t44_flags_that_enable_programs_are_never_passed(tmp_path):
    """The arguments are the verb and the directory."""
    script = (
        """echo "apiVersion: v1"; echo "kind: A"; echo "metadata: {name: a}"; echo "args: '$*'" """
    )
    tool = fake(tmp_path, script)
    tree = MemoryTree({"app/kustomization.yaml": "namePrefix: x"})
    found = Renderers(lambda: tool, None, tmp_path).render(tree, environment())
    verb, directory = found.manifests[0].body["args"].split(" ")
    assert verb == "kustomize"
    assert directory.endswith("/tree/app")


def test_t54_output_without_end_is_cut_off(tmp_path):
    """The tool is killed at the limit, and the error says so."""
    error = failed(
        Renderers(lambda: fake(tmp_path, "exec yes"), None, tmp_path),
        {"app/kustomization.yaml": "namePrefix: x"},
    )
    assert "bytes to stdout" in error.message


def test_a_killed_tool_is_a_failed_render(tmp_path):
    """Killed for its CPU time or memory: the limits are told."""
    tool = fake(tmp_path, "ulimit -t 1; while :; do :; done")
    files = {"app/kustomization.yaml": "namePrefix: x"}
    error = failed(Renderers(lambda: tool, None, tmp_path), files)
    assert "stopped by signal 9" in error.message
    assert error.file == "app/kustomization.yaml"


def test_f05_a_tool_that_eats_memory_is_a_failed_render_and_the_worker_lives(tmp_path):
    """One endless line, which `tail` wants to keep: it ends at its limit, and nobody else does."""
    tool = fake(tmp_path, "head -c 3000000000 /dev/zero | tail -n 1")
    files = {"app/kustomization.yaml": "namePrefix: x"}
    error = failed(Renderers(lambda: tool, None, tmp_path), files)
    assert error.file == "app/kustomization.yaml"
    assert re.search(r"memory|signal", error.message), error.message


@pytest.mark.skipif(best_tier() < Tier.NAMESPACES, reason="only a PID namespace ends daemons")
def test_t53_a_daemon_of_the_tool_does_not_outlive_it(tmp_path):
    """A child in a session of its own ends with the render."""
    script = """setsid sleep 31415.9265 </dev/null >/dev/null 2>&1 &
    echo '{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}'"""
    tool = fake(tmp_path, script)
    tree = MemoryTree({"app/kustomization.yaml": "namePrefix: x"})
    assert Renderers(lambda: tool, None, tmp_path).render(tree, environment()).manifests
    running = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if readable(p)]
    assert not [line for line in running if b"31415.9265" in line]


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_the_tool_is_found_beside_the_interpreter_and_tells_its_version():
    """The wheel installs kubectl there."""
    found = find_tool()
    assert found.path == Path(sys.executable).parent / "kubectl"
    assert found.name == "kubectl"
    assert found.version.startswith("v1.37")


def test_a_configured_tool_that_is_none_is_refused_with_a_remedy(tmp_path):
    """Missing, not a program, or a program that is not kubectl."""
    other = fake(tmp_path, "echo hello")
    for path in (str(tmp_path / "gone"), str(tmp_path), str(other.path), "kubectl"):
        with pytest.raises(Unusable, match="install"):
            find_tool(path)


def test_kustomize_itself_is_called_by_its_own_verb(tmp_path):
    """`kustomize build DIR`, `kustomize version`."""
    path = tmp_path / "kustomize"
    fake(
        tmp_path,
        f'[ "$1" = version ] && echo v5.8.1 && exit; [ "$1" = build ] && exec {KUBECTL} kustomize "$2"',
    )
    (tmp_path / "kubectl").rename(path)
    found = find_tool(str(path))
    assert str(found) == "kustomize v5.8.1"
