"""Drift of masks' figures: both sure and large, corrected for the number of figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bgremoval_mm.monitoring.drift import (
    Reference,
    _psi,
    compare_figures,
    read_reference,
    write_reference,
)

RNG = np.random.default_rng(0)
NAMES = [f'figure {number}' for number in range(8)]


def of(values: dict[str, np.ndarray]) -> list[dict[str, float]]:
    """The same as a dict a mask."""
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def test_psi_by_hand() -> None:
    """Tenths of 0.1 each become 0.2 (five of them) and 0."""
    before = np.arange(1000) / 1000
    after = np.arange(500) / 1000
    expected = 5 * (0.2 - 0.1) * np.log(2) + 5 * (1e-4 - 0.1) * np.log(1e-3)
    assert _psi(before, after) == pytest.approx(expected, rel=0.02)
    assert _psi(before, before) == 0


def test_a_figure_that_is_mostly_zero() -> None:
    """Equal tenths fall together: more zeros are a drift, the same share is none."""
    before = np.where(np.arange(1000) < 900, 0.0, 1.0)
    assert _psi(before, before[::10]) == 0
    assert _psi(before, np.where(np.arange(100) < 50, 0.0, 1.0)) > 0.2


def test_p_values_are_corrected() -> None:
    """Of one figure among eight that drifts, the p value is scipy's times eight."""
    reference = Reference({name: RNG.normal(0, 1, 400) for name in NAMES}, 400)
    masks = {name: RNG.normal(0, 1, 300) for name in NAMES}
    masks[NAMES[3]] += 0.6
    found = compare_figures(reference, of(masks))
    assert [each.figure for each in found if each.has_drifted] == [NAMES[3]]
    alone = stats.ks_2samp(reference.figures[NAMES[3]], masks[NAMES[3]]).pvalue
    assert found[0].figure == NAMES[3]
    assert found[0].p_value == pytest.approx(8 * alone)


def test_noise_does_not_drift() -> None:
    """Of 200 comparisons of eight figures each, at most four name one: twice the level."""
    named = 0
    for _ in range(200):
        reference = Reference({name: RNG.beta(2, 5, 300) for name in NAMES}, 300)
        masks = of({name: RNG.beta(2, 5, 200) for name in NAMES})
        named += any(each.has_drifted for each in compare_figures(reference, masks))
    assert named <= 4


def test_a_sure_but_small_change_is_none() -> None:
    """With very many masks everything differs: the index must be large, too."""
    reference = Reference({'x': RNG.normal(0, 1, 20_000)}, 20_000)
    (found,) = compare_figures(reference, of({'x': RNG.normal(0.1, 1, 20_000)}))
    assert found.p_value < 1e-6
    assert not found.has_drifted


def test_few_masks() -> None:
    """Of fewer than 50 nothing is said, and a figure that one side lacks is left out."""
    reference = Reference({'x': np.ones(60), 'y': np.ones(60)}, 60)
    assert compare_figures(reference, of({'x': np.ones(49)})) == []
    assert [each.figure for each in compare_figures(reference, of({'x': np.ones(50)}))] == ['x']
    assert compare_figures(reference, []) == []


def test_a_reference_comes_back(tmp_path: Path) -> None:
    """Of very many masks 5,000 are kept, with the same distribution."""
    values = RNG.normal(0, 1, 30_000)
    file = tmp_path / 'reference.json'
    write_reference(file, Reference({'x': values}, 30_000, 'masks'))
    found = read_reference(file)
    assert (found.count, found.source, found.figures['x'].size) == (30_000, 'masks', 5000)
    assert _psi(values, found.figures['x']) < 0.001
