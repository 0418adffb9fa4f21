"""Facts that outlive a run: previews, environments, deployments, bounds, enrolments, statuses.

Most are read and written whole, as one document under a key.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, select

from bot.domain.forge import RepoRef, Status
from bot.domain.key import parse_pull_request
from bot.domain.record import (
    Bound,
    BranchRecord,
    Deployment,
    Enrolment,
    EnvironmentRecord,
    PreviewRecord,
    WorkerRecord,
)
from bot.store import documents
from bot.store.schema import (
    bound,
    branch,
    deployment,
    enrolment,
    environment,
    insert,
    preview,
    status,
    worker,
)

T = TypeVar("T")

# What a delivery asks before it is stored. Made once: building one takes longer than running it.
_PREVIEW = select(preview.c.record).where(preview.c.key == bindparam("key"))
_OPEN_PREVIEWS = (
    select(preview.c.record)
    .where(
        preview.c.forge == bindparam("forge"),
        preview.c.repository_id == bindparam("repository_id"),
        preview.c.open,
    )
    .order_by(preview.c.number)
)
_ENROLMENTS = select(enrolment.c.record).order_by(enrolment.c.forge, enrolment.c.repository_id)

_BRANCHES = select(branch.c.record).order_by(branch.c.forge, branch.c.repository_id, branch.c.name)


def get_preview(connection: Connection, key: str) -> PreviewRecord | None:
    document = connection.scalar(_PREVIEW, {"key": key})
    return None if document is None else documents.load(PreviewRecord, document)


def put_preview(connection: Connection, record: PreviewRecord) -> None:
    repo, number = parse_pull_request(record.key)
    where = {"forge": repo.forge, "repository_id": repo.id, "number": number}
    _put(connection, preview, record, {"key": record.key}, {**where, "open": record.open})


def open_previews(connection: Connection, repo: RepoRef) -> list[PreviewRecord]:
    """By number."""
    where = {"forge": repo.forge, "repository_id": repo.id}
    ordered = connection.scalars(_OPEN_PREVIEWS, where)
    return [documents.load(PreviewRecord, document) for document in ordered]


def get_environment(connection: Connection, name: str) -> EnvironmentRecord:
    """An empty record for an environment that nothing is known about."""
    found = _one(connection, EnvironmentRecord, environment, environment.c.name == name)
    return found or EnvironmentRecord(name)


def environments(connection: Connection) -> dict[str, EnvironmentRecord]:
    """Every environment that something is known about, by name."""
    found = connection.scalars(select(environment.c.record))
    rows = [documents.load(EnvironmentRecord, document) for document in found]
    return {row.name: row for row in rows}


def branches(connection: Connection) -> list[BranchRecord]:
    return [_branch(document) for document in connection.scalars(_BRANCHES)]


@lru_cache(maxsize=256)
def _branch(document: str) -> BranchRecord:
    """Asked for at every delivery, and seldom another one."""
    return documents.load(BranchRecord, document)


def put_branch(connection: Connection, value: BranchRecord) -> None:
    where = {"forge": value.repo.forge, "repository_id": value.repo.id, "name": value.branch}
    _put(connection, branch, value, where, {})


def put_environment(connection: Connection, record: EnvironmentRecord) -> None:
    _put(connection, environment, record, {"name": record.name}, {})


def put_deployment(connection: Connection, row: Deployment) -> bool:
    """False when nothing that people see is different."""
    key = {"pull_request": row.pull_request, "environment": row.environment, "commit": row.commit}
    where = [deployment.c[name] == value for name, value in key.items()]
    old = _one(connection, Deployment, deployment, *where)
    if old is not None and replace(old, updated_at=row.updated_at) == row:
        return False
    _put(connection, deployment, row, key, {"revision": row.revision})
    return True


def deployments(connection: Connection, *where: ColumnElement[bool]) -> list[Deployment]:
    """By pull request, environment and commit, so that a list keeps its order."""
    found = connection.scalars(select(deployment.c.record).where(*where))
    rows = [documents.load(Deployment, document) for document in found]
    return sorted(rows, key=lambda row: (row.pull_request, row.environment, row.commit))


def bounds(connection: Connection, key: str) -> list[Bound]:
    return [Bound(*row) for row in connection.execute(select(bound).where(bound.c.key == key))]


def keep_bound(connection: Connection, kept: Bound) -> None:
    """Does not put an older bound back in the place of one that arrived since."""
    values = {"since": kept.since, "tries": kept.tries}
    statement = insert(bound).values(key=kept.key, sha=kept.sha, **values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key"], set_=values, where=bound.c.sha == kept.sha
        )
    )


def drop_bounds(connection: Connection, key: str, sha: str | None) -> None:
    statement = delete(bound).where(bound.c.key == key)
    connection.execute(statement if sha is None else statement.where(bound.c.sha == sha))


def get_status(connection: Connection, repo: RepoRef, sha: str, context: str) -> Status | None:
    key = _status_key(repo, sha, context)
    return _one(connection, Status, status, *(status.c[name] == key[name] for name in key))


def put_status(connection: Connection, repo: RepoRef, sha: str, value: Status, now: float) -> None:
    _put(connection, status, value, _status_key(repo, sha, value.context), {"set_at": now})


def enrolments(connection: Connection) -> list[Enrolment]:
    return [documents.load(Enrolment, document) for document in connection.scalars(_ENROLMENTS)]


def put_enrolment(connection: Connection, value: Enrolment) -> None:
    key = {"forge": value.repo.forge, "repository_id": value.repo.id}
    _put(connection, enrolment, value, key, {})


def workers(connection: Connection) -> list[WorkerRecord]:
    ordered = select(worker.c.record).order_by(worker.c.last_seen.desc())
    return [documents.load(WorkerRecord, document) for document in connection.scalars(ordered)]


def put_worker(connection: Connection, record: WorkerRecord) -> None:
    _put(connection, worker, record, {"id": record.id}, {"last_seen": record.last_seen})


def _status_key(repo: RepoRef, sha: str, context: str) -> dict[str, Any]:
    return {"forge": repo.forge, "repository_id": repo.id, "sha": sha, "context": context}


def _one(
    connection: Connection, kind: type[T], table: Table, *where: ColumnElement[bool]
) -> T | None:
    document = connection.scalar(select(table.c.record).where(*where))
    return None if document is None else documents.load(kind, document)


def _put(
    connection: Connection, table: Table, value: Any, key: dict[str, Any], columns: dict[str, Any]
) -> None:
    """Insert the document, or write it over the one that stands there."""
    written = {**columns, "record": documents.dump(value)}
    statement = insert(table).values(**key, **written)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=written))
