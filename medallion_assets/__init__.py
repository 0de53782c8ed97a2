"""Intent-driven lakehouse: one short YAML file becomes exact bronze and silver.

Importing this package imports neither Dagster nor Polars; the names below are loaded when they are used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medallion_assets.errors import MedallionError
    from medallion_assets.project import Project

__all__ = ["MedallionError", "Project", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "Project":
        from medallion_assets.project import Project

        return Project
    if name == "MedallionError":
        from medallion_assets.errors import MedallionError

        return MedallionError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
