"""The demo's results, recomputed from their definitions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bgremoval_mm.demo.results import Answer, format_results, summarize


@pytest.fixture
def results() -> dict[str, Any]:
    """Results of three test pictures of two products by two seeds; one training picture."""
    images = [
        {
            'file': 'train/a',
            'split': 'train',
            'label': 'tee',
            'product': 'p0',
            'background': 'sea.png',
        },
        {
            'file': 'test/a',
            'split': 'test',
            'label': 'tee',
            'product': 'p1',
            'background': 'sky.png',
        },
        {
            'file': 'test/b',
            'split': 'test',
            'label': 'tee',
            'product': 'p1',
            'background': 'sea.png',
        },
        {
            'file': 'test/c',
            'split': 'test',
            'label': 'polo',
            'product': 'p2',
            'background': 'sky.png',
        },
    ]
    ious = {'train/a': 0.5, 'test/a': 1.0, 'test/b': 0.3, 'test/c': 0.9}
    answers = [
        Answer('test/a', 'tee', 'p1', ('tee', 'tee'), ('tee', 'tee'), 1.0),
        Answer('test/b', 'tee', 'p1', ('polo', 'polo'), ('tee', 'tee'), 0.3),
        Answer('test/c', 'polo', 'p2', ('tee', 'polo'), ('polo', 'polo'), 0.9),
    ]
    return summarize('u2netp', images, ious, answers)


def test_results_count_what_was_given(results: dict[str, Any]) -> None:
    """1 and 2 of 3 right on originals, 3 of 3 without; IoU (0.5 + 1 + 0.3 + 0.9) / 4."""
    assert results['original']['each'] == pytest.approx([100 / 3, 200 / 3])
    assert results['original']['mean'] == pytest.approx(50)
    assert results['rembg'] == {'mean': 100, 'low': 100, 'high': 100, 'each': [100, 100]}
    assert results['diff']['each'] == pytest.approx([200 / 3, 100 / 3])
    assert results['diff']['mean'] == pytest.approx(50)
    masks = results['masks']
    assert (masks['pictures'], masks['worst'], masks['worst_file']) == (4, 0.3, 'test/b')
    assert masks['mean'] == pytest.approx(2.7 / 4)
    assert masks['median'] == pytest.approx(0.7)
    assert list(masks['mean_by_background'].items()) == [
        ('sea', pytest.approx(0.4)),
        ('sky', pytest.approx(0.95)),
    ]
    assert (results['test_pictures'], results['test_products']) == (3, 2)
    assert (results['test_backgrounds'], results['classes']) == (2, 2)
    json.dumps(results)


def test_pictures_of_a_product_are_drawn_together() -> None:
    """Product p wins both of its pictures and q none: a draw of two products has 0, 50 or 100."""
    images = [
        {'file': name, 'split': 'test', 'label': 'tee', 'product': 'p', 'background': 'sea.png'}
        for name in 'abcd'
    ]
    answers = [
        Answer(name, 'tee', product, (predicted,), ('tee',), 1.0)
        for name, product, predicted in zip('abcd', 'ppqq', ('x', 'x', 'tee', 'tee'), strict=True)
    ]
    found = summarize('u2netp', images, dict.fromkeys('abcd', 1.0), answers)
    assert (found['diff']['low'], found['diff']['mean'], found['diff']['high']) == (0, 50, 100)


def test_text_says_how_much_the_results_are_worth(results: dict[str, Any]) -> None:
    """The text names numbers of pictures, products and backgrounds, intervals and both counts."""
    text = format_results(results)
    for part in (
        'Top-1 accuracy on 3 test pictures; guessing: 50.0 %',
        'original             50.0 %       50.0 to  50.0      33.3, 66.7',
        'background removed  100.0 %      100.0 to 100.0      100.0, 100.0',
        'difference          +50.0        +50.0 to +50.0      +66.7, +33.3',
        'over the 2 test products',
        'test pictures have 2 backgrounds',
        'worst               0.300  test/b',
        'sea 0.40, sky 0.95',
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100
