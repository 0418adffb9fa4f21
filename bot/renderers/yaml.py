"""The bytes of a manifest file to Kubernetes objects: the only reader of manifests.

`read_documents` reads YAML or JSON as kubectl does; `load_manifests` makes objects of it: lists
are taken apart, and what Kubernetes could not apply by name is refused with file and line. Nothing
is skipped but empty documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from bot.domain.change import Manifest, Source
from bot.errors import RenderFailed
from bot.renderers.documents import TOO_DEEP, Document, shorten
from bot.renderers.events import Reader
from bot.renderers.json import read_json

# etcd takes 1.5 MiB and API servers 3 MiB of request; a larger object can never be applied.
MAX_OBJECT = 3 * 1024 * 1024
# Lists in lists: no tool writes more than two.
MAX_LISTS = 8

_BOM = b"\xef\xbb\xbf"
_API_VERSION = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[a-z][a-z0-9]{0,62}")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
# What the API server takes as a segment of a path, without what would break a line of text.
_NAME = re.compile(
    r"(?!\.{1,2}$)[^/%\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]{1,253}"
)


def read_documents(data: bytes, file: str, *, places: bool = False) -> Iterator[Document]:
    """The documents of a YAML or JSON file that are not empty, as they are read.

    places: keep the line of every value (`Document.line_of`); always by YAML's rules then.
    `RenderFailed` names file and line of what is wrong.
    """
    _check_encoding(data, file)
    text = data.removeprefix(_BOM)
    looks_like_json = text.lstrip()[:1] in (b"{", b"[") and not places
    document = read_json(text, file) if looks_like_json else None
    if document:
        yield document
    else:
        yield from Reader(file, places).documents(data)


def load_manifests(data: bytes, file: str) -> list[Manifest]:
    """The objects of a file in their order, each with the line it starts at."""
    found: list[Manifest] = []
    for document in read_documents(data, file):
        found += _objects(document, document.value, file, depth=0)
    return found


def _check_encoding(data: bytes, file: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RenderFailed("not UTF-8 text; save the file as UTF-8", file, line) from None


def _objects(document: Document, value: Any, file: str, depth: int) -> Iterator[Manifest]:
    line = document.line_of(value)
    if not isinstance(value, dict):
        raise RenderFailed(
            "not an object: a manifest is a mapping with apiVersion and kind", file, line
        )
    _check_type(value, file, line)
    if _is_list(value, file, line):
        if depth >= MAX_LISTS:
            raise RenderFailed(f"more than {MAX_LISTS} lists in one another", file, line)
        for item in value["items"]:
            yield from _objects(document, _typed(item, value), file, depth + 1)
    else:
        _check_identity(value, file, line)
        yield Manifest(_own_copy(value, document.aliased, file, line), Source(file, line))


def _is_list(value: dict[str, Any], file: str, line: int) -> bool:
    """kubectl's rule: the kind ends in `List` and `items` is a list."""
    if not value["kind"].endswith("List"):
        return False
    items = isinstance(value.get("items"), list)
    if value["kind"] == "List" and value["apiVersion"] == "v1" and not items:
        raise RenderFailed("a List needs `items`, a list of objects", file, line)
    return items


def _typed(item: Any, parent: dict[str, Any]) -> Any:
    """Items of a `ConfigMapList` may leave out what the list's kind says."""
    kind = parent["kind"].removesuffix("List")
    if not kind or not isinstance(item, dict) or "kind" in item:
        return item
    return {"apiVersion": parent["apiVersion"], "kind": kind} | item


def _check_type(value: dict[str, Any], file: str, line: int) -> None:
    for key, form in (("apiVersion", _API_VERSION), ("kind", _KIND)):
        text = value.get(key)
        if text is None or text == "":
            raise RenderFailed(f"object without {key}", file, line)
        if not isinstance(text, str) or not form.fullmatch(text):
            raise RenderFailed(f"{key} is not one that Kubernetes can have", file, line)


def _check_identity(value: dict[str, Any], file: str, line: int) -> None:
    kind, metadata = value["kind"], value.get("metadata")
    if not isinstance(metadata, dict):
        raise RenderFailed(f"{kind} without metadata", file, line)
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not name and "generateName" in metadata:
        raise RenderFailed(
            f"{kind} has generateName, so every sync would create another; give it a name",
            file,
            line,
        )
    if name is None or name == "":
        raise RenderFailed(f"{kind} without metadata.name", file, line)
    if not isinstance(name, str):
        raise RenderFailed(f"metadata.name of {kind} is not text; write it in quotes", file, line)
    if not _NAME.fullmatch(name):
        raise RenderFailed(f"metadata.name of {kind} is not a name: {shorten(name)}", file, line)
    if namespace is not None and not _is_namespace(namespace):
        raise RenderFailed(f"metadata.namespace of {kind} {name} is not a namespace", file, line)


def _is_namespace(value: Any) -> bool:
    return isinstance(value, str) and (not value or bool(_NAMESPACE.fullmatch(value)))


def _own_copy(value: dict[str, Any], aliased: bool, file: str, line: int) -> dict[str, Any]:
    """The object within its size limit; a copy when parts of it belong to others too."""
    try:
        text = orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise RenderFailed(TOO_DEEP, file, line) from None
    if len(text) > MAX_OBJECT:
        raise RenderFailed(
            f"object of more than {MAX_OBJECT} bytes; no API server takes it", file, line
        )
    copied: dict[str, Any] = orjson.loads(text) if aliased else value
    return copied
