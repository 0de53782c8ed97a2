"""Each kind of auth reaches the server it is for, and no other; limits and refusals say what they are."""

import base64
import time
from collections.abc import Mapping

import jwt
import pytest

from medallion_assets.errors import MedallionError
from medallion_assets.intent.parse import parse_project
from medallion_assets.intent.platform import Platform
from medallion_assets_tests.sources.api_reading import FastTimer, read, source
from medallion_assets_tests.sources.api_server import Answers, Asked, Reply, serving

KEY = "a-long-enough-secret-key-of-32-bytes!"
CANARY = "s3cr3t-canary"
AUTHS: dict[str, dict[str, object]] = {
    "none": {"type": "none"},
    "bearer": {"type": "bearer", "token": CANARY},
    "header": {"type": "api_key", "value": CANARY},
    "query": {"type": "api_key", "value": CANARY, "name": "key", "place": "query"},
    "cookie": {"type": "api_key", "value": CANARY, "name": "sid", "place": "cookie"},
    "basic": {"type": "basic", "username": "me", "password": CANARY},
    "client": {"type": "oauth2_client_credentials", "client_id": "c", "client_secret": "x" + CANARY},
    "refresh": {"type": "oauth2_refresh_token", "client_id": "c", "refresh_token": "r" + CANARY},
    "jwt": {"type": "jwt", "private_key": KEY, "algorithm": "HS256", "claims": {"iss": CANARY}},
    "session": {"type": "session", "login_path": "/token", "body": {"password": CANARY}, "token": "access_token"},
}


def spec_of(kind: str, url: str) -> dict[str, object]:
    needs_url = kind in ("client", "refresh")
    return {"auth": {**AUTHS[kind], **({"token_url": f"{url}/token"} if needs_url else {})}}


def expected(kind: str, asked: Asked) -> bool:
    authorization = asked.headers.get("Authorization", "")
    match kind:
        case "none":
            return not authorization
        case "header":
            return asked.headers["X-API-Key"] == CANARY
        case "query":
            return asked.params["key"] == CANARY
        case "cookie":
            return asked.headers["Cookie"] == f"sid={CANARY}"
        case "basic":
            return authorization == "Basic " + base64.b64encode(f"me:{CANARY}".encode()).decode()
        case "jwt":
            claims = jwt.decode(authorization.removeprefix("Bearer "), KEY, ["HS256"])
            return bool(claims["iss"] == CANARY and claims["exp"] > time.time())
    return authorization == f"Bearer {CANARY}"


def granting(answer: Answers) -> Answers:
    def answers(asked: Asked) -> Reply:
        return Reply.of({"access_token": CANARY, "expires_in": 3600}) if asked.path == "/token" else answer(asked)

    return answers


def code_of(url: str, spec: Mapping[str, object], timer: FastTimer | None = None) -> str:
    with pytest.raises(MedallionError) as caught:
        read(source(url, spec, timer=timer))
    assert CANARY not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("kind", AUTHS)
def test_the_server_gets_the_credential(kind: str) -> None:
    with serving(granting(lambda asked: Reply.of([{"ok": expected(kind, asked)}]))) as server:
        got = read(source(server.url, spec_of(kind, server.url)))
    assert got.table == [("true",)]
    assert CANARY not in str(got.facts)


@pytest.mark.parametrize("way", ["redirect", "next_url", "link_header"])
@pytest.mark.parametrize("kind", AUTHS)
def test_no_credential_goes_to_another_host(kind: str, way: str) -> None:
    with serving(lambda _: Reply.of({"rows": [{"n": 2}]})) as other:
        there = f"http://localhost:{other.port}/x"

        def answer(_: Asked) -> Reply:
            match way:
                case "redirect":
                    return Reply(302, b"", {"Location": there})
                case "next_url":
                    return Reply.of({"rows": [{"n": 1}], "next": there})
            return Reply.of({"rows": [{"n": 1}]}, Link=f'<{there}>; rel="next"')

        pagination: dict[str, object] = {"type": "none"} if way == "redirect" else {"type": way}
        if way == "next_url":
            pagination["next"] = "next"
        with serving(granting(answer)) as server:
            own = {"headers": {"X-Own": CANARY}, "records": "rows", "pagination": pagination}
            spec = {**spec_of(kind, server.url), **own}
            assert code_of(server.url, spec) == "SRC-050"
            assert other.asked == []
            got = read(source(server.url, {**spec, "allow_hosts": ["localhost"]}))
        assert got.table[-1] == ("2",)
        assert len(other.asked) == 1
        assert set(other.asked[0].headers) == {"Host", "Accept-Encoding", "Accept", "User-Agent"}
        assert CANARY not in other.asked[0].target


def test_a_rotated_refresh_token_is_used_next_and_a_lost_one_is_explained() -> None:
    current = ["first"]

    def answer(asked: Asked) -> Reply:
        if asked.path != "/token":
            return Reply.of([{"n": 1}])
        if f"refresh_token={current[-1]}&" not in asked.body.decode():
            return Reply.of({"error": "invalid_grant"}, 400)
        current.append(f"next{len(current)}")
        return Reply.of({"access_token": "t", "expires_in": 10, "refresh_token": current[-1]})

    with serving(answer) as server:
        auth = {"type": "oauth2_refresh_token", "client_id": "c", "refresh_token": "first"}
        spec = {"auth": {**auth, "token_url": f"{server.url}/token"}}
        assert [read(source(server.url, spec)).table for _ in range(3)] == [[("1",)]] * 3
        assert len(current) == 4
        lost = {"auth": {**auth, "token_url": f"{server.url}/token", "refresh_token": "stale"}}
        with pytest.raises(MedallionError, match=r"SRC-061[\s\S]*invalid_grant[\s\S]*no secret is written"):
            read(source(server.url, lost))


def test_a_token_that_ended_early_is_asked_for_again() -> None:
    tokens = iter("ab")

    def answer(asked: Asked) -> Reply:
        if asked.path == "/token":
            return Reply.of({"access_token": next(tokens)})
        return Reply.of([{"n": 1}]) if asked.headers["Authorization"] == "Bearer b" else Reply(401, b"")

    with serving(answer) as server:
        assert read(source(server.url, spec_of("client", server.url))).facts["logins"] == "2"


def test_refusals() -> None:
    with serving(lambda _: Reply(503, b"")) as server:
        assert code_of(server.url, {"circuit_breaker": {"failures": 2}}) == "SRC-060"
        assert code_of(server.url, {"deadline": "1ms"}) == "SRC-055"
        assert code_of(server.url, {"headers": {"A": "b\nc"}}) == "SRC-065"
        assert code_of("http://169.254.169.254", {}) == "SRC-050"
        assert code_of("https://127.0.0.1:1", spec_of("client", server.url)) == "SRC-050"


def test_a_limit_is_shared_and_respected_before_a_429() -> None:
    timer = FastTimer()
    with serving(lambda asked: Reply.of([{"n": asked.number}] if int(asked.params["page"]) < 4 else [])) as server:
        read(
            source(server.url, {"pagination": {"type": "page"}, "rate_limit": {"requests_per_second": 2}}, timer=timer)
        )
    assert timer.slept == [0.5, 0.5, 0.5]
    told = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7"}
    timer = FastTimer()
    with serving(lambda a: Reply(200, b'[{"n": 1}]' if a.number < 2 else b"[]", told)) as server:
        read(source(server.url, {"pagination": {"type": "page"}}, timer=timer))
    assert timer.slept == [7.0]


def test_children_of_every_parent() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/users":
            return Reply.of({"users": [{"id": "a/b"}, {"id": "c"}]})
        return Reply.of([{"path": asked.path}])

    parents = {"path": "/users", "records": "users", "bind": {"user": "id"}, "columns": {"user_id": "id"}}
    with serving(answer) as server:
        got = read(source(server.url, {"path": "/users/{user}/orders", "parents": parents}))
        assert got.table == [("/users/a%2Fb/orders", "a/b"), ("/users/c/orders", "c")]
        wrong = {"path": "/x/{user}", "parents": {**parents, "bind": {"user": "name"}}}
        assert code_of(server.url, wrong) == "SRC-064"


def test_rules_skip_and_templates_fill() -> None:
    with serving(lambda _: Reply(404, b"")) as server:
        spec = {"response_rules": [{"status": [404], "action": "skip"}], "path": "/d/{run_date}"}
        assert read(source(server.url, {**spec, "params": {"from": "{window_start:epoch}"}})).rows.height == 0
    assert server.asked[0].target == "/d/2024-01-31?from=1706659200"


def test_a_jmespath_is_checked_with_the_intent() -> None:
    text = "system: a\ntable: b\nsource: {type: api, base_url: https://x, records: 'a['}\nload: full\n"
    with pytest.raises(MedallionError, match=r"INT-049[\s\S]*source.records"):
        parse_project({"intents/b.yaml": text}, Platform())
