"""Comparisons of models: scores by hand, intervals, verdicts, tables, and what is left out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.analysis.model_comparison import compare
from bgremoval_mm.analysis.model_comparison.compare import ModelComparison, compare_models
from bgremoval_mm.analysis.model_comparison.differences import LEAST, differences
from bgremoval_mm.analysis.model_comparison.pairs import (
    PairFiles,
    pairs_of_folders,
    pairs_of_manifest,
)
from bgremoval_mm.analysis.model_comparison.report import as_csv, as_json, as_markdown, main_score
from bgremoval_mm.analysis.model_comparison.sheet import draw_worst, worst_photos
from bgremoval_mm.evaluation.saliency import ImageScores, mean_scores
from bgremoval_mm.removal import BackgroundRemover, get_model
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.options import EngineOptions
from bgremoval_mm.removal.pairs.manifest import Pair, write_manifest

ENGINE = EngineOptions(backend='onnxruntime', device='cpu')
FAST = ('IoU', 'MAE')


def images_of(values: list[float], name: str = 'IoU') -> list[ImageScores]:
    """Images with one score."""
    return [ImageScores({name: value}) for value in values]


def test_difference_is_paired() -> None:
    """What is better on each photo by the same has an interval without width."""
    first = np.linspace(0.2, 0.9, 12)
    found = differences(images_of(list(first)), images_of(list(first + 0.05)), list('abcdefghijkl'))
    estimate = found['IoU'].estimate
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((0.05,) * 3)
    assert (found['IoU'].verdict, estimate.count) == ('better', 12)


@pytest.mark.parametrize(
    ('name', 'gaps', 'verdict'),
    [
        ('IoU', [0.1, 0.2, 0.1, 0.3, 0.1, 0.2], 'better'),
        ('MAE', [0.1, 0.2, 0.1, 0.3, 0.1, 0.2], 'worse'),
        ('IoU', [-0.1, -0.2, -0.1, -0.3, -0.1, -0.2], 'worse'),
        ('MAE', [-0.1, -0.2, -0.1, -0.3, -0.1, -0.2], 'better'),
        ('IoU', [0.3, -0.3, 0.2, -0.2, 0.1, -0.1], 'undecided'),
        ('IoU', [0.0] * 6, 'undecided'),
        ('IoU', [0.5] * (LEAST - 1), 'undecided'),
    ],
)
def test_verdicts(name: str, gaps: list[float], verdict: str) -> None:
    """Only an interval that excludes 0 decides, and of few photos there is none."""
    first = images_of([0.4] * len(gaps), name)
    other = images_of([0.4 + gap for gap in gaps], name)
    assert differences(first, other, [str(i) for i in range(len(gaps))])[name].verdict == verdict


def test_products_are_drawn_as_a_whole() -> None:
    """Ten photos of two products are too few; the interval of ten products is narrower."""
    gaps = [0.1, -0.02] * 5
    first, other = images_of([0.5] * 10), images_of([0.5 + gap for gap in gaps])
    pairs = differences(first, other, ['a', 'b'] * 5)['IoU']
    assert (pairs.estimate.low, pairs.estimate.count, pairs.verdict) == (None, 2, 'undecided')
    assert differences(first, other, list('abcdefghij'))['IoU'].estimate.count == 10


def test_curves_are_averaged_in_each_draw() -> None:
    """The largest F is that of mean precision and recall, over the photos of each draw."""
    random = np.random.default_rng(0)

    def make() -> list[ImageScores]:
        curves = [
            {name: random.random(256) for name in ('precision', 'recall', 'F', 'E')}
            for _ in range(7)
        ]
        names = ('maxF', 'maxF_pysodmetrics', 'maxE', 'meanE')
        return [ImageScores(dict.fromkeys(names, 0.0), each) for each in curves]

    first, other = make(), make()
    found = differences(first, other, list('abcdefg'), resamples=40, seed=3)
    counts = np.random.default_rng(3).multinomial(7, np.full(7, 1 / 7), size=40)
    draws = []
    for row in counts:
        drawn = np.repeat(np.arange(7), row)
        scores = [mean_scores([each[i] for i in drawn]) for each in (first, other)]
        draws.append({name: scores[1][name] - scores[0][name] for name in scores[0]})
    for name, difference in found.items():
        low, high = np.percentile([draw[name] for draw in draws], [2.5, 97.5])
        assert difference.estimate.low == pytest.approx(low)
        assert difference.estimate.high == pytest.approx(high)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Six photos, a bright square before black, and their masks; one more of another size."""
    for index in range(7):
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[2 : 8 + index, 4:12] = 200
        mask = pixels[..., 0] + np.uint8(55) * (pixels[..., 0] > 0)
        if index == 6:
            mask = mask[:8]
        for name, content in (('photos', pixels), ('masks', mask)):
            path = tmp_path / name / 'a' / f'{index}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(path)
    return tmp_path / 'photos', tmp_path / 'masks'


@pytest.fixture
def comparison(
    folders: tuple[Path, Path], model_file: Callable[..., Path], tmp_path: Path
) -> ModelComparison:
    """A model that finds the squares, and one that finds everything else."""
    models = [model_file('right', size=16), model_file('wrong', size=16, scale=-1.0)]
    pairs = pairs_of_folders(*folders, workers=1, progress=False)
    return compare_models(
        pairs, models, tmp_path / 'store', ENGINE, scores=FAST, speed_photos=2, workers=1,
        progress=False,
    )  # fmt: skip


def test_scores_and_verdicts(comparison: ModelComparison) -> None:
    """The right model has IoU 1 and MAE 0, the other the reverse; the misfit is left out."""
    right, wrong = comparison.models
    means = comparison.means()
    assert means[right] == pytest.approx({'IoU': 1.0, 'MAE': 0.0})
    assert means[wrong] == pytest.approx({'IoU': 0.0, 'MAE': 1.0})
    (found,) = comparison.differences().values()
    assert {name: each.verdict for name, each in found.items()} == {'IoU': 'worse', 'MAE': 'worse'}
    assert list(comparison.left_out) == ['a/6.png']
    assert comparison.left_out['a/6.png'].startswith('size: ')
    assert set(comparison.speed) == {right, wrong}
    assert min(comparison.speed.values()) > 0


def test_masks_are_kept(
    comparison: ModelComparison, folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second comparison runs no network, unless a model is another file now."""

    def forbidden(*_: object) -> None:
        pytest.fail('the network ran although the masks are stored')

    monkeypatch.setattr(BackgroundRemover, 'infer', forbidden)
    models = [spec.path for spec in comparison.specs]
    pairs = pairs_of_folders(*folders, workers=1, progress=False)
    again = compare_models(
        pairs, models, tmp_path / 'store', ENGINE, scores=FAST, speed_photos=0, workers=1,
        progress=False,
    )  # fmt: skip
    assert again.means() == comparison.means()
    assert again.speed == {}


def test_report(comparison: ModelComparison) -> None:
    """CSV has a row for each photo and model, JSON all figures, Markdown the tables."""
    clusters = [replace(pair, cluster='xy'[i % 2]) for i, pair in enumerate(comparison.pairs)]
    comparison = replace(comparison, pairs=clusters, _known={})
    right, wrong = comparison.models
    rows = list(csv.DictReader(io.StringIO(as_csv(comparison).decode())))
    assert len(rows) == 12
    assert rows[1] == {
        'image': 'a/0.png', 'cluster': 'x', 'item': '', 'model': wrong,
        'IoU': '0.000000', 'MAE': '1.000000',
    }  # fmt: skip
    content = as_json(comparison)
    assert content['photos'] == {'all': 6, 'x': 3, 'y': 3}
    assert content['models'][right]['hash'] == get_model(comparison.specs[0].path).hash
    assert content['differences']['all'][wrong]['IoU']['verdict'] == 'worse'
    assert content['differences']['x'][wrong]['IoU']['low'] is None
    text = as_markdown(comparison)
    assert main_score(comparison) == 'IoU'
    assert f'## {wrong}, minus {right}' in text
    assert '-1.0000 to -1.0000 | worse' in text
    assert f'| y       | 3      | {wrong} | 0.0000 | -1.0000    | too few' in text
    assert '- a/6.png: size: ' in text
    assert text.endswith(f'IoU, beside {right}: {wrong}: worse\n')


def test_worst_photos(comparison: ModelComparison) -> None:
    """Each model's worst ones, those of several models once; then all are drawn."""
    scores = [images_of([0.9, 0.1, 0.5]), images_of([0.2, 0.3, 0.8])]
    pairs = comparison.pairs[:3]
    small = replace(comparison, pairs=pairs, scores=scores, _known={})
    right, wrong = small.models
    assert worst_photos(small, 'IoU', 2) == {
        1: [f'no. 1 of {right}', f'no. 2 of {wrong}'],
        2: [f'no. 2 of {right}'],
        0: [f'no. 1 of {wrong}'],
    }
    errors = replace(small, scores=[images_of([0.1, 0.9, 0.5], 'MAE')] * 2)
    assert list(worst_photos(errors, 'MAE', 1)) == [1]
    pytest.importorskip('matplotlib')
    assert draw_worst(small, 'IoU', 2).width > 500


def test_manifest_with_a_split(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    """Pairs of the split are taken, with clusters and items, their photos below a common folder."""
    manifest = tmp_path / 'pairs' / 'manifest.csv'
    rows = [
        Pair(f'../photos/a/{i}.png', f'../masks/a/{i}.png', 16, 16, 'x', 'y', 0.5, f'c{i}',
             'val' if i else 'train', 'given', f'p{i}')
        for i in range(3)
    ]  # fmt: skip
    write_manifest(manifest, rows)
    found = pairs_of_manifest(manifest, 'val')
    assert found.root == tmp_path / 'photos' / 'a'
    assert found.pairs == [
        PairFiles(f'{i}.png', tmp_path / 'masks' / 'a' / f'{i}.png', f'c{i}', f'p{i}')
        for i in (1, 2)
    ]
    assert len(pairs_of_manifest(manifest).pairs) == 3
    with pytest.raises(ArgumentError, match="has no pair of the split 'test'"):
        pairs_of_manifest(manifest, 'test')
    with pytest.raises(ArgumentError, match='`split` must be one of train, val, test'):
        pairs_of_manifest(manifest, 'all')


def test_what_is_refused(folders, model_file: Callable[..., Path], tmp_path: Path) -> None:
    """One model, the same twice, scores that there are not, and no photo that can be scored."""
    pairs = pairs_of_folders(*folders, workers=1, progress=False)
    path, other = model_file('right', size=16), model_file('wrong', size=16, scale=-1.0)
    for models in ([path], [path, path]):
        with pytest.raises(ArgumentError, match='`models` must be two or more different ones'):
            compare_models(pairs, models, tmp_path / 'store')
    with pytest.raises(ArgumentError, match=r"`scores` must be of MAE, .* but got 'Dice'"):
        compare_models(pairs, [path, other], tmp_path / 'store', scores=('Dice',))
    broken = replace(pairs, pairs=[PairFiles('a/0.png', tmp_path / 'none.png')], left_out={})
    with pytest.raises(BgremovalError, match=r'no photo can be scored, such as a/0\.png: '):
        compare_models(
            broken, [path, other], tmp_path / 'store', ENGINE, scores=FAST, workers=1,
            progress=False,
        )  # fmt: skip


def test_models_take_turns(comparison: ModelComparison, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each photo is done by every model, and another one begins each time."""
    calls: list[str] = []

    def low_resolution(self: BackgroundRemover, images: list[np.ndarray]) -> list[object]:
        calls.append(self.spec.name.partition('-')[0])
        return []

    monkeypatch.setattr(BackgroundRemover, 'low_resolution', low_resolution)
    options = [replace(ENGINE, model=spec) for spec in comparison.specs]
    paths = [comparison.root / pair.name for pair in comparison.pairs[:2]]
    compare._speed(options, paths)
    assert calls == ['right', 'wrong', 'wrong', 'right', 'right', 'wrong']
