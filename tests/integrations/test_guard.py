"""Only public addresses are reached, whatever a name or a redirect says."""

import socket
from typing import Any

import httpx2
import pytest

from planai.errors import WebError
from planai.integrations.guard import PublicTransport, is_public, public_address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "ff0e::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::", "no address",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_a_public_address_is_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "[::1]".strip("[]")])
def test_this_machine_is_refused_under_all_its_names(host: str) -> None:
    with pytest.raises(WebError, match=r"no public address|there is no host"):
        public_address(host, 80)


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Let names resolve to these addresses, one answer after the other: there is no network here."""
    left = list(answers)

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(WebError, match=r"'example.com' is 10.0.0.1, which is no public address"):
        public_address("example.com", 80)


def test_the_request_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["1.1.1.1"], ["127.0.0.1"])
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200)

    with httpx2.Client(transport=PublicTransport(httpx2.MockTransport(answer))) as client:
        client.get("https://example.com/page")
    (request,) = seen
    assert (request.url.host, request.url.path) == ("1.1.1.1", "/page")
    assert request.headers["host"] == "example.com"
    assert request.extensions["sni_hostname"] == "example.com"


def test_a_redirect_to_this_machine_is_refused() -> None:
    def redirect(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(302, headers={"Location": "http://127.0.0.1/secret"})

    transport = PublicTransport(httpx2.MockTransport(redirect))
    with httpx2.Client(transport=transport, follow_redirects=True) as client, pytest.raises(WebError, match="127"):
        client.get("http://1.1.1.1/")
