"""XML as a stream of elements: no entity is resolved, nothing else is opened, no document is held whole."""

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from medallion_assets.errors import ConfigError, ExtractionError

if TYPE_CHECKING:
    from lxml import etree

__all__ = ["Broken", "elements", "forget", "local"]

Broken = Callable[[str, int | None], ExtractionError]
"""Makes the error for a document that is not as it must be: what is wrong, and the line where it is known."""


def elements(
    stream: io.BufferedIOBase | io.RawIOBase, where: str, broken: Broken
) -> "Iterator[tuple[str, etree._Element]]":
    """``start`` and ``end`` of each element, in the order of the document. Who is done with one clears it.

    libxml2 itself refuses more than 256 levels and a text of more than 10 MB. Raises what ``broken`` makes: not
    well-formed, cut, or with entities of its own; ConfigError SRC-026 without the extra.
    """
    try:
        from lxml import etree
    except ModuleNotFoundError:
        raise ConfigError(
            "SRC-026", "XML needs the extra `formats`.", where=where, fix='pip install "medallion-assets[formats]"'
        ) from None
    events = etree.iterparse(
        stream, events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    first = True
    try:
        for event, element in events:
            if first:
                first = False
                own = element.getroottree().docinfo.internalDTD
                if own is not None and any(True for _ in own.iterentities()):
                    raise broken("it declares entities of its own, which are never resolved", None)
            yield event, element
        for entry in events.error_log:
            if entry.type_name == "WAR_UNDECLARED_ENTITY":  # only a document type that is not fetched would know it
                raise broken(entry.message, entry.line)
    except etree.XMLSyntaxError as error:
        raise broken(error.msg or "it is empty", error.lineno) from error


def local(element: "etree._Element") -> str:
    """An element's name without its namespace; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def forget(element: "etree._Element") -> None:
    """Let go of an element that has ended, and of what stands before it below the same parent."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and (before := element.getprevious()) is not None:
        parent.remove(before)
