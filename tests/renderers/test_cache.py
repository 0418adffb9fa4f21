"""Renderings kept by content; Secrets never on disk."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.domain.change import Manifest, Source
from bot.errors import RenderFailed, Unusable
from bot.ports import Rendering
from bot.renderers.cache import RenderCache
from bot.renderers.pipeline import Renderers
from tests.renderers.tools import MemoryTree, config_map, environment


def rendering(kind: str = "ConfigMap", value: str = "hunter22", **extra) -> Rendering:
    body = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "a"},
        "data": {"k": value},
        **extra,
    }
    return Rendering((Manifest(body, Source("a.yaml", 3)),), "tool 1", "inputs")


@pytest.fixture
def cache(tmp_path) -> RenderCache:
    return RenderCache(tmp_path / "cache")


def on_disk(path: Path) -> list[Path]:
    return sorted((path / "cache").iterdir())


def test_what_was_put_is_got_by_another_process_too(cache, tmp_path):
    """Bodies, sources, tool and digest; made anew each time, so that changes stay local."""
    cache.put("k", rendering())
    again = RenderCache(tmp_path / "cache")
    assert again.get("k") == rendering()
    again.get("k").manifests[0].body["data"]["k"] = "changed"
    assert again.get("k") == rendering()
    assert again.get("other") is None


@pytest.mark.parametrize(
    "secret",
    [
        rendering("Secret"),
        rendering(sops={"mac": "x"}),
        rendering(value="ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"),
    ],
)
def test_t59_renderings_with_secrets_are_kept_in_memory_only(cache, tmp_path, secret):
    """Not a byte on disk; the next process renders again."""
    cache.put("k", secret)
    assert cache.get("k") == secret
    cache.get("k").manifests[0].body["data"]["k"] = "changed"
    assert cache.get("k") == secret
    assert on_disk(tmp_path) == []
    assert RenderCache(tmp_path / "cache").get("k") is None


def test_the_memory_for_secrets_is_bounded(tmp_path):
    """The one that was not used for longest goes."""
    cache = RenderCache(tmp_path / "cache", memory=400)
    for key in "abc":
        cache.put(key, rendering("Secret"))
        cache.get("a")
    kept = [key for key in "abc" if cache.get(key)]
    assert "a" in kept
    assert len(kept) < 3


def test_the_directory_and_its_files_are_private(cache, tmp_path):
    """0700 and 0600, whatever the umask and whatever was there."""
    cache.put("k", rendering())
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "cache", *on_disk(tmp_path))]
    assert modes == [0o700, 0o600]
    (tmp_path / "open").mkdir(mode=0o777)
    RenderCache(tmp_path / "open")
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o700


def test_a_directory_behind_a_link_is_refused(tmp_path):
    """Somebody else could have put it there."""
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(Unusable, match="must be a directory"):
        RenderCache(tmp_path / "link")


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[:10], lambda d: b"", lambda d: d[:-5] + b"00000",
                                    lambda d: b"other format" + d])  # fmt: skip
def test_a_damaged_file_is_a_miss_and_goes(cache, tmp_path, damage):
    """Cut, empty, changed or of another version: rendered again."""
    cache.put("k", rendering())
    (file,) = on_disk(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    assert cache.get("k") is None
    assert on_disk(tmp_path) == []


def test_the_disk_is_bounded(tmp_path):
    """Old renderings go first."""
    cache = RenderCache(tmp_path / "cache", disk=1000)
    for number in range(20):
        cache.put(str(number), rendering())
    assert sum(p.stat().st_size for p in on_disk(tmp_path)) <= 1000
    assert cache.get("0") is None


def test_a_disk_that_cannot_be_written_costs_a_render_only(tmp_path):
    """The cache is no reason to fail."""
    cache = RenderCache(tmp_path / "cache")
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").touch()
    cache.put("k", rendering())
    cache.widen("k")
    assert cache.get("k") is None


def test_a_directory_that_was_removed_is_made_again(cache, tmp_path):
    """`store.directory` may be emptied at any time: the next rendering is kept as before."""
    (tmp_path / "cache").rmdir()
    cache.put("k", rendering())
    assert cache.get("k") == rendering()
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_a_closure_that_was_too_small_is_remembered(tmp_path):
    """By the next process too."""
    RenderCache(tmp_path / "cache").widen("inputs")
    assert RenderCache(tmp_path / "cache").is_wide("inputs")
    assert not RenderCache(tmp_path / "cache").is_wide("others")


def test_threads_share_a_cache(cache):
    """Readers never see half a file."""
    expected = rendering(value="x" * 100_000)

    def work(number: int) -> bool:
        cache.put("k", expected)
        return cache.get("k") in (expected, None)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))


class Counting(MemoryTree):
    """A tree that counts how often a file was read."""

    reads = 0

    def read(self, path):
        self.reads += 1
        return super().read(path)


def test_equal_inputs_are_rendered_once(cache):
    """The second time no file is read; another content is rendered."""
    renderers = Renderers(None, cache)
    tree = Counting({"app/a.yaml": config_map("a")})
    first = renderers.render(tree, environment())
    assert renderers.render(tree, environment()) == first
    assert tree.reads == 1
    changed = Counting({"app/a.yaml": config_map("b")})
    assert renderers.render(changed, environment()) != first


def test_failures_are_not_kept(cache, tmp_path):
    """A broken file is read again each time, so its error is always made from the file."""
    tree = Counting({"app/a.yaml": "a: b: c"})
    for reads in (1, 2):
        with pytest.raises(RenderFailed, match=r"app/a.yaml:1"):
            Renderers(None, cache).render(tree, environment())
        assert tree.reads == reads
    assert on_disk(tmp_path) == []
