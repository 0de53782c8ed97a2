"""Authentication without I/O: what a login needs to ask first, what it learns, and what it adds to a request.

Tokens live in this process alone. A refresh token that the server rotates replaces the one of the intent for everything
in this process; the next process begins with the one of the intent again, because no secret is written to disk.
"""

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from threading import Lock
from typing import Protocol
from urllib.parse import quote, urlencode

import msgspec
from typing_extensions import assert_never

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.api import ApiKey, Auth, Basic, Bearer, Jwt, NoAuth, OAuthCC, OAuthRT, SessionTok
from medallion_assets.sources.api.calls import Call, shown_url, with_query
from medallion_assets.sources.files.json import find_text

__all__ = ["Login", "login_for"]

Resolve = Callable[[str], str]
_EARLY = 30.0
"""Seconds before its end that a token is renewed."""
_JWT_LIFE = 300


class Login(Protocol):
    """One way to authenticate. ``lock`` is held from ``ask`` to ``learn``."""

    @property
    def lock(self) -> Lock: ...
    def ask(self, now: float) -> Call | None:
        """The request that has to be made first, if any. ``now``: seconds of the monotonic clock."""
        ...

    def learn(self, status: int, content: bytes, now: float) -> None:
        """Its answer. Raises ExtractionError SRC-061."""
        ...

    def apply(self, call: Call) -> Call: ...
    def forget(self, used: Call) -> bool:
        """``used`` was refused (401): whether another login may help."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        ...


@dataclass
class _Fixed:
    """Adds the same to every request."""

    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    lock: Lock = field(default_factory=Lock)

    def ask(self, now: float) -> Call | None:  # noqa: ARG002
        return None

    def learn(self, status: int, content: bytes, now: float) -> None:  # noqa: ARG002
        raise AssertionError("nothing was asked")

    def apply(self, call: Call) -> Call:
        return replace(call, url=with_query(call.url, self.params), headers={**call.headers, **self.headers})

    def forget(self, used: Call) -> bool:  # noqa: ARG002
        return False

    def secrets(self) -> tuple[str, ...]:
        return self.hidden


@dataclass
class _Grant:
    """A token and how to renew it."""

    access: str | None = None
    expires: float | None = None
    refresh: str | None = None
    lock: Lock = field(default_factory=Lock)


@dataclass
class _Granted:
    """Asks for a token when there is none, or it is about to end."""

    request: Callable[[_Grant], Call]
    token: Callable[[bytes], str | None]
    header: str = "Authorization"
    prefix: str = "Bearer "
    hidden: tuple[str, ...] = ()
    grant: _Grant = field(default_factory=_Grant)

    @property
    def lock(self) -> Lock:
        return self.grant.lock

    def ask(self, now: float) -> Call | None:
        fresh = self.grant.expires is None or now < self.grant.expires - _EARLY
        return None if self.grant.access is not None and fresh else self.request(self.grant)

    def learn(self, status: int, content: bytes, now: float) -> None:
        where = shown_url(self.request(self.grant).url)
        token = self.token(content) if 200 <= status < 300 else None
        if not token:
            raise _no_token(status, content, where, refreshing=self.grant.refresh is not None)
        answer = _mapping(content)
        self.grant.access = token
        lives = answer.get("expires_in")
        try:
            self.grant.expires = now + float(str(lives)) if lives is not None else None
        except ValueError:
            self.grant.expires = None
        rotated = answer.get("refresh_token")
        if self.grant.refresh is not None and isinstance(rotated, str) and rotated:
            self.grant.refresh = rotated

    def apply(self, call: Call) -> Call:
        return replace(call, headers={**call.headers, self.header: f"{self.prefix}{self.grant.access}"})

    def forget(self, used: Call) -> bool:
        with self.lock:
            if used.headers.get(self.header) == f"{self.prefix}{self.grant.access}":
                self.grant.access = None
        return True

    def secrets(self) -> tuple[str, ...]:
        return tuple(s for s in (*self.hidden, self.grant.access, self.grant.refresh) if s)


_ROTATING: dict[bytes, _Grant] = {}
_ROTATING_LOCK = Lock()


def login_for(auth: Auth | None, resolve: Resolve, base: str) -> Login:  # noqa: PLR0911 - one for each kind
    """``base``: the address below which a session's ``login_path`` lies. Raises ConfigError STO-019 without pyjwt."""
    match auth:
        case None | NoAuth():
            return _Fixed()
        case Bearer():
            token = resolve(auth.token)
            return _Fixed({"Authorization": f"Bearer {token}"}, hidden=(token,))
        case Basic():
            pair = f"{resolve(auth.username)}:{resolve(auth.password)}"
            coded = base64.b64encode(pair.encode()).decode()
            return _Fixed({"Authorization": f"Basic {coded}"}, hidden=(coded, resolve(auth.password)))
        case ApiKey():
            return _api_key(auth, resolve(auth.value))
        case OAuthCC():
            return _client_credentials(auth, resolve)
        case OAuthRT():
            return _refreshing(auth, resolve)
        case Jwt():
            return _jwt(auth, resolve)
        case SessionTok():
            return _session(auth, resolve, base)
    assert_never(auth)


def _api_key(auth: ApiKey, value: str) -> Login:
    match auth.place:
        case "header":
            return _Fixed({auth.name: value}, hidden=(value,))
        case "query":
            return _Fixed(params={auth.name: value}, hidden=(value, quote(value, safe="")))
        case "cookie":
            return _Fixed({"Cookie": f"{auth.name}={value}"}, hidden=(value,))
    assert_never(auth.place)


def _client_credentials(auth: OAuthCC, resolve: Resolve) -> Login:
    url, client, secret = resolve(auth.token_url), resolve(auth.client_id), resolve(auth.client_secret)
    form = {"grant_type": "client_credentials"}
    if auth.scopes:
        form["scope"] = " ".join(auth.scopes)
    headers = {}
    if auth.client_auth == "basic":
        pair = f"{quote(client, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": client, "client_secret": secret}
    return _Granted(lambda _: _form(url, form, headers), _access_token, hidden=(secret,))


def _refreshing(auth: OAuthRT, resolve: Resolve) -> Login:
    url, client, first = resolve(auth.token_url), resolve(auth.client_id), resolve(auth.refresh_token)
    secret = None if auth.client_secret is None else resolve(auth.client_secret)

    def request(grant: _Grant) -> Call:
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh or first, "client_id": client}
        return _form(url, form if secret is None else {**form, "client_secret": secret})

    mark = blake2b("\0".join((url, client, first)).encode(), digest_size=16).digest()
    with _ROTATING_LOCK:
        grant = _ROTATING.setdefault(mark, _Grant(refresh=first))
    return _Granted(request, _access_token, hidden=(first, *([] if secret is None else [secret])), grant=grant)


def _jwt(auth: Jwt, resolve: Resolve) -> Login:
    try:
        import jwt
    except ImportError:
        raise ConfigError(
            "STO-019", "Authentication by `jwt` needs the extra `api`.", where="source.auth",
            fix='Install it: pip install "medallion-assets[api]".',
        ) from None  # fmt: skip
    key = resolve(auth.private_key)
    url = None if auth.token_url is None else resolve(auth.token_url)
    claims = {name: resolve(value) if isinstance(value, str) else value for name, value in auth.claims.items()}

    def signed() -> str:
        now = int(time.time())
        times = {"iat": now - 10, "exp": now + _JWT_LIFE} | ({} if url is None else {"aud": url})
        try:
            return jwt.encode({**times, **claims}, key, algorithm=auth.algorithm)
        except Exception as error:  # noqa: BLE001 - of pyjwt, of cryptography: their texts may quote the key
            raise ConfigError(
                "SRC-061",
                f"The JWT cannot be signed with {auth.algorithm} ({type(error).__name__}).",
                where="source.auth",
                fix="Give the whole private key, PEM lines included, that goes with `algorithm`.",
            ) from None

    if url is None:
        return _Signed(signed, key)
    grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    return _Granted(
        lambda _: _form(url, {"grant_type": grant_type, "assertion": signed()}), _access_token, hidden=(key,)
    )


class _Signed(_Fixed):
    """A bearer token that is signed here, a fresh one a request."""

    def __init__(self, sign: Callable[[], str], key: str) -> None:
        super().__init__(hidden=(key,))
        self._sign = sign

    def apply(self, call: Call) -> Call:
        return replace(call, headers={**call.headers, "Authorization": f"Bearer {self._sign()}"})


def _session(auth: SessionTok, resolve: Resolve, base: str) -> Login:
    body = {name: resolve(value) for name, value in auth.body.items()}
    url = f"{base.rstrip('/')}/{auth.login_path.lstrip('/')}"
    call = Call("POST", url, {"Content-Type": "application/json", "Accept": "application/json"}, _json(body))
    prefix = "Bearer " if auth.name.lower() == "authorization" else ""

    def token(content: bytes) -> str | None:
        return find_text(content, auth.token, "source.auth.token")

    return _Granted(lambda _: call, token, auth.name, prefix, tuple(body.values()))


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _form(url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Call:
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return Call("POST", url, {**kind, **(headers or {})}, urlencode(form).encode())


def _access_token(content: bytes) -> str | None:
    token = _mapping(content).get("access_token")
    return token if isinstance(token, str) else None


def _mapping(content: bytes) -> Mapping[str, object]:
    try:
        return msgspec.json.decode(content, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _no_token(status: int, content: bytes, where: str, *, refreshing: bool) -> ExtractionError:
    named = _mapping(content).get("error")
    error = f" and the error {named[:60]!r}" if isinstance(named, str) and named.replace("_", "").isalnum() else ""
    fix = "Check the credentials under source.auth or in platform.yaml."
    if refreshing:
        fix = (
            "Get a new refresh token. If the provider rotates it with every use, the one that is configured ends with "
            "the first process: no secret is written to disk here."
        )
    return ExtractionError("SRC-061", f"The login answered with {status}{error}, and no token.", where=where, fix=fix)
