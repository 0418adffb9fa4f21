"""Everything the bot says, and nothing else says anything: comments, statuses, replies.

Pure: equal input gives the equal text, byte for byte. Golden texts are in the test data.
"""

from __future__ import annotations

from bot.domain.report.deployment import deployment_comment
from bot.domain.report.link import NOWHERE, PAGE_ID, FullPlan, page_id, preview_facts
from bot.domain.report.marker import DEPLOYMENT, PREVIEW, REPLY, marker
from bot.domain.report.page import deployment_page, preview_page
from bot.domain.report.preview import (
    LIMIT,
    fork_comment,
    preview_comment,
    preview_history,
    untouched_comment,
)
from bot.domain.report.reply import (
    help_reply,
    mistake_reply,
    refusal_reply,
    reply_comment,
)
from bot.domain.report.status import (
    AGGREGATE,
    BASE_MOVED,
    PREVIEWING,
    aggregate_record,
    aggregate_status,
    deploy_context,
    deploy_status,
    fork_status,
    pending_status,
    preview_context,
    preview_status,
    shared_status,
)

__all__ = [
    "AGGREGATE",
    "BASE_MOVED",
    "DEPLOYMENT",
    "LIMIT",
    "NOWHERE",
    "PAGE_ID",
    "PREVIEW",
    "PREVIEWING",
    "REPLY",
    "FullPlan",
    "aggregate_record",
    "aggregate_status",
    "deploy_context",
    "deploy_status",
    "deployment_comment",
    "deployment_page",
    "fork_comment",
    "fork_status",
    "help_reply",
    "marker",
    "mistake_reply",
    "page_id",
    "pending_status",
    "preview_comment",
    "preview_context",
    "preview_facts",
    "preview_history",
    "preview_page",
    "preview_status",
    "refusal_reply",
    "reply_comment",
    "shared_status",
    "untouched_comment",
]
