"""Checks of where a browser's request was sent to, and which site's page sent it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from bgremoval_mm.serving.errors import RequestError

__all__ = ['OWN_MACHINE', 'check_host', 'check_site']

OWN_MACHINE = ('localhost', '127.0.0.1', '::1')


def check_host(headers: Mapping[str, str]) -> None:
    """Let a request in that was sent to a name of this machine.

    A page of another site could have its own name lead to this machine ("DNS rebinding"). For the
    browser its requests are of the same origin then, and it may read the answers.

    Raises:
        RequestError: With status 403.
    """
    if _host(f'//{headers.get("host", "")}') not in OWN_MACHINE:
        detail = 'call it by localhost or 127.0.0.1, or give it --tokens'
        raise RequestError(403, 'wrong_host', 'The service has another name', detail)


def check_site(headers: Mapping[str, str]) -> None:
    """Refuse what a page of another site has a visitor's browser send.

    Raises:
        RequestError: With status 403.
    """
    site, origin = headers.get('sec-fetch-site'), headers.get('origin')
    is_foreign = site not in (None, 'same-origin', 'none')
    if site is None and origin is not None:  # browsers tell the site only where TLS is
        is_foreign = urlsplit(origin).netloc != headers.get('host', '')
    if is_foreign:
        raise RequestError(403, 'cross_site', 'The request comes from a page of another site')


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
