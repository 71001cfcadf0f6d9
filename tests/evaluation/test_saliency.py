"""Scores of saliency maps, against slow references written from the definitions."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import pytest

from bgremoval_mm.evaluation import saliency
from bgremoval_mm.evaluation.saliency import (
    SCORES,
    MissingPySODMetricsError,
    boundary,
    mean_scores,
    relaxed_boundary_f,
    require_library,
    score_image,
    stretch_to_unit,
)

HEIGHT, WIDTH = 14, 17
OURS = ('MAE', 'relaxF', 'IoU')


def square(top: int = 3, left: int = 4, height: int = 7, width: int = 8) -> np.ndarray:
    """A mask with a rectangle of foreground."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + height, left : left + width] = True
    return mask


SOFT = np.random.default_rng(0).random((HEIGHT, WIDTH))
CASES = {
    'perfect': (square().astype(float), square()),
    'empty': (np.zeros((HEIGHT, WIDTH)), square()),
    'inverted': (1.0 - square(), square()),
    'shifted': (square(4, 5).astype(float), square()),
    'empty truth': (square().astype(float), np.zeros((HEIGHT, WIDTH), bool)),
    'both empty': (np.zeros((HEIGHT, WIDTH)), np.zeros((HEIGHT, WIDTH), bool)),
    'full truth': (square().astype(float), np.ones((HEIGHT, WIDTH), bool)),
    'soft': (0.3 * SOFT + 0.6 * square(), square()),
    'noise': (SOFT, SOFT.T[:HEIGHT, :HEIGHT].repeat(2, 1)[:, :WIDTH] > 0.5),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Map and truth of each case in turn."""
    return CASES[request.param]


def slow_counts(found: np.ndarray, truth: np.ndarray) -> list[tuple[int, int, int]]:
    """True positives, predicted and true pixels at 255/255, 254/255 ... 0."""
    counts = []
    for level in range(255, -1, -1):
        both = said = 0
        for value, real in zip(found.ravel(), truth.ravel(), strict=True):
            if math.floor(value * 255) >= level:
                said += 1
                both += int(real)
        counts.append((both, said, int(truth.sum())))
    return counts


def slow_f(precision: float, recall: float) -> float:
    """The F-measure with beta squared 0.3."""
    if not precision * recall:
        return 0.0
    return 1.3 * precision * recall / (0.3 * precision + recall)


def slow_s(found: np.ndarray, truth: np.ndarray) -> float:
    """Fan et al. 2017: half of objects, half of regions."""
    share = truth.mean()
    if share == 0:
        return float(1 - found.mean())
    if share == 1:
        return float(found.mean())

    def similar(values: np.ndarray) -> float:
        return float(2 * values.mean() / (values.mean() ** 2 + 1 + values.std(ddof=1)))

    objects = share * similar(found[truth]) + (1 - share) * similar(1 - found[~truth])
    rows, columns = np.nonzero(truth)
    row, column = round(rows.mean()) + 1, round(columns.mean()) + 1
    regions = 0.0
    for vertical in (slice(0, row), slice(row, HEIGHT)):
        for horizontal in (slice(0, column), slice(column, WIDTH)):
            x, y = found[vertical, horizontal], truth[vertical, horizontal].astype(float)
            if not x.size:
                continue
            both = ((x - x.mean()) * (y - y.mean())).sum() / (x.size - 1)
            over = 4 * x.mean() * y.mean() * both
            under = (x.mean() ** 2 + y.mean() ** 2) * (x.var(ddof=1) + y.var(ddof=1))
            regions += x.size / truth.size * (over / under if under else 1.0)
    return max(0.0, 0.5 * objects + 0.5 * regions)


def slow_e(found: np.ndarray, truth: np.ndarray) -> list[float]:
    """Fan et al. 2018, at each threshold; the sum is divided by N - 1, as in the authors' code."""
    curve = []
    for level in range(255, -1, -1):
        hard = (np.floor(found * 255) >= level).astype(float)
        total = 0.0
        for said, real in zip(hard.ravel(), truth.ravel(), strict=True):
            if not truth.any():
                total += 1 - said
            elif truth.all():
                total += said
            else:
                first, second = said - hard.mean(), real - truth.mean()
                total += (1 + 2 * first * second / (first**2 + second**2)) ** 2 / 4
        curve.append(total / (truth.size - 1))
    return curve


def slow_weighted_f(found: np.ndarray, truth: np.ndarray) -> float:
    """Margolin et al. 2014, with each pixel's neighbours and nearest foreground by hand."""
    if not truth.any():
        return 0.0
    real = np.argwhere(truth)
    error = np.abs(found - truth)
    carried, distance = error.copy(), np.zeros_like(error)
    for row, column in np.argwhere(~truth):
        away = ((real - (row, column)) ** 2).sum(1)
        distance[row, column] = math.sqrt(away.min())
        near = real[away == away.min()]
        # Which of equally near pixels counts is not defined: the cases have no such choice.
        values = {round(error[tuple(each)], 12) for each in near}
        assert len(values) == 1
        carried[row, column] = error[tuple(near[0])]
    steps = [(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4)]
    kernel = {(dy, dx): math.exp(-(dy**2 + dx**2) / 50) for dy, dx in steps}
    weighted = np.zeros_like(error)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            value = error[row, column]
            if truth[row, column]:
                smooth = 0.0
                for (dy, dx), weight in kernel.items():
                    if 0 <= row + dy < HEIGHT and 0 <= column + dx < WIDTH:
                        smooth += weight * carried[row + dy, column + dx]
                value = min(value, smooth / sum(kernel.values()))
            else:
                value *= 2 - math.exp(math.log(0.5) / 5 * distance[row, column])
            weighted[row, column] = value
    positives = truth.sum() - weighted[truth].sum()
    recall = 1 - weighted[truth].mean()
    precision = positives / (positives + weighted[~truth].sum() + 1e-16)
    return float(2 * recall * precision / (recall + precision + 1e-16))


def slow_relaxed_f(hard: np.ndarray, truth: np.ndarray, rho: float = 3) -> float:
    """The F-measure of boundaries, by the distance of each pixel to each other one."""

    def edge(mask: np.ndarray) -> list[tuple[int, int]]:
        inside = {(int(y), int(x)) for y, x in np.argwhere(mask)}
        around = [(0, 1), (1, 0), (0, -1), (-1, 0)]
        return [(y, x) for y, x in inside if any((y + a, x + b) not in inside for a, b in around)]

    said, known = edge(hard), edge(truth)
    if not said or not known:
        return float(not said and not known)
    right = [min(math.dist(a, b) for b in known) <= rho for a in said]
    reached = [min(math.dist(a, b) for b in said) <= rho for a in known]
    return slow_f(sum(right) / len(right), sum(reached) / len(reached))


def slow_recall(hard: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true boundary within 3 pixels of the predicted one."""
    said, known = np.argwhere(boundary(hard)), np.argwhere(boundary(truth))
    return float(np.mean([min(math.dist(a, b) for b in said) <= 3 for a in known]))


def slow_scores(found: np.ndarray, truth: np.ndarray, names: Collection[str]) -> dict[str, float]:
    """Those scores of an image."""
    counts = slow_counts(found, truth)
    measures = [slow_f(both / max(said, 1), both / max(real, 1)) for both, said, real in counts]
    hard = found > 0.5
    curve = slow_e(found, truth)
    union = (hard | truth).sum()
    every = {
        'MAE': float(np.mean([abs(a - b) for a, b in zip(found.flat, truth.flat, strict=True)])),
        'maxF': max(measures[1:]),
        'maxF_pysodmetrics': max(measures),
        'wF': slow_weighted_f(found, truth) if 'wF' in names else math.nan,
        'S': slow_s(found, truth),
        'maxE': max(curve),
        'meanE': sum(curve) / 256,
        'relaxF': slow_relaxed_f(hard, truth),
        'IoU': (hard & truth).sum() / union if union else 1.0,
    }
    return {name: every[name] for name in names}


def has_ties(found: np.ndarray, truth: np.ndarray) -> bool:
    """Whether the weighted F-measure depends on which of equally near pixels is taken."""
    try:
        slow_weighted_f(found, truth)
    except AssertionError:
        return True
    return False


def test_scores_equal_their_definitions(case: tuple[np.ndarray, np.ndarray]) -> None:
    """Perfect, empty, inverted, shifted, without truth, soft: each score to 1e-6."""
    pytest.importorskip('py_sod_metrics')
    found, truth = case
    scores = score_image(found, truth).values
    if has_ties(found, truth):
        del scores['wF']
    assert scores == pytest.approx(slow_scores(found, truth, scores), abs=1e-6)


def test_our_own_scores_need_no_library(
    case: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MAE, relaxed boundary F and IoU, to 1e-6, where PySODMetrics is not installed."""
    monkeypatch.setattr(saliency, 'find_spec', lambda name: None)
    found, truth = case
    hard, union = found > 0.5, ((found > 0.5) | truth).sum()
    expected = {
        'MAE': np.abs(found - truth).sum() / truth.size,
        'relaxF': slow_relaxed_f(hard, truth),
        'IoU': (hard & truth).sum() / union if union else 1.0,
    }
    assert score_image(found, truth, names=OURS).values == pytest.approx(expected, abs=1e-6)
    with pytest.raises(MissingPySODMetricsError, match=r'wF, S are computed by PySODMetrics.*MAE'):
        require_library(('MAE', 'wF', 'S'))


def test_known_values() -> None:
    """A perfect map has the best of each score, an inverted one IoU 0 and MAE 1."""
    pytest.importorskip('py_sod_metrics')
    best = score_image(*CASES['perfect']).values
    assert best.pop('MAE') == 0
    # E is divided by N - 1, so that it ends slightly above 1.
    assert best.pop('maxE') == pytest.approx(HEIGHT * WIDTH / (HEIGHT * WIDTH - 1))
    assert best.pop('meanE') > 0.99
    assert best == pytest.approx(dict.fromkeys(best, 1.0), abs=1e-6)
    worst = score_image(*CASES['inverted']).values
    assert (worst['MAE'], worst['IoU']) == (1, 0)


def test_the_two_conventions_of_max_f_differ() -> None:
    """Of two images, one found at a high threshold only and one at a low one."""
    pytest.importorskip('py_sod_metrics')
    truth = square()
    first = np.where(truth, 1.0, 0.8)
    second = np.where(truth, 0.6, 0.0)
    images = [score_image(first, truth), score_image(second, truth)]
    found = mean_scores(images)
    curves = [
        [(both / max(said, 1), both / real) for both, said, real in slow_counts(each, truth)]
        for each in (first, second)
    ]
    of_means = max(
        slow_f((p + q) / 2, (r + s) / 2) for (p, r), (q, s) in list(zip(*curves, strict=True))[1:]
    )
    mean_of = max((slow_f(p, r) + slow_f(q, s)) / 2 for (p, r), (q, s) in zip(*curves, strict=True))
    assert found['maxF'] == pytest.approx(of_means, abs=1e-6)
    assert found['maxF_pysodmetrics'] == pytest.approx(mean_of, abs=1e-6)
    assert abs(of_means - mean_of) > 0.01
    assert found['MAE'] == pytest.approx(np.mean([each.values['MAE'] for each in images]))


def test_relaxed_precision_is_of_the_prediction() -> None:
    """A part of the boundary is precise and not complete; rho reaches three pixels and no more."""
    truth = np.zeros((20, 40), bool)
    truth[5:15, 5:35] = True
    part = np.zeros_like(truth)
    part[5:15, 5:15] = True
    assert boundary(part).sum() == 36
    # Of its 36 pixels, those of the rows 9 and 10 in the right column are 4 or more away from the
    # top and the bottom of the truth, as are those of the rows 9 and 10 alone: rows 5 to 8 and 11
    # to 14 are within 3.
    precision, recall = 34 / 36, slow_recall(part, truth)
    assert relaxed_boundary_f(part, truth) == pytest.approx(slow_f(precision, recall))
    assert relaxed_boundary_f(truth, part) == pytest.approx(slow_f(recall, precision))
    for shift, expected in ((3, 1.0), (4, 0.0)):
        line, moved = np.zeros_like(truth), np.zeros_like(truth)
        line[8], moved[8 + shift] = True, True
        assert relaxed_boundary_f(moved, line) == expected


def test_stretching() -> None:
    """To 0 and 1; a map of one value stays."""
    found = stretch_to_unit(np.array([[0.2, 0.4], [0.3, 0.6]], np.float32))
    np.testing.assert_allclose(found, [[0, 0.5], [0.25, 1]], atol=1e-6)
    assert stretch_to_unit(np.full((2, 2), 0.7)).tolist() == [[0.7, 0.7], [0.7, 0.7]]


def test_every_score_is_listed() -> None:
    """The table of scores is what an image gets, in its order."""
    pytest.importorskip('py_sod_metrics')
    assert list(score_image(SOFT, square()).values) == list(SCORES)
