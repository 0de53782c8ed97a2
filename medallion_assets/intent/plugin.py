"""Sources of other packages: a spec that says what may be written, and how it is opened.

A package names its spec under the entry point group ``medallion_assets.sources``::

    [project.entry-points."medallion_assets.sources"]
    sap = "our_package:SapSource"
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medallion_assets.intent.base import Name
from medallion_assets.intent.request import SourceBase
from medallion_assets.lake.ports import Source

__all__ = ["PluginSource", "SourceContext"]


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source may use besides its spec."""

    dataset: str
    """``system.table``."""
    root: Path
    """The project's folder."""
    timezone: str
    """Of partitions and of naive times."""
    resolve: Callable[[str], str]
    """Turns references (``${env:…}``) into values: at the moment of use, never earlier."""
    where: str
    """File, line and dataset of the intent, for errors."""


class PluginSource(SourceBase):
    """Subclass this with ``type: Literal["sap"]`` and your keys, and override ``open``."""

    type: Name

    def open(self, context: SourceContext) -> Source:
        """The source; nothing is contacted before it is read."""
        raise NotImplementedError
