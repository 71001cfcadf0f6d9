"""Tokens: who may have pictures processed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.utils.text import printable

__all__ = ['Tokens', 'read_tokens']

_SHORTEST = 16  # characters


class Tokens:
    """The tokens of which a request needs one; without any, every request is let in.

    They are kept as hashes and compared in constant time, all of them for every request: how long
    that takes tells nothing of a token.

    Args:
        tokens: Texts of 16 characters at least, all of them printable ASCII.

    Raises:
        ArgumentError: If one is not.
    """

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        given = list(tokens)
        for number, token in enumerate(given, 1):
            if len(token) < _SHORTEST:
                msg = (
                    f'`tokens` must have {_SHORTEST} characters or more each, but number {number} '
                    f'has {len(token)}'
                )
                raise ArgumentError(msg)
            if not (token.isascii() and token.isprintable()):  # as a header has it
                msg = f'`tokens` must have printable ASCII characters only, but number {number} not'
                raise ArgumentError(msg)
        self._hashes = [_hash(token) for token in given]

    @property
    def are_needed(self) -> bool:
        """Whether requests need one."""
        return bool(self._hashes)

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request in.

        Args:
            headers: Its headers; the token is in ``X-Api-Key`` or ``Authorization: Bearer``.

        Raises:
            RequestError: If a token is needed, and these headers have none of them.
        """
        if not self._hashes:
            return
        kind, _, bearer = headers.get('authorization', '').partition(' ')
        given = bearer.strip() if kind.lower() == 'bearer' else headers.get('x-api-key', '')
        known = False
        hashed = _hash(given)
        for each in self._hashes:
            known |= hmac.compare_digest(hashed, each)
        if not known:
            title = 'Wrong token' if given else 'A token is needed'
            detail = 'send it as "X-Api-Key: TOKEN" or "Authorization: Bearer TOKEN"'
            raise RequestError(401, 'auth_failed', title, detail, {'WWW-Authenticate': 'Bearer'})


def read_tokens(path: Path) -> Tokens:
    """Read the tokens of a file: one a line; lines that are empty or begin with # do not count.

    Raises:
        ArgumentError: If there is none, or one cannot be used; the message names the file.
        OSError: If it cannot be read.
    """
    # Editors put a byte order mark before what they save as UTF-8.
    text = path.read_text(encoding='utf-8-sig', errors='replace')
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line and not line.startswith('#')]
    if not found:
        msg = f'{printable(path)} must have a token a line, but has none'
        raise ArgumentError(msg)
    try:
        return Tokens(found)
    except ArgumentError as err:
        msg = f'{printable(path)}: {err}'
        raise ArgumentError(msg) from None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode('utf-8', 'surrogatepass')).digest()
