"""The embedded forge's web face, and a view of a cluster beside it. Needs the extra `demo`."""

from bot.sandbox.pages.application import Pages
from bot.sandbox.pages.cluster import ClusterView, Lens

__all__ = ["ClusterView", "Lens", "Pages"]
