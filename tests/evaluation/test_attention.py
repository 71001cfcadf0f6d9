"""The attention score, against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from bgremoval_mm.evaluation.attention import (
    attention_score,
    attention_share,
    normalise_attention,
)
from bgremoval_mm.removal.errors import ArgumentError

MASK = np.zeros((4, 5))
MASK[1:3, 1:4] = 1  # p = 6/20


def test_attention_on_the_object() -> None:
    """A = M gives 1, also where A is stronger in places."""
    assert attention_score(MASK, MASK) == pytest.approx(1)
    assert attention_score(MASK * np.arange(1, 6), MASK) == pytest.approx(1)


@pytest.mark.parametrize('mask', [MASK, MASK * 0.4, np.full((4, 5), 0.25)])
def test_uniform_attention(mask: np.ndarray) -> None:
    """Attention that is spread evenly scores 0 for any mask, soft ones too."""
    assert attention_score(np.full((4, 5), 0.7), mask) == pytest.approx(0, abs=1e-12)


def test_attention_on_the_background() -> None:
    """All on the background: -p / (1 - p), here with p = 6/20."""
    assert attention_score(1 - MASK, MASK) == pytest.approx(-0.3 / 0.7)


def test_a_soft_mask_by_hand() -> None:
    """p = (1 + .5) / 4, a = (.2 * 1 + .6 * .5) / 1.6."""
    share = attention_share(np.array([[0.2, 0.6, 0.8, 0]]), np.array([[1, 0.5, 0, 0]]))
    assert share.foreground == pytest.approx(0.375)
    assert share.attention == pytest.approx(0.5 / 1.6)
    assert share.score == pytest.approx((0.3125 - 0.375) / 0.625)


def test_undefined_scores() -> None:
    """Nothing but foreground, or no attention at all: NaN, not an error."""
    everything = attention_share(MASK, np.ones((4, 5)))
    assert (everything.foreground, everything.attention) == (1, 1)
    assert np.isnan(everything.score)
    nothing = attention_share(np.zeros((4, 5)), MASK)
    assert nothing.foreground == pytest.approx(0.3)
    assert np.isnan([nothing.attention, nothing.score]).all()


def test_no_foreground() -> None:
    """An empty mask is defined: no attention can be on it."""
    assert attention_score(np.ones((4, 5)), np.zeros((4, 5))) == 0


@pytest.mark.parametrize(
    ('attention', 'mask', 'message'),
    [
        (np.ones((2, 2)), np.ones((2, 3)), r'one shape, but got \(2, 2\) and \(2, 3\)'),
        (np.ones((0, 2)), np.ones((0, 2)), 'one shape'),
        (np.ones((2, 2)), np.full((2, 2), 255), r'values from 1, and from 255 to 255'),
        (-np.ones((2, 2)), np.ones((2, 2)), r'0 or more .* values from -1'),
        (np.full((2, 2), np.nan), np.ones((2, 2)), 'values from nan'),
    ],
)
def test_arrays_that_do_not_fit(attention: np.ndarray, mask: np.ndarray, message: str) -> None:
    """Shapes and ranges are checked: a mask of levels would give scores that look right."""
    with pytest.raises(ArgumentError, match=message):
        attention_score(attention, mask)


def test_normalise_clips_at_the_99th_percentile() -> None:
    """0 to 100, and one far above: the percentile is 100, which becomes 1."""
    values = np.append(np.arange(101.0), 1e6).reshape(6, 17)
    normalised = normalise_attention(values)
    top = np.percentile(values, 99)
    assert (normalised.min(), normalised.max()) == (0, 1)
    assert normalised.flat[50] == pytest.approx(50 / top)
    assert normalised.flat[-1] == 1


def test_normalise_takes_the_least_value_off() -> None:
    """The least value becomes 0."""
    assert normalise_attention(np.array([[3.0, 3.0], [3.0, 5.0]])).tolist()[0] == [0, 0]


@pytest.mark.parametrize('values', [np.full((8, 8), 3.0), np.eye(20) * (np.arange(20) == 4)])
def test_normalise_without_a_range(values: np.ndarray) -> None:
    """Constant up to the percentile: no attention, so that the score is undefined."""
    assert not normalise_attention(values).any()
    assert np.isnan(attention_score(normalise_attention(values), np.zeros(values.shape)))
