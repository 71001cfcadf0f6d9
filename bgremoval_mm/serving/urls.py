"""Fetching a picture from an address: from allowed hosts, and never from private networks."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

import httpx

from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.uploads import check_size

__all__ = ['Fetcher']

_PORTS = {'http': 80, 'https': 443}


class Fetcher:
    """Fetches pictures from the hosts that are allowed; from none, unless some are named.

    The host's name is resolved once, every address that it has must be a public one, and the
    connection is made to that address: a name that changes in between leads nowhere else.
    Redirections are not followed, and proxies of the environment are not used.

    Args:
        hosts: Names of hosts, exactly as they stand in an address.
        limits: What is accepted.
    """

    def __init__(self, hosts: Iterable[str], limits: Limits) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._limits = limits

    async def fetch(self, address: str) -> bytes:
        """Return the content of an address.

        Raises:
            RequestError: If the address is not allowed, or cannot be fetched within the limits.
        """
        parts = self._check(address)
        host, port = str(parts.hostname), _PORTS[parts.scheme]
        try:
            async with asyncio.timeout(self._limits.upload_seconds):
                numeric = await self._resolve(host, port)
                return await self._get(parts, numeric)
        except TimeoutError:
            _fail(f'`image_url`: the limit is {self._limits.upload_seconds:g} s')
        except (httpx.HTTPError, OSError) as err:
            _fail(f'`image_url`: {str(err) or type(err).__name__}')

    def _check(self, address: str) -> SplitResult:
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            _refuse('not an address')
        if parts.scheme not in _PORTS or not parts.hostname:
            _refuse('only addresses with http:// or https://')
        if not self._hosts:
            _refuse('this service fetches nothing; send the picture itself')
        if parts.hostname.lower() not in self._hosts:
            _refuse('this host is not among those that the service may fetch from')
        if parts.username is not None or port not in (None, _PORTS[parts.scheme]):
            _refuse('neither users nor ports')
        return parts

    async def _resolve(self, host: str, port: int) -> str:
        """Return one of a host's addresses; refuse a host of which any is not public."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
        if not addresses or not all(map(_is_public, addresses)):
            _refuse('this host has an address that is not public')
        return str(addresses[0])

    async def _get(self, parts: SplitResult, numeric: str) -> bytes:
        host = str(parts.hostname)
        bracketed = f'[{numeric}]' if ':' in numeric else numeric
        url = parts._replace(netloc=bracketed, fragment='').geturl()
        content = bytearray()
        async with (
            httpx.AsyncClient(trust_env=False, follow_redirects=False) as client,
            client.stream(
                'GET', url, headers={'Host': host}, extensions={'sni_hostname': host}
            ) as got,
        ):
            if got.status_code != httpx.codes.OK:
                _fail(f'`image_url`: the host answered with status {got.status_code}')
            async for chunk in got.aiter_bytes():
                content += chunk
                check_size(len(content), self._limits.max_bytes)
        return bytes(content)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    shown = mapped or address
    return shown.is_global and not shown.is_multicast


def _refuse(detail: str) -> NoReturn:
    title = 'This address is not fetched'
    raise RequestError(400, 'invalid_image_url', title, f'`image_url`: {detail}')


def _fail(detail: str) -> NoReturn:
    raise RequestError(400, 'failed_to_fetch_image', 'The picture cannot be fetched', detail)
