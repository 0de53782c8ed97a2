"""Errors on their way into Dagster, which stores their text in clear: for people, scrubbed, retried or not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from medallion_assets.errors import MedallionError

__all__ = ["RETRIES", "reported"]

RETRIES = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For errors that say ``retryable``: 2, 4 and 8 seconds, give or take."""


@contextmanager
def reported(scrub: Callable[[str], str], told: Callable[[MedallionError], None]) -> Iterator[None]:
    """Turns what is raised inside into ``dg.Failure``: its text is the error's, without secrets and without a cause.

    ``told`` hears of a MedallionError first. Only errors that are ``retryable`` are tried again by ``RETRIES``; an
    error of another kind is a bug or a broken machine, and its message may hold anything, so it is scrubbed as well.
    """
    try:
        yield
    except dg.Failure:
        raise
    except MedallionError as error:
        told(error)
        raise dg.Failure(
            description=scrub(str(error)),
            metadata={"code": error.code, "exit_code": error.exit_code},
            allow_retries=error.retryable,
        ) from None
    except Exception as error:  # noqa: BLE001 - the border: any text that passes it is stored in clear
        where = _last_frame(error)
        raise dg.Failure(
            description=scrub(f"{type(error).__name__}: {error}"), metadata={"where": where}, allow_retries=False
        ) from None


def _last_frame(error: Exception) -> str:
    """``file:line in function`` of where it was raised: source text and values of a full traceback stay out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    code = trace.tb_frame.f_code
    return f"{code.co_filename}:{trace.tb_lineno} in {code.co_name}"
