"""What things are called, and where they therefore lie."""

from dataclasses import dataclass

__all__ = ["DatasetId", "EntityId"]


@dataclass(frozen=True, slots=True, order=True)
class DatasetId:
    """A bronze dataset: one table of one source system. Both names match ``[a-z0-9_]+``."""

    system: str
    table: str

    def __str__(self) -> str:
        return f"{self.system}.{self.table}"

    @property
    def path(self) -> str:
        """Below the bronze prefix of its store."""
        return f"system={self.system}/table={self.table}"


@dataclass(frozen=True, slots=True, order=True)
class EntityId:
    """A silver table: one entity of one business domain. A new ``version`` is a new table."""

    domain: str
    entity: str
    version: int = 1

    def __str__(self) -> str:
        return f"silver/{self.domain}/{self.entity}"

    @property
    def path(self) -> str:
        """Below the silver prefix of its store."""
        return f"domain={self.domain}/entity={self.entity}/v{self.version}"
