"""What belongs to an environment, found in the target itself and not only in its parent object.

For people who look at an inventory, and for the day when the parent object was lost: every object
that carries the environment's member label is found again. A label alone proves nothing, because
controllers copy it (Endpoints from their Service) and anybody can write it; see `doubt`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bot.domain.change import Subject
from bot.domain.environment import Environment
from bot.errors import Permanent
from bot.targets.kubernetes.answers import Answer, expect, refusal
from bot.targets.kubernetes.discovery import Catalog, Discovery, Resource
from bot.targets.kubernetes.inventory import applyset_id, other_claims
from bot.targets.kubernetes.normalize import PART_OF
from bot.targets.kubernetes.reading import Address, Live, Reader, parallel
from bot.targets.kubernetes.scope import outside
from bot.targets.kubernetes.verbs import MANAGER, METADATA_LIST, PreviewClient

Metadata = dict[str, Any]
# ApplySet id → (environment, inventory) of the other parents around.
Claims = dict[str, tuple[str, frozenset[Subject]]]


@dataclass(frozen=True, slots=True)
class Found:
    """labelled: metadata of what carries the label, as far as the environment may reach.
    unread: kinds that may not be listed or are not served now, so nothing is known of theirs."""

    labelled: dict[Subject, Metadata]
    unread: tuple[str, ...]


class Members:
    """Searches as one identity. Only metadata is read: no content leaves the server."""

    def __init__(self, client: PreviewClient, discovery: Discovery) -> None:
        self._client = client
        self._discovery = discovery

    def search(self, environment: Environment) -> Found:
        """Every kind that the environment may hold, in every namespace that it may write to."""
        catalog = self._discovery.again(older_than=0.0)
        places = list(_places(environment, catalog))
        query = [("labelSelector", f"{PART_OF}={applyset_id(environment)}")]
        lists = parallel(lambda place: self._listed(*place, query), places)
        labelled: dict[Subject, Metadata] = {}
        unread = [f"everything of {group}" for group in sorted(catalog.stale)]
        for (resource, _), found in zip(places, lists, strict=True):
            if isinstance(found, str):
                unread.append(f"{_kind(resource)} ({found})")
            else:
                labelled |= found
        return Found(labelled, tuple(sorted(set(unread))))

    def _listed(
        self, resource: Resource, namespace: str, query: list[tuple[str, str]]
    ) -> dict[Subject, Metadata] | str:
        found: dict[Subject, Metadata] = {}
        for page in self._client.pages(resource.collection(namespace), query, METADATA_LIST):
            if not page.ok:
                return _refused(page, resource)
            for item in page.json().get("items") or ():
                metadata = item["metadata"]
                where = str(metadata.get("namespace", "")) if resource.namespaced else ""
                name = str(metadata["name"])
                found[Subject(resource.group, resource.kind, where, name)] = metadata
        return found

    def look(self, subjects: Iterable[Subject]) -> dict[Subject, Live]:
        """Metadata of these very objects; absent where their kind is not served."""
        catalog = self._discovery.catalog()
        addresses = {
            s: Address(resource, s.namespace, s.name, metadata_only=True)
            for s in subjects
            if (resource := catalog.any_version(s)) is not None
        }
        live = Reader(self._client).read(addresses.values())
        return {subject: live[address] for subject, address in addresses.items()}

    def claims(self, environment: Environment) -> Claims:
        return other_claims(self._client, environment)


def _refused(answer: Answer, resource: Resource) -> str:
    """403, 404 and 405 are facts about one kind; everything else ends the search."""
    if answer.status in (403, 404, 405):
        return f"{answer.status} {refusal(answer).reason}"
    expect(answer, f"The list of {_kind(resource)}")
    raise Permanent(f"The list of {_kind(resource)} cannot be read.")


def _kind(resource: Resource) -> str:
    return f"{resource.kind}.{resource.group}" if resource.group else resource.kind


def _places(environment: Environment, catalog: Catalog) -> Iterator[tuple[Resource, str]]:
    namespaces = sorted({environment.namespace, *environment.allow.namespaces})
    for versions in catalog.kinds.values():
        resource = next(iter(versions.values()))
        if "list" not in resource.verbs:
            continue
        if resource.namespaced:
            kinds = environment.allow.kinds
            if kinds is None or _kind(resource) in kinds:
                yield from ((resource, namespace) for namespace in namespaces)
        elif _kind(resource) in environment.allow.cluster_kinds:
            yield resource, ""


def doubt(environment: Environment, subject: Subject, metadata: Metadata, claims: Claims) -> str:
    """Why an object is not provably this environment's; "" when it is: it carries the label, the
    bot applied it, and nobody else has a claim on it."""
    beyond = outside(environment, subject)
    label = (metadata.get("labels") or {}).get(PART_OF)
    if beyond:
        return beyond
    if label != applyset_id(environment):
        return "it carries another environment's label" if label else "it carries no member label"
    if not any(_applied(entry, subject) for entry in metadata.get("managedFields") or ()):
        return "the bot has never applied it: somebody has copied the label"
    holder = next((name for name, owned in claims.values() if subject in owned), None)
    if holder:
        return f"environment {holder} holds it"
    if any(owner.get("controller") for owner in metadata.get("ownerReferences") or ()):
        return "a controller owns it"
    return ""


def _applied(entry: Metadata, subject: Subject) -> bool:
    """By server-side apply, under this very group: one object can be served in several."""
    group = str(entry.get("apiVersion", "")).rpartition("/")[0]
    whole = not entry.get("subresource")
    ours = entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
    return ours and whole and group == subject.group
