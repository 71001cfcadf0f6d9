"""Pictures at addresses: which hosts are asked, and that none of a private network is."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import httpx
import pytest

from bgremoval_mm.serving import urls
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.urls import Fetcher

ALLOWED = ('pictures.example', 'localhost', '127.0.0.1', 'internal.example')
ADDRESSES = {
    'pictures.example': ['93.184.216.34'],
    'internal.example': ['93.184.216.34', '10.0.0.7'],
    'localhost': ['127.0.0.1'],
    '127.0.0.1': ['127.0.0.1'],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """What is asked of the network: names are resolved as above, and any address answers."""
    requests: list[httpx.Request] = []

    async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> list[Any]:
        return [(2, 1, 6, '', (address, port)) for address in ADDRESSES[host]]

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        path = request.url.path
        if path == '/elsewhere':
            return httpx.Response(302, headers={'Location': 'http://127.0.0.1/'})
        return httpx.Response(200, content=bytes(3000) if path == '/large' else b'picture')

    monkeypatch.setattr(asyncio.BaseEventLoop, 'getaddrinfo', getaddrinfo)
    plain = httpx.AsyncClient
    monkeypatch.setattr(
        urls.httpx,
        'AsyncClient',
        lambda **options: plain(transport=httpx.MockTransport(answer), **options),
    )
    return requests


def fetch(address: str, hosts: tuple[str, ...] = ALLOWED) -> bytes:
    """Fetch an address with a limit of 2,000 bytes."""
    return asyncio.run(Fetcher(hosts, Limits(max_bytes=2000)).fetch(address))


def test_an_allowed_host(asked: list[httpx.Request]) -> None:
    """It is asked at the address that was checked, under its own name."""
    assert fetch('https://Pictures.example/a.jpg?b=c#d') == b'picture'
    (request,) = asked
    assert str(request.url) == 'https://93.184.216.34/a.jpg?b=c'
    assert request.headers['host'] == 'pictures.example'
    assert request.extensions['sni_hostname'] == 'pictures.example'


@pytest.mark.parametrize(
    ('address', 'reason'),
    [
        ('https://other.example/', 'this host is not among those'),
        ('https://pictures.example.evil.example/', 'this host is not among those'),
        ('ftp://pictures.example/', 'only addresses with http'),
        ('file:///etc/passwd', 'only addresses with http'),
        ('https://me@pictures.example/', 'neither users nor ports'),
        ('https://pictures.example:8443/', 'neither users nor ports'),
        ('https://pictures.example:x/', 'not an address'),
        ('http://localhost/', 'an address that is not public'),
        ('http://127.0.0.1/', 'an address that is not public'),
        ('http://internal.example/', 'an address that is not public'),
        ('https://pictures.example/elsewhere', 'answered with status 302'),
        ('https://pictures.example/large', 'the limit is 2,000 bytes'),
    ],
)
def test_refused_addresses(asked: list[httpx.Request], address: str, reason: str) -> None:
    """Other hosts, schemes and ports, private networks, redirections, large files."""
    with pytest.raises(RequestError, match=reason):
        fetch(address)
    assert len(asked) == ('status' in reason or 'bytes' in reason)


def test_nothing_is_fetched_unless_hosts_are_named(service, asked: list[httpx.Request]) -> None:
    """By default, addresses are refused by name."""
    with pytest.raises(RequestError, match='this service fetches nothing'):
        fetch('https://pictures.example/', ())
    response = service().post('/v1.0/removebg', data={'image_url': 'https://pictures.example/'})
    assert response.json()['errors'][0]['code'] == 'invalid_image_url'
    assert asked == []


def test_fetched_picture(service, asked: list[httpx.Request]) -> None:
    """A picture that was fetched is treated like one that was sent."""
    client = service(url_hosts=['pictures.example'])
    response = client.post('/v1.0/removebg', json={'image_url': 'http://pictures.example/a'})
    assert response.json()['errors'][0]['code'] == 'failed_to_read_image'
    assert len(asked) == 1


@pytest.mark.parametrize(
    'address',
    ['10.1.2.3', '169.254.169.254', '0.0.0.0', '224.0.0.1', '::1', 'fe80::1', 'fc00::1',
     '::ffff:127.0.0.1', '100.64.0.1'],
)  # fmt: skip
def test_what_is_not_public(address: str) -> None:
    """Private, link-local (metadata of clouds), multicast and mapped addresses."""
    assert not urls._is_public(ipaddress.ip_address(address))
    assert urls._is_public(ipaddress.ip_address('2606:4700::1111'))
