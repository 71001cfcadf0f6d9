"""Sentences of the report: what they count and what they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.report.figures import difference_chart
from bgremoval_mm.experiments.report.groups import Group, group_results
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.report.words import (
    bar_caption,
    class_caption,
    curve_caption,
    describe_options,
    difference_caption,
    is_reduced,
    real_minus,
    table_caption,
)

REDUCED = Path(__file__).resolve().parents[2] / 'configs/reduced/vgg_clothing10_32px.txt'


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('-2.50 to -0.10', '~2.50 to ~0.10'),
        ('VGG-11 [-1.00, +2.00]', 'VGG-11 [~1.00, +2.00]'),
        ('2026-01-01', '2026-01-01'),
        ('vgg11-rembg/seed-1', 'vgg11-rembg/seed-1'),
        ('1e-05', '1e-05'),
        ('-.5 and --5', '~.5 and --5'),
        (-3, '~3'),
    ],
)
def test_real_minus(text: object, expected: str) -> None:
    """A hyphen before a number is a minus, one inside a name or a date is not."""
    assert real_minus(text) == expected.replace('~', '\N{MINUS SIGN}')


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (['train_cfg.max_epochs=2'], '2 epochs'),
        (
            ['train_cfg.max_iters=50', 'model.head.a=1'],
            '50 iterations and 1 setting of the network',
        ),
        (['removal.model=u2netp', 'removal.precision=bf16'], 'masks by u2netp and masks in bf16'),
        (['x.y=1', 'x.z=2'], '2 other settings'),
        (['train_cfg.max_epochs=2', 'train_cfg.max_epochs=3'], '3 epochs'),
        (
            ['vgg*: train_cfg.max_epochs=2', 'resnet*: train_cfg.max_epochs=3', 'vgg*: a.b=1'],
            '2 epochs (vgg*), 3 epochs (resnet*) and 1 other setting',
        ),
        ([], ''),
    ],
)
def test_options_in_a_phrase(options: list[str], expected: str) -> None:
    """What is known is named, the rest is counted."""
    assert describe_options(options) == expected


def test_the_reduction_that_comes_with_the_package() -> None:
    """Its photos, epochs and share of the training photos are named."""
    lines = [line.strip() for line in REDUCED.read_text().splitlines()]
    options = [line for line in lines if line and not line.startswith('#')]
    found = describe_options(options)
    assert found.startswith('photos of 32 pixels, one in 3 training photos, 20 epochs, ')
    assert is_reduced(options)
    assert not is_reduced(['removal.model=u2netp', 'vgg*: removal.precision=bf16'])
    assert is_reduced(['vgg*: train_cfg.max_epochs=2'])


@pytest.fixture
def group(make_pairs: Callable, tmp_path: Path) -> Group:
    """Three seeds of one network and one of another, tested on 60 images."""
    make_pairs('vgg11', [(20, 26), (21, 28), (22, 28)])
    make_pairs('vgg16', [(20, 29)])
    return next(
        each for each in group_results(read_results(tmp_path / 'root'), WORK) if each.results
    )


def test_captions(group: Group) -> None:
    """Each says what bars and whiskers are, how many seeds and images there are, and the unit."""
    metric = group.metrics[0]
    assert 'percent, differences in percentage points' in table_caption(group)
    bars = bar_caption(group, metric)
    assert 'Bars: mean over 1 to 3 seeds; dots: single seeds, n = 60 images' in bars
    found = difference_caption(group, metric)
    assert 'percentage points' in found
    assert 'Diamonds: mean over 1 to 3 seeds' in found
    assert 'paired bootstrap, n = 60 images' in found
    cell = group.cell('vgg11')
    assert cell is not None
    assert 'mean over 3 seeds; whiskers: 95 % interval over seeds' in class_caption(cell.pairs[0])
    assert 'a seed (original 3, background removed 3)' in curve_caption(cell, metric)
    single = group.cell('vgg16')
    assert single is not None
    assert 'one seed, so that no interval is known' in class_caption(single.pairs[0])


def test_difference_chart_shows_the_paired_interval(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ends of the whiskers are those of the paired differences, over seeds and over images."""
    from matplotlib.axes import Axes

    drawn = []

    def errorbar(self: Axes, x: float, y: float, xerr: list[list[float]], **_: object) -> None:
        drawn.append((x - xerr[0][0], x + xerr[1][0], y))

    monkeypatch.setattr(Axes, 'errorbar', errorbar)
    metric = group.metrics[0]
    assert difference_chart(group, metric).startswith('<?xml')
    expected = []
    for row, model in ((0, 'vgg16'), (1, 'vgg11')):
        cell = group.cell(model)
        assert cell is not None
        for estimate in (cell.pairs[0].over_images(metric), cell.pairs[0].difference(metric.key)):
            assert estimate is not None
            if estimate.low is not None:
                expected.append((estimate.low, estimate.high, row))
    assert len(expected) == 3  # one seed has no interval over seeds
    for (low, high, y), (left, right, row) in zip(drawn, expected, strict=True):
        assert (low, high) == (pytest.approx(left), pytest.approx(right))
        assert abs(y - row) < 0.5
