"""Intervals and tests, against their definitions and values from the literature."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bgremoval_mm.evaluation import bootstrap
from bgremoval_mm.evaluation.cross_validation import mean_of_folds
from bgremoval_mm.evaluation.statistics import (
    Estimate,
    accuracy_difference,
    bootstrap_mean,
    clustered_accuracy,
    clustered_accuracy_difference,
    holm,
    iou_difference,
    iou_interval,
    mcnemar,
    mean_iou,
    percentile_interval,
    resampled_difference,
    seed_interval,
)


def test_interval_over_seeds() -> None:
    """Student's t with n - 1 degrees of freedom: of 1, 2, 3 it is 2 +- 4.3027 / sqrt(3)."""
    estimate = seed_interval([1.0, 2.0, 3.0])
    assert estimate.mean == 2.0
    assert estimate.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-5)
    assert estimate.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-5)
    assert (estimate.count, estimate.sign) == (3, 0)


def test_one_seed_has_no_interval() -> None:
    """Of one value nothing is known of the spread, so that its sign is not known either."""
    assert seed_interval([5.0]) == Estimate(5.0, None, None, 1)
    assert seed_interval([5.0]).sign == 0
    with pytest.raises(ValueError, match='at least one value'):
        seed_interval([])


def test_equal_values_have_no_interval() -> None:
    """Scores come in steps: equal ones do not say that there is no spread."""
    assert seed_interval([-2.2, -2.2]) == Estimate(-2.2, None, None, 2)
    dress = [-6.666666666666671, -6.666666666666657, -6.666666666666671]
    assert seed_interval(dress).low is None


def test_dust_is_no_difference() -> None:
    """What is left of sums that are 0 has no sign, not even that of -0.0."""
    hundred = 100 / 372
    values = [74 * hundred - 73 * hundred, 0.0, 73 * hundred - 74 * hundred, 1e-15]
    found = [seed_interval(values).mean, percentile_interval(-1e-16, np.zeros(3), 3).mean]
    assert [math.copysign(1, each) * (1 + each) for each in found] == [1, 1]
    assert percentile_interval(1.0, np.full(100, 1e-16), 5).sign == 0


def test_side_of_a_border() -> None:
    """A border counts as 0 does: the interval must leave it out."""
    assert [Estimate(5.0, 4.0, 6.0, 3).side_of(at) for at in (3, 4, 5, 6, 7)] == [1, 0, 0, 0, -1]
    assert Estimate(5.0, None, None, 1).side_of(0) == 0


def test_sign() -> None:
    """Only an interval that leaves out 0 has a sign."""
    assert seed_interval([1.0, 1.1, 0.9]).sign == 1
    assert seed_interval([-1.0, -1.1, -0.9]).sign == -1
    assert Estimate(1.0, 0.0, 2.0, 3).sign == 0


@pytest.mark.parametrize(('gained', 'lost'), [(0, 0), (1, 0), (9, 1), (20, 10), (3, 3)])
def test_mcnemar_is_a_binomial_test_of_the_discordant_pairs(gained: int, lost: int) -> None:
    """Twice the smaller tail of a fair coin, at most 1; concordant pairs do not matter."""
    original = np.array([False] * gained + [True] * lost + [True] * 7 + [False] * 4)
    removed = np.array([True] * gained + [False] * lost + [True] * 7 + [False] * 4)
    found = mcnemar(original, removed)
    n, k = gained + lost, min(gained, lost)
    tail = sum(math.comb(n, i) for i in range(k + 1)) / 2**n
    assert (found.gained, found.lost) == (gained, lost)
    assert found.p == pytest.approx(min(1.0, 2 * tail))


def test_pairs_must_fit() -> None:
    """Runs on other images cannot be compared."""
    with pytest.raises(ValueError, match=r'shapes \(3,\) and \(4,\)'):
        mcnemar(np.ones(3, bool), np.ones(4, bool))


def test_accuracy_difference() -> None:
    """The mean is the difference of accuracies; the interval is about 2 standard errors wide."""
    random = np.random.default_rng(0)
    original = random.random((3, 400)) < 0.5
    removed = random.random((3, 400)) < 0.6
    estimate = accuracy_difference(original, removed)
    assert estimate.mean == pytest.approx((removed.mean() - original.mean()) * 100)
    values = (removed.astype(float) - original).mean(axis=0) * 100
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert estimate.low == pytest.approx(estimate.mean - half, abs=0.3)
    assert estimate.high == pytest.approx(estimate.mean + half, abs=0.3)
    assert accuracy_difference(original, original) == Estimate(0.0, 0.0, 0.0, 400)


def test_bootstrap_is_paired() -> None:
    """Images that both find hard do not widen the interval."""
    hard = np.arange(200) % 2 == 0
    original = np.stack([~hard])
    removed = original.copy()
    removed[0, 0] = True
    estimate = accuracy_difference(original, removed)
    assert estimate.high is not None
    assert estimate.high <= 2.0  # unpaired it would be near 10


def test_mean_iou_of_areas() -> None:
    """IoU of each class over all images, their mean, without classes that occur nowhere."""
    areas = np.array([[2, 4, 3, 3], [0, 0, 0, 0], [3, 3, 3, 3]])
    assert mean_iou(areas) == pytest.approx((0.5 + 1.0) / 2 * 100)


def test_iou_difference_sums_before_it_divides() -> None:
    """Against a slow loop over drawn images with the same weights."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, (12, 50))
    both = []
    for share in (0.4, 0.7):
        said = np.where(random.random((12, 50)) < share, labels, random.integers(0, 3, (12, 50)))
        areas = np.zeros((1, 12, 3, 4), int)
        for image in range(12):
            for category in range(3):
                a, b = said[image] == category, labels[image] == category
                areas[0, image, category] = [(a & b).sum(), (a | b).sum(), a.sum(), b.sum()]
        both.append(areas)
    estimate = iou_difference(*both, resamples=50, seed=3)

    def score(areas: np.ndarray, weights: np.ndarray) -> float:
        sums = np.zeros((3, 4))
        for image, weight in enumerate(weights):
            sums += weight * areas[0, image]
        return float(np.mean(sums[:, 0] / sums[:, 1]) * 100)

    draws = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=50)
    slow = [score(both[1], weights) - score(both[0], weights) for weights in draws]
    ones = np.ones(12)
    assert estimate.mean == pytest.approx(score(both[1], ones) - score(both[0], ones))
    assert estimate.low == pytest.approx(np.percentile(slow, 2.5))
    assert estimate.high == pytest.approx(np.percentile(slow, 97.5))


def test_iou_of_one_model() -> None:
    """Against a slow loop over the same drawn images; the mean over tests of each drawing."""
    areas = np.random.default_rng(2).integers(1, 40, (2, 9, 3, 4))
    areas[..., 1] += 40
    found = iou_interval(areas, resamples=40, seed=4)

    def score(weights: np.ndarray) -> float:
        sums = np.einsum('n,snck->sck', weights, areas)
        return float(np.mean(100 * sums[..., 0] / sums[..., 1]))

    draws = np.random.default_rng(4).multinomial(9, np.full(9, 1 / 9), size=40)
    slow = [score(weights) for weights in draws]
    assert (found.mean, found.count) == (pytest.approx(score(np.ones(9))), 9)
    assert found.low == pytest.approx(np.percentile(slow, 2.5))
    assert found.high == pytest.approx(np.percentile(slow, 97.5))


def test_mean_of_images() -> None:
    """The percentiles of means over drawn images."""
    values = np.array([0.0, 20.0, 100.0])
    draws = np.random.default_rng(5).multinomial(3, [1 / 3] * 3, size=30)
    slow = [np.repeat(values, weights).mean() for weights in draws]
    found = bootstrap_mean(values, resamples=30, seed=5)
    assert (found.mean, found.count) == (40.0, 3)
    assert [found.low, found.high] == pytest.approx(np.percentile(slow, [2.5, 97.5]).tolist())


def test_one_image_has_no_interval() -> None:
    """Nor has one cluster: each draw is the same, which says nothing of others."""
    unknown = (None, None, 1, 0)
    areas = np.array([[[[1, 2, 2, 1], [3, 4, 3, 4]]]])
    one, none = np.ones((2, 1), bool), np.zeros((2, 1), bool)
    for found in (
        accuracy_difference(none, one),
        bootstrap_mean(np.array([3.0])),
        clustered_accuracy(np.ones((1, 5), bool), np.zeros(5)),
        iou_difference(areas, areas + 1),
        iou_interval(areas),
        resampled_difference(lambda which, drawn: which, 1, 20),
    ):
        assert (found.low, found.high, found.count, found.sign) == unknown
    assert accuracy_difference(none, one).mean == 100


def test_any_score() -> None:
    """A score of drawn images: here a mean, whose observed difference is known."""
    values = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    estimate = resampled_difference(lambda which, drawn: float(values[which, drawn].mean()), 3, 20)
    assert [estimate.mean, estimate.low, estimate.high] == pytest.approx([2.0, 2.0, 2.0])


def test_holm() -> None:
    """Holm's own steps: 0.01 x 4, 0.013 x 3, 0.04 x 2, 0.05 x 1, none below the one before."""
    assert holm([0.04, 0.01, 0.05, 0.013]) == pytest.approx([0.08, 0.04, 0.08, 0.04])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_clusters_of_one_image_are_images() -> None:
    """Then the bootstrap over clusters is that over images, draw by draw."""
    random = np.random.default_rng(0)
    original, removed = random.random((2, 3, 100)) < 0.5
    found = clustered_accuracy_difference(original, removed, np.arange(100))
    expected = accuracy_difference(original, removed)
    assert found.count == expected.count == 100
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )


def test_copies_of_images_tell_nothing_new() -> None:
    """Five photos of a product that are right together give the interval of one, not a fifth."""
    random = np.random.default_rng(0)
    right = random.random((1, 80)) < 0.7
    single = clustered_accuracy(right, np.arange(80))
    copied = clustered_accuracy(np.repeat(right, 5, axis=1), np.repeat(np.arange(80), 5))
    assert copied == single
    as_images = clustered_accuracy(np.repeat(right, 5, axis=1), np.arange(400))
    assert as_images.high - as_images.low < 0.6 * (single.high - single.low)


def test_clusters_are_drawn_whole() -> None:
    """Every draw of three clusters, listed: the estimates are percentiles of those accuracies."""
    right = np.array([[True, True, False, False, True, False]])
    clusters = np.array(['a', 'b', 'b', 'b', 'c', 'c'])
    groups = [right[0, clusters == name] for name in 'abc']
    draws = [
        100 * np.concatenate([groups[i], groups[j], groups[k]]).mean()
        for i in range(3)
        for j in range(3)
        for k in range(3)
    ]
    found = clustered_accuracy(right, clusters, resamples=20_000)
    expected = np.percentile(draws, [2.5, 97.5], method='inverted_cdf')
    assert (found.mean, found.count) == (50, 3)
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.low > 30


def test_memory_for_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few numbers are drawn at a time, and the intervals are those of all draws at once."""
    random = np.random.default_rng(0)
    right = random.random((2, 2, 40)) < 0.7
    areas = random.integers(1, 9, (2, 1, 40, 3, 4))
    folds = [(right[0, 0], np.arange(40)), (right[1, 0], 40 + np.arange(40) // 2)]

    def estimates() -> list[Estimate]:
        return [
            accuracy_difference(*right),
            clustered_accuracy(right[0], np.arange(40) // 3),
            iou_difference(*areas),
            iou_interval(areas[0]),
            mean_of_folds(folds),
        ]

    whole = estimates()
    monkeypatch.setattr(bootstrap, '_DRAWN', 130)
    assert estimates() == whole
    assert {each.shape for each in bootstrap.weight_blocks(40, 7, 0)} == {(3, 40), (1, 40)}
    assert [len(each) for each in bootstrap.weight_blocks(200, 2, 0)] == [1, 1]


def test_every_image_needs_a_cluster() -> None:
    """Other numbers of images are refused."""
    with pytest.raises(ValueError, match=r'a cluster, but got the shapes \(1, 3\) and \(2,\)'):
        clustered_accuracy(np.ones((1, 3), bool), np.zeros(2))
