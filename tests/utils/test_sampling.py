"""Choosing some of many items."""

from __future__ import annotations

import pytest

from bgremoval_mm.utils.sampling import evenly_spaced


@pytest.mark.parametrize(
    ('number', 'chosen'),
    [(0, ''), (1, 'a'), (2, 'ag'), (3, 'adg'), (4, 'aceg'), (7, 'abcdefg'), (9, 'abcdefg')],
)
def test_distances_are_equal(number: int, chosen: str) -> None:
    """From the first to the last, each at most once."""
    assert evenly_spaced('abcdefg', number) == list(chosen)


def test_nothing_to_choose_from() -> None:
    """No items give none."""
    assert evenly_spaced([], 5) == []
