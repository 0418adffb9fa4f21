"""Everything that a Kustomize build reads, found without running it.

The graph of kustomizations is walked through the tree of a revision. Each field that can name a
file, a directory or a program is known here; a field that is not known widens the closure to the
whole repository, so that a missed input costs work, never a missed preview. What could reach out
of the repository or run something is refused with file and line before the tool starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.domain.change import Source
from bot.errors import RenderFailed
from bot.ports import EntryKind, Tree
from bot.renderers import references
from bot.renderers.documents import Document, shorten
from bot.renderers.inputs import InputFiles
from bot.renderers.kustomization import Kustomization, Located, fail, find_kustomization
from bot.renderers.plugins import check_plugin
from bot.renderers.yaml import read_documents

# Of one build, and in a row, each naming the next. People write ten, four in a row.
MAX_KUSTOMIZATIONS = 500
MAX_CHAIN = 50

_NO_FILES = frozenset(
    {"apiVersion", "kind", "metadata", "namespace", "namePrefix", "nameSuffix", "labels",
     "commonLabels", "commonAnnotations", "images", "imageTags", "replicas", "vars",
     "generatorOptions", "buildMetadata", "sortOptions"}
)  # fmt: skip
_HELM = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
_DIRECTORIES = ("bases", "components")
_FILES = ("crds", "configurations")
_PATH_ENTRIES = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")
_PLUGINS = ("generators", "transformers", "validators")
_KNOWN = _NO_FILES.union(
    ("resources", "patchesStrategicMerge", "openapi"),
    _HELM, _DIRECTORIES, _FILES, _PATH_ENTRIES, _GENERATORS, _PLUGINS,
)  # fmt: skip

_GENERATOR_KEYS = frozenset({"files", "envs", "env", "literals"})
_PLUGIN_KEYS = _GENERATOR_KEYS | {"apiVersion", "kind", "metadata", "path", "paths", "replacements"}


@dataclass(frozen=True, slots=True)
class Closure:
    """What the build of `directory` reads. paths: files, relative to the root. resources: those
    of them that hold whole objects. kustomization: the file it starts from. secrets: texts that
    must not be shown, from the literals of secret generators."""

    directory: str
    kustomization: str
    paths: frozenset[str]
    resources: tuple[str, ...] = ()
    whole_tree: bool = False
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


def closure_of(tree: Tree, directory: str) -> Closure:
    """Walk the graph from `directory`. `RenderFailed` for what is missing, broken or refused."""
    walk = _Walk(tree)
    first = walk.kustomization(directory, Source(directory), ())
    return Closure(
        directory,
        first,
        frozenset(walk.files.paths),
        tuple(sorted(walk.resources)),
        walk.whole_tree,
        frozenset(walk.secrets),
    )


class _Walk:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.files = InputFiles(tree)
        self.resources: set[str] = set()
        self.secrets: set[str] = set()
        self.done: set[str] = set()
        self.whole_tree = False

    def kustomization(self, directory: str, at: Source, above: tuple[str, ...]) -> str:
        """Walk the kustomization in `directory`; `above` are those that led here."""
        if any(references.is_below(each, directory) for each in above):
            fail("cycle: this directory contains the kustomization that names it", at)
        entry = find_kustomization(self.tree, directory)
        if entry is None:
            fail(f"no kustomization file in {shorten(directory or '.')}", at)
        if directory not in self.done:
            self._enter(directory, entry.path, at, above)
        return entry.path

    def _enter(self, directory: str, path: str, at: Source, above: tuple[str, ...]) -> None:
        if len(self.done) >= MAX_KUSTOMIZATIONS or len(above) >= MAX_CHAIN:
            fail(f"more than {MAX_KUSTOMIZATIONS} kustomizations, or {MAX_CHAIN} in a row", at)
        self.done.add(directory)
        self.files.add(path, directory, Source(path))
        documents = list(read_documents(self.files.load(path, at), path, places=True))
        if len(documents) != 1 or not isinstance(documents[0].value, dict):
            raise RenderFailed("a kustomization is one YAML document, a mapping", path, 1)
        self._read(Kustomization(path, directory, documents[0], (*above, directory)))

    def _read(self, file: Kustomization) -> None:
        file.check_keys(file.content, _KNOWN)
        for key in _HELM:
            if key in file.content:
                at = file.at(file.content, key)
                fail(f"`{key}` is not supported: charts are neither fetched nor run", at)
        if not file.content.keys() <= _KNOWN:
            self.whole_tree = True
        self._read_graph(file)
        self._read_patches(file)
        self._read_generators(file)

    def _read_graph(self, file: Kustomization) -> None:
        for reference in file.texts(file.content, "resources"):
            self._resource(file, reference)
        for key in _DIRECTORIES:
            for reference in file.texts(file.content, key):
                self._base(file, reference)
        for key in _FILES:
            for reference in file.texts(file.content, key):
                self.files.named(file, reference)

    def _read_patches(self, file: Kustomization) -> None:
        for reference in file.texts(file.content, "patchesStrategicMerge"):
            self._documents(file, reference)
        for key in _PATH_ENTRIES:
            for entry in file.mappings(file.content, key):
                self._path_entry(file, entry)
                for reference in file.text(entry, "patch"):
                    _inline(*reference)
        for entry in file.mapping(file.content, "openapi"):
            file.check_keys(entry, frozenset({"path"}))
            for reference in file.text(entry, "path"):
                self.files.named(file, reference)

    def _read_generators(self, file: Kustomization) -> None:
        for key in _GENERATORS:
            for entry in file.mappings(file.content, key):
                self._generator(file, entry, secret=key == "secretGenerator")
        for key in _PLUGINS:
            for reference in file.texts(file.content, key):
                self._plugin(file, reference)

    def _resource(self, file: Kustomization, reference: Located) -> None:
        entry = self.tree.entry(self.files.path(file, reference))
        if entry and entry.kind is EntryKind.DIRECTORY:
            self._base(file, reference)
        else:
            self.resources.add(self.files.named(file, reference))

    def _base(self, file: Kustomization, reference: Located) -> None:
        self.kustomization(self.files.directory(file, reference), reference[1], file.above)

    def _path_entry(self, file: Kustomization, entry: dict[str, object]) -> None:
        """`path: FILE` of a patch or a replacement; all else in it is inline."""
        file.check_keys(entry, frozenset({"path", "patch"}))
        for reference in file.text(entry, "path"):
            self._documents(file, reference)

    def _generator(self, file: Kustomization, entry: dict[str, object], *, secret: bool) -> None:
        """The files of a ConfigMap or Secret generator."""
        file.check_keys(entry, _GENERATOR_KEYS)
        for text, at in file.texts(entry, "files"):
            self.files.named(file, (text.partition("=")[2] if "=" in text else text, at))
        for reference in [*file.texts(entry, "envs"), *file.text(entry, "env")]:
            self.files.named(file, reference)
        for reference in file.texts(entry, "literals"):
            self._literal(reference, secret=secret)

    def _literal(self, reference: Located, *, secret: bool) -> None:
        key, separator, value = reference[0].partition("=")
        if not key or not separator:
            # The tool would print the text itself, which may be a password.
            fail("a literal is written key=value", reference[1])
        if secret:
            self.secrets.add(value.strip("\"'"))

    def _plugin(self, file: Kustomization, reference: Located) -> None:
        """A file or text with the configuration of built-in plugins; all others are refused."""
        for config in self._configurations(file, reference):
            check_plugin(config.document.value, config.at(None))
            config.check_keys(config.content, _PLUGIN_KEYS)
            self._plugin_files(config)

    def _configurations(self, file: Kustomization, reference: Located) -> list[Kustomization]:
        path, documents = self._documents(file, reference)
        return [Kustomization(path, file.directory, document) for document in documents]

    def _documents(self, file: Kustomization, reference: Located) -> tuple[str, list[Document]]:
        """What a text says that is a file's name or YAML itself, and the file it stands in.
        Broken YAML is told here with its line; the tool would quote all of it instead."""
        text, at = reference
        if _is_inline(text):
            return file.path, _inline(text, at)
        path = self.files.named(file, reference)
        return path, list(read_documents(self.files.load(path, at), path, places=True))

    def _plugin_files(self, config: Kustomization) -> None:
        kind = config.content["kind"]
        if kind in ("ConfigMapGenerator", "SecretGenerator"):
            self._generator(config, config.content, secret=kind == "SecretGenerator")
        elif kind.startswith("Patch"):
            self._path_entry(config, config.content)
            for reference in config.texts(config.content, "paths"):
                self._documents(config, reference)
        elif kind == "ReplacementTransformer":
            for entry in config.mappings(config.content, "replacements"):
                self._path_entry(config, entry)


def _is_inline(text: str) -> bool:
    """YAML in place of a file's name: it has lines, or begins like a mapping or list."""
    return "\n" in text or text.lstrip().startswith(("{", "["))


def _inline(text: str, at: Source) -> list[Document]:
    try:
        found = list(read_documents(text.encode(), at.file))
    except RenderFailed as error:
        fail(f"inline configuration: {error.message}", at)
    # Lines inside a text are not lines of the file: all stand where the text begins.
    return [Document(document.value, at.line or 1) for document in found]
