"""Live objects: one paged list per kind and namespace, or single reads where few are wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.errors import Permanent
from bot.targets.kubernetes.answers import Answer, Refusal, refusal
from bot.targets.kubernetes.client import JSON
from bot.targets.kubernetes.discovery import Resource
from bot.targets.kubernetes.lanes import IN_FLIGHT
from bot.targets.kubernetes.verbs import METADATA_LIST, METADATA_ONLY, PreviewClient

# Up to so many objects of a kind and namespace are read one by one: a list brings others' too.
FEW = 4


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object is read. metadata_only: its content never leaves the server."""

    resource: Resource
    namespace: str
    name: str
    metadata_only: bool = False


# An object, None when there is none, or the server's refusal to show it.
Live = dict[str, Any] | None | Refusal

T = TypeVar("T")
R = TypeVar("R")


def parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Results in order; the lanes of the client decide how many are really in flight."""
    todo = list(items)
    if len(todo) < 2:
        return [work(item) for item in todo]
    with ThreadPoolExecutor(min(IN_FLIGHT, len(todo))) as pool:
        return list(pool.map(work, todo))


class Reader:
    """Reads live objects as one identity."""

    def __init__(self, client: PreviewClient) -> None:
        self._client = client

    def read(self, wanted: Iterable[Address]) -> dict[Address, Live]:
        """The live state of every address. `Temporary` when the server does not answer."""
        groups: dict[tuple[Resource, str, bool], list[Address]] = defaultdict(list)
        for address in dict.fromkeys(wanted):
            groups[address.resource, address.namespace, address.metadata_only].append(address)
        lists = [g for g in groups.values() if len(g) > FEW]
        singles = [a for g in groups.values() if len(g) <= FEW for a in g]
        found: dict[Address, Live] = {}
        for part in parallel(self._listed, lists):
            found |= part
        # Who may read objects but not list them is answered object by object.
        singles += [a for g in lists for a in g if a not in found]
        found.update(zip(singles, parallel(self.one, singles), strict=True))
        return found

    def one(self, address: Address) -> Live:
        path = address.resource.path(address.namespace, address.name)
        accept = METADATA_ONLY if address.metadata_only else JSON
        answer = self._client.get(path, accept=accept)
        if answer.ok:
            return _typed(answer.json(), address.resource)
        return None if answer.status == 404 else _refused(answer)

    def _listed(self, group: list[Address]) -> dict[Address, Live]:
        first = group[0]
        by_name = {a.name: a for a in group}
        found: dict[Address, Live] = dict.fromkeys(group)
        try:
            for item in self.all(first.resource, first.namespace, metadata=first.metadata_only):
                address = by_name.get(item["metadata"]["name"])
                if address is not None:
                    found[address] = item
        except _ListRefused:
            return {}
        return found

    def all(
        self, resource: Resource, namespace: str, *, metadata: bool = False, selector: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Every object of a kind in a namespace ("" for all)."""
        accept = METADATA_LIST if metadata else JSON
        query = [("labelSelector", selector)] if selector else []
        for page in self._client.pages(resource.collection(namespace), query, accept):
            if not page.ok:
                raise _ListRefused(_refused(page))
            for item in page.json().get("items") or ():
                yield _typed(item, resource)


class _ListRefused(Exception):
    """The list may not be read, or expired while it was."""


def _typed(item: dict[str, Any], resource: Resource) -> dict[str, Any]:
    """Items of a list do not say what they are."""
    item["apiVersion"], item["kind"] = resource.api_version, resource.kind
    return item


def _refused(answer: Answer) -> Refusal:
    if answer.status == 401:
        raise Permanent("The cluster did not accept the bot's credentials.")
    return refusal(answer)
