"""Sources by the plan: the one place that knows every kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from medallion_assets.errors import ConfigError
from medallion_assets.intent.api import Api
from medallion_assets.intent.platform import (
    S3,
    ApiConnection,
    Azure,
    Connection,
    DatabaseConnection,
    KafkaConnection,
    Local,
)
from medallion_assets.intent.platform import Store as StoreSpec
from medallion_assets.intent.plugin import PluginSource, SourceContext
from medallion_assets.intent.source import Database, File, Kafka, Python
from medallion_assets.lake.ports import Parents, Source
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.sources.files.local import LocalFiles
from medallion_assets.sources.files.place import Place
from medallion_assets.sources.files.source import FileSource
from medallion_assets.sources.turns import FREE, Turns

__all__ = ["Surroundings", "open_source"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a source may use besides its own spec."""

    root: Path
    """The project's folder."""
    resolve: Callable[[str], str]
    """Turns references (``${env:…}``) into values, at the moment of use."""
    connections: Mapping[str, Connection]
    """Of platform.yaml, by name."""
    stores: Mapping[str, StoreSpec]
    """Of platform.yaml, by name: what a file source with a ``store`` reads through its own file system client."""
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    """Aware."""
    parents: Parents | None = None
    """What other datasets have committed."""


def open_source(plan: DatasetPlan, around: Surroundings) -> Source:
    """The source of a dataset. Nothing is contacted yet.

    Raises ConfigError SRC-001 for what this version cannot read.
    """
    spec = plan.source
    match spec:
        case File():
            return _files(plan, spec, around)
        case Api():
            return _api(plan, spec, around)
        case Database():
            return _database(plan, spec, around)
        case Kafka():
            return _kafka(plan, spec, around)
        case Python():
            from medallion_assets.sources.python import PythonSource

            return PythonSource(spec, around.root, plan.calendar.timezone, around.resolve, f"{plan.file}:{plan.line}")
        case PluginSource():
            where = f"{plan.file}:{plan.line}  {plan.name}"
            context = SourceContext(plan.name, around.root, plan.calendar.timezone, around.resolve, where)
            return spec.open(context)
        case _:
            raise _unbuilt(plan, f"Source type `{spec.type}`", "Use a file source.")


def _files(plan: DatasetPlan, spec: File, around: Surroundings) -> Source:
    place = _place(plan, spec, around)
    settle = plan.sensor.settle if plan.sensor is not None else timedelta(0)
    whole = plan.bronze.pattern == "full"
    return FileSource(spec, place, plan.calendar.timezone, whole, around.resolve, settle, around.now, plan.by_file)


def _place(plan: DatasetPlan, spec: File, around: Surroundings) -> Place:
    """Below the project, or a store of platform.yaml with a client and credentials of its own."""
    if spec.store is None:
        return LocalFiles(around.root)
    store = around.stores.get(spec.store)
    match store:
        case Local():
            return LocalFiles(around.root / Path(around.resolve(store.root)).expanduser())
        case S3():
            from medallion_assets.sources.files.s3 import s3_files

            return s3_files(spec.store, store, around.root, around.resolve)
        case Azure():
            from medallion_assets.sources.files.azure import azure_files

            return azure_files(spec.store, store, around.root, around.resolve)
    raise ConfigError(
        "PLT-050",
        f"`{spec.store}` is not a store of platform.yaml.",
        where=f"{plan.file}:{plan.line}",
        fix=f"Name one of {', '.join(around.stores)}.",
    )


def _api(plan: DatasetPlan, spec: Api, around: Surroundings) -> Source:
    from medallion_assets.sources.api.source import ApiSource

    if spec.connection is None:
        return ApiSource(spec, None, plan.calendar.timezone, around.resolve, parents=around.parents)
    connection = around.connections.get(spec.connection)
    if not isinstance(connection, ApiConnection):
        raise ConfigError(
            "PLT-050",
            f"`{spec.connection}` is not an api connection of platform.yaml.",
            where=f"{plan.file}:{plan.line}",
            fix="Name a connection of `type: api`, or give base_url.",
        )
    turns = _turns(spec.connection, connection, around)
    zone, parents = plan.calendar.timezone, around.parents
    return ApiSource(spec, connection, zone, around.resolve, turns=turns, parents=parents, root=around.root)


def _database(plan: DatasetPlan, spec: Database, around: Surroundings) -> Source:
    from medallion_assets.sources.database.source import DatabaseSource

    connection = None if spec.connection is None else around.connections.get(spec.connection)
    if spec.connection is not None and not isinstance(connection, DatabaseConnection):
        raise ConfigError(
            "PLT-050",
            f"`{spec.connection}` is not a database connection of platform.yaml.",
            where=f"{plan.file}:{plan.line}",
            fix="Name a connection of `type: database`, or give url.",
        )
    return DatabaseSource(
        spec,
        connection if isinstance(connection, DatabaseConnection) else None,
        plan.dataset.table,
        around.root,
        plan.calendar.timezone,
        around.resolve,
        f"{plan.file}:{plan.line}  {plan.name}",
        turns=_turns(spec.connection, connection, around),
    )


def _kafka(plan: DatasetPlan, spec: Kafka, around: Surroundings) -> Source:
    from medallion_assets.sources.kafka.source import KafkaSource

    connection = None if spec.connection is None else around.connections.get(spec.connection)
    if spec.connection is not None and not isinstance(connection, KafkaConnection):
        raise ConfigError(
            "PLT-050",
            f"`{spec.connection}` is not a kafka connection of platform.yaml.",
            where=f"{plan.file}:{plan.line}",
            fix="Name a connection of `type: kafka`, or give brokers.",
        )
    known = connection if isinstance(connection, KafkaConnection) else None
    where = f"{plan.file}:{plan.line}  {plan.name}"
    turns = _turns(spec.connection, connection, around)
    return KafkaSource(spec, known, f"medallion.{plan.name}", around.resolve, where, turns, around.root)


def _turns(name: str | None, connection: Connection | None, around: Surroundings) -> Turns:
    return FREE if name is None or connection is None else Turns(name, connection.max_concurrent, around.root)


def _unbuilt(plan: DatasetPlan, what: str, fix: str) -> ConfigError:
    return ConfigError("SRC-001", f"{what} is not built in this version.", where=f"{plan.file}:{plan.line}", fix=fix)
