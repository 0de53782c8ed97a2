"""What every source promises, as a test that any source can run::

    def test_our_source(tmp_path):
        conforms(lambda: OurSource(...), Request(partition))

The promises are those of ``lake.ports.Source``: the same request gives the same rows in the same order; a column has
one type all through; no batch is huge; facts are complete after the last batch; a reading may be left at any moment.
"""

from collections.abc import Callable

import polars as pl

from medallion_assets.lake.ports import Batch, Request, Source

__all__ = ["conforms"]

_MOST_ROWS = 1_000_000


def conforms(make: Callable[[], Source], request: Request) -> pl.DataFrame:
    """Read several times and compare; gives the rows. Raises AssertionError that says which promise is broken."""
    first = _read(make(), request)
    second = _read(make(), request)
    _promised(first.equals(second), "the same request gives the same rows in the same order")
    source = make()
    _promised(_read(source, request).equals(_read(source, request)), "a source can be read twice")
    with make().read(request) as reading:
        next(iter(reading), None)  # and leave
    _promised(_read(make(), request).equals(first), "leaving a reading in its midst changes nothing")
    return first


def _read(source: Source, request: Request) -> pl.DataFrame:
    batches: list[Batch] = []
    with source.read(request) as reading:
        for batch in reading:
            _promised(isinstance(batch, Batch), "a reading gives batches")
            _promised(batch.rows.height <= _MOST_ROWS, f"a batch has at most {_MOST_ROWS:,} rows")
            batches.append(batch)
        facts = reading.facts
        _promised(all(isinstance(v, str) for v in facts.facts.values()), "facts are texts")
        _promised(reading.cursor is None or isinstance(reading.cursor, str), "a cursor is a text or None")
    types: dict[str, pl.DataType] = {}
    for batch in batches:
        for name, dtype in batch.rows.schema.items():
            _promised(types.setdefault(name, dtype) == dtype, f"the column {name} has one type all through")
    return pl.concat([batch.rows for batch in batches], how="diagonal") if batches else pl.DataFrame()


def _promised(kept: bool, promise: str) -> None:
    if not kept:
        raise AssertionError(f"Not kept: {promise}.")
