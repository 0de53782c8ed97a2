"""Keys as a person names them: ``7``, ``region=eu,id=7``, or a JSON object where a value holds a comma."""

import json
from collections.abc import Mapping, Sequence

from medallion_assets.errors import ConfigError
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.matched import Keys

__all__ = ["named_keys", "named_row"]


def named_keys(plan: DatasetPlan, texts: Sequence[str]) -> tuple[SilverPlan, Keys]:
    """The keys, and the table of ``plan`` whose keys they are: one of ``delete_mode: erase`` before others.

    Raises ConfigError CLI-014 when a text is no key of any table, or they are keys of different tables.
    """
    keyed = sorted((s for s in plan.silvers if s.keys), key=lambda s: s.delete_mode != "erase")
    if not keyed:
        raise _refused(plan, "No silver table of it has keys.", "name a dataset whose silver table has `keys`.")
    said = [_members(text) for text in texts]
    for silver in keyed:
        rows = [_row(one, silver.keys) for one in said]
        values = tuple(row for row in rows if row is not None)
        if len(values) == len(texts):
            return silver, Keys(silver.keys, values)
    shapes = " or ".join(dict.fromkeys(",".join(f"{name}=…" for name in silver.keys) for silver in keyed))
    raise _refused(plan, f"Not all of the keys are written as {shapes}.", "give a value for every key column, once.")


def named_row(silver: SilverPlan, texts: Sequence[str]) -> Mapping[str, str]:
    """Columns and values of one row, said at once or one by one (``region=eu``, ``id=7``); a bare value is the key.

    Raises ConfigError CLI-014 for what is neither.
    """
    found: dict[str, str] = {}
    for text in texts:
        said = _members(text)
        if isinstance(said, str):
            if len(silver.keys) != 1:
                raise ConfigError(
                    "CLI-014", f"'{text}' says no column.", where=f"{silver.entity}  --row",
                    fix=f"write it as {','.join(f'{name}=…' for name in silver.keys or ('column',))}.",
                )  # fmt: skip
            said = {silver.keys[0]: said}
        found |= said
    return found


def _members(text: str) -> Mapping[str, str] | str:
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text, parse_int=str, parse_float=str)
        except ValueError:
            return text
        return {str(name): value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}
    parts = [part.partition("=") for part in text.split(",")]
    if all(sign for _, sign, _ in parts):
        return {name.strip(): value for name, _, value in parts}
    return text


def _row(said: Mapping[str, str] | str, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """One value for each of ``names``; None when something else was said."""
    if isinstance(said, str):
        return (said,) if len(names) == 1 else None
    return tuple(said[name] for name in names) if said.keys() == {*names} else None


def _refused(plan: DatasetPlan, what: str, fix: str) -> ConfigError:
    return ConfigError("CLI-014", what, where=f"{plan.name}  --keys", fix=fix)
