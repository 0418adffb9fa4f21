"""All controllers of the embedded cluster."""

from __future__ import annotations

from bot.sandbox.cluster.controllers import (
    budgets,
    claims,
    daemonsets,
    definitions,
    deployments,
    jobs,
    namespaces,
    node,
    quotas,
    replicasets,
    services,
    statefulsets,
)
from bot.sandbox.cluster.controllers.garbage import Garbage
from bot.sandbox.cluster.controllers.work import Worker


def workers(pem: str) -> list[Worker]:
    """One of each. pem: the certificate authority of the API server."""
    return [
        *namespaces.controllers(pem),
        definitions.CONTROLLER,
        deployments.CONTROLLER,
        replicasets.CONTROLLER,
        statefulsets.CONTROLLER,
        daemonsets.CONTROLLER,
        jobs.CONTROLLER,
        node.SCHEDULING,
        node.KUBELET,
        services.ENDPOINT_CONTROLLER,
        services.SLICE_CONTROLLER,
        claims.BINDING,
        claims.OFFERING,
        claims.PROTECTING,
        quotas.CONTROLLER,
        budgets.BUDGETS,
        budgets.AUTOSCALERS,
        Garbage(),
    ]
