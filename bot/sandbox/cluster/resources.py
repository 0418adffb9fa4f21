"""Requests about objects: which verb, on what, with which options, and the answer to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.ports import Clock
from bot.sandbox.cluster.bodies import APPLY, read_body, read_patch, with_kind
from bot.sandbox.cluster.conversion import convertible
from bot.sandbox.cluster.deletes import success
from bot.sandbox.cluster.exchange import Reply, Request, json_reply
from bot.sandbox.cluster.listing import list_page, parse_version
from bot.sandbox.cluster.model import (
    Address,
    Answer,
    Object,
    StatusError,
    WriteOptions,
    not_allowed,
    not_found,
    unsupported,
)
from bot.sandbox.cluster.negotiation import TABLE, for_list, for_object, wanted_form
from bot.sandbox.cluster.options import delete_options, write_options
from bot.sandbox.cluster.registry import Registry
from bot.sandbox.cluster.render import Renderer
from bot.sandbox.cluster.reviews import Reviews
from bot.sandbox.cluster.verbs import Verbs
from bot.sandbox.cluster.watch import Watch

# Kinds that answer a DELETE with the object (ReturnDeletedObject in the real registries).
SHOWN_WHEN_DELETED = frozenset({
    ("", "Namespace"), ("", "PersistentVolume"), ("", "PersistentVolumeClaim"), ("", "Pod"),
    ("", "PodTemplate"), ("", "ResourceQuota"), ("", "Service"), ("", "ServiceAccount"),
    ("storage.k8s.io", "CSIDriver"), ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "StorageClass"), ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "VolumeAttributesClass"), ("resource.k8s.io", "DeviceClass"),
    ("resource.k8s.io", "ResourceClaim"), ("resource.k8s.io", "ResourceClaimTemplate"),
    ("resource.k8s.io", "ResourceSlice"),
})  # fmt: skip
# Subresources that reach into a node or need what there is not here.
REFUSED = frozenset({
    "attach", "exec", "portforward", "proxy", "log", "eviction", "binding", "ephemeralcontainers",
    "resize", "approval",
})  # fmt: skip


class Resources:
    """Answers requests about objects. All refusals are `StatusError`."""

    def __init__(self, verbs: Verbs, registry: Registry, reviews: Reviews, clock: Clock) -> None:
        self._verbs = verbs
        self._registry = registry
        self._reviews = reviews
        self._clock = clock
        self._answers: dict[str, Callable[[Address, Request], Reply]] = {
            "get": self._get, "list": self._list, "watch": self._watch, "create": self._create,
            "update": self._update, "patch": self._patch, "delete": self._delete,
            "deletecollection": self._delete_collection,
        }  # fmt: skip

    def answer(self, request: Request) -> Reply:
        at = self._address(request)
        if at.subresource in REFUSED or at.resource.plural == "componentstatuses":
            raise self._refused(at)
        _check_version(at)
        return self._answers[request.verb](at, request)

    def _address(self, request: Request) -> Address:
        """What the path names; 404 and 405 as the real server says them."""
        resource = self._registry.find(request.group, request.version, request.resource)
        if resource is None or len(request.parts) > 3:
            raise nothing_here()
        name = request.parts[1] if len(request.parts) > 1 else ""
        namespace = request.namespace if resource.namespaced else ""
        if not resource.namespaced and request.namespace and resource.plural != "namespaces":
            raise nothing_here()
        if resource.namespaced and name and not namespace:
            raise nothing_here()
        known = resource.subresource(request.subresource)
        if request.subresource and known is None:
            custom = resource.definition is not None and request.subresource in ("status", "scale")
            raise not_found(resource, name) if custom else nothing_here()
        if request.verb not in (known.verbs if known else resource.verbs):
            raise not_allowed()
        if not _fits(request.verb, Address(resource, namespace, name, request.subresource)):
            raise not_allowed()
        return Address(resource, namespace, name, request.subresource)

    def _refused(self, at: Address) -> StatusError:
        if at.name and at.resource.plural != "componentstatuses":
            # The real server looks for the object first.
            self._verbs.get(Address(at.resource, at.namespace, at.name))
        what = f"{at.resource.qualified}/{at.subresource}" if at.subresource else at.resource.plural
        return unsupported(what)

    def _renderer(self, at: Address, request: Request, *, many: bool = False) -> Renderer:
        form = wanted_form(request.incoming.headers.get("accept", ""))
        form = for_list(form) if many else for_object(form)
        include = request.asked("includeObject") if form.as_kind == TABLE else ""
        return Renderer(at.resource, form, include, self._clock.now())

    def _get(self, at: Address, request: Request) -> Reply:
        renderer = self._renderer(at, request)
        parse_version(request.asked("resourceVersion"), self._verbs.storage)
        return renderer.one(200, self._verbs.get(at))

    def _list(self, at: Address, request: Request) -> Reply:
        renderer = self._renderer(at, request, many=True)
        return renderer.many(list_page(self._verbs.storage, at.resource, _within(request, at)))

    def _watch(self, at: Address, request: Request) -> Reply:
        renderer = self._renderer(at, request)
        watch = Watch(self._verbs.storage, at.resource, _within(request, at), renderer.event)
        return Reply(200, stream=watch.stream())

    def _create(self, at: Address, request: Request) -> Reply:
        renderer = self._renderer(at, request)
        write = write_options(request, "CreateOptions")
        body = read_body(request.incoming, at.resource.kind)
        if at.subresource == "token":
            return self._token(at, body, write)
        body = with_kind(body, at)
        if self._reviews.answers(at.resource.plural):
            answered = self._reviews.ask(at, self._verbs.owned(at, body, write), request.user)
            return json_reply(201, answered)
        if "get" not in at.resource.verbs:
            raise unsupported(at.resource.qualified)
        return _written(renderer, self._verbs.create(at, body, write), created=201)

    def _token(self, at: Address, body: Object, write: WriteOptions) -> Reply:
        account = self._verbs.get(Address(at.resource, at.namespace, at.name))
        return json_reply(201, self._reviews.token(account, body, dry_run=write.dry_run))

    def _update(self, at: Address, request: Request) -> Reply:
        renderer = self._renderer(at, request)
        write = write_options(request, "UpdateOptions")
        body = read_body(request.incoming, at.resource.kind)
        if at.subresource != "scale":
            body = with_kind(body, at)
        return _written(renderer, self._verbs.update(at, body, write), created=201)

    def _patch(self, at: Address, request: Request) -> Reply:
        renderer = self._renderer(at, request)
        media, patch = read_patch(request.incoming)
        write = write_options(request, "PatchOptions", apply=media == APPLY)
        return _written(renderer, self._verbs.patch(at, media, patch, write), created=201)

    def _delete(self, at: Address, request: Request) -> Reply:
        renderer = self._renderer(at, request)
        options, write = self._delete_options(request)
        answer = self._verbs.delete(at, options, write)
        shown = (at.resource.group, at.resource.kind) in SHOWN_WHEN_DELETED
        if answer.gone and not shown:
            return json_reply(200, success(at, answer.object))
        return renderer.one(200, answer.object)

    def _delete_collection(self, at: Address, request: Request) -> Reply:
        renderer = self._renderer(at, request, many=True)
        options, write = self._delete_options(request)
        storage = self._verbs.storage
        with storage.lock:
            page = list_page(storage, at.resource, _within(request, at))
            for each in page.items:
                one = Address(at.resource, each.key.namespace, each.key.name)
                self._verbs.delete(one, options, write)
        found = [each.copy() for each in page.items]
        return renderer.objects(found, page.metadata)

    def _delete_options(self, request: Request) -> tuple[Any, WriteOptions]:
        body = None
        if request.incoming.body:
            body = read_body(request.incoming, "DeleteOptions")
            _check_delete_options(body)
        options, dry_run = delete_options(request, body)
        manager = request.incoming.headers.get("user-agent", "")
        return options, WriteOptions(manager, request.user, dry_run=dry_run)


def _check_version(at: Address) -> None:
    if not convertible(at.resource):
        kind, stored = at.resource.kind, at.resource.stored_version
        raise unsupported(f"{kind} in {at.resource.api_version}; use {stored}")


def nothing_here() -> StatusError:
    message = "the server could not find the requested resource"
    return StatusError(404, "NotFound", message, {})


def _fits(verb: str, at: Address) -> bool:
    """Whether the method goes with an object, a collection or a part of an object."""
    if verb == "create":
        fits = bool(at.name) == bool(at.subresource)
    else:
        fits = bool(at.name) or verb in ("list", "watch", "deletecollection")
    everywhere = at.resource.namespaced and not at.namespace
    return fits and (not everywhere or verb in ("list", "watch"))


def _within(request: Request, at: Address) -> Request:
    """The request with the namespace that holds for this kind."""
    if request.namespace == at.namespace:
        return request
    return Request(
        request.incoming, request.query, request.user, request.verb, request.path, request.group,
        request.version, at.namespace, request.resource, request.subresource, request.name,
        request.parts,
    )  # fmt: skip


def _written(renderer: Renderer, answer: Answer, *, created: int) -> Reply:
    reply = renderer.one(created if answer.created else 200, answer.object)
    reply.headers = tuple(("Warning", f"299 - {_quoted(text)}") for text in answer.warnings)
    return reply


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", " ")
    return f'"{escaped}"'


def _check_delete_options(body: Object) -> None:
    kind, version = body.get("kind", "DeleteOptions"), body.get("apiVersion", "v1")
    if kind != "DeleteOptions":
        raise StatusError(
            400, "BadRequest",
            f'no kind "{kind}" is registered for version "{version}" '
            'in scheme "pkg/runtime/scheme.go:111"',
        )  # fmt: skip
