"""Functions of the project by name: ``package.module:function``, below the project's folder or installed."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["NoFunction", "function_named", "importable", "said"]


class NoFunction(Exception):
    """There is no such function; the text says why."""


@contextmanager
def importable(root: Path) -> Iterator[None]:
    """The project's folder is searched first meanwhile, also for modules that a function imports when called."""
    path = str(root)
    sys.path.insert(0, path)
    try:
        yield
    finally:
        if path in sys.path:
            sys.path.remove(path)


def function_named(name: str, root: Path) -> Callable[..., object]:
    """Raises NoFunction."""
    module, _, attribute = name.partition(":")
    with importable(root):
        try:
            found: object = getattr(importlib.import_module(module), attribute, None)
        except Exception as error:  # noqa: BLE001 - whatever a module does when it is imported
            raise NoFunction(f"{module} cannot be imported: {said(error)}") from None
    if not callable(found):
        raise NoFunction(f"{module} has no function {attribute}.")
    return found


def said(error: BaseException) -> str:
    """An error in one line, with its kind."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
