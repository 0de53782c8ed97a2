"""Every error of the package, in one tree.

::

    MedallionError                 code, what, where, fix, retryable, exit code
    ├── ConfigError          (1)   INT PLT PLN CLI   an intent, the platform file or a command line is wrong
    │   └── InvalidProject         all problems of all files at once
    ├── ExtractionError      (2)   SRC               a source cannot be read
    │   └── SourceUnavailable      …now: trying again may help
    ├── StorageError         (3)   STO BRZ SLV       the lake cannot be read or written
    │   ├── NotFound               no object of that name
    │   ├── AlreadyExists          put_if_absent lost
    │   ├── Corrupt                bytes differ from what the commit log says
    │   ├── Conflict               another run got there first: read again and try again
    │   └── StoreUnavailable       unknown outcome or no answer: trying again may help
    └── CheckError           (4)   CHK               data was read and refused

The number is the exit code of the command line. ``CODES`` lists every code; constructing an error with
another one is a bug and fails.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from medallion_assets.codes import CODES

__all__ = [
    "CODES",
    "AlreadyExists",
    "CheckError",
    "ConfigError",
    "Conflict",
    "Corrupt",
    "ExtractionError",
    "InvalidProject",
    "MedallionError",
    "NotFound",
    "Problem",
    "SourceUnavailable",
    "StorageError",
    "StoreUnavailable",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: what, where and how to mend it."""

    code: str
    """A key of ``CODES``."""
    what: str
    """One or two sentences, ending with a full stop."""
    where: str = ""
    """``file:line:column  key.path``, or dataset / partition / part / row."""
    fix: str = ""
    """What to do, as an imperative sentence."""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise AssertionError(f"{self.code} is not in medallion_assets.codes.CODES")

    def __str__(self) -> str:
        lines = [f"{self.code}  {self.where}".rstrip(), f"  {self.what}"]
        if self.fix:
            lines.append(f"  Fix: {self.fix}")
        return "\n".join(lines)


class MedallionError(Exception):
    """Base of all. ``str()`` is the text for people, the same in a terminal and in Dagster."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, code: str, what: str, *, where: str = "", fix: str = "") -> None:
        self.problem = Problem(code, what, where, fix)
        super().__init__(str(self.problem))

    @property
    def code(self) -> str:
        return self.problem.code


class ConfigError(MedallionError):
    exit_code = 1


class InvalidProject(ConfigError):
    """All problems that were found, in file order. ``code`` is the first problem's."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.code, first.what, where=first.where, fix=first.fix)

    def __str__(self) -> str:
        return "\n\n".join(str(p) for p in self.problems)


class ExtractionError(MedallionError):
    exit_code = 2


class SourceUnavailable(ExtractionError):
    retryable = True


class StorageError(MedallionError):
    exit_code = 3


class NotFound(StorageError):
    pass


class AlreadyExists(StorageError):
    pass


class Corrupt(StorageError):
    pass


class Conflict(StorageError):
    retryable = True


class StoreUnavailable(StorageError):
    retryable = True


class CheckError(MedallionError):
    exit_code = 4
