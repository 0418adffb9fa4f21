"""What the receiver of deliveries is told, made from the configuration."""

from __future__ import annotations

from bot.config import Settings
from bot.web.settings import Hook, ReceiverSettings


def receiving(settings: Settings, name: str) -> Hook:
    """A configured hook with its secrets, and the repositories that it may speak for today."""
    hook = settings.hooks[name]
    secrets = tuple(secret.reveal().encode() for secret in hook.secrets)
    kind = settings.forges[hook.forge].kind
    return Hook(name, hook.forge, secrets, frozenset(hook.repositories), kind)


def receiver(settings: Settings) -> ReceiverSettings:
    """Refuses what the receiver cannot use."""
    hooks = tuple(receiving(settings, name) for name in settings.hooks)
    return ReceiverSettings(hooks, settings.server.public_url, settings.server.max_body)
