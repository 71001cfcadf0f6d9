"""Results sorted into cells; what is claimed of them; tables, report files and the page."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from bgremoval_mm.evaluation.metrics.per_image import write_per_image
from bgremoval_mm.experiments.base import Verdict
from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.papers.liang2023.claims import CLAIMS
from bgremoval_mm.experiments.papers.liang2023.experiments import CLASSIFICATION, Classification
from bgremoval_mm.experiments.report.figures import bar_chart, difference_chart, read_curves
from bgremoval_mm.experiments.report.groups import Cell, Group, Pair, group_results
from bgremoval_mm.experiments.report.page import build_report, write_report
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.report.tables import GAP, result_table
from bgremoval_mm.experiments.runner.runs import Run, select_runs
from bgremoval_mm.removal.errors import ArgumentError
from tests.browser import Browser

UP = [(20, 26), (21, 28), (22, 28)]  # of 60 images: about 10 points more, in each seed
DOWN = [(30, 26), (31, 26), (30, 25)]
LITTLE = [(30, 31), (30, 31), (30, 30)]
ABOUT = [(30, 34), (31, 34), (30, 34)]
UNSURE = [(30, 34), (31, 28), (30, 30)]


def group(root: Path, item: str = 'Fig. 5', dataset: str = 'clothing10') -> Group:
    """The group of results."""
    groups = group_results(read_results(root), WORK)
    return next(each for each in groups if (each.item, each.dataset) == (item, dataset))


def removed(cell: Cell | None) -> Pair:
    """The removed variant of a network beside its original."""
    assert cell is not None
    return cell.pair('rembg')


def verdict(name: str, root: Path) -> Verdict:
    """The verdict on a claim."""
    claim = next(each for each in CLAIMS if each.name == name)
    return claim.judge(group(root, claim.item), {'Fig. 5': group(root)})


def test_cells_pair_the_seeds(make_pairs: Callable, tmp_path: Path) -> None:
    """Means over the seeds of each variant, differences over the seeds of both."""
    make_pairs('vgg11', UP)
    shutil.rmtree(tmp_path / 'root' / 'vgg11_1xb32_clothing10-rembg' / 'seed2')
    cell = group(tmp_path / 'root').cell('vgg11')
    assert cell is not None
    mean = cell.mean('accuracy/top1', 'original')
    assert mean is not None
    assert (mean.count, mean.mean) == (3, pytest.approx(21 / 60 * 100))
    pair = removed(cell)
    assert pair.differences('accuracy/top1') == {
        0: pytest.approx(10),
        1: pytest.approx(7 / 60 * 100),
    }
    assert pair.difference('accuracy/nothing') is None
    tests = pair.mcnemar()
    assert {seed: test.gained - test.lost for seed, test in tests.items()} == {0: 6, 1: 7}


def test_every_experiment_has_a_cell(make_pairs: Callable, tmp_path: Path) -> None:
    """Gaps are there: twelve networks of Fig. 5, of which one was run."""
    make_pairs('vgg11', UP)
    found = group(tmp_path / 'root')
    assert len(found.cells) == sum(each.item == 'Fig. 5' for each in CLASSIFICATION)
    table = result_table(found)
    assert len(table) == len(found.cells)
    assert (table['difference'] == '—').sum() == len(found.cells) - 1


def test_other_options_are_another_group(make_pairs: Callable, tmp_path: Path) -> None:
    """Reduced runs never share a cell with whole ones."""
    make_pairs('vgg11', UP)
    make_pairs('vgg11', DOWN, options=['train_cfg.max_epochs=1'], root=tmp_path / 'root' / 'small')
    groups = [each for each in group_results(read_results(tmp_path), WORK) if each.results]
    assert [each.options for each in groups] == [(), ('train_cfg.max_epochs=1',)]
    assert [len(each.results) for each in groups] == [6, 6]


def test_same_run_twice(make_pairs: Callable, tmp_path: Path) -> None:
    """Two results of one run are an error that names both folders."""
    make_pairs('vgg11', UP[:1])
    shutil.copytree(tmp_path / 'root', tmp_path / 'copy')
    with pytest.raises(ValueError, match='are results of the same run'):
        group_results(read_results(tmp_path), WORK)


def test_other_images(make_pairs: Callable, tmp_path: Path) -> None:
    """Variants that were tested on other photos are not compared."""
    make_pairs('vgg11', UP[:1])
    file = tmp_path / 'root' / 'vgg11_1xb32_clothing10' / 'seed0' / 'evidence.npz'
    arrays = dict(np.load(file))
    arrays['names'] = arrays['names'][::-1]
    write_per_image(file, **arrays)
    cell = group(tmp_path / 'root').cell('vgg11')
    with pytest.raises(ValueError, match='were tested on other images'):
        removed(cell).mcnemar()


def test_seeds_on_other_images(make_pairs: Callable, tmp_path: Path) -> None:
    """As many photos of another name are no further test of the same ones."""
    make_pairs('vgg11', UP[:2])
    for suffix in ('', '-rembg'):
        file = tmp_path / 'root' / f'vgg11_1xb32_clothing10{suffix}' / 'seed1' / 'evidence.npz'
        arrays = dict(np.load(file))
        arrays['names'] = np.array([f'other/{name}' for name in arrays['names']])
        write_per_image(file, **arrays)
    found = group(tmp_path / 'root')
    with pytest.raises(ValueError, match='seed1 was tested on other images than with another seed'):
        removed(found.cell('vgg11')).over_images(found.metrics[0])


@dataclass(frozen=True, kw_only=True)
class Folded(Classification):
    """A network of Fig. 5 in two folds."""

    folds: ClassVar[tuple[int, ...]] = (0, 1)


def test_seeds_in_other_folds(make_classification: Callable, tmp_path: Path) -> None:
    """While a fold of a seed is missing, there is no interval over images; then over all."""
    experiment = Folded(**asdict(CLASSIFICATION[0]))
    work = replace(WORK, experiments=(experiment,), claims=())

    def make(seed: int, fold: int) -> None:
        for variant, right in (('original', 20), ('rembg', 30)):
            run = Run(work, experiment, 'clothing10', variant, seed, fold)
            folder = make_classification(run, right + fold)
            arrays = dict(np.load(folder / 'evidence.npz'))
            arrays['names'] = np.array([f'{fold}/{name}' for name in arrays['names']])
            write_per_image(folder / 'evidence.npz', **arrays)

    def interval() -> str:
        groups = group_results(read_results(tmp_path / 'root'), work)
        found = next(each for each in groups if each.results)
        return result_table(found)['95 % over images'].item()

    for seed, fold in ((0, 0), (0, 1), (1, 0)):
        make(seed, fold)
    assert interval() == GAP
    make(1, 1)
    assert interval().startswith('+')


@pytest.mark.parametrize(
    ('content', 'message'),
    [('{"schema": 9}', r'schema 1, but has schema 9'), ('{', r'result\.json is not JSON')],
)
def test_damaged_results_are_named(content: str, message: str, tmp_path: Path) -> None:
    """A file that is no result is an error with its name."""
    (tmp_path / 'result.json').write_text(content)
    with pytest.raises(ValueError, match=message):
        read_results(tmp_path)
    with pytest.raises(FileNotFoundError, match='there is no folder'):
        read_results(tmp_path / 'none')


@pytest.mark.parametrize(
    ('runs', 'label'),
    [
        ({'vgg11': UP, 'vgg13': UP, 'vgg16': UP, 'vgg19': UP}, 'holds'),
        ({'vgg11': UP, 'vgg13': UP, 'vgg16': UP}, 'undecided'),
        ({'vgg11': UP, 'vgg13': DOWN, 'vgg16': UP, 'vgg19': UP}, 'does not hold'),
        ({'vgg11': UP, 'vgg13': UNSURE, 'vgg16': UP, 'vgg19': UP}, 'undecided'),
        ({'vgg11': UP[:1], 'vgg13': UP[:1], 'vgg16': UP[:1], 'vgg19': UP[:1]}, 'undecided'),
        ({'vgg11': UP, 'vgg13': UP, 'vgg16': LITTLE, 'vgg19': UP}, 'does not hold'),
        # 5 points in the mean, but not in the interval
        ({'vgg11': UP, 'vgg13': UP, 'vgg16': ABOUT, 'vgg19': UP}, 'undecided'),
    ],
)
def test_claim_on_vgg(runs: dict, label: str, make_pairs: Callable, tmp_path: Path) -> None:
    """F5-a: all four better, VGG-16 by more than 5 points; one seed decides nothing."""
    for model, right in runs.items():
        make_pairs(model, right)
    assert verdict('F5-a', tmp_path / 'root').label == label


@pytest.mark.parametrize(
    ('with_bn', 'label'),
    [([(20, 21), (21, 22), (22, 23)], 'holds'), ([(20, 35), (21, 36), (22, 38)], 'does not hold')],
)
def test_claim_on_batch_normalisation(
    with_bn: list, label: str, make_pairs: Callable, tmp_path: Path
) -> None:
    """F5-b: the improvement is smaller with BN, network by network of the same depth."""
    for depth in (11, 13, 16, 19):
        make_pairs(f'vgg{depth}', UP)
        make_pairs(f'vgg{depth}bn', with_bn)
    assert verdict('F5-b', tmp_path / 'root').label == label


def test_claim_on_resnets(make_pairs: Callable, tmp_path: Path) -> None:
    """F5-c: undecided while a network is missing, then similar to VGG with BN."""
    for depth in (11, 13, 16, 19):
        make_pairs(f'vgg{depth}bn', UP)
    make_pairs('resnet50', UP)
    assert verdict('F5-c', tmp_path / 'root').label == 'undecided'
    make_pairs('resnet101', [(20, 26), (21, 27), (22, 28)])
    assert verdict('F5-c', tmp_path / 'root').label == 'holds'


@pytest.mark.parametrize(
    ('swin', 'label'),
    [
        ([(20, 20), (21, 21), (23, 23)], 'holds'),
        ([(40, 40), (42, 42), (41, 41)], 'does not hold'),
        ([(40, 40)], 'undecided'),  # of one seed, however good
        ([(30, 30), (32, 32), (30, 30)], 'undecided'),
    ],
)
def test_claim_on_the_best(swin: list, label: str, make_pairs: Callable, tmp_path: Path) -> None:
    """F5-d: better than each other network, by an interval over common seeds."""
    for each in CLASSIFICATION:
        if not each.pretrained:
            others = [(10, 10), (11, 11), (9, 9)]
            make_pairs(each.model, {'resnest101': DOWN, 'swin-tiny': swin}.get(each.model, others))
    found = verdict('F5-d', tmp_path / 'root')
    assert found.label == label
    assert found.figures.startswith('ResNeSt-101 on originals minus Swin-T ')


@pytest.mark.parametrize(('right', 'label'), [(DOWN, 'holds'), (UP, 'does not hold')])
def test_claims_on_pretrained(
    right: list, label: str, make_pairs: Callable, tmp_path: Path
) -> None:
    """F6-a and F6-c go by the sign; F6-b compares the originals of Fig. 5 and 6."""
    for each in CLASSIFICATION:
        if each.pretrained:
            make_pairs(each.model, right, item='Fig. 6')
        else:
            make_pairs(each.model, [(5, 5), (6, 6), (4, 6)])
    root = tmp_path / 'root'
    assert verdict('F6-a', root).label == label
    assert verdict('F6-c', root).label == label
    assert verdict('F6-b', root).label == 'holds'


@pytest.mark.parametrize(
    ('worse', 'label'), [(10, 'holds'), (6, 'undecided'), (0, 'does not hold')]
)
def test_claim_on_categories(worse: int, label: str, make_result: Callable, tmp_path: Path) -> None:
    """F6-d: how many of ten classes are worse, by a sign test."""
    for run in select_runs(WORK, ['Fig. 6'], ['clothing10'], seeds=[0, 1]):
        metrics = {'accuracy/top1': 50.0}
        for number in range(10):
            drop = 1.0 if number < worse else -1.0
            metrics[f'accuracy/class/{number}'] = 50.0 - drop * (run.variant == 'rembg')
        folder = make_result(run, metrics)
        write_per_image(folder / 'evidence.npz', names=np.array(['a']))
    found = verdict('F6-d', tmp_path / 'root')
    assert found.label == label
    assert found.figures.startswith(f'{worse} classes worse, {10 - worse} better')


def test_one_seed_decides_nothing(make_pairs: Callable, tmp_path: Path) -> None:
    """Whatever the claim."""
    for each in CLASSIFICATION:
        make_pairs(each.model, UP[:1] if each.pretrained else DOWN[:1], item=each.item)
    for claim in CLAIMS:
        if claim.item.startswith('Fig.'):
            assert verdict(claim.name, tmp_path / 'root').label == 'undecided', claim.name


def test_per_image_results_of_another_test(make_pairs: Callable, tmp_path: Path) -> None:
    """Per-image results of another accuracy are refused, with the file's name."""
    make_pairs('vgg11', UP[:1])
    file = tmp_path / 'root' / 'vgg11_1xb32_clothing10' / 'seed0' / 'evidence.npz'
    arrays = dict(np.load(file))
    arrays['predictions'] = arrays['labels']
    write_per_image(file, **arrays)
    with pytest.raises(ValueError, match=r'evidence\.npz is not that of result\.json'):
        build_report(tmp_path / 'root')


def test_missing_per_image_results_are_a_gap(make_pairs: Callable, tmp_path: Path) -> None:
    """Differences stay, tests on images are dashes."""
    make_pairs('vgg11', UP)
    (tmp_path / 'root' / 'vgg11_1xb32_clothing10' / 'seed1' / 'evidence.npz').unlink()
    line = result_table(group(tmp_path / 'root')).set_index('network').loc['VGG-11']
    assert line['difference'] == '+10.56'
    assert line['95 % over images'] == '—'
    assert line['images gained / lost'].count('/') == 2


def test_every_claim_can_be_judged_without_runs(make_pairs: Callable, tmp_path: Path) -> None:
    """Nothing run, nothing decided."""
    make_pairs('vgg11', UP[:1])
    for claim in CLAIMS:
        dataset = 'ccp' if claim.item.startswith('Table') else 'clothing10'
        found = group(tmp_path / 'root', claim.item, dataset)
        assert claim.judge(found, {}).label == 'undecided', claim.name


def test_semantic_segmentation(make_result: Callable, tmp_path: Path) -> None:
    """Table II: both metrics, the interval over images from the areas, the paper's numbers."""
    random = np.random.default_rng(0)
    scores: dict[str, list[float]] = {'original': [], 'rembg': []}
    for run in select_runs(WORK, ['Table II'], ['fashionpedia'], seeds=[0, 1]):
        both = random.integers(1, 50, (9, 46))
        areas = np.stack([both, both + 60 + 9 * (run.variant == 'rembg'), both, both], axis=-1)
        overlap, union = areas.sum(axis=0)[:, :2].T
        metrics = {'mIoU': round(100 * float(np.mean(overlap / union)), 2), 'mAcc': 50.0}
        folder = make_result(run, metrics)
        scores[run.variant].append(metrics['mIoU'])
        names = np.array([f'{i}.jpg' for i in range(9)])
        classes = np.array([f'class {i}' for i in range(46)])
        write_per_image(folder / 'evidence.npz', names=names, areas=areas, classes=classes)
    found = group(tmp_path / 'root', 'Table II', 'fashionpedia')
    assert found.is_own
    table = result_table(found)
    difference = np.mean(scores['rembg']) - np.mean(scores['original'])
    assert table['difference'].tolist() == [f'{difference:+.2f}', '+0.00']
    assert table['paper: difference'].tolist() == ['-0.24', '-0.25']
    assert re.fullmatch(r'-\d+\.\d\d to -\d+\.\d\d', table['95 % over images'][0])
    assert table['95 % over images'][1] == '—'  # mean accuracy has no bootstrap
    (cell,) = found.cells
    differences = removed(cell).class_differences()
    assert len(differences) == 46
    by_hand = []
    for seed in (0, 1):
        of_class = []
        for variant in ('original', 'rembg'):
            areas = cell.results[variant][seed].per_image['areas'][:, 5].sum(axis=0)
            of_class.append(areas[0] / areas[1] * 100)
        by_hand.append(of_class[1] - of_class[0])
    assert differences['class 5'].mean == pytest.approx(np.mean(by_hand))
    # Table I has numbers of the paper, but no runs: it comes below.
    sections = build_report(tmp_path / 'root').sections
    assert [bool(each.details) for each in sections] == [True, False]
    # Areas of another test are refused, as predictions are.
    file = cell.results['rembg'][1].runs[0].folder / 'evidence.npz'
    arrays = dict(np.load(file))
    write_per_image(file, **{**arrays, 'areas': arrays['areas'][::2]})
    with pytest.raises(ValueError, match=r'evidence\.npz is not that of result\.json: its mIoU is'):
        build_report(tmp_path / 'root')


def test_instance_segmentation(make_result: Callable, tmp_path: Path) -> None:
    """Table I: fractions, intervals from the predictions, the paper's numbers."""
    truth = write_truth(tmp_path)
    for run in select_runs(WORK, ['Table I'], ['fashionpedia'], ['pvt-s']):
        metrics = {'coco/bbox_mAP': 0.31, 'coco/segm_mAP': 0.29 - 0.01 * (run.variant == 'rembg')}
        folder = make_result(run, metrics, annotations=str(truth))
        write_found(folder, range(1, 5), shift=3 * (run.variant == 'rembg'))
    found = group(tmp_path / 'root', 'Table I', 'fashionpedia')
    table = result_table(found).set_index(['network', 'metric'])
    line = table.loc[('PVT-Small', 'box mAP')]
    assert line['difference'] == '+0.000'
    assert line['paper: difference'] == '-0.008'
    assert line['95 % over images'].startswith('-')
    assert table.loc[('PVT-Small', 'mask mAP'), 'difference'] == '-0.010'
    assert table.loc[('PVT-Small', 'mask mAP'), '95 % over images'].startswith('-')
    cell = found.cell('pvt-s')
    ((name, difference),) = removed(cell).class_differences().items()
    assert name == 'hat'
    assert difference.mean < 0


def test_a_run_that_found_nothing(make_result: Callable, tmp_path: Path) -> None:
    """mmdet gives no mAP of it: its seed counts neither in a difference nor in its interval."""
    truth = write_truth(tmp_path)
    chosen = (WORK, ['Table I'], ['fashionpedia'], ['pvt-s'])
    for run in select_runs(*chosen, seeds=(0, 1, 2)):
        nothing = (run.variant, run.seed) == ('rembg', 1)
        metrics = {} if nothing else {'coco/bbox_mAP': 0.3, 'coco/segm_mAP': 0.3 + run.seed / 10}
        folder = make_result(run, metrics or {'coco/copypaste': 0}, annotations=str(truth))
        write_found(folder, () if nothing else range(1, 5 - run.seed))
    found = group(tmp_path / 'root', 'Table I', 'fashionpedia')
    table = result_table(found).set_index(['network', 'metric'])
    for metric in ('box mAP', 'mask mAP'):
        line = table.loc[('PVT-Small', metric)]
        assert line['seeds'] == '0 2'
        assert line['95 % over images'] == '+0.000 to +0.000'
    ((name, difference),) = removed(found.cell('pvt-s')).class_differences().items()
    assert (name, difference.count) == ('hat', 3)
    assert difference.mean < 0
    assert len(build_report(tmp_path / 'root').sections) == 2


def write_truth(folder: Path) -> Path:
    """COCO annotations of four photos with a hat each."""
    box = {'category_id': 0, 'bbox': [1, 1, 20, 20], 'area': 400, 'iscrowd': 0}
    images = [{'id': i, 'width': 50, 'height': 50} for i in range(1, 5)]
    annotations = [
        {**box, 'id': i, 'image_id': i, 'segmentation': [outline(0)]} for i in range(1, 5)
    ]
    categories = [{'id': 0, 'name': 'hat'}]
    truth = folder / 'truth.json'
    truth.write_text(
        json.dumps({'images': images, 'annotations': annotations, 'categories': categories})
    )
    return truth


def write_found(folder: Path, images: Iterable[int], shift: int = 0) -> None:
    """The hats that a run found in some of the photos, aside from where they are."""
    results = [
        {'image_id': i, 'category_id': 0, 'bbox': [1 + shift, 1, 20, 20], 'score': 0.9}
        for i in images
    ]
    (folder / 'predictions.bbox.json').write_text(json.dumps(results))
    outlined = [{**each, 'segmentation': [outline(shift)]} for each in results]
    (folder / 'predictions.segm.json').write_text(json.dumps(outlined))


def outline(shift: int) -> list[int]:
    """A square of 20 pixels as a polygon."""
    return [1 + shift, 1, 21 + shift, 1, 21 + shift, 21, 1 + shift, 21]


def test_curves_of_a_resumed_run(make_pairs: Callable, tmp_path: Path) -> None:
    """The epoch that was interrupted and done again counts once."""
    make_pairs('vgg11', UP[:1])
    folder = tmp_path / 'root' / 'vgg11_1xb32_clothing10' / 'seed0'
    later = folder / '20260101_000001' / 'vis_data'
    later.mkdir(parents=True)
    lines = [
        {'loss': 0.5, 'iter': 7, 'epoch': 3},
        {'loss': 0.7, 'iter': 8, 'epoch': 3},
        {'accuracy/top1': 50.0, 'step': 3},
    ]
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (later / 'scalars.json').write_text(text + '{"torn')
    losses, scores = read_curves(folder, 'accuracy/top1')
    assert losses[0] == [1, 2, 3]
    assert losses[1] == pytest.approx([3.05, 1.55, 0.6])
    assert scores[0] == [1, 2, 3]
    assert scores[1][-1] == 50.0


def test_what_was_not_run_is_one_line(make_pairs: Callable, tmp_path: Path) -> None:
    """Lines of dashes, and claims on them, are named and not shown; the CSV has them."""
    make_pairs('vgg11', UP)
    report = build_report(tmp_path / 'root')
    section = report.sections[0]
    assert section.shown['network'].tolist() == ['VGG-11']
    assert len(section.table) == 12
    assert '95 % over images' in section.table
    assert not (section.shown == GAP).all(axis=0).any()
    assert section.not_run == section.table['network'].tolist()[1:]
    assert section.without_runs == ['F5-b', 'F5-c', 'F5-e']
    assert [claim.name for claim, _ in section.decided] == ['F5-a', 'F5-d', 'F5-f']
    write_report(report, tmp_path / 'report')
    page = (tmp_path / 'report/index.html').read_text()
    assert 'Not run: VGG-11 BN, VGG-13, ' in page
    assert 'Undecided, because nothing of them was run: F5-b, F5-c, F5-e.' in page
    assert 'coco/bbox_mAP' not in page


@pytest.fixture
def report_folder(make_pairs: Callable, tmp_path: Path) -> Path:
    """A report of two networks, whole, and of one reduced."""
    make_pairs('vgg11', UP)
    make_pairs('resnet50', DOWN)
    make_pairs('vgg16', UNSURE, options=['train_cfg.max_epochs=<1>'], root=tmp_path / 'root' / 's')
    write_report(build_report(tmp_path / 'root'), tmp_path / 'report')
    return tmp_path / 'report'


def test_report_files(report_folder: Path, tmp_path: Path) -> None:
    """Tables as CSV, all in Markdown, one page with its pictures inside."""
    table = pd.read_csv(report_folder / 'fig_5_clothing10_1.csv').set_index('network')
    assert table.loc['VGG-11', 'difference'] == '+10.56'
    claims = pd.read_csv(report_folder / 'fig_5_clothing10_1_claims.csv')
    assert claims['claim'].tolist() == ['F5-a', 'F5-b', 'F5-c', 'F5-d', 'F5-e', 'F5-f']
    text = (report_folder / 'report.md').read_text()
    assert '**Reduced**: <1> epochs. Settings: train_cfg.max_epochs=<1>' in text
    assert '| VGG-11 | 60 | 0 1 2 | 35.00 | 45.56 | +10.56 |' in text
    assert '| \N{MINUS SIGN}7.78 |' in text
    assert table.loc['ResNet-50', 'difference'] == '-7.78'  # ASCII, for programs
    assert set(table['unit']) == {'percent'}
    # The paper's tables are there, though nothing of them was run.
    assert '## Table I, Fashionpedia' in text
    assert '| PVT-Small | box mAP | 0.314 |' in text
    assert '| 0.314 | 0.306 | \N{MINUS SIGN}0.008 |' in text
    assert 'The paper prints two differences that are not those of its columns' in text
    page = (report_folder / 'index.html').read_text()
    assert 'train_cfg.max_epochs=&lt;1&gt;' in page
    assert page.count('<figcaption>') == page.count('<img ')
    assert not re.search(r'>-\d', page)
    assert page.count('data:image/svg+xml') >= 8
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert len(re.findall(r'<img [^>]*alt="[^"]{20,}', page)) == page.count('<img ')
    with pytest.raises(FileNotFoundError, match=r'there is no result\.json below'):
        build_report(report_folder)


def test_equal_results_give_equal_pictures(make_pairs: Callable, tmp_path: Path) -> None:
    """A chart has neither a date nor random names in it."""
    make_pairs('vgg11', UP)
    found = group(tmp_path / 'root')
    for draw in (bar_chart, difference_chart):
        charts = {draw(found, found.metrics[0]) for _ in range(2)}
        assert len(charts) == 1


@pytest.mark.parametrize('name', ['index.html', 'report.md', 'fig_5_clothing10.csv'])
def test_foreign_files_are_left_alone(make_pairs: Callable, tmp_path: Path, name: str) -> None:
    """A report is not written over another page, text or table, and nothing else is written."""
    make_pairs('vgg11', UP)
    folder = tmp_path / 'site'
    folder.mkdir()
    (folder / name).write_text('# Original against background removed\n\nmy own notes\n')
    with pytest.raises(ArgumentError, match=f'{name} is there, but is no part of a report of ours'):
        write_report(build_report(tmp_path / 'root'), folder)
    assert [path.name for path in folder.iterdir()] == [name]
    assert 'my own notes' in (folder / name).read_text()


def test_report_again(report_folder: Path, tmp_path: Path) -> None:
    """A report of ours is replaced, also one of another version: other columns, no generator."""
    page = report_folder / 'index.html'
    generator = '<meta name="generator" content="tools/reproduce.py report">\n'
    assert generator in page.read_text()
    page.write_text(page.read_text().replace(generator, ''))
    table = report_folder / 'fig_5_clothing10_1.csv'
    expected = table.read_text()
    table.write_text('other,columns\n1,2\n')
    (report_folder / 'notes.txt').write_text('mine')
    write_report(build_report(tmp_path / 'root'), report_folder)
    assert table.read_text() == expected
    assert generator in page.read_text()
    assert (report_folder / 'notes.txt').read_text() == 'mine'


def test_page_in_a_browser(report_folder: Path, browser: Browser) -> None:
    """Headless Chromium shows it without errors, pictures decoded, no wider than a phone."""
    page = report_folder / 'index.html'
    script = (
        'addEventListener("load", () => { const images = [...document.images];'
        'document.querySelectorAll("details").forEach(each => each.open = true);'
        'Promise.all(images.map(each => each.decode())).then(() => say("ok " + '
        'images.length + " " + document.documentElement.scrollWidth), '
        'error => say("broken " + error)); });'
    )
    said, log = browser.run(page, script)
    word, images, width = said.split()
    assert word == 'ok', said
    assert int(images) >= 8
    assert int(width) <= 500
    assert 'CONSOLE' not in log
