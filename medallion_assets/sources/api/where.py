"""Where a request may go: the origin of ``base_url``, hosts allowed by name, and never an address of the machine's own
network control (link-local, cloud metadata).
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from medallion_assets.errors import ExtractionError
from medallion_assets.sources.api.calls import origin, shown_url

__all__ = ["Where", "addresses", "checked_url", "joined", "refuse_address"]

_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")))
"""Metadata services that are not link-local: Alibaba, Oracle, AWS over IPv6, Google over IPv6."""


@dataclass(frozen=True, slots=True)
class Where:
    """The policy of one source. ``allow_hosts``: other hosts that may be followed to, without credentials."""

    base: str
    allow_hosts: tuple[str, ...] = ()

    def admit(self, url: str) -> bool:
        """Whether credentials may go to ``url``. Raises ExtractionError SRC-050 where nothing may go."""
        checked_url(url)
        if origin(url) == origin(self.base):
            return True
        scheme, host, _ = origin(url)
        if origin(self.base)[0] == "https" and scheme != "https":
            raise _refused(url, "It leaves TLS.", "Ask the provider for https addresses.")
        if host not in {name.lower() for name in self.allow_hosts}:
            raise _refused(
                url,
                f"It is not of the origin {'{}://{}:{}'.format(*origin(self.base))}.",
                f"If {host} belongs to the provider, add it to source.allow_hosts; it gets no credentials.",
            )
        return False


def checked_url(url: str) -> str:
    """``url`` when it can be asked at all. Raises ExtractionError SRC-050."""
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        raise _refused("", "It cannot be read as one.", "Correct source.base_url and source.path.") from None
    if bad or any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
        raise _refused(url, "It is not an http or https address.", "Write https://host/path.")
    if parts.username is not None or parts.password is not None:
        raise _refused(url, "It holds a user or password.", "Use `auth: {type: basic, …}`.")
    return url


def joined(base: str, url: str) -> str:
    """``url`` as it is meant at ``base``. Raises ExtractionError SRC-050."""
    try:
        return checked_url(urljoin(base, url))
    except ValueError:
        raise _refused(base, "What follows it cannot be read as an address.", "Tell the provider.") from None


def refuse_address(address: str, host: str) -> None:
    """Raises ExtractionError SRC-050 for an address behind ``host`` that no source may reach."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _METADATA:
        raise ExtractionError(
            "SRC-050",
            f"The host {host} is at {address}, a link-local, metadata or unusable address that no source may ask.",
            where=host,
            fix="Correct the host name, or its entry in DNS.",
        )


def addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Where ``host`` is, all of it admitted. Raises OSError, and ExtractionError SRC-050."""
    found: list[tuple[socket.AddressFamily, tuple[str, int]]] = []
    for family, _, _, _, target in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        refuse_address(str(target[0]), host)
        found.append((family, (str(target[0]), port)))
    return found


def _refused(url: str, why: str, fix: str) -> ExtractionError:
    return ExtractionError("SRC-050", f"This address may not be asked. {why}", where=shown_url(url), fix=fix)
