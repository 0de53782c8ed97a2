"""How downstream assets get rows: as the type their parameter is annotated with, read lazily where the type allows.

Nothing is stored here: the lake is what an asset leaves behind. Works for one partition and for a range on both sides.
"""

from collections.abc import Callable, Mapping

import dagster as dg

from medallion_assets.orchestration.handles import BronzeHandle, SilverHandle
from medallion_assets.orchestration.resources import LakeResource
from medallion_assets.orchestration.translator import DATASET, ENTITY

__all__ = ["LakeIOManager", "lake_io_manager"]

Handle = BronzeHandle | SilverHandle


class LakeIOManager(dg.IOManager):
    """Reads bronze and silver for user assets.

    ``def report(airports: pl.LazyFrame)`` and the same with ``pl.DataFrame``, ``pa.Table``,
    ``pyarrow.dataset.Dataset``, ``pd.DataFrame``, ``BronzeHandle`` or ``SilverHandle``; a LazyFrame without
    annotation. A partitioned asset gets the partitions it is mapped to, others get everything.
    """

    def __init__(self, lake: LakeResource) -> None:
        self._lake = lake

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Only bronze and silver assets come here, and their rows are committed already."""
        if not isinstance(obj, BronzeHandle | SilverHandle):
            raise dg.Failure(
                f"{context.asset_key.to_user_string()} gave a {type(obj).__name__} to the lake's IO manager, which"
                " stores nothing.\nFix: give the asset an IO manager of its own.",
                allow_retries=False,
            )

    def load_input(self, context: dg.InputContext) -> object:
        """Raises Failure when nothing was built yet or the annotation is of another type; Corrupt when bytes differ."""
        handle = self._handle(context)
        wanted = context.dagster_type.typing_type
        if wanted in (BronzeHandle, SilverHandle) and isinstance(handle, wanted):
            return handle
        name = ("", "") if context.dagster_type.is_any else (wanted.__module__.partition(".")[0], wanted.__name__)
        convert = _CONVERSIONS.get(name)
        if convert is None:
            raise dg.Failure(
                f"{context.asset_key.to_user_string()} cannot be read as {wanted!r}.\n"
                "Fix: annotate the parameter with pl.LazyFrame, pl.DataFrame, pa.Table, pyarrow.dataset.Dataset,"
                " pd.DataFrame or the asset's handle.",
                allow_retries=False,
            )
        return convert(handle)

    def _handle(self, context: dg.InputContext) -> Handle:
        upstream = context.upstream_output
        said = {} if upstream is None else upstream.definition_metadata
        partitions = tuple(context.asset_partition_keys) if context.has_asset_partitions else None
        if ENTITY in said:
            return self._lake.silver(str(said[ENTITY]), partitions)
        return self._lake.bronze(str(said[DATASET]), partitions)


@dg.io_manager(required_resource_keys={"lake"})
def lake_io_manager(context: dg.InitResourceContext) -> LakeIOManager:
    """Reads bronze and silver of the project that the resource ``lake`` names."""
    return LakeIOManager(context.resources.lake)


def _lazy(handle: Handle) -> object:
    return handle.scan()


def _frame(handle: Handle) -> object:
    return handle.scan().collect()


def _table(handle: Handle) -> object:
    import polars as pl

    return handle.scan().collect().to_arrow(compat_level=pl.CompatLevel.oldest())


def _dataset(handle: Handle) -> object:
    import pyarrow.dataset as pads

    return pads.dataset(_table(handle))


def _pandas(handle: Handle) -> object:
    return handle.scan().collect().to_pandas()


_CONVERSIONS: Mapping[tuple[str, str], Callable[[Handle], object]] = {
    ("", ""): _lazy,
    ("polars", "LazyFrame"): _lazy,
    ("polars", "DataFrame"): _frame,
    ("pyarrow", "Table"): _table,
    ("pyarrow", "Dataset"): _dataset,
    ("pandas", "DataFrame"): _pandas,
}
"""By the package and name of the type, so that none of them is imported before it is asked for."""
