"""Requests of one list of pages: the parameters of a page in their place."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from medallion_assets.sources.api.calls import Call, with_query
from medallion_assets.sources.api.pages import Ask

__all__ = ["Builder"]


@dataclass(frozen=True, slots=True)
class Builder:
    """Requests of one list of pages."""

    method: str
    url: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: object
    """JSON, or text that is sent as it is; None: no body."""

    def call(self, ask: Ask) -> Call:
        """The request of one page."""
        headers = {"Accept": "*/*", "User-Agent": "medallion-assets", **self.headers}
        content = self.body
        url = with_query(self.url, self.params)
        if ask.url is not None:
            url = ask.url
        elif ask.place == "query":
            url = with_query(url, {name: str(value) for name, value in ask.params.items()})
        elif ask.place == "header":
            headers |= {name: str(value) for name, value in ask.params.items()}
        else:
            content = _with_members(content, ask.params)
        if content is None or self.method == "GET":
            return Call(self.method, url, headers)
        if isinstance(content, str):
            return Call(self.method, url, headers, content.encode())
        return Call(self.method, url, {"Content-Type": "application/json", **headers}, msgspec.json.encode(content))


def _with_members(body: object, members: Mapping[str, str | int]) -> object:
    """A copy of a JSON object with more members; ``a.b`` is the member b of a (GraphQL: ``variables.after``)."""
    result = dict(body) if isinstance(body, dict) else {}
    for name, value in members.items():
        head, dot, rest = name.partition(".")
        result[head] = _with_members(result.get(head), {rest: value}) if dot else value
    return result
