"""The file source: the files of a partition, one after another, by name."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import final

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import File
from medallion_assets.lake.manifest import FileFact, SourceFacts
from medallion_assets.lake.ports import Batch, Request
from medallion_assets.lake.window import Partition
from medallion_assets.sources.files.formats import batches
from medallion_assets.sources.files.pattern import Pattern
from medallion_assets.sources.files.place import Found, Place
from medallion_assets.sources.files.stored import Content, StoredFile, hash_of

__all__ = ["FileReading", "FileSource"]


@dataclass(frozen=True, slots=True)
class FileSource:
    """Files of a place. ``whole``: a match is the state now (load full), and no ledger says what is new."""

    spec: File
    place: Place
    timezone: str
    whole: bool
    resolve: Callable[[str], str]
    settle: timedelta = timedelta(0)
    """A file that was written to less than this ago may not be complete: it is not taken."""
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    by_file: bool = False
    """A partition is the file of its name."""

    def read(self, request: Request) -> "FileReading":
        """Open the files of a partition.

        Raises ConfigError SRC-003; ExtractionError SRC-002…SRC-006 for files that are missing, unfit or changed,
        SRC-018 for a file that another partition holds and that is another one now, SRC-031 for one that may not be
        complete and cannot wait for another load, SRC-032 when rows that this partition holds would be lost.
        """
        patterns = self.patterns(request.partition)
        own = self.place.find([p for p in patterns if p.windowed or self.whole])
        shared = self.place.find([p for p in patterns if not (p.windowed or self.whole)])
        _refuse_loss(request, {file.name for file in shared})
        if self.by_file:
            taken = self._named(shared, request.partition)
        else:
            taken = [file for file in shared if self._is_taken(file, request)]
        files = {file.where: file for file in (*own, *taken)}
        for file in files.values():
            if self._is_young(file):
                raise self._unsettled(file)
        return FileReading(tuple(files[where] for where in sorted(files)), self)

    def _named(self, files: Sequence[Found], partition: Partition) -> list[Found]:
        found = [file for file in files if file.name == partition.key]
        if not found:
            raise ExtractionError(
                "SRC-002", f"There is no file {partition.key}.", where=", ".join(self.spec.path),
                fix="Name one that is there; `medallion status` shows those that were loaded.",
            )  # fmt: skip
        return found

    def patterns(self, partition: Partition) -> list[Pattern]:
        """What ``source.path`` means for a partition."""
        return [Pattern.of(path, partition, self.timezone, self.resolve) for path in self.spec.path]

    def find(self, partition: Partition) -> tuple[Found, ...]:
        """Every file that matches for a partition. Raises ExtractionError SRC-002 when a pattern matches nothing."""
        return self.place.find(self.patterns(partition))

    def listed(self, partition: Partition, *, settled: bool = False) -> list[tuple[str, int, str]]:
        """Name, bytes and version of every file that matches for a partition, or of those that are ``settled``; none
        when a pattern matches nothing.
        """
        try:
            found = [file for file in self.find(partition) if not (settled and self._is_young(file))]
            return [(file.name, file.bytes, file.version) for file in found]
        except ExtractionError as error:
            if error.code != "SRC-002":
                raise
            return []

    def _is_taken(self, file: Found, request: Request) -> bool:
        if file.name in request.held:
            return True
        return not request.again and not self._is_young(file) and self._is_new(file, request)

    def _is_young(self, file: Found) -> bool:
        """One from the future is old: clocks differ, and waiting for it could take for ever."""
        return 0 <= self.now().timestamp() - file.modified < self.settle.total_seconds()

    def _unsettled(self, file: Found) -> ExtractionError:
        age = self.now().timestamp() - file.modified
        return ExtractionError(
            "SRC-031",
            f"{file.name} was written to {age:.0f} s ago, and sensor.settle is {self.settle.total_seconds():.0f} s.",
            where=file.where,
            fix="Run again when the file is complete; nothing was loaded.",
        )

    def _is_new(self, file: Found, request: Request) -> bool:
        held = request.ledger.get(file.name)
        if held is None or held[0] == request.partition.key:
            return True
        partition, fact = held
        same_bytes = file.bytes == fact.bytes
        if same_bytes and (file.version == fact.modified or hash_of(self.place, file) == fact.hash):
            return False
        raise ExtractionError(
            "SRC-018",
            f"{file.name} belongs to partition {partition}, and has other bytes now.",
            where=file.where,
            fix=f"Load {partition} again (`--date {partition}`) to put the new content in place of the old, or "
            "deliver new rows in new files.",
        )


def _refuse_loss(request: Request, names: set[str]) -> None:
    gone = sorted(request.held.keys() - names)
    if gone:
        more = f" and {len(gone) - 1:,} more" if len(gone) > 1 else ""
        raise ExtractionError(
            "SRC-032",
            f"{gone[0]}{more} was loaded into {request.partition.key} and is gone: another load without it would lose "
            "its rows.",
            where=gone[0],
            fix="Put it back; or leave its rows out on purpose with --restate; or wait for the next partition.",
        )


@final
class FileReading:
    """One read of some files. ``facts`` is complete after the last batch."""

    def __init__(self, found: tuple[Found, ...], source: FileSource) -> None:
        self._found, self._source = found, source
        self._open = ExitStack()
        self._facts: list[FileFact] = []
        self._types: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> "FileReading":
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[Batch]:
        return self._open.enter_context(closing(self._read()))  # its threads and files end with this reading

    def _read(self) -> Generator[Batch, None, None]:
        place, spec = self._source.place, self._source.spec
        for found in self._found:
            rows = 0
            with StoredFile(place, found, spec.compression, spec.member) as stored:
                with closing(stored.contents()) as contents:
                    for content in contents:
                        with closing(batches(content, spec.format, changes=not self._source.whole)) as read:
                            for batch in read:
                                self._check_types(batch, content)
                                rows += batch.rows.height
                                yield batch
                self._facts.append(stored.fact(rows))

    @property
    def facts(self) -> SourceFacts:
        return SourceFacts(files=tuple(self._facts))

    @property
    def cursor(self) -> None:
        """Files are told apart by the ledger."""
        return

    def _check_types(self, batch: Batch, content: Content) -> None:
        for name, dtype in batch.rows.schema.items():
            first, file = self._types.setdefault(name, (str(dtype), content.name))
            if first != str(dtype):
                raise ExtractionError(
                    "SRC-021",
                    f"The column {name} is {first} in {file} and {dtype} in {content.name}.",
                    where=content.where,
                    fix="Write both files with the same type, or load them as two datasets.",
                )
