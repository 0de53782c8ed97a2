"""What is wrong with a fixed-width format as a whole."""

from collections import Counter
from collections.abc import Iterator

from medallion_assets.intent.finding import Finding
from medallion_assets.intent.source import FixedWidth, FwField
from medallion_assets.intent.tree import Key

__all__ = ["fixed_width_findings"]

_AT: tuple[Key, ...] = ("source", "format")


def fixed_width_findings(form: FixedWidth) -> Iterator[Finding]:
    """Fields said twice or nowhere, codes that no line or two kinds have, children without a parent."""
    if bool(form.fields) is bool(form.record_types):
        yield Finding(
            "INT-047", _AT, "A fixed-width format needs `fields`, or `record_types` with their own, and not both.",
            "Keep one of them.",
        )  # fmt: skip
    yield from _twice(form.fields, (*_AT, "fields"))
    codes: set[str] = set()
    for index, record in enumerate(form.record_types):
        at: tuple[Key, ...] = (*_AT, "record_types", index)
        code = record.code.strip(" ")
        if code in codes:
            yield Finding("INT-047", (*at, "code"), f"Two record types have the code `{code}`.", "Keep one of them.")
        codes.add(code)
        if len(code) > form.code.width:
            yield Finding(
                "INT-043", (*at, "code"),
                f"The code `{code}` is longer than the {form.code.width} characters where lines hold it.",
                "Correct the code, or `code.width`.",
            )  # fmt: skip
        if record.role != "skip" and not record.fields:
            yield Finding(
                "INT-047", at, f"The record type `{code}` has no `fields`.", "Name them, or say `role: skip`."
            )
        yield from _twice(record.fields, (*at, "fields"))
    if form.record_types:
        yield from _roles(form)


def _twice(fields: tuple[FwField, ...], at: tuple[Key, ...]) -> Iterator[Finding]:
    for name, count in Counter(field.name for field in fields).items():
        if count > 1:
            yield Finding("INT-047", at, f"Two fields have the name `{name}`.", "Give each a name of its own.")


def _roles(form: FixedWidth) -> Iterator[Finding]:
    at = (*_AT, "record_types")
    named = {role: _names(form, role) for role in ("parent", "child")}
    roles = {record.role for record in form.record_types}
    wanted = {"flatten": ("parent", "child"), "parent": ("parent",), "child": ("parent", "child")}[form.output]
    absent = [role for role in wanted if role not in roles]
    if absent or ("child" in roles and "parent" not in roles):
        yield Finding(
            "INT-047", at, f"`output: {form.output}` needs a record type of role {absent[0] if absent else 'parent'}.",
            "Add it; for lines of one kind write `fields` alone.",
        )  # fmt: skip
    shared = [name for name in named["parent"] if name in named["child"]]
    if form.output == "flatten" and shared:
        yield Finding(
            "INT-047", at, f"Parent and child have a field `{shared[0]}`, and one row holds both.",
            "Give each a name of its own.",
        )  # fmt: skip


def _names(form: FixedWidth, role: str) -> list[str]:
    return [field.name for record in form.record_types if record.role == role for field in record.fields]
