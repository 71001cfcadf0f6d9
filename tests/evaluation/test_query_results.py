"""What each query found, against ranks counted by hand, and differences item by item."""

from __future__ import annotations

import numpy as np
import pytest

from bgremoval_mm.evaluation.paired import main_score, score_differences
from bgremoval_mm.evaluation.query_results import query_differences, query_results, query_scores
from bgremoval_mm.removal.errors import ArgumentError


def results(*first_right: int, items: str = 'aabb') -> dict[str, np.ndarray]:
    """The results of four queries of two items, whose galleries have one photo each."""
    first = np.array(first_right)
    precision = (first == 1).astype(float)  # with R = 1
    return {
        'names': np.array(['1.jpg', '2.jpg', '3.jpg', '4.jpg']),
        'items': np.array(list(items)),
        'topk': np.array([1, 5]),
        'first_right': first,
        'average_precision': precision,
        'r_precision': precision,
    }


def test_ranks_by_hand() -> None:
    """R photos of the item count for the precisions, all neighbours for the first right one."""
    right = np.array(
        [
            [True, False, True, True],  # R = 3: two of three; precisions 1 and 2/3
            [False, False, False, True],  # R = 2: none of two
            [False, False, False, False],
        ]
    )
    found = query_results(right, np.array([3, 2, 1]))
    assert found['first_right'].tolist() == [1, 4, 0]
    assert found['average_precision'] == pytest.approx([(1 + 2 / 3) / 3, 0, 0])
    assert found['r_precision'] == pytest.approx([2 / 3, 0, 0])
    assert query_scores(found, 'hit@3').tolist() == [1, 0, 0]
    assert query_scores(found, 'hit@4').tolist() == [1, 1, 0]
    assert query_scores(found, 'P@1').tolist() == [1, 0, 0]
    assert query_scores(found, 'MAP@R') is not found['average_precision']


def test_differences_draw_whole_items() -> None:
    """Two queries that change together say as much as one: the interval is that of two units."""
    before, after = results(0, 0, 1, 1), results(1, 1, 1, 1)
    found = query_differences(before, after)
    assert list(found) == ['hit@1', 'hit@5', 'MAP@R', 'P@1', 'R-Precision']
    assert (found['hit@1'].mean, found['hit@1'].count) == (50, 2)
    # Of two items with changes 0 and 100, a quarter of the draws has either twice.
    assert (found['hit@1'].low, found['hit@1'].high) == (0, 100)
    alone = query_differences(results(0, 0, 1, 1, items='abcd'), results(1, 1, 1, 1, items='abcd'))
    assert (alone['hit@1'].mean, alone['hit@1'].count) == (50, 4)


def test_tests_are_compared_by_the_names_of_the_metrics() -> None:
    """As DiffMetricsHook compares them; other queries or other k are not compared."""
    before, after = results(0, 3, 1, 1), results(1, 1, 1, 0)
    assert main_score(before) == ('retrieval/P@1', 50)
    found = score_differences(before, after)
    assert found['retrieval/hit@1'].mean == 25
    assert found['retrieval/hit@5'].mean == 0
    assert score_differences(before, {**after, 'topk': np.array([1, 9])}) == {}
    assert score_differences(before, {**after, 'names': after['names'][::-1]}) == {}
    assert score_differences(before, {**after, 'items': after['items'][::-1]}) == {}


def test_other_queries_are_no_pairs() -> None:
    """As many queries as before, or another k, would give a number that means nothing."""
    before, after = results(0, 3, 1, 1), results(1, 1, 1, 0)
    others = {**after, 'names': np.array(['1.jpg', '2.jpg', '3.jpg', '9.jpg'])}
    with pytest.raises(ArgumentError, match=r'same queries, but their `names` differ: 4\.jpg, 9'):
        query_differences(before, others)
    fewer = {key: each[:3] if key != 'topk' else each for key, each in after.items()}
    with pytest.raises(ArgumentError, match=r'`names` differ: 4\.jpg\. `root` of Query'):
        query_differences(before, fewer)
    turned = {key: each[::-1] if key != 'topk' else each for key, each in after.items()}
    with pytest.raises(ArgumentError, match=r'`names` differ: another order'):
        query_differences(before, turned)
    with pytest.raises(ArgumentError, match=r'`items` differ: c$'):
        query_differences(before, {**after, 'items': np.array(list('cabb'))})
    with pytest.raises(ArgumentError, match=r'`topk` differ: 5, 9$'):
        query_differences(before, {**after, 'topk': np.array([1, 9])})
    twice = {**after, 'names': after['names'][[0, 0, 2, 3]]}
    with pytest.raises(ArgumentError, match=r'must be there once, but 1\.jpg is'):
        query_differences(twice, twice)
