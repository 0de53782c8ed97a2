"""What every source may say about time and trying again."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from medallion_assets.intent.base import Duration, Fraction, Number, Positive, Spec

__all__ = ["Retry", "SourceBase"]


class Retry(Spec):
    """How often and how patiently to try again: exponential back-off with jitter."""

    max_attempts: Positive = 5
    initial_backoff: Duration = timedelta(milliseconds=500)
    max_backoff: Duration = timedelta(seconds=60)
    multiplier: Annotated[Number, Field(ge=1)] = 2.0
    jitter: Fraction = 0.2


class SourceBase(Spec):
    """Keys of every source."""

    retry: Retry | None = None
    timeout: Duration | None = None
    """Of one request, query or read."""
