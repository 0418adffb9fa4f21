"""The files of one revision, read from Git objects: no checkout, no attributes, no filters."""

from __future__ import annotations

from bot.errors import Unusable
from bot.git.files import DEFAULT_TREE_LIMITS, Files, TreeLimits
from bot.git.names import check_component, shown, split
from bot.git.objects import Info, Objects
from bot.ports import Entry, EntryKind

_KINDS = {
    b"40000": EntryKind.DIRECTORY,
    b"100644": EntryKind.FILE,
    b"100755": EntryKind.FILE,
    b"100664": EntryKind.FILE,  # written by very old versions of Git
    b"120000": EntryKind.LINK,
    b"160000": EntryKind.SUBMODULE,
}
_BYTES_PER_NAME = 64  # of a tree object, to bound it by the limit on names


class GitTree(Files):
    """`ports.Tree` over the tree object `root` of one mirror. May be used by several threads."""

    def __init__(
        self, objects: Objects, root: str, limits: TreeLimits = DEFAULT_TREE_LIMITS
    ) -> None:
        super().__init__(limits)
        self._objects, self._root = objects, root
        self._known: dict[str, dict[str, Entry]] = {}

    def entry(self, path: str) -> Entry | None:
        """What is at `path` ("" is the root); symlinks are not followed."""
        here = Entry("", EntryKind.DIRECTORY, self._root)
        for name in split(path):
            if here.kind is not EntryKind.DIRECTORY:
                return None
            below = self._children(here).get(name)
            if below is None:
                return None
            here = below
        return here

    def list(self, path: str) -> list[Entry]:
        """Direct children of a directory, sorted by name."""
        here = self.entry(path)
        if here is None or here.kind is not EntryKind.DIRECTORY:
            raise Unusable(f"there is no directory {shown(path)}")
        return list(self._children(here).values())

    def _content(self, entry: Entry) -> bytes:
        return self._objects.content(entry.id, "blob", self._limits.file)

    def _children(self, directory: Entry) -> dict[str, Entry]:
        """Names → entries of a directory, read once. Known by path: the same tree object may
        stand in several places."""
        known = self._known.get(directory.path)
        if known is None:
            known = self._read(directory)
            self._known[directory.path] = known
        return known

    def _read(self, directory: Entry) -> dict[str, Entry]:
        limit = self._limits.entries * _BYTES_PER_NAME
        data = self._objects.content(directory.id, "tree", limit)
        found = _parse(data, len(self._root) // 2, directory.path)
        sized = [e for e in found if e.kind in {EntryKind.FILE, EntryKind.LINK}]
        sizes = {
            e.id: i for e, i in zip(sized, self._objects.info([e.id for e in sized]), strict=True)
        }
        entries: dict[str, Entry] = {}
        for entry in sorted(found, key=lambda e: e.path):
            entries[entry.path.rpartition("/")[2]] = self._with_size(entry, sizes)
        if len(entries) != len(found):
            raise Unusable(f"a name is twice in the directory {shown(directory.path)!r}")
        return entries

    def _with_size(self, entry: Entry, sizes: dict[str, Info | None]) -> Entry:
        if entry.id not in sizes:
            return entry
        info = sizes[entry.id]
        if info is None:
            raise self._objects.damage()
        return Entry(entry.path, entry.kind, entry.id, info.size)


def _parse(data: bytes, id_bytes: int, above: str) -> list[Entry]:
    """A tree object: `<mode> <name>\\0<id>`, again and again."""
    found, at = list[Entry](), 0
    while at < len(data):
        space, end = data.index(b" ", at), data.index(b"\0", at)
        name = data[space + 1 : end].decode("utf-8", "surrogateescape")
        path = f"{above}/{name}" if above else name
        check_component(name, path)
        kind = _KINDS.get(data[at:space])
        if kind is None:
            raise Unusable(f"neither file, link nor directory: {shown(path)}")
        at = end + 1 + id_bytes
        found.append(Entry(path, kind, data[end + 1 : at].hex()))
    return found
