"""What things are called, and where they therefore lie."""

from dataclasses import dataclass

__all__ = ["DatasetId", "EntityId"]


@dataclass(frozen=True, slots=True, order=True)
class DatasetId:
    """A bronze dataset: one table of one source system. All names match ``[a-z0-9_]+``."""

    system: str
    table: str
    tenant: str | None = None
    """Whose rows these are alone; None: of a dataset without tenants."""

    def __str__(self) -> str:
        return f"{self.system}.{self.table}{_at(self.tenant)}"

    @property
    def label(self) -> str:
        """As the command line names the asset."""
        return f"bronze/{self.system}/{self.table}{_at(self.tenant)}"

    @property
    def path(self) -> str:
        """Below the bronze prefix of its store."""
        return f"{_folder(self.tenant)}system={self.system}/table={self.table}"


@dataclass(frozen=True, slots=True, order=True)
class EntityId:
    """A silver table: one entity of one business domain. A new ``version`` is a new table."""

    domain: str
    entity: str
    version: int = 1
    tenant: str | None = None
    """As in ``DatasetId``."""

    def __str__(self) -> str:
        return f"silver/{self.domain}/{self.entity}{_at(self.tenant)}"

    @property
    def path(self) -> str:
        """Below the silver prefix of its store."""
        return f"{_folder(self.tenant)}domain={self.domain}/entity={self.entity}/v{self.version}"


def _at(tenant: str | None) -> str:
    return "" if tenant is None else f"@{tenant}"


def _folder(tenant: str | None) -> str:
    return "" if tenant is None else f"tenant={tenant}/"
