"""Text that leaves the program: printed, logged, drawn or put into a page."""

from __future__ import annotations

import unicodedata

__all__ = ['printable']

# Controls, surrogates (bytes of a name that are no UTF-8), line and paragraph separators, and the
# marks that reverse the direction of writing: each could end a program or forge a line.
_ESCAPED = frozenset(('Cc', 'Cs', 'Zl', 'Zp'))
_DIRECTIONS = frozenset('\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')


def printable(text: object) -> str:
    r"""Escape what a terminal, a log or a page could take for something else than text.

    File names are bytes: they may hold newlines, terminal escapes, or bytes that are no UTF-8,
    which Python keeps as surrogates (PEP 383). Applying it twice changes nothing.

    Args:
        text: Anything; its ``str`` is taken.

    Returns:
        Text of one line that any UTF-8 stream can encode.

    Examples:
        >>> printable('a\nb.jpg')
        'a\\nb.jpg'
    """
    return ''.join(map(_escape, str(text)))


def _escape(character: str) -> str:
    if '\udc80' <= character <= '\udcff':
        return f'\\x{ord(character) - 0xDC00:02x}'  # the byte that it stands for
    if character in _DIRECTIONS or unicodedata.category(character) in _ESCAPED:
        return character.encode('unicode_escape').decode('ascii')
    return character
