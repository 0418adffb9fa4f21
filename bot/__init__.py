"""gitops-bot: pull requests preview, merges deploy, comments command, a timer watches."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("gitops-bot")
except PackageNotFoundError:  # running from a plain checkout
    __version__ = "0+unknown"
