"""Accuracies of cross-validated products, against their definition."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from bgremoval_mm.evaluation.cross_validation import mean_of_folds, right_photos, right_products
from bgremoval_mm.evaluation.statistics import bootstrap_mean, clustered_accuracy
from bgremoval_mm.removal.errors import ArgumentError

RESULTS = {
    'labels': np.array([0, 0, 1, 1, 1]),
    'predictions': np.array([1, 0, 1, 0, 0]),
    'products': np.array(['b', 'b', 'a', 'a', 'a']),
    'scores': np.array([[0.4, 0.6], [0.9, 0.1], [0.0, 1.0], [0.7, 0.3], [0.6, 0.4]]),
}


def test_right_photos_and_products() -> None:
    """Product a has the sums 1.3 and 1.7, and two of three votes for the wrong class."""
    right, products = right_photos(RESULTS)
    assert right.tolist() == [False, True, True, False, False]
    assert products.tolist() == ['b', 'b', 'a', 'a', 'a']
    for rule, expected in (('sum', [True, True]), ('max', [True, True]), ('vote', [False, True])):
        right, names = right_products(RESULTS, rule)
        assert names.tolist() == ['a', 'b']
        assert right.tolist() == expected, rule


def test_mean_of_folds_of_different_size() -> None:
    """The mean of the folds' means, 100 and 25, is not that of all values."""
    folds = [(np.ones(2), np.array(['a', 'b'])), (np.array([1, 0, 0, 0]), np.array(list('cdef')))]
    found = mean_of_folds(folds)
    assert found.mean == pytest.approx(62.5)
    assert found.count == 6


def test_products_are_drawn_whole_and_within_their_folds() -> None:
    """Every draw, listed: the interval is made of percentiles of those means."""
    folds = [
        (np.array([1, 1, 0]), np.array(['a', 'b', 'b'])),
        (np.array([0, 1, 1, 1]), np.array(['c', 'c', 'd', 'e'])),
    ]
    by_fold = []
    for values, names in folds:
        groups = [values[names == name] for name in np.unique(names)]
        draws = product(groups, repeat=len(groups))
        by_fold.append([np.concatenate(drawn).mean() for drawn in draws])
    every = [50 * (first + second) for first, second in product(*by_fold)]
    found = mean_of_folds(folds, resamples=20_000)
    low, high = np.percentile(every, [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1.5)


def test_one_fold_is_the_usual_bootstrap() -> None:
    """With one value a product that over images, with several that over clusters."""
    random = np.random.default_rng(0)
    values = random.random(50)
    found = mean_of_folds([(values, np.arange(50))])
    expected = bootstrap_mean(100 * values)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    right, products = random.random(60) < 0.6, np.repeat(np.arange(20), 3)
    clustered = clustered_accuracy(right[None], products)
    found = mean_of_folds([(right, products)])
    assert (found.low, found.high, found.count) == pytest.approx(
        (clustered.low, clustered.high, 20)
    )


@pytest.mark.parametrize(
    ('folds', 'message'),
    [
        ([], r'must have values in each fold, but got \[\]'),
        ([(np.ones(0), np.ones(0))], r'in each fold, but got \[0\]'),
        ([(np.ones(2), np.array(['a', 'b']))] * 2, 'in one fold, but 2 are in several'),
    ],
)
def test_what_is_no_cross_validation(folds: list, message: str) -> None:
    """Nothing, an empty fold, and a product that two folds test, which was trained on then."""
    with pytest.raises(ArgumentError, match=message):
        mean_of_folds(folds)
