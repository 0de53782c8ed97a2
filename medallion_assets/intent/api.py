"""``source: {type: api}``: requests, their authentication and their pages."""

from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from medallion_assets.intent.base import (
    Count,
    Duration,
    Flag,
    Int,
    Json,
    Many,
    Map,
    Name,
    Number,
    Positive,
    Scalar,
    Size,
    Spec,
    Text,
)
from medallion_assets.intent.request import Retry, SourceBase
from medallion_assets.intent.tagged import Tagged

__all__ = [
    "Api",
    "ApiKey",
    "Auth",
    "Basic",
    "Bearer",
    "Breaker",
    "CursorPages",
    "Jwt",
    "Link",
    "NextUrl",
    "NoAuth",
    "NoPages",
    "OAuthCC",
    "OAuthRT",
    "Offset",
    "Page",
    "Pagination",
    "Parent",
    "Rate",
    "ResponseRule",
    "Retry",
    "SessionTok",
]


class NoAuth(Spec):
    type: Literal["none"]


class Bearer(Spec):
    type: Literal["bearer"]
    token: Text


class ApiKey(Spec):
    type: Literal["api_key"]
    value: Text
    name: Text = "X-API-Key"
    place: Literal["header", "query", "cookie"] = "header"


class Basic(Spec):
    type: Literal["basic"]
    username: Text
    password: Text


class OAuthCC(Spec):
    type: Literal["oauth2_client_credentials"]
    token_url: Text
    client_id: Text
    client_secret: Text
    client_auth: Literal["body", "basic"] = "body"
    """Where id and secret are sent: in the form, or as HTTP Basic."""
    scopes: Many[Text] = ()


class OAuthRT(Spec):
    type: Literal["oauth2_refresh_token"]
    token_url: Text
    client_id: Text
    client_secret: Text | None = None
    refresh_token: Text


class Jwt(Spec):
    type: Literal["jwt"]
    private_key: Text
    algorithm: Text = "RS256"
    claims: Map[Scalar] = Field(default_factory=dict)
    token_url: Text | None = None


class SessionTok(Spec):
    """Log in once; the token that comes back goes with every request."""

    type: Literal["session"]
    login_path: Text
    body: Map[Text] = Field(default_factory=dict)
    token: Text
    """JMESPath to the token in the answer."""
    name: Text = "Authorization"


Auth: TypeAlias = Annotated[
    NoAuth | Bearer | ApiKey | Basic | OAuthCC | OAuthRT | Jwt | SessionTok, Tagged("type", "kind of auth")
]


class PageBase(Spec):
    """Keys of every pagination that sends a parameter."""

    place: Literal["query", "body", "header"] = "query"
    max_pages: Positive | None = None


class NoPages(Spec):
    type: Literal["none"]


class Offset(PageBase):
    type: Literal["offset"]
    offset_param: Text = "offset"
    limit_param: Text = "limit"
    page_size: Positive = 100


class Page(PageBase):
    type: Literal["page"]
    page_param: Text = "page"
    size_param: Text | None = None
    page_size: Positive = 100
    first_page: Count = 1


class CursorPages(PageBase):
    type: Literal["cursor"]
    param: Text = "cursor"
    next: Text | None = None
    """JMESPath to the next cursor in the answer."""
    next_header: Text | None = None
    next_from_last: Text | None = None
    """Column of the last row whose value is the next cursor."""
    size_param: Text | None = None
    page_size: Positive | None = None


class Link(Spec):
    type: Literal["link_header"]
    max_pages: Positive | None = None


class NextUrl(Spec):
    type: Literal["next_url"]
    next: Text
    """JMESPath to the next URL in the answer."""
    max_pages: Positive | None = None


Pagination: TypeAlias = Annotated[
    NoPages | Offset | Page | CursorPages | Link | NextUrl, Tagged("type", "kind of pagination")
]


class Rate(Spec):
    """At most so many requests."""

    requests_per_second: Annotated[Number, Field(gt=0)]
    burst: Positive = 1
    respect_headers: Flag = True


class Breaker(Spec):
    """Stop asking after so many failures in a row, for a while."""

    failures: Positive = 5
    reset_after: Duration = timedelta(seconds=60)


class ResponseRule(Spec):
    """What to do with an answer of that status or body."""

    status: Many[Int] = ()
    body: Text | None = None
    """JMESPath; the rule holds when it is true."""
    action: Literal["retry", "skip", "fail"]


class Parent(Spec):
    """One request for every row of another dataset or request."""

    dataset: Text | None = None
    """``system.table`` of another intent: what it has committed of the same partition."""
    path: Text | None = None
    records: Text | None = None
    params: Map[Text] = Field(default_factory=dict)
    pagination: Pagination = NoPages.model_construct(type="none")
    bind: Map[Text]
    """Template field of ``path`` or ``params`` → column of the parent."""
    columns: Map[Text] = Field(default_factory=dict)
    """Column of every child row → column of its parent, whose value it gets."""


class Api(SourceBase):
    """A REST interface."""

    type: Literal["api"]
    connection: Name | None = None
    base_url: Text | None = None
    path: Text = "/"
    method: Literal["GET", "POST"] = "GET"
    params: Map[Text] = Field(default_factory=dict)
    headers: Map[Text] = Field(default_factory=dict)
    body: Json = None
    auth: Auth | None = None
    records: Text | None = None
    """JMESPath to the list of rows."""
    nested: Literal["json", "flatten"] = "json"
    format: Literal["auto", "json", "jsonl", "csv"] = "auto"
    """Of the answers; ``auto``: as their Content-Type says, else json."""
    pagination: Pagination = NoPages.model_construct(type="none")
    parents: Parent | None = None
    rate_limit: Rate | None = None
    circuit_breaker: Breaker | None = None
    concurrency: Positive = 1
    response_rules: Many[ResponseRule] = ()
    allow_hosts: Many[Text] = ()
    max_bytes: Size | None = None
    """Of one answer, decoded."""
    deadline: Duration | None = None
    """Of the whole read."""
