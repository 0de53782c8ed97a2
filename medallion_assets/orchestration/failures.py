"""Errors on their way into Dagster, which stores their text in clear: for people, scrubbed, retried or not."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from medallion_assets.errors import CheckError, ExtractionError, MedallionError

__all__ = ["RETRIES", "DataFailure", "reported", "together"]

RETRIES = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For errors that say ``retryable``: 2, 4 and 8 seconds, give or take."""


class DataFailure(dg.Failure):
    """The source or its data is at fault: another partition may well be good."""


def together(failures: Sequence[dg.Failure]) -> dg.Failure:
    """One failure that says all of them; the very one when it is alone."""
    if len(failures) == 1:
        return failures[0]
    text = "\n\n".join(failure.description or "" for failure in failures)
    return DataFailure(
        f"{len(failures)} partitions could not be loaded.\n\n{text}",
        metadata={"code": failures[0].metadata["code"]},
        allow_retries=False,
    )


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
        kind = DataFailure if isinstance(error, ExtractionError | CheckError) else dg.Failure
        raise kind(
            description=scrub(str(error)),
            metadata={"code": error.code, "exit_code": error.exit_code},
            allow_retries=error.retryable,
        ) from None
    except Exception as error:  # noqa: BLE001 - the border: any text that passes it is stored in clear
        raise dg.Failure(
            description=scrub(f"{type(error).__name__}: {error}"),
            metadata={"traceback": dg.MetadataValue.md(f"```\n{scrub(_frames(error))}```")},
            allow_retries=False,
        ) from None


def _frames(error: Exception) -> str:
    """Where it was raised, innermost last; without the messages of its causes."""
    return "".join(traceback.format_tb(error.__traceback__))
