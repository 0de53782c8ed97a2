"""YAML to intents. The only module that knows YAML.

Text is read as YAML 1.2 core: leading zeros, dates, ``12:30``, ``1_000`` and ``0x1F`` stay text. No tags, no merge
keys, no duplicate keys; at most 1 MiB, 64 levels and 100,000 values a file. libyaml's events are read, not its
nodes: its composer recurses in C and crashes on deep nesting.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from posixpath import basename

import yaml
from pydantic import ValidationError
from yaml._yaml import CParser

from medallion_assets.errors import InvalidProject
from medallion_assets.intent.base import Plain
from medallion_assets.intent.extend import extended
from medallion_assets.intent.located import Located, LocatedIntent, problem_at, structural_problems
from medallion_assets.intent.merge import PLATFORM_TAGS, merge, with_defaults, with_refresh_source
from medallion_assets.intent.model import Intent
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.rules import intent_problems, platform_problems, project_problems
from medallion_assets.intent.slips import LEGACY, mend_decimals, syntax_words
from medallion_assets.intent.tree import At, Branch, Entry, Items, Leaf, Node, to_data

__all__ = ["YAML_VERSION", "LocatedIntent", "documents", "parse_platform", "parse_project"]

YAML_VERSION: str = yaml.__version__
"""Of the library: another one may read a text otherwise."""
_MAX_BYTES = 2**20
_MAX_DEPTH = 64
_MAX_VALUES = 100_000
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,37})\Z")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]{0,37})(?:\.[0-9]{1,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,2})?\Z")


def parse_project(files: Mapping[str, str], platform: Platform) -> tuple[LocatedIntent, ...]:
    """Read every intent of a project, in the order of files and of documents in them.

    ``files`` maps a path below the project, with ``/``, to its text; names starting with ``_`` are bases. Raises
    InvalidProject with all structural problems of all files, or else with all that contradicts.
    """
    problems: list[Located] = []
    texts = {name: _Reader(name, problems).read(text) for name, text in files.items()}
    defaults = platform.defaults_tree()
    found: list[LocatedIntent] = []
    for name, nodes in texts.items():
        if not basename(name).startswith("_"):
            for node in nodes:
                document = extended(node, name, texts, problems)
                if document is not None:
                    found.extend(_intent(with_defaults(defaults, document), name, node.at.line, problems))
    _raise(problems)
    checked = [intent_problems(located) for located in found]
    problems.extend(located for errors, _ in checked for located in errors)
    problems.extend(project_problems(found))
    _raise(problems)
    return tuple(replace(located, warnings=warnings) for located, (_, warnings) in zip(found, checked, strict=True))


def parse_platform(
    text: str | None,
    overlay: str | None = None,
    name: str = "platform.yaml",
    overlay_name: str = "platform overlay",
) -> Platform:
    """Read platform.yaml with the overlay of an environment merged over it; None is a file that is not there.

    Raises InvalidProject (PLT-…) with all problems.
    """
    problems: list[Located] = []
    tree: Branch = Branch({}, At(name, 1, 1))
    for content, file in ((text, name), (overlay, overlay_name)):
        for node in _Reader(file, problems, "PLT").read(content, may_be_empty=True) if content is not None else ():
            merged = merge(tree, node, PLATFORM_TAGS)
            tree = merged if isinstance(merged, Branch) else tree
    platform = Platform()
    try:
        platform = Platform.model_validate(to_data(tree))
    except ValidationError as error:
        problems.extend(structural_problems(error, Platform, tree, "PLT"))
    _raise(problems)
    problems.extend(platform_problems(platform, tree))
    _raise(problems)
    return platform.with_tree(tree)


def documents(file: str, text: str) -> tuple[Branch, ...]:
    """Mappings of one file as trees, not judged as intents. Raises InvalidProject when it is not readable."""
    problems: list[Located] = []
    found = _Reader(file, problems).read(text)
    _raise(problems)
    return found


def _intent(tree: Branch, file: str, line: int, problems: list[Located]) -> Iterator[LocatedIntent]:
    try:
        found = LocatedIntent(Intent.model_validate(to_data(tree)), file, line, tree)
        if (refreshed := with_refresh_source(tree)) is not None:
            tree = refreshed
            found = replace(found, whole_source=Intent.model_validate(to_data(tree)).source)
        yield found
    except ValidationError as error:
        problems.extend(structural_problems(error, Intent, tree, "INT"))


def _raise(problems: list[Located]) -> None:
    if problems:
        ordered = sorted(problems, key=lambda located: located.order)
        raise InvalidProject(dict.fromkeys(located.problem for located in ordered))


@dataclass(frozen=True, slots=True)
class _Sized:
    """A node with how many values and levels it stands for, aliases counted as often as they are used."""

    node: Node
    size: int = 1
    height: int = 1


@dataclass
class _Frame:
    """A list or mapping that is still open."""

    at: At
    mapping: bool
    flow: bool
    anchor: str | None
    nodes: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: tuple[str, At] | None = None
    size: int = 1
    height: int = 1


class _RefusedError(Exception):
    """The file cannot be read any further; the reason is among the problems."""


class _Reader:
    """Reads the documents of one file; what is wrong goes to ``problems``."""

    def __init__(self, file: str, problems: list[Located], prefix: str = "INT") -> None:
        self.file = file
        self.problems = problems
        self.prefix = prefix
        self.anchors: dict[str, _Sized] = {}
        self.stack: list[_Frame] = []
        self.documents: list[Branch] = []

    def read(self, text: str, *, may_be_empty: bool = False) -> tuple[Branch, ...]:
        """Mappings of the file, one a document. Those before a syntax error are given too."""
        before = len(self.problems)
        try:
            self._read(text)
        except yaml.MarkedYAMLError as error:
            unclosed = "unexpected end of stream" in (error.problem or "")
            mark = error.context_mark if unclosed and error.context_mark else error.problem_mark
            at = At(self.file, mark.line + 1, mark.column + 1) if mark else At(self.file, 1, 1)
            self._problem(at, *syntax_words(text, at, error.problem or "", error.context or ""))
        except (yaml.YAMLError, UnicodeEncodeError) as error:
            self._problem(*_character(self.file, text, error))
        except _RefusedError:
            pass
        if not self.documents and not may_be_empty and len(self.problems) == before:
            self._problem(At(self.file, 1, 1), "INT-001", "The file is empty.", "write an intent, or remove the file.")
        return tuple(self.documents)

    def _problem(self, at: At, code: str, what: str, fix: str, path: str = "") -> None:
        self.problems.append(problem_at(at, (path,) if path else (), (code, what, fix), self.prefix))

    def _refuse(self, at: At, what: str, fix: str) -> _RefusedError:
        self._problem(at, "INT-013", what, fix)
        return _RefusedError()

    def _read(self, text: str) -> None:
        if len(text.encode()) > _MAX_BYTES:
            raise self._refuse(At(self.file, 1, 1), "The file is larger than 1 MiB.", "split it.")
        parser = CParser(text)
        try:
            while (event := parser.get_event()) is not None:
                self._take(event)
        finally:
            parser.dispose()

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._put(self._scalar(event), self._at(event))
            case yaml.AliasEvent():
                self._put(self._alias(event), self._at(event))
            case yaml.CollectionStartEvent():
                self._open(event)
            case yaml.CollectionEndEvent():
                frame = self.stack.pop()
                sized = _Sized(self._closed(frame), frame.size, frame.height)
                self._anchor(frame.anchor, sized)
                self._put(sized, frame.at)
            case yaml.DocumentStartEvent():
                self.anchors.clear()

    def _at(self, event: yaml.Event) -> At:
        mark = event.start_mark
        return At(self.file, mark.line + 1, mark.column + 1) if mark else At(self.file, 1, 1)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        at = self._at(event)
        self._no_tag(event.tag, at)
        if len(self.stack) >= _MAX_DEPTH:
            raise self._refuse(at, f"The nesting is deeper than {_MAX_DEPTH} levels.", "write it flatter.")
        mapping = isinstance(event, yaml.MappingStartEvent)
        self.stack.append(_Frame(at, mapping, bool(event.flow_style), event.anchor))

    def _no_tag(self, tag: str | None, at: At) -> None:
        if tag is not None and tag != "!":
            raise self._refuse(at, f"The YAML tag `{tag}` is not allowed.", "remove it; quote what is text.")

    def _anchor(self, name: str | None, sized: _Sized) -> None:
        if name:
            self.anchors[name] = sized

    def _alias(self, event: yaml.AliasEvent) -> _Sized:
        known = self.anchors.get(event.anchor or "")
        if known is None:
            at = self._at(event)
            self._problem(at, *syntax_words("", at, f"alias *{event.anchor}", ""))
            raise _RefusedError
        return known

    def _scalar(self, event: yaml.ScalarEvent) -> _Sized:
        at = self._at(event)
        self._no_tag(event.tag, at)
        sized = _Sized(Leaf(_resolved(event.value) if event.implicit[0] else event.value, at))
        self._anchor(event.anchor, sized)
        return sized

    def _closed(self, frame: _Frame) -> Node:
        if not frame.mapping:
            return Items(tuple(frame.nodes), frame.at)
        if not frame.flow:
            return Branch(frame.entries, frame.at)
        entries, slips = mend_decimals(frame.entries)
        for at, (code, what, fix) in slips:
            self._problem(at, code, what, fix)
        return Branch(entries, frame.at, flow=True)

    def _put(self, sized: _Sized, at: At) -> None:
        if not self.stack:
            self._document(sized.node)
            return
        frame = self.stack[-1]
        frame.size += sized.size
        frame.height = max(frame.height, sized.height + 1)
        if frame.size > _MAX_VALUES or len(self.stack) + sized.height > _MAX_DEPTH:
            raise self._refuse(
                at, f"The file stands for more than {_MAX_VALUES} values or {_MAX_DEPTH} levels.", "use fewer aliases."
            )
        if not frame.mapping:
            frame.nodes.append(sized.node)
        elif frame.key is None:
            frame.key = (self._key(sized.node, at), at)
        else:
            self._enter(frame, *frame.key, sized.node)

    def _key(self, node: Node, at: At) -> str:
        if not isinstance(node, Leaf):
            raise self._refuse(at, "A list or a mapping cannot be a key.", "write text before the colon.")
        text = node.value.text if isinstance(node.value, Plain) else node.value
        if text == "<<":
            raise self._refuse(at, "The merge key `<<` is not allowed.", "use `extends:` with a base file.")
        return text

    def _enter(self, frame: _Frame, key: str, at: At, node: Node) -> None:
        frame.key = None
        if key in frame.entries:
            first = frame.entries[key].at
            self._problem(
                at, "INT-002", f"`{key}` is said twice; first in line {first.line}.", "keep one of them.", key
            )
        else:
            frame.entries[key] = Entry(at, node)

    def _document(self, node: Node) -> None:
        match node:
            case Branch():
                legacy = next((keys for keys in LEGACY if keys <= node.entries.keys()), None)
                if legacy and self.prefix == "INT" and "table" not in node.entries:
                    self._problem(
                        node.at,
                        "INT-022",
                        f"This is a config of an older shape ({', '.join(sorted(legacy))}).",
                        f"rewrite it with `medallion upgrade {self.file}`.",
                    )
                else:
                    self.documents.append(node)
            case Leaf(value=Plain(value=None)):
                pass
            case _:
                what = "platform file" if self.prefix == "PLT" else "intent"
                self._problem(node.at, "INT-006", f"A document here is no {what}.", "write `key: value` lines.")


def _resolved(text: str) -> str | Plain:
    """A plain scalar by the YAML 1.2 core schema, less octal, hex, infinity and NaN."""
    if not text or text[0] in "nN~":
        return Plain(text, None) if _NULL.match(text) else text
    if text[0] in "tTfF":
        return Plain(text, text[0] in "tT") if _BOOL.match(text) else text
    if _INT.match(text):
        return Plain(text, int(text))
    if text[-1] in "0123456789" and _FLOAT.match(text):
        return Plain(text, float(text))
    return text


def _character(file: str, text: str, error: yaml.YAMLError | UnicodeEncodeError) -> tuple[At, str, str, str]:
    position = getattr(error, "position", getattr(error, "start", 0))
    before = text[:position]
    at = At(file, before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)
    shown = f"U+{ord(text[position]):04X}" if position < len(text) else "here"
    return (
        at,
        "INT-001",
        f"The character {shown} cannot stand in YAML.",
        "remove it, or write it as an escape in double quotes.",
    )
