"""Classes of products and confusion, against slow loops, scikit-learn and examples by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.evaluation.products import (
    RULES,
    confusion_matrix,
    errors_by_parent,
    merge_classes,
    parents_of,
    predict_products,
    read_parents,
)
from bgremoval_mm.removal.errors import ArgumentError


def test_rules_differ() -> None:
    """Five photos of one product for which each rule has another answer.

    Class 0 has three votes (0.4 each), class 1 the largest probability (0.9), and class 2 the
    largest sum: 3 * 0.38 + 0.08 + 0.8 = 2.02, against 1.26 and 1.72.
    """
    scores = np.array(
        [
            [0.40, 0.22, 0.38],
            [0.40, 0.22, 0.38],
            [0.40, 0.22, 0.38],
            [0.02, 0.90, 0.08],
            [0.04, 0.16, 0.80],
        ]
    )
    products = np.zeros(5, int)
    found = {rule: predict_products(scores, products, rule).tolist() for rule in RULES}
    assert found == {'sum': [2], 'max': [1], 'vote': [0]}


def slow_prediction(scores: np.ndarray, rule: str) -> int:
    """The class of one product by the definition, class by class."""
    best, best_key = 0, (-1.0, -1.0)
    for label in range(scores.shape[1]):
        of_class = [float(row[label]) for row in scores]
        votes = sum(int(max(range(len(row)), key=lambda i: row[i]) == label) for row in scores)
        key = {
            'sum': (sum(of_class), 0.0),
            'max': (max(of_class), 0.0),
            'vote': (float(votes), sum(of_class)),
        }[rule]
        if key > best_key:
            best, best_key = label, key
    return best


@pytest.mark.parametrize('rule', RULES)
def test_agrees_with_a_loop(rule: str) -> None:
    """Products of any size, photos in any order."""
    rng = np.random.default_rng(0)
    products = rng.permutation(np.concatenate([np.arange(60), rng.integers(0, 60, 200)]))
    scores = rng.dirichlet(np.ones(5), len(products)).astype(np.float32)
    found = predict_products(scores, products, rule)
    expected = [slow_prediction(scores[products == p].astype(float), rule) for p in range(60)]
    assert found.tolist() == expected


def test_votes_that_are_as_many() -> None:
    """The larger sum decides, among those with the most votes only."""
    scores = np.array([[0.5, 0.1, 0.4], [0.0, 0.6, 0.4]])
    assert predict_products(scores, np.zeros(2, int), 'vote').tolist() == [1]
    assert predict_products(scores, np.zeros(2, int), 'sum').tolist() == [2]


def test_unknown_rule() -> None:
    """The message lists the rules."""
    with pytest.raises(ArgumentError, match="must be one of 'sum', 'max', 'vote', but got 'mean'"):
        predict_products(np.ones((1, 2)), np.zeros(1, int), 'mean')


def test_confusion_agrees_with_scikit_learn() -> None:
    """Also where a class does not occur."""
    metrics = pytest.importorskip('sklearn.metrics')
    labels, predictions = np.random.default_rng(0).integers(0, 5, (2, 300))
    expected = metrics.confusion_matrix(labels, predictions, labels=range(6))
    assert np.array_equal(confusion_matrix(labels, predictions, 6), expected)


# True classes in rows: boots, sandals (shoes), jeans, chinos (trousers), belts.
CLASSES = ['boots', 'sandals', 'jeans', 'chinos', 'belts']
MATRIX = np.array(
    [
        [5, 2, 1, 0, 0],
        [0, 4, 0, 0, 3],
        [0, 0, 6, 3, 1],
        [1, 1, 2, 2, 0],
        [0, 0, 0, 0, 7],
    ]
)
PARENTS = {'boots': 'shoes', 'sandals': 'shoes', 'jeans': 'trousers', 'chinos': 'trousers'}


def test_errors_within_a_family() -> None:
    """By hand: boots taken for sandals are another kind of error than boots taken for jeans."""
    names, parents = parents_of(CLASSES, PARENTS | {'belts': 'belts', 'hats': 'headwear'})
    assert names == ['shoes', 'trousers', 'belts']
    assert errors_by_parent(MATRIX, parents).tolist() == [
        [5, 2, 1], [4, 0, 3], [6, 3, 1], [2, 2, 2], [7, 0, 0],
    ]  # fmt: skip
    assert merge_classes(MATRIX, parents, 3).tolist() == [[11, 1, 3], [2, 13, 1], [0, 0, 7]]


def test_table_of_parents(tmp_path: Path) -> None:
    """A CSV file; classes without a parent and children with two are named."""
    path = tmp_path / 'parents.csv'
    path.write_text('child,parent\n' + ''.join(f'{a},{b}\n' for a, b in PARENTS.items()))
    assert read_parents(path) == PARENTS
    with pytest.raises(ArgumentError, match='but 1 of 5 have none: belts'):
        parents_of(CLASSES, read_parents(path))
    path.write_text('child,parent\na,b\na,c\n')
    with pytest.raises(ArgumentError, match='must give each child one parent, but a has two'):
        read_parents(path)
    path.write_text('class,parent\na,b\n')
    with pytest.raises(ArgumentError, match='columns child and parent, but has class, parent'):
        read_parents(path)
