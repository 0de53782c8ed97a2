"""The dataset whose bronze a source reads: as its own, or for the parents of its requests."""

from medallion_assets.intent.source import Api, Bronze, Source

__all__ = ["feed_key", "feed_of"]


def feed_of(source: Source) -> str | None:
    """Its name; None for a source that needs no other dataset."""
    if isinstance(source, Bronze):
        return source.dataset
    return source.parents.dataset if isinstance(source, Api) and source.parents is not None else None


def feed_key(source: Source) -> tuple[str, ...]:
    """Where ``source`` names it."""
    return ("parents", "dataset") if isinstance(source, Api) else ("dataset",)
