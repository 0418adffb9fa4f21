"""Server-side apply: what an applied configuration makes of the live object.

The configuration is merged into the live object; what this manager applied before and no longer
says is removed unless somebody else owns it; what others own and it changes is a conflict, and with
`force` theirs no longer. An apply that changes nothing leaves object, owners and times as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from bot.sandbox.cluster import managers as owners
from bot.sandbox.cluster.fieldset import FieldSet, Path, go_json, text_of
from bot.sandbox.cluster.golang import zero
from bot.sandbox.cluster.managers import BadEntry, Managers, Owned, Who
from bot.sandbox.cluster.merging import merge, remove
from bot.sandbox.cluster.model import Cause, StatusError, apply_conflict, bad_request
from bot.sandbox.cluster.ownership import STRIPPED, settled, tracked
from bot.sandbox.cluster.schema import Schema
from bot.sandbox.cluster.strict import complete
from bot.sandbox.cluster.structure import compare, fields_of, same
from bot.sandbox.cluster.typed import faults_of

Json = dict[str, Any]
BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Conflicts(Exception):
    """Other managers own what an apply would change."""

    def __init__(self, found: list[tuple[Who, Owned, Path]]) -> None:
        super().__init__("conflicts")
        self.found = found

    def refusal(self) -> StatusError:
        """The 409 of the real server, one cause for each field."""
        causes = [
            Cause("FieldManagerConflict", f"conflict with {shown(who, owned)}", text_of(path))
            for who, owned, path in self.found
        ]
        return apply_conflict(causes, self._message())

    def _message(self) -> str:
        if len(self.found) == 1:
            who, owned, path = self.found[0]
            return (
                f"Apply failed with 1 conflict: conflict with {shown(who, owned)}: {text_of(path)}"
            )
        lines: list[str] = []
        last: Who | None = None
        for who, owned, path in self.found:
            if who != last:
                lines.append(f"conflicts with {shown(who, owned)}:")
            lines.append(f"- {text_of(path)}")
            last = who
        return f"Apply failed with {len(self.found)} conflicts: " + "\n".join(lines)


def shown(who: Who, owned: Owned) -> str:
    """A manager as conflicts name it. The identifier holds no time, so none is shown."""
    text = go_json(who.manager)
    if who.subresource:
        text += f" with subresource {go_json(who.subresource)}"
    return f"{text} using {owned.api_version}" if who.operation == "Update" else text


def apply(
    live: Json,
    config: Json,
    *,
    schema: Schema,
    manager: str,
    force: bool,
    api_version: str,
    subresource: str = "",
    now: str,
    ignored: FieldSet | None = None,
) -> Json:
    """The object that an apply makes, with its managedFields; `live` is {} when it creates one.

    now: RFC 3339. ignored: what this (sub)resource never sets (`resets`). Raises `StatusError`: 400, 409 with one cause for each
    conflict, and 500 for what does not fit the schema, as the real server does.
    """
    _check(config, schema, api_version)
    work = _Apply(schema, Who.applier(manager, subresource), api_version, ignored or FieldSet())
    known = _managers(live)
    base = _bare(live) if live else zero(schema)
    if not known and live:
        known = tracked(zero(schema), base, {}, Who.updater(BEFORE_FIRST_APPLY, api_version, subresource),
                        schema=schema, now=now, ignored=work.ignored)  # fmt: skip
    try:
        made, known = _with_last_applied(
            work, base, config, known, kubectl=manager == "kubectl", force=force
        )
    except Conflicts as conflicts:
        raise conflicts.refusal() from None
    if not same(made, base):
        owned = known.get(work.who)
        made = complete(made, schema)
        if owned:
            known[work.who] = replace(owned, time=now)
        made = _synced_annotation(made, config) if manager == "kubectl" else made
    entries = owners.write(known)
    metadata = {**(made.get("metadata") or {}), **({"managedFields": entries} if entries else {})}
    return settled(live, {**made, "metadata": metadata})


def _check(config: Json, schema: Schema, api_version: str) -> None:
    given = str(config.get("apiVersion") or "")
    metadata = config.get("metadata")
    if given != api_version:
        raise bad_request(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {given}, expected: {api_version}"
        )
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    faults = faults_of(config, schema)
    if faults:
        raise StatusError(
            500, "", f"failed to create typed patch object ({_named(config)}): {faults}"
        )


def _named(config: Json) -> str:
    """`namespace/name; apps/v1, Kind=Deployment`."""
    metadata = config.get("metadata") if isinstance(config.get("metadata"), dict) else {}
    assert isinstance(metadata, dict)
    version = str(config.get("apiVersion"))
    place = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
    return f"{place}; {version if '/' in version else '/' + version}, Kind={config.get('kind')}"


def _managers(live: Json) -> Managers:
    try:
        return owners.read((live.get("metadata") or {}).get("managedFields"))
    except BadEntry as error:
        raise StatusError(500, "", f"failed to decode managed fields: {error}") from None


def _bare(live: Json) -> Json:
    metadata = {k: v for k, v in (live.get("metadata") or {}).items() if k != "managedFields"}
    return {**live, "metadata": metadata}


class _Apply:
    """One apply under its schema."""

    def __init__(self, schema: Schema, who: Who, api_version: str, ignored: FieldSet) -> None:
        self.schema = schema
        self.who = who
        self.api_version = api_version
        self.ignored = ignored

    def run(
        self, live: Json, config: Json, known: Managers, *, force: bool
    ) -> tuple[Json, Managers]:
        """(object, managers). Raises `Conflicts`."""
        merged = merge(live, config, self.schema)
        before = known.get(self.who)
        fields = fields_of(config, self.schema).without_trees(self.ignored)
        known = {
            **known,
            self.who: Owned(fields, self.api_version, before.time if before else None),
        }
        made = self._pruned(merged, known, before.fields) if before else merged
        change = compare(live, made, self.schema).without_trees(self.ignored)
        known = self._settle(known, change.modified | change.added, change.removed, force=force)
        mine = known.get(self.who)
        if mine is not None:
            left = replace(mine, fields=mine.fields - STRIPPED)
            known = {**known, self.who: left} if left.fields else _less(known, self.who)
        return made, known

    def _settle(
        self, known: Managers, changed: FieldSet, removed: FieldSet, *, force: bool
    ) -> Managers:
        theirs = {who: owned.fields & changed for who, owned in known.items() if who != self.who}
        found = [
            (who, known[who], path)
            for who in sorted(theirs, key=lambda each: each.text)
            for path in theirs[who]
        ]
        if found and not force:
            raise Conflicts(found)
        return owners.without(known, changed | removed, self.who)

    def _pruned(self, merged: Json, known: Managers, last: FieldSet) -> Json:
        """Without what was applied last and is applied no more, unless somebody owns it."""
        schema = self.schema
        last = last.with_named_fields(schema)
        pruned = remove(merged, last, schema)
        everything = fields_of(merged, schema).with_named_fields(schema)
        owned = owners.everything(known.values()).with_named_fields(schema)
        left = fields_of(pruned, schema).with_named_fields(schema)
        pruned = remove(merged, everything - (left | owned), schema)
        left = fields_of(pruned, schema).with_named_fields(schema)
        made: Json = remove(merged, (everything - left) & last, schema)
        return made


def _less(known: Managers, who: Who) -> Managers:
    return {each: owned for each, owned in known.items() if each != who}


def _with_last_applied(
    work: _Apply, live: Json, config: Json, known: Managers, *, kubectl: bool, force: bool
) -> tuple[Json, Managers]:
    """kubectl may take what its own client-side apply had set, without force."""
    try:
        return work.run(live, config, known, force=force)
    except Conflicts as conflicts:
        allowed = _last_applied_fields(work, live) if kubectl else None
        if allowed is None:
            raise
        left = [each for each in conflicts.found if not allowed.has(each[2])]
        if left:
            raise Conflicts(left) from None
        return work.run(live, config, known, force=True)


def _last_applied_fields(work: _Apply, live: Json) -> FieldSet | None:
    """Fields that the annotation of a client-side apply names and that still have its values."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    try:
        last = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(last, dict) or last.get("apiVersion") != work.api_version:
        return None
    if faults_of(last, work.schema):
        return None
    change = compare(last, live, work.schema)
    return fields_of(last, work.schema) - change.modified - change.added - change.removed


def _synced_annotation(made: Json, config: Json) -> Json:
    """The annotation of a client-side apply follows kubectl's server-side apply."""
    metadata = made.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if not annotations.get(LAST_APPLIED):
        return made
    said = dict(config.get("metadata") or {})
    if isinstance(said.get("annotations"), dict):
        said["annotations"] = _without(said["annotations"], LAST_APPLIED)
    text = go_json({**config, "metadata": said}) + "\n"
    return {**made, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}


def _without(mapping: Json, name: str) -> Json:
    return {key: value for key, value in mapping.items() if key != name}
