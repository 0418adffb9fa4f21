"""The registry: every step of every flow that has an outside effect or leaves a record.

Nothing in the product tells where it stands. All effects and records go through the ports, and
`tests.faults.watch` stands at them; `classify` names the step that a call of a port is. A call
that changes something and is no step is an error, so a new flow cannot stay outside (the other
direction, a step that nobody takes or that has no case, fails `test_steps`).
"""

from __future__ import annotations

from enum import StrEnum


class Moment(StrEnum):
    """Where a process is killed. Of a record alone, DONE is inside its transaction: everything
    is written, nothing committed."""

    BEFORE = "before it"
    DONE = "done, not recorded"
    RECORDED = "recorded"


class Step(StrEnum):
    """Flow and what is done."""

    # Start.
    MIGRATED = "start: the database is made or brought up to date"
    ENROLLED = "start: the repository is enrolled under its numeric id"
    ENROLMENT_TOLD = "start: the enrolment stands in the ledger"
    WOKEN = "start: every environment and repository is looked at once"
    FREED = "start: claims of a process that is gone are freed"
    # Intake.
    STORED = "intake: the delivery is stored with its marks"
    ACKNOWLEDGED = "intake: the forge is told that it is stored"
    REFUSAL_TOLD = "intake: a refused repository stands in the ledger"
    # Queue and worker.
    CLAIMED = "queue: a key is claimed"
    FINISHED = "queue: a run is finished"
    RELEASED = "queue: a failed run is released"
    HANDED_BACK = "queue: a clean stop hands its claim back"
    BEATEN = "queue: the leases are extended"
    PARKED = "queue: a key that kills its workers is parked"
    WORKER_SEEN = "queue: the worker's own row"
    # Repository poll.
    POLL_MARKED = "poll: what was missed is marked"
    POLL_COMMANDS = "poll: commands in missed comments are stored"
    POLLED = "poll: heads and time of the poll"
    # Preview.
    PREVIEW_FETCHED = "preview: head and base are fetched into the mirror"
    MERGED = "preview: the merge result is made in the mirror"
    RENDERED = "preview: an environment is rendered and its rendering cached"
    PREVIEW_BEGUN = "preview: what is previewed is written down"
    PREVIEW_PENDING = "preview: the head's status says that it is under way"
    PREVIEW_COMMENTED = "preview: the comment is created"
    PREVIEW_EDITED = "preview: the comment is edited"
    DOUBLE_DELETED = "preview: a second comment of the same purpose is deleted"
    COMMENT_TOLD = "preview: the comment stands in the ledger"
    COMMENT_KEPT = "preview: which comment is ours is written down"
    REFUSED_TOLD = "preview: a comment that the forge refuses stands in the ledger"
    PAGE_KEPT = "preview: the full plan behind the link is kept"
    ENVIRONMENT_STATUS = "preview: the status of one environment"
    PREVIEW_STATUS = "preview: the aggregate status"
    STATUS_KEPT = "preview: the status that was set is written down"
    STATUS_TOLD = "preview: the status stands in the ledger"
    PREVIEW_FINAL = "preview: it is final"
    PREVIEW_TOLD = "preview: it stands in the ledger"
    BASE_KEPT = "preview: a moved base that changes nothing is noted"
    PREVIEW_CLOSED = "preview: the pull request is closed"
    ENVIRONMENTS_WOKEN = "preview: a merge wakes its environments"
    BOUND_KEPT = "preview: the forge lags behind its own delivery, look again"
    BOUND_DROPPED = "preview: the forge shows what its delivery said"
    BOUND_TOLD = "preview: the forge never showed it, which stands in the ledger"
    # Commands.
    SEEN = "command: the reaction that it was seen"
    ASKED = "command: what it asks of the preview is written down"
    REPLIED = "command: the reply"
    COMMAND_TOLD = "command: it stands in the ledger"
    SETTLED = "command: it is settled with its intents"
    ANSWERED = "command: the final reaction"
    # Sync.
    SYNC_FETCHED = "sync: the branch is fetched into the mirror"
    RETURN_TOLD = "sync: an environment that comes back after a lost database stands in the ledger"
    PREVIEWS_WOKEN = "sync: a moved base wakes its previews"
    INTENT_DROPPED = "sync: a command whose author lost the right is dropped"
    LOOKED = "sync: an environment was looked at, nothing to do"
    ADVANCED = "sync: a revision that changes nothing counts as deployed"
    BEGUN = "sync: its begin is written down, its intents are taken up"
    SYNC_TOLD = "sync: begin, plan, result and end stand in the ledger"
    RESUMED = "sync: that a run before this one was lost stands in the ledger"
    DEPLOYING = "sync: the commit's status says that it is under way"
    WRITE_TOLD = "sync: each write stands in the ledger, before and after"
    NAMESPACE = "sync: the namespace is created"
    LOCKED = "sync: the inventory is locked and widened"
    RENEWED = "sync: the lock is renewed"
    CREATED = "sync: an object is created"
    UPDATED = "sync: an object is updated"
    PRUNED = "sync: an object is deleted"
    UNLOCKED = "sync: the inventory is narrowed and unlocked"
    REVISION_NOTED = "sync: the inventory notes a revision that needed no write"
    JOB_NOTED = "sync: a Job that succeeded is noted in the inventory"
    APPLIED = "sync: everything is applied, health is waited for"
    ROLLING = "sync: progress for the pull requests"
    DEPLOYED = "sync: the commit's final status"
    ENDED = "sync: its end is written down"
    HELD_STATUS = "sync: the commit's status says that it waits for a word"
    HELD = "sync: that it waits for a word is written down"
    # The comment that follows a deployment.
    DEPLOYMENT_COMMENTED = "deployment: the comment is created"
    DEPLOYMENT_EDITED = "deployment: the comment is edited"
    DEPLOYMENT_KEPT = "deployment: which comment is ours is written down"
    # Drift.
    DRIFT_TOLD = "drift: it stands in the ledger"
    DRIFT_SEEN = "drift: what was found is written down"
    # Poison.
    PARK_TOLD = "poison: that the key is parked stands in the ledger"
    POISON_TOLD = "poison: the status says that an operator must look"
    # Many environments.
    BRANCH_FETCHED = "branch: its head is fetched into the mirror"
    BRANCH_KEPT = "branch: its head and the environments of its patterns are written down"
    BRANCH_TOLD = "branch: environments that came or went stand in the ledger"
    # Housekeeping.
    CHECKPOINTED = "housekeeping: the write-ahead log is folded into the database"
    SWEPT = "housekeeping: what is past its time is removed"
    SEALED = "housekeeping: a batch of the ledger is sealed"
    REFUSALS_NOTED = "housekeeping: refused deliveries are counted"
    CONFIG_NOTED = "housekeeping: which configuration a process works with"

    @property
    def flow(self) -> str:
        return self.value.partition(":")[0]
