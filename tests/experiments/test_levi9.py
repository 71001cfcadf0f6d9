"""U2-Net for a catalogue: the networks, augmentations and test sets, and their report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bgremoval_mm.engine.pairs import baseline_name
from bgremoval_mm.experiments.base import Verdict
from bgremoval_mm.experiments.papers.levi9 import WORK
from bgremoval_mm.experiments.papers.levi9.exhibits import ranked
from bgremoval_mm.experiments.papers.levi9.experiments import (
    EXPERIMENTS,
    NETWORKS,
    SIX_SETS,
    TRIAL,
    Trial,
)
from bgremoval_mm.experiments.papers.levi9.published import IOU, MEASURES, SETS, TABLES
from bgremoval_mm.experiments.report.groups import Group, group_results
from bgremoval_mm.experiments.report.page import build_report, write_report
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.runner.options import photos_of
from bgremoval_mm.experiments.runner.runs import select_runs

ROOT = Path(__file__).resolve().parents[2]
CELLS = [
    (experiment, dataset, variant.name)
    for experiment in EXPERIMENTS
    for dataset in experiment.datasets
    for variant in experiment.variants
]
# IoU by variant: those of the trial are of both networks.
MADE_UP = {
    'u2net': 0.992,
    'basnet': 0.981,
    'mask-rcnn': 0.95,
    'none': 0.9,
    'flip': 0.88,
    'crop': 0.93,
    'both': 0.92,
}


@pytest.mark.parametrize(('experiment', 'dataset', 'variant'), CELLS)
def test_config_is_there(experiment, dataset: str, variant: str) -> None:
    """Each variant has its config."""
    assert (ROOT / 'configs' / experiment.config(dataset, variant)).is_file()


def test_runs_have_folders_of_their_own() -> None:
    """A run's folder is named after its config, without the config's folder."""
    names = [run.name for run in select_runs(WORK)]
    assert len(names) == len(set(names)) == len(CELLS)


def test_an_augmentation_is_named_after_its_baseline() -> None:
    """So that DiffMetricsHook finds it."""
    trial = next(each for each in EXPERIMENTS if isinstance(each, Trial))
    plain = Path(trial.config('pairs', 'none')).stem
    for variant in trial.variants[1:]:
        assert baseline_name(Path(trial.config('pairs', variant.name)).stem) == plain


def test_the_work_is_complete() -> None:
    """Items have metrics and exhibits, datasets titles; numbers are of experiments."""
    assert set(WORK.items) == set(WORK.metrics) == set(WORK.exhibits) == {NETWORKS, TRIAL, SIX_SETS}
    assert set(WORK.datasets) == {name for each in EXPERIMENTS for name in each.datasets}
    for each in WORK.published:
        assert each.metric in {metric.key for metric in WORK.metrics[each.item]}
        (experiment,) = (e for e in EXPERIMENTS if (e.item, e.model) == (each.item, each.model))
        assert set(each.values) <= {variant.name for variant in experiment.variants}


def test_the_table_of_the_paper() -> None:
    """Six sets, two networks, five measures: U2-Net is better everywhere."""
    assert len(SETS) == 6
    for table in TABLES.values():
        large, small = table['u2net'], table['u2netp']
        assert tuple(large) == tuple(small) == MEASURES
        assert all(large[name] > small[name] for name in MEASURES if name != 'MAE')
        assert large['MAE'] < small['MAE']
    assert TABLES['ECSSD']['u2net']['maxF'] == 0.951
    assert TABLES['SOD']['u2netp'] == dict(
        zip(MEASURES, (0.841, 0.124, 0.697, 0.759, 0.559), strict=True)
    )


def test_photos_of_a_manifest() -> None:
    """The photos of pairs are below the folder of their manifest, which the runner looks for."""
    assert (
        photos_of({'type': 'PairsDataset', 'manifest': 'data/pairs/manifest.csv'}) == 'data/pairs'
    )


@pytest.fixture
def groups(make_result: Callable[..., Path], tmp_path: Path) -> dict[str, Group]:
    """Made-up results of three seeds, but of BASNet one; U2-NetP's trial was not run."""
    for run in select_runs(WORK, seeds=range(3)):
        model, variant = run.experiment.model, run.variant
        if model == 'u2netp' or (variant == 'basnet' and run.seed):
            continue
        if run.experiment.item == SIX_SETS:
            metrics = {
                f'saliency/{measure}/{name}': TABLES[name][variant][measure]
                for name in SETS
                for measure in MEASURES
            }
        else:
            iou = MADE_UP[variant] + run.seed / 1000
            iou += (variant == 'mask-rcnn') * (run.seed - 1) / 10_000
            metrics = {IOU: iou, 'saliency/MAE': 0.01, f'{IOU}/white': iou - 0.1}
        make_result(run, metrics)
    results = read_results(tmp_path / 'root')
    return {group.item: group for group in group_results(results, WORK) if group.results}


def verdicts(groups: dict[str, Group]) -> dict[str, Verdict]:
    """The verdict of each claim."""
    return {claim.name: claim.judge(groups[claim.item], groups) for claim in WORK.claims}


def test_ranking(groups: dict[str, Group]) -> None:
    """The augmentation with the best mean comes first; what was not run is left out."""
    first, second = groups[TRIAL].cells
    assert [name for name, _, _ in ranked(first, IOU)] == ['crop', 'both', 'none', 'flip']
    assert ranked(first, IOU)[0][1:] == (pytest.approx(0.931), 3)
    assert ranked(second, IOU) == []
    ranking, clusters = WORK.exhibits[TRIAL](groups[TRIAL])
    assert ranking.rows[0]['variant'] == 'random crops'
    assert ranking.rows[1]['behind the best'] == '-0.0100'
    assert {row['white'] for row in clusters.rows} == {'0.8010', '0.7810', '0.8310', '0.8210'}


def test_claims(groups: dict[str, Group]) -> None:
    """0.993 is on target; one seed of BASNet leaves the choice open; the ranking is shown."""
    found = verdicts(groups)
    assert found['N-a'] == Verdict('holds', 'U²-Net: IoU 0.9930 [0.9905, 0.9955]')
    assert found['N-b'].label == 'undecided'
    assert found['N-b'].figures.startswith('BASNet -0.0110 (one seed); Mask R-CNN -0.0420 [')
    assert found['A'].label == 'undecided'
    assert 'crop 0.9310, both 0.9210' in found['A'].figures


@pytest.mark.parametrize(
    ('scores', 'label'),
    [
        ((0.9901,), 'undecided'),
        ((0.995, 0.984, 0.992), 'undecided'),
        ((0.9895, 0.9897, 0.9894), 'does not hold'),
    ],
)
def test_target(
    scores: tuple[float, ...], label: str, make_result: Callable[..., Path], tmp_path: Path
) -> None:
    """The interval decides, not the mean; one training decides nothing."""
    runs = select_runs(WORK, [NETWORKS], variants=['u2net'], seeds=range(len(scores)))
    for run in runs:
        make_result(run, {IOU: scores[run.seed]})
    results = group_results(read_results(tmp_path / 'root'), WORK)
    claim = next(each for each in WORK.claims if each.name == 'N-a')
    found = next(each for each in results if each.item == NETWORKS)
    assert claim.judge(found, {}).label == label


def test_the_tables_stand_beside_each_other(groups: dict[str, Group]) -> None:
    """All five measures of both networks on six sets."""
    (layout,) = WORK.exhibits[SIX_SETS](groups[SIX_SETS])
    assert len(layout.rows) == 12
    for row in layout.rows:
        assert all(row[name] == row[f'paper: {name}'] for name in MEASURES)


@pytest.mark.usefixtures('groups')
def test_report(tmp_path: Path) -> None:
    """Pages and tables are written, with rankings and with the numbers of the works."""
    report = build_report(tmp_path / 'root', 'levi9')
    files = {path.name for path in write_report(report, tmp_path / 'report')}
    assert {'networks_pairs.csv', 'augmentation_pairs_ranking.csv', 'six_sets_duts.csv'} <= files
    text = (tmp_path / 'report' / 'report.md').read_text()
    assert '0.994' in text
    assert '25,600' in text
    assert 'Augmentations, the best first' in text


@pytest.mark.usefixtures('groups')
def test_report_is_not_about_backgrounds(tmp_path: Path) -> None:
    """The heading is the work's, and its pages are known as ours when they are written again."""
    folder = tmp_path / 'report'
    for _ in range(2):
        write_report(build_report(tmp_path / 'root', 'levi9'), folder)
    page, text = (folder / 'index.html').read_text(), (folder / 'report.md').read_text()
    assert f'<h1>{WORK.heading}</h1>\n<p>' in page
    assert f'<title>{WORK.heading}</title>' in page
    assert text.startswith(f'# {WORK.heading}\n')
    assert 'Differences are each variant minus its baseline.' in text
    assert 'against' not in page.partition('<nav')[0].partition('<h1>')[2]
    assert 'background of the photos' not in page
    assert 'variant minus U²-Net of the same seed' in page
    assert 'original' not in page


@pytest.mark.usefixtures('groups')
def test_heading_of_several_works(tmp_path: Path, make_pairs: Callable[..., None]) -> None:
    """Beside a work about backgrounds neither heading would fit, so that none of them is taken."""
    make_pairs('vgg11', [(20, 26)])
    report = build_report(tmp_path / 'root')
    assert [work.name for work in report.works] == ['liang2023', 'levi9']
    assert (report.heading, report.baseline) == ('Results of several works', 'its baseline')
    alone = build_report(tmp_path / 'root', 'liang2023')
    assert alone.heading == 'Original against other backgrounds'
    assert alone.lead == 'What changing the background of the photos does to the results'
