"""Things that go wrong with a forge, on order."""

from __future__ import annotations

from bot.sandbox.faults import Fault
from bot.sandbox.faults import Faults as AnyFaults

__all__ = ["Fault", "Faults"]


class Faults(AnyFaults):
    """The script, with what forges have of their own."""

    def limit(self, *, retry_after: int, status: int = 403, method: str = "*", path: str = "",
              times: int = 1) -> None:  # fmt: skip
        """The secondary rate limit, as GitHub words it (403 or 429)."""
        body = b'{"message": "You have exceeded a secondary rate limit. Please wait."}'
        headers = {"Retry-After": str(retry_after)}
        self.answer(status, method=method, path=path, times=times, headers=headers, body=body)
