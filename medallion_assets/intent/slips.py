"""Slips of the pen that YAML answers badly, and what we answer instead. Knows no YAML library."""

import re
from collections.abc import Mapping

from medallion_assets.intent.base import Plain
from medallion_assets.intent.tree import At, Branch, Entry, Leaf

__all__ = ["LEGACY", "comma_slips", "comma_words", "mend_decimals", "syntax_words"]

LEGACY: tuple[frozenset[str], ...] = (
    frozenset({"platform", "source", "silver"}),
    frozenset({"environment", "domain", "system", "entity", "bronze", "silver"}),
    frozenset({"name", "bronze", "silver"}),
)
"""Top-level keys of the three older shapes of config."""

Words = tuple[str, str, str]
_CRON = re.compile(r":\s*(\*(?:/\d+)?(?:[ \t]+[\d*/,\-A-Za-z]+){4})\s*(?:#.*)?$")
_DECIMAL_END = re.compile(r"\s*(\d+)\s*\)\Z")
_DECIMAL_START = re.compile(r"((?:decimal|numeric)\s*\(\s*\d+)\s*\Z", re.IGNORECASE)


_SIMPLE: Mapping[str, Words] = {
    "unexpected end of stream": ("INT-001", "The quote that opens here is never closed.", "close it."),
    "tab character": ("INT-001", "A tab cannot indent.", "use spaces."),
    "mapping values": ("INT-001", "There is a second `: ` in this line.", "quote the text that holds it."),
}
"""Signs in the YAML library's words → ours."""


def syntax_words(text: str, at: At, problem: str, context: str) -> Words:
    """Code, what and fix for a syntax error that the YAML library saw at ``at``."""
    lines = text.splitlines()
    line = lines[at.line - 1] if 0 < at.line <= len(lines) else ""
    rest = line[at.column - 1 :]
    simple = next((words for sign, words in _SIMPLE.items() if sign in problem), None)
    if "alias" in f"{problem}{context}":
        return _alias(line, problem)
    if simple:
        return simple
    if "cannot start any token" in problem:
        return _odd_start(rest)
    if "escape" in problem or "hexdecimal" in problem:
        return (
            "INT-021",
            f"`{rest[:2]}` is not an escape of a text in double quotes.",
            r"put the text in single quotes, where `\` is itself: '\d+'.",
        )
    if rest[:1] in ("{", "[") or _brace_inside(line):
        return (
            "INT-017",
            "A `{` or `[` without quotes starts a mapping or a list inside the text.",
            'quote the whole text: "data/{run_date}.csv".',
        )
    words = " ".join(f"{context} {problem}".split())
    return "INT-001", f"This is not YAML: {words}.", "look at this line and the one before it."


def _alias(line: str, problem: str) -> Words:
    if found := _CRON.search(line):
        return "INT-019", f"`{found[1]}` without quotes is an alias to YAML.", f'quote the cron: "{found[1]}".'
    if problem.startswith("alias *"):
        name = problem.removeprefix("alias ")
        return "INT-013", f"`{name}` names no anchor before it.", f'quote it if it is text: "{name}".'
    return "INT-019", "A text that starts with `*` is an alias to YAML.", 'quote it: "*".'


def _odd_start(rest: str) -> Words:
    if found := re.match(r"@\w+", rest):
        return "INT-020", f"`{found[0]}` without quotes: YAML keeps `@` for itself.", f'quote it: "{found[0]}".'
    if rest.startswith("\t"):
        return "INT-001", "A tab cannot indent.", "use spaces."
    return "INT-001", f"A text cannot start with the character {rest[:1]} without quotes.", "quote the text."


def _brace_inside(line: str) -> bool:
    """Whether the line has text that runs into a brace: ``x_{run_date}`` or ``{run_date}/x``."""
    unquoted = re.sub(r'"(?:[^"\\]|\\.)*"|\'[^\']*\'', "", line)
    return bool(re.search(r"[^\s{\[,:]\{|[^\s{\[,:]\[|\}[^\s,}\]]|:\s+[{\[][^{}\[\]]*[}\]]\s*[^\s,}\]#]", unquoted))


def comma_slips(branch: Branch) -> tuple[str, ...]:
    """Keys without even a null, after another key of a ``{ }``: what is left of a text with a comma in it."""
    if not branch.flow:
        return ()
    return tuple(
        key
        for key, entry in tuple(branch.entries.items())[1:]
        if isinstance(entry.node, Leaf) and isinstance(entry.node.value, Plain) and not entry.node.value.text
    )


def comma_words(key: str) -> Words:
    """Code, what and fix for one of ``comma_slips``."""
    what = f"`{key}` has no value: inside `{{ }}` the comma before it ended a text."
    return "INT-023", what, "quote the whole text that holds the comma."


def mend_decimals(entries: Mapping[str, Entry]) -> tuple[Mapping[str, Entry], tuple[tuple[At, Words], ...]]:
    """Find ``{amount: decimal(18,2)}``, which to YAML is ``decimal(18`` and a key ``2)`` without a value.

    Gives the entries as they were meant, with the place and words of each such slip.
    """
    mended: dict[str, Entry] = {}
    found: list[tuple[At, Words]] = []
    for key, entry in entries.items():
        last = next(reversed(mended), "")
        before = mended[last].node if mended else None
        start = (
            _DECIMAL_START.match(before.value) if isinstance(before, Leaf) and isinstance(before.value, str) else None
        )
        end = _DECIMAL_END.match(key)
        if start is None or end is None:
            mended[key] = entry
            continue
        asked = f"{start[1]},{end[1]})"
        at = mended[last].node.at
        mended[last] = Entry(mended[last].at, Leaf(asked, at))
        found.append((at, ("INT-018", f"`{asked}` inside `{{ }}` ends at its comma.", f'quote it: "{asked}".')))
    return mended, tuple(found)
