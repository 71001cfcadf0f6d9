"""Figures of attention scores: intervals, paired differences, the table, examples."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bgremoval_mm.analysis.attention.figures import as_csv, compare, summary_of
from bgremoval_mm.analysis.attention.measure import measure_runs
from bgremoval_mm.analysis.attention.results import Examples, pick_examples
from bgremoval_mm.engine.attention import PhotoAttention
from bgremoval_mm.removal.errors import ArgumentError

NAN = float('nan')


def photos(*scores: float) -> list[PhotoAttention]:
    """Photos with these scores."""
    return [
        PhotoAttention(i, f'photos/{i}, a.jpg', i % 2, 0.25, 0.5, each)
        for i, each in enumerate(scores)
    ]


def test_summary() -> None:
    """Mean, sample deviation, t interval over the defined scores, and how many are not."""
    values = [0.1, 0.4, 0.3, 0.6]
    found = summary_of([*values, NAN])
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert found == {
        'score': pytest.approx(0.35),
        'std': pytest.approx(np.std(values, ddof=1)),
        'undefined': 1,
        'photos': 5,
        'low': pytest.approx(low),
        'high': pytest.approx(high),
    }


def test_summary_of_too_few() -> None:
    """What is not known is None, as JSON has it."""
    nothing = {'score': None, 'std': None, 'low': None, 'high': None}
    assert summary_of([NAN]) == {**nothing, 'undefined': 1, 'photos': 1}
    assert summary_of([0.5]) == {**nothing, 'score': 0.5, 'undefined': 0, 'photos': 1}


def test_paired_difference() -> None:
    """After minus before, where both are defined, with the interval of the paired t test."""
    before, after = photos(0.1, 0.2, NAN, 0.4, 0.5), photos(0.2, 0.5, 0.3, NAN, 0.4)
    found = compare(before, after)
    pairs = stats.ttest_rel([0.2, 0.5, 0.4], [0.1, 0.2, 0.5]).confidence_interval()
    assert found == {
        'difference': pytest.approx(0.1),
        'low': pytest.approx(pairs.low),
        'high': pytest.approx(pairs.high),
        'photos': 3,
    }
    assert compare(photos(NAN), photos(1.0)) == {
        'difference': None,
        'low': None,
        'high': None,
        'photos': 0,
    }


def test_other_photos() -> None:
    """Two models can be compared on the same photos only."""
    with pytest.raises(ArgumentError, match=r'has photos/0, a\.jpg where .* photos/1, a\.jpg'):
        compare(photos(0.1, 0.2), photos(0.1, 0.2)[::-1])
    with pytest.raises(ArgumentError, match='but one has 2 and the other 1'):
        compare(photos(0.1, 0.2), photos(0.1))


def run(name: str, *files: str) -> Any:
    """A model whose test photos are these."""

    def measure(chosen: list[int]) -> None:
        measured.append((name, chosen))

    meter = SimpleNamespace(
        choose=lambda number: list(range(number or len(files))), path=lambda index: files[index]
    )
    measured: list[tuple[str, list[int]]] = []
    return SimpleNamespace(meter=meter, measure=measure, measured=measured)


def test_photos_are_compared_before_they_are_measured() -> None:
    """Which takes long."""
    one, other = run('one', 'a.jpg', 'b.jpg', 'c.jpg'), run('other', 'a.jpg', 'c.jpg')
    with pytest.raises(ArgumentError, match=r'one has b\.jpg where the other has c\.jpg'):
        measure_runs([one, other])
    assert one.measured == other.measured == []
    measure_runs([one, other], 1)
    assert (one.measured, other.measured) == ([('one', [0])], [('other', [0])])


def test_table() -> None:
    """A line per photo; what is undefined is empty; a second model has columns of its own."""
    before = [*photos(0.125), PhotoAttention(1, 'b\n.jpg', None, 1.0, 1.0, NAN)]
    rows = list(csv.reader(io.StringIO(as_csv(before))))
    assert rows == [
        ['file', 'label', 'foreground', 'attention', 'score'],
        ['photos/0, a.jpg', '0', '0.250000', '0.500000', '0.125000'],
        ['b\\n.jpg', '', '1.000000', '1.000000', ''],
    ]
    both = list(csv.reader(io.StringIO(as_csv(photos(0.125), photos(-0.5)))))
    assert both[0][5:] == ['after_foreground', 'after_attention', 'after_score']
    assert both[1][4:] == ['0.125000', '0.250000', '0.500000', '-0.500000']


def test_examples() -> None:
    """The lowest, those in the middle, and the highest, without undefined ones."""
    scores = [0.9, NAN, 0.1, 0.5, 0.4, 0.2, 0.8, 0.3, 0.7, 0.6]
    assert pick_examples(scores) == Examples([2, 5], [4, 3], [6, 0])
    assert pick_examples(scores, 1) == Examples([2], [3], [0])


@pytest.mark.parametrize('count', range(7))
def test_few_examples(count: int) -> None:
    """No photo is shown twice, and none is shown where there is none."""
    found = pick_examples([0.1 * each for each in range(count)] + [NAN])
    places = [*found.lowest, *found.median, *found.highest]
    assert len(places) == len(set(places))
    assert len(places) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 3, 5: 3, 6: 6}[count]
    assert places == sorted(places)
