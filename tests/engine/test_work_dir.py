"""Reading work_dirs, on files in the format that mmengine 0.10.7 writes (seen in real runs).

``tests/hooks/test_diff_metrics.py`` reads what real Runners write.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bgremoval_mm.engine.comparison import (
    MetricDifference,
    Score,
    best_scores,
    differences,
    direction,
    format_table,
    last_scores,
    unit,
)
from bgremoval_mm.engine.work_dir import read_metrics, read_run, read_scalars
from bgremoval_mm.utils.json_io import write_json


def start(
    work_dir: Path, stamp: str, val: dict[int, float], test: float | None = None, tail: str = ''
) -> Path:
    """One start of a run: training lines, validation lines and perhaps a test."""
    folder = work_dir / stamp
    (folder / 'vis_data').mkdir(parents=True)
    lines = []
    for step, value in val.items():
        lines.append(
            f'{{"lr": 0.01, "data_time": 0.1, "loss": 0.7, "time": 0.2, "epoch": {step}, '
            f'"iter": {step * 10}, "memory": 100, "step": {step * 10}}}'
        )
        lines.append(f'{{"accuracy/top1": {value}, "data_time": 0.1, "time": 0.2, "step": {step}}}')
    (folder / 'vis_data' / 'scalars.json').write_text('\n'.join(lines) + '\n' + tail)
    if test is not None:
        (folder / f'{stamp}.json').write_text(
            json.dumps({'accuracy/top1': test, 'classwise': [1.0], 'data_time': 1, 'time': 2})
        )
    return folder


def top1(work_dir: Path) -> dict[int, float]:
    """Step to top-1 accuracy of a run."""
    return {step: each['accuracy/top1'] for step, each in read_run(work_dir).val.items()}


def test_one_start(tmp_path: Path) -> None:
    """Validations by epoch and the test; training lines, times and lists are left out."""
    start(tmp_path, '20260101_000000', {1: 40.0, 2: 60.0}, test=55.5)
    run = read_run(tmp_path)
    assert run.val == {1: {'accuracy/top1': 40.0}, 2: {'accuracy/top1': 60.0}}
    assert run.test == {'accuracy/top1': 55.5}
    assert run.test_file == tmp_path / '20260101_000000' / '20260101_000000.json'
    assert (run.stepless, run.damaged) == (0, 0)


def test_resumed_run_continues_the_record(tmp_path: Path) -> None:
    """A later start replaces what follows its own first validation, and nothing before it."""
    start(tmp_path, '20260101_000000', {1: 10.0, 2: 20.0, 3: 30.0})
    start(tmp_path, '20260102_000000', {3: 33.0, 4: 44.0})
    assert top1(tmp_path) == {1: 10.0, 2: 20.0, 3: 33.0, 4: 44.0}
    assert list(read_run(tmp_path).loss) == [1, 2, 3, 4]


def test_run_started_anew_replaces_the_record(tmp_path: Path) -> None:
    """Epochs of an older, longer run in the same folder are forgotten."""
    start(tmp_path, '20260101_000000', {1: 10.0, 2: 20.0, 3: 30.0})
    start(tmp_path, '20260102_000000', {1: 11.0, 2: 22.0})
    assert top1(tmp_path) == {1: 11.0, 2: 22.0}
    assert list(read_run(tmp_path).loss) == [1, 2]


def test_newest_test_counts(tmp_path: Path) -> None:
    """Of two tests the later one; a torn one leaves the one before it."""
    start(tmp_path, '20260101_000000', {1: 10.0}, test=1.0)
    start(tmp_path, '20260102_000000', {}, test=2.0)
    assert read_run(tmp_path).test == {'accuracy/top1': 2.0}
    torn = start(tmp_path, '20260103_000000', {})
    (torn / '20260103_000000.json').write_text('{"accuracy/top1": 3')
    run = read_run(tmp_path)
    assert run.test == {'accuracy/top1': 2.0}
    assert run.damaged == 1


@pytest.mark.parametrize('tail', ['{"accuracy/top1": 70.0, "da', '\x00\x00\x00', '70.0\n'])
def test_torn_last_line(tmp_path: Path, tail: str) -> None:
    """What a killed run leaves at the end of the file is counted, not read."""
    start(tmp_path, '20260101_000000', {1: 10.0}, tail=tail)
    assert top1(tmp_path) == {1: 10.0}
    assert read_run(tmp_path).damaged == 1


def test_nan_is_read(tmp_path: Path) -> None:
    """mmengine writes a bare NaN."""
    folder = start(tmp_path, '20260101_000000', {1: math.nan})
    assert 'NaN' not in (folder / 'vis_data' / 'scalars.json').read_text()
    (folder / 'vis_data' / 'scalars.json').write_text('{"mIoU": NaN, "step": 1}\n')
    assert math.isnan(read_run(tmp_path).val[1]['mIoU'])


def test_hierarchical_log(tmp_path: Path) -> None:
    """``log_with_hierarchy`` puts ``val/`` before the names; they are the same metrics."""
    path = tmp_path / 'scalars.json'
    path.write_text(
        '{"train/loss": 1.0, "iter": 5, "step": 5}\n'
        '{"val/accuracy/top1": 4.0, "val/time": 1.0, "val/diff/accuracy/top1": 1.0, "step": 1}\n'
    )
    assert read_scalars(path).val == {1: {'accuracy/top1': 4.0}}


def test_validation_with_a_loss(tmp_path: Path) -> None:
    """A validation that reports a loss is still a validation: it has no ``iter``."""
    path = tmp_path / 'scalars.json'
    path.write_text('{"loss": 0.5, "accuracy/top1": 4.0, "step": 3}\n')
    assert read_scalars(path).val == {3: {'loss': 0.5, 'accuracy/top1': 4.0}}


def test_validations_without_a_step(tmp_path: Path) -> None:
    """Records at step 0 cannot be placed; they are counted."""
    path = tmp_path / 'scalars.json'
    path.write_text('{"mIoU": 4.0, "step": 0}\n{"mIoU": 5.0, "step": 0}\n')
    log = read_scalars(path)
    assert (log.val, log.stepless) == ({}, 2)


def test_timestamp_folder_is_a_run_too(tmp_path: Path) -> None:
    """One start can be read by itself."""
    start(tmp_path, '20260101_000000', {1: 10.0})
    folder = start(tmp_path, '20260102_000000', {2: 20.0})
    assert top1(folder) == {2: 20.0}


def test_folder_without_records(tmp_path: Path) -> None:
    """A folder of something else gives an empty history, a missing one an error."""
    (tmp_path / 'masks').mkdir()
    run = read_run(tmp_path)
    assert (run.val, run.test) == ({}, None)
    with pytest.raises(FileNotFoundError, match=r'work_dir: there is no folder .*nothing'):
        read_run(tmp_path / 'nothing')


@pytest.mark.parametrize('text', ['[1, 2]', '{"name": "x"}', '{"a": true}'])
def test_metrics_file_needs_numbers(tmp_path: Path, text: str) -> None:
    """A file without numbers is refused by name."""
    path = tmp_path / 'metrics.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=r'metrics\.json must hold one JSON object'):
        read_metrics(path)


def test_metrics_file_must_be_json(tmp_path: Path) -> None:
    """A file that is no JSON is refused by name."""
    path = tmp_path / 'metrics.json'
    path.write_text('top1 = 3')
    with pytest.raises(ValueError, match=r'metrics\.json is not JSON'):
        read_metrics(path)


@pytest.mark.parametrize(
    ('metric', 'expected'),
    [
        ('accuracy/top1', ('percent', 'greater')),
        ('single-label/f1-score', ('percent', 'greater')),
        ('single-label/recall', ('percent', 'greater')),
        ('single-label/support', (None, None)),
        ('multi-label/support_classwise', (None, None)),
        ('accuracy/class/support belts', ('percent', 'greater')),
        ('retrieval/Recall@1', ('percent', 'greater')),
        ('replaced/retrieval/MAP@R', ('percent', 'greater')),
        ('replaced_std/retrieval/MAP@R', ('percent', None)),
        ('retrieval/queries_left_out', (None, None)),
        ('attention/score', ('fraction', 'greater')),
        ('attention/std', ('fraction', None)),
        ('attention/photos', (None, None)),
        ('mIoU', ('percent', 'greater')),
        ('seg/mFscore', ('percent', 'greater')),
        ('coco/segm_mAP_50', ('fraction', 'greater')),
        ('pascal_voc/mAP', ('fraction', 'greater')),
        ('saliency/IoU', ('fraction', 'greater')),
        ('saliency/maxF/coat', ('fraction', 'greater')),
        ('saliency/MAE', ('fraction', 'less')),
        ('saliency/MAE/no loss', ('fraction', 'less')),
        ('replaced/saliency/MAE', ('fraction', 'less')),
        ('loss_cls', (None, 'less')),
        ('score', (None, None)),
    ],
)
def test_units_and_directions(metric: str, expected: tuple[str | None, str | None]) -> None:
    """The documented table, on the names that the codebases really give."""
    assert (unit(metric), direction(metric)) == expected


def test_best_and_last() -> None:
    """Best by direction and the earliest of equals; last whatever it is."""
    val = {
        1: {'mIoU': 5.0, 'loss': 2.0, 'score': 1.0, 'coco/bbox_mAP_s': -1.0},
        2: {'mIoU': 7.0, 'loss': 1.0, 'score': 2.0, 'coco/bbox_mAP_s': -1.0},
        3: {'mIoU': 7.0, 'loss': math.nan, 'score': 0.0, 'coco/bbox_mAP_s': -1.0},
    }
    assert best_scores(val) == {'mIoU': Score(7.0, 2), 'loss': Score(1.0, 2)}
    assert last_scores(val)['score'] == Score(0.0, 3)
    assert last_scores({}) == {}


def test_compare_takes_what_both_have() -> None:
    """The difference is this run minus the original, None where one has no value."""
    original = {'mIoU': Score(40.0, 1), 'aAcc': Score(1.0, 1), 'mAcc': Score(math.nan, 1)}
    rembg = {'mAcc': Score(3.0, 2), 'mIoU': Score(42.5, 2), 'other': Score(0.0, 2)}
    compared = differences(original, rembg)
    assert list(compared) == ['mAcc', 'mIoU']
    assert compared['mIoU'] == MetricDifference('percent', Score(40.0, 1), Score(42.5, 2), 2.5)
    assert compared['mAcc'].diff is None


def test_scores_below_zero() -> None:
    """An attention score below 0 is a measurement, COCO's -1 is none."""
    original = {'attention/score': Score(-0.25), 'coco/bbox_mAP_s': Score(-1.0)}
    rembg = {'attention/score': Score(0.5), 'coco/bbox_mAP_s': Score(-1.0)}
    compared = differences(original, rembg)
    assert compared['attention/score'].diff == 0.75
    assert compared['coco/bbox_mAP_s'].diff is None
    assert cells(format_table({'test': compared}))[1][2:5] == ['-0.25', '0.5', '+0.75']
    undefined = differences({'attention/score': Score(math.nan)}, rembg)
    assert undefined['attention/score'].diff is None


def cells(table: str) -> list[list[str]]:
    """The rows of a table."""
    rows = [line for line in table.splitlines() if line.startswith('|')]
    return [[cell.strip() for cell in line.split('|')[1:-1]] for line in rows]


def test_table_shows_each_number() -> None:
    """The table has a row a metric and part, with epochs, sign and unit."""
    compared = {'coco/bbox_mAP': MetricDifference('fraction', Score(0.4, 3), Score(0.35, 4), -0.05)}
    nothing = {'[x]': MetricDifference(None, Score(math.nan), Score(1.0), None)}
    table = format_table({'best': compared, 'test': nothing}, step_unit='iter')
    rows = cells(table)
    box = ['coco/bbox_mAP', 'best', '0.4 (iter 3)', '0.35 (iter 4)', '-0.05', 'fraction', '-']
    assert box in rows
    assert ['[x]', 'test', '-', '1', '-', '-', '-'] in rows
    assert 'percentage points' not in table
    assert 'One run each (original: not known, rembg: not known)' in table


def test_table_says_how_sure_a_difference_is() -> None:
    """Percentage points, number of images, the interval where it is known, the seeds."""
    whole = MetricDifference('percent', Score(40.0), Score(42.5), 2.5, 1200, (-1.25, 6.0))
    shoes = MetricDifference('percent', Score(0.0), Score(100.0), 100.0, 8)
    table = format_table({'test': {'mIoU': whole, 'x/shoes': shoes}}, seeds=(0, 1))
    rows = cells(table)
    assert rows[0][4:] == ['diff', '95 % over images', 'unit', 'images']
    assert ['mIoU', 'test', '40', '42.5', '+2.5 pp', '-1.25 to +6', 'percent', '1,200'] in rows
    assert ['x/shoes', 'test', '0', '100', '+100 pp', '-', 'percent', '8'] in rows
    assert 'pp: percentage points' in table
    assert '(original: seed 0, rembg: seed 1)' in table
    assert whole.as_dict()['interval_95_over_images'] == [-1.25, 6.0]
    assert whole.as_dict()['images'] == 1200
    assert 'interval_95_over_images' not in shoes.as_dict()


def test_write_json_is_plain_and_whole(tmp_path: Path) -> None:
    """numpy and torch numbers are written, NaN is null, and a failure leaves the old file."""
    path = tmp_path / 'new' / 'x.json'
    write_json(path, {'a': np.float32(1.5), 'b': torch.tensor([1, 2]), 'c': (math.nan, math.inf)})
    assert json.loads(path.read_text()) == {'a': 1.5, 'b': [1, 2], 'c': [None, None]}
    with pytest.raises(TypeError):
        write_json(path, {'a': object()})
    assert json.loads(path.read_text())['a'] == 1.5
    assert [each.name for each in path.parent.iterdir()] == ['x.json']
