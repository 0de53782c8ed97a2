"""What an asset may return and ask for, as Polars frames and back."""

from collections.abc import Callable, Mapping
from typing import Any, get_origin

import dagster as dg
import polars as pl

__all__ = ["as_frame", "conversion", "wants_each"]


def as_frame(value: object, asset: str) -> pl.DataFrame:
    """The rows of a frame of Polars, Arrow or pandas. Raises Failure for anything else: nothing is pickled."""
    match value:
        case pl.DataFrame():
            return value
        case pl.LazyFrame():
            return value.collect(engine="streaming")
    kind = (type(value).__module__.partition(".")[0], type(value).__name__)
    if kind in {("pyarrow", "Table"), ("pandas", "DataFrame")}:
        frame = pl.from_arrow(value) if kind[0] == "pyarrow" else pl.from_pandas(value)  # type: ignore[call-overload]
        if isinstance(frame, pl.DataFrame):
            return frame
    raise dg.Failure(
        f"{asset} returned a {kind[1]}, which is no table.\nFix: return a frame of Polars, pyarrow or pandas, or give"
        " the asset another IO manager.",
        allow_retries=False,
    )


def wants_each(annotation: object) -> bool:
    """The parameter is annotated as a mapping of partition keys to frames."""
    return get_origin(annotation) in (dict, Mapping) or annotation in (dict, Mapping)


def conversion(annotation: Any, asset: str) -> Callable[[pl.LazyFrame], object]:
    """From a lazy frame to what the parameter is annotated with; without annotation it stays lazy. Raises Failure."""
    found = _CONVERSIONS.get((annotation.__module__.partition(".")[0], annotation.__name__))
    if found is None:
        raise dg.Failure(
            f"{asset} cannot be read as {annotation!r}.\nFix: annotate the parameter with pl.LazyFrame, pl.DataFrame,"
            " pa.Table or pd.DataFrame, or a dict of them by partition.",
            allow_retries=False,
        )
    return found


def _table(frame: pl.LazyFrame) -> object:
    return frame.collect().to_arrow(compat_level=pl.CompatLevel.oldest())


_CONVERSIONS: Mapping[tuple[str, str], Callable[[pl.LazyFrame], object]] = {
    ("typing", "Any"): lambda frame: frame,
    ("polars", "LazyFrame"): lambda frame: frame,
    ("polars", "DataFrame"): lambda frame: frame.collect(),
    ("pyarrow", "Table"): _table,
    ("pandas", "DataFrame"): lambda frame: frame.collect().to_pandas(),
}
