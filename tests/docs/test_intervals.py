"""Differences that the documentation sets in bold are those that their intervals bear out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / 'docs'
MINUS = '\N{MINUS SIGN}'
BOLD = re.compile(r'\*\*([+-][\d.]+)\*\* \(([^)]*)\)')
INTERVAL = re.compile(r'([+-]?[\d.]+) to ([+-]?[\d.]+)')


def unsupported(text: str) -> list[str]:
    """Bold differences of which a part in brackets is no interval that excludes 0."""
    found = []
    for bold in BOLD.finditer(text):
        intervals = [INTERVAL.fullmatch(part) for part in bold[2].split('; ')]
        if not all(each and float(each[1]) * float(each[2]) > 0 for each in intervals):
            found.append(bold[0])
    return found


@pytest.mark.parametrize(
    ('text', 'wrong'),
    [
        ('**-7.1** (-13.1 to -1.2; -13.2 to -1.3)', 0),
        ('**-7.1** (-13.1 to +1.2; -13.2 to -1.3)', 1),
        ('**+7.1** (0.0 to +1.2)', 1),
        ('**+7.1** (equal; +1.3 to +13.2)', 1),
        ('+7.1 (-1.3 to +13.2)', 0),
    ],
)
def test_unsupported(text: str, wrong: int) -> None:
    """The check itself."""
    assert len(unsupported(text)) == wrong


def test_bold_differences_are_borne_out() -> None:
    """By all of their intervals, as docs/report.md asks."""
    text = (DOCS / 'results.md').read_text(encoding='utf-8').replace(MINUS, '-')
    assert len(BOLD.findall(text)) > 20
    assert unsupported(text) == []
