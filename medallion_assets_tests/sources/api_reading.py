"""Reading an API in tests: a spec as in YAML, a clock that does not wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from medallion_assets.intent.platform import ApiConnection
from medallion_assets.intent.source import Api
from medallion_assets.lake.ports import Bounds, Request
from medallion_assets.sources.api.limits import Hosts
from medallion_assets.sources.api.source import ApiSource
from medallion_assets_tests.sources.reading import Got, day, gathered

QUICK = {"max_attempts": 3, "initial_backoff": "1ms", "max_backoff": "10s", "jitter": 0}


@dataclass
class FastTimer:
    """Sleeping moves the clock and takes no time."""

    at: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.at

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


@dataclass(frozen=True)
class ApiGot(Got):
    facts: Mapping[str, str] = field(default_factory=dict)


def source(
    url: str,
    spec: Mapping[str, object] | None = None,
    *,
    timer: FastTimer | None = None,
    hosts: Hosts | None = None,
    connection: Mapping[str, object] | None = None,
    values: Mapping[str, str] | None = None,
) -> ApiSource:
    known = values or {}

    def resolve(text: str) -> str:
        return known.get(text, text)

    place = {"connection": "crm"} if connection is not None else {"base_url": url}
    whole = {"type": "api", "retry": QUICK, "timeout": "500ms", **place, **(spec or {})}
    named = None if connection is None else ApiConnection.model_validate({"type": "api", "base_url": url, **connection})
    return ApiSource(Api.model_validate(whole), named, "UTC", resolve, timer or FastTimer(), hosts or Hosts())


def read(api: ApiSource, partition: str = "2024-01-31", bounds: Bounds | None = None) -> ApiGot:
    """Every row, and the facts."""
    with api.read(Request(day(partition), bounds=bounds)) as reading:
        got = gathered(list(reading))
        return ApiGot(got.rows, got.refused, (), reading.facts.facts)
