"""Wilson's and Newcombe's intervals, against their formulas and values from the literature."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bgremoval_mm.evaluation.proportions import accuracy_interval, newcombe_difference
from bgremoval_mm.evaluation.statistics import Estimate

Z = 1.959963984540054


def pair(both: int, lost: int, gained: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Right and wrong of a baseline and a variant with these counts of images."""
    counts = (both, lost, gained, neither)
    original = np.repeat([True, True, False, False], counts)
    return original, np.repeat([True, False, True, False], counts)


@pytest.mark.parametrize(('right', 'count'), [(0, 8), (8, 8), (3, 8), (140, 372)])
def test_wilson(right: int, count: int) -> None:
    """The two solutions p of (r/n - p)^2 = z^2 p (1 - p) / n."""
    found = accuracy_interval(np.arange(count)[None] < right)
    assert found.low is not None
    assert found.high is not None
    assert (found.mean, found.count) == (pytest.approx(100 * right / count), count)
    for end in (found.low / 100, found.high / 100):
        assert (right / count - end) ** 2 == pytest.approx(Z**2 * end * (1 - end) / count, abs=1e-9)
    assert found.high - found.low > 1


def test_several_tests_of_the_same_images() -> None:
    """The mean over tests and images; the interval is that of the images' shares."""
    right = np.random.default_rng(0).random((5, 400)) < 0.4
    found = accuracy_interval(right)
    half = 1.96 * 100 * right.mean(axis=0).std() / math.sqrt(400)
    assert found.mean == pytest.approx(100 * right.mean())
    assert (found.low, found.high) == (
        pytest.approx(found.mean - half, abs=0.3),
        pytest.approx(found.mean + half, abs=0.3),
    )
    with pytest.raises(ValueError, match=r'at least one test of one image, but has shape \(1, 0\)'):
        accuracy_interval(np.ones((1, 0), bool))


@pytest.mark.parametrize(
    ('counts', 'low', 'high'),
    [
        ((36, 12, 2, 0), -34.04, -5.69),  # Newcombe 1998, 0.0569 to 0.3404
        ((1, 1, 7, 12), 2.6, 50.7),  # Fagerland et al. 2014, 0.026 to 0.507
    ],
)
def test_published_intervals(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    """Of two examples of the literature, one with a cell of 0."""
    found = newcombe_difference(*pair(*counts))
    assert found.mean == pytest.approx(100 * (counts[2] - counts[1]) / sum(counts))
    assert found.low == pytest.approx(low, abs=0.05)
    assert found.high == pytest.approx(high, abs=0.05)


def test_few_images_leave_much_open() -> None:
    """Eight images that all agree have a wide interval; it never leaves the possible range."""
    gained = newcombe_difference(*pair(0, 0, 8, 0))
    assert gained.low is not None
    assert (gained.mean, gained.high) == (100, pytest.approx(100))
    assert 40 < gained.low < 70
    same = newcombe_difference(*pair(8, 0, 0, 0))
    assert same.low is not None
    assert same == Estimate(0, pytest.approx(-32.4, abs=0.1), pytest.approx(32.4, abs=0.1), 8)


def test_swapping_the_two_mirrors_the_interval() -> None:
    """Original minus removed is the same interval with its ends exchanged."""
    first, second = pair(20, 3, 9, 8)
    one, other = newcombe_difference(first, second), newcombe_difference(second, first)
    assert (one.low, one.high) == (pytest.approx(-other.high), pytest.approx(-other.low))


def test_pairs_must_fit() -> None:
    """Runs on other images cannot be compared."""
    with pytest.raises(ValueError, match=r'shapes \(3,\) and \(4,\)'):
        newcombe_difference(np.ones(3, bool), np.ones(4, bool))
