"""Plans of a whole project under the hash of all that they follow from, so that a process need not compile them again.

A code location is loaded by its server and by the worker of every run. Plans are plain frozen data, so they are kept as
JSON: a list of nodes, each made of those before it, and each kept once however often it occurs. What is read is what
was written by this version of the package; an entry that is missing, damaged or not ours is compiled again. So is, each
time, a project with a source of another package: its spec is not ours to make.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pydantic
from pydantic import BaseModel

from medallion_assets import __version__
from medallion_assets.errors import Problem
from medallion_assets.intent.parse import YAML_VERSION
from medallion_assets.intent.platform import Platform
from medallion_assets.plan.model import DatasetPlan

__all__ = ["MANY", "Planned", "cached", "key_of"]

MANY = 20
"""Fewer intents gain less than 0.04 s a process, for which no project needs another folder."""
_KEPT = 3
_PACKAGE = __name__.partition(".")[0]

Planned = tuple[tuple[DatasetPlan, ...], tuple[Problem, ...]]
"""Plans, and what is questionable in their intents."""


def key_of(files: Mapping[str, str], platform: Platform) -> str:
    """Hash of the texts of all files, of the platform and of the code that compiles them.

    Defaults count as they are written and where: ``1.10`` and ``1.1`` are other texts, and warnings name their lines.
    """
    settings = f"{platform!r}\n{platform.defaults_tree()!r}"
    digest = sha256(f"{__version__}\n{_code()}\n{settings}".encode())
    for name in sorted(files):
        digest.update(f"\n{name}\n{len(files[name])}\n{files[name]}".encode())
    return digest.hexdigest()


@cache
def _code() -> str:
    """Versions of the libraries that read intents; sizes and times of the modules that make plans of them: who changes
    these does not change the version.
    """
    root = Path(__file__).parent.parent
    found = (path for folder in ("intent", "lake", "plan") for path in sorted((root / folder).glob("*.py")))
    stats = " ".join(f"{path.name}:{(stat := path.stat()).st_size}:{stat.st_mtime_ns}" for path in found)
    return f"{pydantic.VERSION} {YAML_VERSION} {stats}"


def cached(folder: Path, key: str, compile_: Callable[[], Planned]) -> Planned:
    """What ``compile_`` gives, from ``folder`` when it holds an entry ``key``. Raises what ``compile_`` raises."""
    entry = folder / f"plans-{key}.json"
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, ImportError):
        return _read(_sound(entry.read_text("ascii")))
    planned = compile_()
    with suppress(OSError, _Foreign):  # a folder that cannot be written costs time, nothing else
        _keep(entry, _sealed(_written(planned)))
    return planned


def _sealed(text: str) -> str:
    return f"{sha256(text.encode()).hexdigest()}\n{text}"


def _sound(sealed: str) -> str:
    """What was sealed. Raises ValueError when it is not the same any more."""
    told, _, text = sealed.partition("\n")
    if told != sha256(text.encode()).hexdigest():
        raise ValueError("damaged")
    return text


def _keep(entry: Path, text: str) -> None:
    entry.parent.mkdir(exist_ok=True)
    (entry.parent / ".gitignore").write_text("*\n")
    fresh = entry.with_suffix(f".{uuid4().hex}")
    fresh.write_text(text, "ascii")
    fresh.replace(entry)
    others = sorted(entry.parent.glob("plans-*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for old in others[_KEPT:]:
        old.unlink(missing_ok=True)


# ------------------------------------------------------------------------------------------------ nodes

# A value in a node is a JSON scalar, or [n]: node n. Kinds of nodes: tuple, list, mapping, date, span and object, which
# has the number of its class, its values in the order of the class's fields and, of pydantic models, the fields given.


class _Foreign(Exception):
    """A value of a class that is not of this package."""


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[list[Any]] = []
        self.classes: list[list[Any]] = []
        self._numbers: dict[str, int] = {}
        self._of_class: dict[type, int] = {}

    def value(self, given: object) -> Any:
        if given is None or type(given) in (str, int, float, bool):
            return given
        node = self._node(given)
        text = json.dumps(node)
        if text not in self._numbers:
            self._numbers[text] = len(self.nodes)
            self.nodes.append(node)
        return [self._numbers[text]]

    def _node(self, given: object) -> list[Any]:
        if isinstance(given, tuple | list):
            return ["list" if isinstance(given, list) else "tuple", *(self.value(item) for item in given)]
        if isinstance(given, Mapping):
            return ["mapping", *([self.value(k), self.value(v)] for k, v in given.items())]
        if type(given) is date:
            return ["date", given.isoformat()]
        if isinstance(given, timedelta):
            return ["span", given.days, given.seconds, given.microseconds]
        number, names = self._class(type(given))
        values = [self.value(getattr(given, name)) for name in names]
        told = sorted(given.model_fields_set) if isinstance(given, BaseModel) else None
        return ["object", number, values, told]

    def _class(self, of: type) -> tuple[int, Sequence[str]]:
        if of not in self._of_class:
            if not _is_ours(of.__module__):
                raise _Foreign(of.__module__)
            if is_dataclass(of):
                names = [f.name for f in fields(of)]
            elif issubclass(of, BaseModel):
                names = list(of.model_fields)
            else:
                raise _Foreign(of.__qualname__)
            self._of_class[of] = len(self.classes)
            self.classes.append([of.__module__, of.__qualname__, names])
        number = self._of_class[of]
        return number, self.classes[number][2]


def _written(planned: Planned) -> str:
    writer = _Writer()
    root = writer.value(planned)
    return json.dumps({"classes": writer.classes, "nodes": writer.nodes, "root": root})


def _read(text: str) -> Planned:
    told = json.loads(text)
    classes = [(_class_named(module, name), names) for module, name, names in told["classes"]]
    made: list[Any] = []
    for kind, *node in told["nodes"]:
        made.append(_made(kind, node, classes, made))
    planned: Planned = made[told["root"][0]]
    return planned


def _class_named(module: str, name: str) -> type:
    if not _is_ours(module):
        raise LookupError(module)
    found: type = getattr(import_module(module), name)
    return found


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == _PACKAGE


def _made(kind: str, node: list[Any], classes: Sequence[tuple[type, Sequence[str]]], made: Sequence[Any]) -> object:
    def values(given: Iterable[Any]) -> list[Any]:
        return [made[v[0]] if type(v) is list else v for v in given]

    match kind:
        case "tuple" | "list":
            return tuple(values(node)) if kind == "tuple" else values(node)
        case "mapping":
            return dict(zip(values(pair[0] for pair in node), values(pair[1] for pair in node), strict=True))
        case "date":
            return date.fromisoformat(node[0])
        case "span":
            return timedelta(*node)
    number, own, told = node
    of, names = classes[number]
    if issubclass(of, BaseModel):
        return of.model_construct(set(told), **dict(zip(names, values(own), strict=True)))
    found = object.__new__(of)
    for name, value in zip(names, values(own), strict=True):
        object.__setattr__(found, name, value)
    return found
