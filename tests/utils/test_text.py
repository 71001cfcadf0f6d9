"""Tests of the one helper for text that leaves the program."""

from __future__ import annotations

import os

import pytest

from bgremoval_mm.utils.text import printable


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        ('Mode/Kleid rot.jpg', 'Mode/Kleid rot.jpg'),
        ('é漢👗.jpg', 'é漢👗.jpg'),
        ('a\nfailed: b.jpg', 'a\\nfailed: b.jpg'),
        ('a\r\x1b[2J.jpg', 'a\\r\\x1b[2J.jpg'),
        ('a\u2028b\u2029c\x85d', 'a\\u2028b\\u2029c\\x85d'),
        ('gpj.\u202egnp', 'gpj.\\u202egnp'),
        (os.fsdecode(b'Mu\xf1oz.jpg'), 'Mu\\xf1oz.jpg'),
        ('\ud83d', '\\ud83d'),
    ],
)
def test_what_is_printed_is_one_line_of_utf8(text, shown):
    """Controls, separators, direction marks and undecodable bytes are escaped, letters are not."""
    assert printable(text) == shown
    assert printable(shown) == shown
    assert len(printable(text).encode().splitlines()) == 1
    assert len(printable(text).splitlines()) == 1


def test_anything_can_be_printed():
    """An error or a path is taken by its text."""
    assert printable(ValueError('a\tb')) == 'a\\tb'
