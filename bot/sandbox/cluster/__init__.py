"""An embedded Kubernetes API server: real HTTPS on loopback, stateful, for demo and tests."""

from bot.sandbox.cluster.cluster import EmbeddedCluster

__all__ = ["EmbeddedCluster"]
