"""Learning curves from folders of results: points, differences, figure, and what is missing."""

from __future__ import annotations

import csv
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.experiments.papers import load_work
from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.report.learning_curve import (
    LearningCurves,
    collect_curves,
    curve_rows,
)
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.runner.runs import select_runs

ITEM, DATA = 'Open weights', 'clothing10'
TUNED, SCRATCH = 'efficientnet-lite0_in1k-pre', 'efficientnet-lite0'
REDUCED = ('train_dataset.pipeline.1.scale=96', '*_in1k-pre*: train_cfg.max_epochs=8')
Add = Callable[..., None]
main = runpy.run_path(str(Path(__file__).resolve().parents[2] / 'tools/learning_curve.py'))['main']


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Folder of all results."""
    return tmp_path / 'runs'


@pytest.fixture
def add(make_result: Callable[..., Path], root: Path) -> Add:
    """A function that writes the runs of a point, one for each score."""

    def write(
        model: str, variant: str, every: int, scores: Sequence[float], more: Sequence[str] = ()
    ) -> None:
        options = [*REDUCED, *more]
        if every > 1:
            options += [f'train_dataset.every={every}', f'train_cfg.val_interval={every}']
            options += [f'*_in1k-pre*: train_cfg.max_epochs={8 * every}']
        for seed, score in enumerate(scores):
            (run,) = select_runs(WORK, [ITEM], [DATA], [model], [variant], [seed])
            metrics = {'accuracy/top1': score}
            make_result(run, metrics, options, root / f'every-{every}{"".join(more)}')

    return write


@pytest.fixture
def four_points(add: Add) -> None:
    """Two networks with a tenth of the photos and with all."""
    for model in (TUNED, SCRATCH):
        add(model, 'original', 10, (50.0, 54.0))
        add(model, 'rembg', 10, (52.0, 57.0))
        add(model, 'original', 1, (80.0, 82.0))
        add(model, 'rembg', 1, (79.0, 81.0))


def read(root: Path, **chosen: Sequence[str]) -> LearningCurves:
    """Read the curves below a folder."""
    return collect_curves(read_results(root), WORK, ITEM, DATA, 3068, **chosen)


@pytest.mark.usefixtures('four_points')
def test_points_and_differences(root: Path) -> None:
    """Photos are counted, seeds are paired: by hand +2 and +3, then -1 and -1 points."""
    curves = read(root)
    assert curves.sizes == [307, 3068]
    assert list(curves.experiments) == [SCRATCH, TUNED]
    assert curves.missing == []
    assert curves.points(TUNED, 'original') == {307: {0: 50, 1: 54}, 3068: {0: 80, 1: 82}}
    gaps = curves.differences(TUNED, curves.variants[1])
    assert {size: each.mean for size, each in gaps.items()} == {307: 2.5, 3068: -1.0}
    # Student's t with one degree of freedom: 12.706 x 0.5.
    assert gaps[307].low == pytest.approx(2.5 - 6.353, abs=1e-3)
    rows = [row for row in curve_rows(curves) if row['network'].endswith('fine-tuned')]
    assert [list(row.values())[1:] for row in rows[:3]] == [
        ['original', '307', '0 1', '52.00', '50.00', '54.00', '—', '—', '—'],
        ['original', '3068', '0 1', '81.00', '80.00', '82.00', '—', '—', '—'],
        ['background removed', '307', '0 1', '54.50', '52.00', '57.00', '+2.50', '-3.85', '+8.85'],
    ]


@pytest.mark.usefixtures('four_points')
def test_tool_draws_and_writes(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figure has the colours of both variants, the table a row for each point."""
    figure, table = tmp_path / 'curve.png', tmp_path / 'tables/curve.csv'
    assert main([str(root), '--out', str(figure), '--csv', str(table)]) == 0
    pixels = np.asarray(Image.open(figure).convert('RGB')).reshape(-1, 3)
    assert Image.open(figure).width > 1200
    for colour in ((0x57, 0x60, 0x6A), (0x09, 0x69, 0xDA)):
        assert (pixels == colour).all(axis=1).sum() > 200
    with table.open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert {row['training photos'] for row in rows} == {'307', '3068'}
    assert 'fine-tuned' in capsys.readouterr().out


@pytest.mark.usefixtures('four_points')
def test_gaps_are_named(
    root: Path, add: Add, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A point that one curve has and another lacks stops the tool, unless that is asked for."""
    add(TUNED, 'original', 20, (40.0,))
    figure = tmp_path / 'curve.png'
    assert main([str(root), '--out', str(figure)]) == 1
    assert not figure.exists()
    said = capsys.readouterr().err
    assert 'EfficientNet-Lite0, fine-tuned, background removed, 154 training photos' in said
    assert 'EfficientNet-Lite0, from scratch, original, 154 training photos' in said
    assert '--partial' in said
    assert main([str(root), '--out', str(figure), '--partial']) == 0
    assert 'not run: EfficientNet-Lite0, from scratch, original, 154' in capsys.readouterr().out
    assert figure.exists()
    assert main([str(root), '--out', str(figure), '--models', SCRATCH]) == 0


def test_photos_of_another_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their number must be given: it is not that of Clothing10."""
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path), '--dataset', 'fashionstyle14'])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert 'give --photos, the number of all training photos of fashionstyle14' in said


def test_one_size_is_no_curve(root: Path, add: Add) -> None:
    """All results with as many photos, or none at all, or none of a variant."""
    add(TUNED, 'original', 1, (80.0,))
    with pytest.raises(ValueError, match=r'two numbers of training photos or more.* are of 3,068'):
        read(root)
    with pytest.raises(ValueError, match='no result of Open weights, clothing10 of these `variant'):
        read(root, variants=['original', 'rembg'])
    with pytest.raises(ValueError, match='no result of Open weights, clothing10: python tools/rep'):
        read(root, models=[SCRATCH])
    with pytest.raises(ValueError, match=r"`models` must be of .*, but got 'vgg11'"):
        read(root, models=['vgg11'])
    with pytest.raises(ValueError, match=r"must be of liang2023, but got 'Fig\. 9'"):
        collect_curves(read_results(root), WORK, 'Fig. 9', DATA, 3068)


@pytest.mark.usefixtures('four_points')
def test_other_options_are_refused(root: Path, add: Add) -> None:
    """Length may differ from point to point, nothing else; and no run may be there twice."""
    add(TUNED, 'original', 4, (70.0,), more=['removal.model=u2netp'])
    with pytest.raises(ValueError, match=r'differ in removal\.model=u2netp'):
        read(root)


@pytest.mark.usefixtures('four_points')
def test_twice_the_same_run(root: Path, add: Add) -> None:
    """Two folders with the same point and seed are named."""
    add(TUNED, 'original', 1, (80.0,), more=['train_cfg.dynamic_intervals=None'])
    with pytest.raises(ValueError, match='are results of the same run'):
        read(root)


def test_a_share_must_be_a_number(root: Path, add: Add) -> None:
    """An option that is no whole number is refused with the folder."""
    add(TUNED, 'original', 1, (80.0,), more=['train_dataset.every=x'])
    with pytest.raises(ValueError, match=r"must be a whole number from 1, but .* has 'x'"):
        read(root)


def test_folds_of_a_seed_are_one_result(root: Path, make_result: Callable[..., Path]) -> None:
    """A seed's score is the mean of its folds, its difference that of the folds both have."""
    work = load_work('schindler2017')
    item, data, model = 'Open photos', 'luma', 'mobilenet-v2_in1k-pre'

    def write(variant: str, every: int, *scores: float) -> None:
        for fold, score in enumerate(scores):
            (run,) = select_runs(work, [item], [data], [model], [variant], [0], [fold])
            options = [f'train_dataset.every={every}'] if every > 1 else []
            make_result(run, {'accuracy/product/sum': score}, options, root / str(every))

    write('original', 4, 40.0, 42.0, 50.0)
    write('rembg', 4, 45.0, 49.0)
    write('original', 1, 80.0)
    write('rembg', 1, 81.0)
    curves = collect_curves(read_results(root), work, item, data, 800)
    assert curves.points(model, 'original') == {200: {0: 44.0}, 800: {0: 80.0}}
    gaps = curves.differences(model, curves.variants[1])
    assert {size: each.mean for size, each in gaps.items()} == {200: 6.0, 800: 1.0}
    (run,) = select_runs(work, [item], [data], [model], ['rembg'], [0], [0])
    make_result(run, {'accuracy': 1.0}, ['train_dataset.every=8'], root / '8')
    with pytest.raises(ValueError, match=r'fold0.* has no accuracy/product/sum, which a learning'):
        collect_curves(read_results(root), work, item, data, 800)
