"""Answers in the form that was asked for: objects, lists and watch events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import yaml

from bot.sandbox.cluster.conversion import in_version
from bot.sandbox.cluster.exchange import JSON, Reply
from bot.sandbox.cluster.listing import Page
from bot.sandbox.cluster.model import Object, Resource
from bot.sandbox.cluster.negotiation import TABLE, YAML, Form
from bot.sandbox.cluster.storage import Stored
from bot.sandbox.cluster.table import Table, partial

# Kinds that a scale answers with, and other small ones that have no table of their own.
NO_TABLE = frozenset({"Scale", "Status"})


class Renderer:
    """Shows objects of one kind in one form."""

    def __init__(self, resource: Resource, form: Form, include: str, now: float) -> None:
        self._resource = resource
        self._form = form
        self._table = Table(resource, include, form.version, now)
        self._columns_told = False

    def one(self, code: int, body: Object) -> Reply:
        """One object (or a Status, which is never shown otherwise)."""
        if body.get("kind") in NO_TABLE or not self._form.as_kind:
            return self._reply(code, body)
        if self._form.as_kind == TABLE:
            metadata = {"resourceVersion": body["metadata"].get("resourceVersion", "")}
            return self._reply(code, self._table.of([body], metadata))
        return self._reply(code, partial(body, self._form.version))

    def many(self, page: Page) -> Reply:
        if self._form.as_kind == TABLE:
            items = [self._versioned(each) for each in page.items]
            return self._reply(200, self._table.of(items, page.metadata))
        if self._form.as_kind:
            return self._partials(page)
        # Lists of custom kinds say that nothing follows; the others leave it out.
        metadata = (
            page.metadata
            if self._resource.definition is None
            else ({"continue": ""} | page.metadata)
        )
        reply = _joined(self._list_head(), metadata, map(self._item, page.items))
        return self._reply(200, orjson.loads(reply.body)) if self._form.yaml else reply

    def _partials(self, page: Page) -> Reply:
        head = {"kind": "PartialObjectMetadataList", "apiVersion": self._meta_version}
        if not page.items:
            # As the real server writes an empty list of these.
            return self._reply(200, {**head, "metadata": page.metadata, "items": None})
        return _joined(head, page.metadata, map(self._partial, page.items))

    def objects(self, items: Sequence[Object], metadata: Object) -> Reply:
        """A list that is not in storage any more (what a DELETE of a collection removed)."""
        bare = [
            {k: v for k, v in each.items() if k not in ("kind", "apiVersion")} for each in items
        ]
        found = items if self._resource.definition is not None else bare
        return self._reply(200, {**self._list_head(), "metadata": metadata, "items": found})

    def event(self, stored: Stored) -> bytes:
        """An object of a watch event."""
        if self._form.as_kind == TABLE:
            metadata = {"resourceVersion": str(stored.version)}
            told, self._columns_told = self._columns_told, True
            table = self._table.of([self._versioned(stored)], metadata, columns=not told)
            return orjson.dumps(table)
        if self._form.as_kind:
            return self._partial(stored)
        return self._whole(stored)

    @property
    def _meta_version(self) -> str:
        return f"meta.k8s.io/{self._form.version}"

    def _list_head(self) -> Object:
        resource, kind = self._resource, f"{self._resource.kind}List"
        if resource.definition is not None:
            kind = resource.definition["spec"]["names"].get("listKind") or kind
        return {"kind": kind, "apiVersion": resource.api_version}

    def _versioned(self, stored: Stored) -> Object:
        return in_version(stored.object, self._resource)

    def _whole(self, stored: Stored) -> bytes:
        if stored.object.get("apiVersion") == self._resource.api_version:
            return stored.raw
        return orjson.dumps(self._versioned(stored))

    def _partial(self, stored: Stored) -> bytes:
        return orjson.dumps(partial(stored.object, self._form.version))

    def _item(self, stored: Stored) -> bytes:
        """One item of a list; items of built-in kinds do not repeat kind and apiVersion."""
        if self._resource.definition is not None:
            return self._whole(stored)
        head = f'{{"kind":"{self._resource.kind}","apiVersion":"{self._resource.api_version}",'
        if stored.raw.startswith(head.encode()):
            return b"{" + stored.raw[len(head) :]
        body = self._versioned(stored)
        return orjson.dumps({k: v for k, v in body.items() if k not in ("kind", "apiVersion")})

    def _reply(self, code: int, body: Object) -> Reply:
        if self._form.yaml:
            text = yaml.dump(body, Dumper=yaml.CSafeDumper, allow_unicode=True)
            return Reply(code, text.encode(), YAML)
        return Reply(code, orjson.dumps(body) + b"\n")


def _joined(head: Object, metadata: Object, items: Any) -> Reply:
    """A list put together from items that are JSON already."""
    start = orjson.dumps({**head, "metadata": metadata})[:-1]
    return Reply(200, start + b',"items":[' + b",".join(items) + b"]}\n", JSON)
