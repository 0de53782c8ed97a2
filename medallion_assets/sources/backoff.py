"""How long to wait before trying again."""

import random

from medallion_assets.intent.request import Retry

__all__ = ["backoff"]


def backoff(retry: Retry, attempt: int, chance: random.Random) -> float:
    """Seconds after the ``attempt``-th failure (from 1)."""
    most = retry.max_backoff.total_seconds()
    try:
        wait = min(most, retry.initial_backoff.total_seconds() * retry.multiplier ** (attempt - 1))
    except OverflowError:
        wait = most
    return wait * (1 + chance.uniform(-retry.jitter, retry.jitter))
