"""Clusters of pairs: made-up groups are found again, white on white by rule, overrides win."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.pairs.check import check_pairs
from bgremoval_mm.removal.pairs.clusters import (
    ClusterError,
    cluster_pairs,
    is_white_on_white,
    read_overrides,
)
from bgremoval_mm.removal.pairs.manifest import Pair

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (10, 10, 10), (200, 200, 30)]


@pytest.fixture
def groups(tmp_path: Path, write_pair: Callable[..., None]) -> list[Pair]:
    """Five groups of a colour and a size each, and one of white products before white."""
    for group, colour in enumerate(COLOURS):
        for index in range(6 + group):
            write_pair(f'{group}_{index}.png', colour=colour, side=8 + 3 * group)
    for index in range(5):
        write_pair(f'5_{index}.png', colour=(235, 232, 228), background=250)
    found = check_pairs(tmp_path / 'images', tmp_path / 'masks', tmp_path / 'm.csv', progress=False)
    assert found.rejections == []
    return found.pairs


def test_six_groups_are_found_again(tmp_path: Path, groups: list[Pair]) -> None:
    """Adjusted Rand index above 0.9, the largest cluster first, and the same every time."""
    metrics = pytest.importorskip('sklearn.metrics')
    found = cluster_pairs(groups, tmp_path, progress=False)
    truth = [Path(pair.image).name[0] for pair in groups]
    clusters = [pair.cluster for pair in found]
    assert metrics.adjusted_rand_score(truth, clusters) > 0.9
    assert Counter(clusters) == {'1': 10, '2': 9, '3': 8, '4': 7, '5': 6, 'white': 5}
    assert {c for c, t in zip(clusters, truth, strict=True) if t == '5'} == {'white'}
    assert cluster_pairs(groups, tmp_path, progress=False) == found
    validating = Counter(pair.cluster for pair in found if pair.split == 'val')
    assert validating == {'1': 2, '2': 2, '3': 2, '4': 1, '5': 1, 'white': 1}


def test_overrides_win(tmp_path: Path, groups: list[Pair]) -> None:
    """Over k-means and over the rule of white products."""
    white = next(pair.image for pair in groups if '5_0' in pair.image)
    file = tmp_path / 'overrides.csv'
    file.write_text(f'image,cluster\n{groups[0].image},swimwear\n{white},3\n')
    overrides = read_overrides(file, groups)
    found = {
        pair.image: pair.cluster
        for pair in cluster_pairs(groups, tmp_path, overrides=overrides, progress=False)
    }
    assert (found[groups[0].image], found[white]) == ('swimwear', '3')
    for text, message in (
        ('image,group\n', 'must have the columns image,cluster, but has image, group'),
        ('image,cluster\ngone.jpg,1\n', r'line 2: the manifest has no image gone\.jpg'),
        (f'image,cluster\n{white},a/b\n', "line 2: a cluster is named by letters.*'a/b'"),
    ):
        file.write_text(text)
        with pytest.raises(ArgumentError, match=message):
            read_overrides(file, groups)


def test_clusters_that_were_named_stay(tmp_path: Path, groups: list[Pair]) -> None:
    """Those of a list, and of overrides that are not given again; only numbers are made anew."""
    named = [replace(pair, cluster='shoes' if i < 3 else '7') for i, pair in enumerate(groups)]
    found = cluster_pairs(named, tmp_path, progress=False)
    assert [pair.cluster for pair in found[:3]] == ['shoes'] * 3
    assert 'shoes' not in {pair.cluster for pair in found[3:]}
    assert '7' not in {pair.cluster for pair in found}
    again = cluster_pairs(found, tmp_path, overrides={found[0].image: 'bags'}, progress=False)
    assert [pair.cluster for pair in again[:3]] == ['bags', 'shoes', 'shoes']


def test_splits_that_were_given_stay(tmp_path: Path, groups: list[Pair]) -> None:
    """Clusters do not deal them out again, and a share for that is refused."""
    given = [replace(pair, split='val', split_by='given') for pair in groups]
    found = cluster_pairs(given, tmp_path, 2, progress=False)
    assert {(pair.split, pair.split_by) for pair in found} == {('val', 'given')}
    with pytest.raises(ArgumentError, match='given by a list, so `val_share` must be left out'):
        cluster_pairs(given, tmp_path, val_share=0.3)


def test_too_many_clusters(tmp_path: Path, groups: list[Pair]) -> None:
    """There are as many photos as clusters, or more."""
    with pytest.raises(ArgumentError, match=r'`clusters` must be from 1 to 40, .* but got 41'):
        cluster_pairs(groups, tmp_path, 41, progress=False)


def test_a_file_that_is_gone(tmp_path: Path, groups: list[Pair]) -> None:
    """The error names it."""
    (tmp_path / groups[0].image).unlink()
    with pytest.raises(ClusterError, match=r'1 pairs cannot be read; .*images/0_0\.png'):
        cluster_pairs(groups, tmp_path, progress=False)


def test_the_rule_of_white_products() -> None:
    """Medians of the darkest channel: 190 inside and 235 outside, neither alone."""
    foreground = np.zeros((10, 10), bool)
    foreground[3:7, 3:7] = True

    def photo(product: int, background: int) -> np.ndarray:
        pixels = np.full((10, 10, 3), 255, np.uint8)
        pixels[..., 2] = np.where(foreground, product, background)
        pixels[3:6, 3:5][:2] = 0  # a dark print on a quarter of the product
        return pixels

    assert is_white_on_white(photo(190, 235), foreground)
    assert not is_white_on_white(photo(189, 235), foreground)
    assert not is_white_on_white(photo(190, 234), foreground)
    assert not is_white_on_white(photo(255, 255), np.ones((10, 10), bool))


def test_only_the_rest_is_dealt_out_beside_given_splits(tmp_path: Path, groups: list[Pair]) -> None:
    """Held-back corrections of `bgremoval retrain` never come into the training."""
    mixed = [
        replace(pair, split='test', split_by='given', item='a') if index % 4 == 0 else pair
        for index, pair in enumerate(groups)
    ]
    mixed[1] = replace(mixed[1], split='train', split_by='dealt', item='a')
    found = cluster_pairs(mixed, tmp_path, 2, val_share=0.5, progress=False)
    assert [pair.image for pair in found] == [pair.image for pair in mixed]
    given = [pair for pair in found if pair.split_by == 'given']
    assert len(given) == len(mixed[::4])
    assert {pair.split for pair in given} == {'test'}
    assert found[1].split == 'test'  # as the other photos of its item
    rest = Counter(pair.split for pair in found if not pair.item)
    assert rest['val'] == pytest.approx(rest['train'], abs=2)
