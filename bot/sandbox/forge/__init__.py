"""An embedded forge: GitHub's REST API, Git over HTTP and signed webhooks, on loopback."""

from bot.sandbox.forge.forge import EmbeddedForge
from bot.sandbox.forge.model import Repository, Role, User

__all__ = ["EmbeddedForge", "Repository", "Role", "User"]
