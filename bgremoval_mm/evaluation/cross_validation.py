"""Accuracies of a cross-validation over products: how sure they are for other products.

Each product is tested in one fold. Accuracies are means over folds, as works print them, so that
products are drawn within their folds, whose sizes stay as they are. The folds of a seed share
their training data, and are no independent repetitions: nothing here counts them as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bgremoval_mm.evaluation.bootstrap import weight_blocks
from bgremoval_mm.evaluation.products import predict_products
from bgremoval_mm.evaluation.statistics import RESAMPLES, Estimate, percentile_interval
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['Values', 'mean_of_folds', 'right_photos', 'right_products']

PerImage = Mapping[str, np.ndarray]
"""What PerImageAccuracy wrote, with ``products`` and ``scores``."""

Values = tuple[np.ndarray, np.ndarray]
"""Values of a fold, float or bool of shape (N,), and the product of each, shape (N,)."""


def right_photos(results: PerImage) -> Values:
    """Return whether each photo is right, with its product.

    Args:
        results: Per-image results of one test.
    """
    return results['labels'] == results['predictions'], results['products']


def right_products(results: PerImage, rule: str = 'sum') -> Values:
    """Return whether each product is right, in the order of the products' ids.

    Args:
        results: Per-image results of one test.
        rule: How a product's class follows from its photos, one of ``evaluation.products.RULES``.

    Raises:
        ArgumentError: If the rule is unknown.
    """
    names, first, index = np.unique(results['products'], return_index=True, return_inverse=True)
    return predict_products(results['scores'], index, rule) == results['labels'][first], names


def mean_of_folds(folds: Sequence[Values], resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Return the mean over folds of each fold's mean, in percent, by a bootstrap over products.

    Within each fold, products are drawn with replacement, with all their values (a stratified
    bootstrap: Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section 3.2).
    The interval is the percentiles'. With one fold, and one value a product, it is that of
    ``bootstrap_mean``.

    Args:
        folds: Values of each fold, such as right (1) or wrong (0), or, for a paired difference,
            variant minus baseline.
        resamples: How often products are drawn.
        seed: Of the draws.

    Returns:
        The estimate; its count is the number of products of all folds. Without an interval if
        there is but one product in each fold, so that every draw is the same.

    Raises:
        ArgumentError: If there is no fold or a fold without values, or a product is in two folds.
    """
    if not folds or any(len(values) == 0 for values, _ in folds):
        msg = f'`folds` must have values in each fold, but got {[len(v) for v, _ in folds]}'
        raise ArgumentError(msg)
    products = np.concatenate([np.unique(names) for _, names in folds])
    if len(np.unique(products)) < len(products):
        msg = (
            'each product must be tested in one fold, but '
            f'{len(products) - len(np.unique(products)):,} are in several'
        )
        raise ArgumentError(msg)
    random = np.random.default_rng(seed)
    means, draws = [], []
    for values, names in folds:
        _, index = np.unique(names, return_inverse=True)
        sums, sizes = np.bincount(index, values.astype(float)), np.bincount(index)
        means.append(float(values.astype(float).mean()))
        blocks = weight_blocks(sums.size, resamples, random)
        draws.append(np.concatenate([(each @ sums) / (each @ sizes) for each in blocks]))
    mean = 100 * float(np.mean(means))
    if len(products) == len(folds):
        return Estimate(mean, None, None, len(products))
    return percentile_interval(mean, 100 * np.mean(draws, axis=0), len(products))
