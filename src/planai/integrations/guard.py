"""PublicTransport: HTTP to public addresses only, however a name is made to resolve."""

from __future__ import annotations

import ipaddress
import socket

import httpx2

from planai.errors import WebError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class PublicTransport(httpx2.BaseTransport):
    """Resolves the host of each request, redirects included, and connects to just the address that was looked at."""

    def __init__(self, inner: httpx2.BaseTransport | None = None) -> None:
        self._inner = inner or httpx2.HTTPTransport()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request.

        Raises:
            WebError: the host has an address that is not public.
        """
        host = request.url.host
        address = public_address(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        # A second look-up of the name could give another address: the request goes to the one that was checked.
        return self._inner.handle_request(
            httpx2.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
        )

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def public_address(host: str, port: int) -> str:
    """Return an address of `host`.

    Raises:
        WebError: it has none, or one that is not public: of this machine, of a private network, or of a cloud's own
            services.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise WebError(f"there is no host {host!r}: look at the address ({error})") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not is_public(address):
            raise WebError(
                f"{host!r} is {address}, which is no public address: pass allow_private=True where that is meant"
            )
    return addresses[0]


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the open internet; one in another's clothes counts as the one it leads to.

    >>> [is_public(address) for address in ("1.1.1.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254")]
    [True, False, False, False, False]
    """
    try:
        parsed = _innermost(ipaddress.ip_address(address.split("%", maxsplit=1)[0]))
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast


def _innermost(address: _Address) -> _Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address
