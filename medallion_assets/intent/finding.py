"""What is wrong with an intent whose parts are all well formed."""

from dataclasses import dataclass

from pydantic_core import PydanticCustomError

from medallion_assets.intent.tree import Key

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that contradicts, or as a ``warning`` something that is questionable, at a path of the document."""

    code: str
    path: tuple[Key, ...]
    what: str
    fix: str
    warning: bool = False

    @staticmethod
    def of(error: PydanticCustomError, path: tuple[Key, ...]) -> "Finding":
        context = error.context or {}
        return Finding(str(context["code"]), path, str(context["what"]), str(context["fix"]))
