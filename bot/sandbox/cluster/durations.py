"""Ages as people read them, in the words of k8s.io/apimachinery/pkg/util/duration."""

from __future__ import annotations

from datetime import datetime

UNKNOWN = "<unknown>"


def age_of(timestamp: str | None, now: float) -> str:
    """Time since an RFC 3339 timestamp, such as `5m12s`."""
    if not timestamp:
        return UNKNOWN
    return human_duration(now - datetime.fromisoformat(timestamp).timestamp())


def human_duration(seconds: float) -> str:
    """Two units at most, fewer the longer it lasts."""
    whole = int(seconds)
    if whole < 120:
        return "<invalid>" if whole < -1 else f"{max(whole, 0)}s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    return f"{hours}h" if hours < 48 else _days(hours)


def _days(hours: int) -> str:
    days = hours // 24
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    if hours < 24 * 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
