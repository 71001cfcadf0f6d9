"""The study of background bias: its configs, its numbers, and how its claims are judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

from bgremoval_mm.engine.pairs import SUFFIXES
from bgremoval_mm.experiments.base import Verdict
from bgremoval_mm.experiments.papers.kobs2022 import WORK
from bgremoval_mm.experiments.papers.kobs2022.experiments import EXPERIMENTS, ITEM, MetricLearning
from bgremoval_mm.experiments.papers.kobs2022.published import ATTENTION, CLEAN, REPLACED
from bgremoval_mm.experiments.report.groups import Group, group_results
from bgremoval_mm.experiments.report.page import build_report, write_report
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.runner.runs import select_runs

ROOT = Path(__file__).resolve().parents[2]
LOSSES = ('arcface', 'contrastive', 'multi-similarity', 'normalized-softmax', 'triplet')
DATASETS = {'cars196': 74, 'cub200': 75, 'sop': 8489, 'grocery-store': 30}
CELLS = [(each, dataset) for each in EXPERIMENTS for dataset in each.datasets]
IDS = [Path(each.config(dataset)).stem for each, dataset in CELLS]

# The yaml files of the work's code, typed a second time. Loss -> its class here, photos of a class
# in a batch, names of the arguments; then their values and the proxies' learning rate by dataset.
KINDS = {
    'contrastive': ('ContrastiveLoss', 4, ('pos_margin', 'neg_margin')),
    'triplet': ('TripletMarginLoss', 4, ('margin',)),
    'multi-similarity': ('MultiSimilarityLoss', 4, ('alpha', 'beta', 'base')),
    'arcface': ('ArcFaceLoss', 1, ('margin', 'scale')),
    'normalized-softmax': ('NormalizedSoftmaxLoss', 1, ('temperature',)),
}
VALUES: dict[str, dict[str, tuple[tuple[float, ...], float | None]]] = {
    'cars196': {
        'contrastive': ((0.26523381895861114, 0.5409405918690342), None),
        'triplet': ((0.11902737154413517,), None),
        'multi-similarity': ((14.358760978642266, 75.83486384086837, 0.6615555839124118), None),
        'arcface': ((20.52230893710211, 49.501652066223656), 7.398518179078544e-06),
        'normalized-softmax': ((0.08863250090946041,), 0.011046164985524668),
    },
    'cub200': {
        'contrastive': ((-0.19999999999999726, 0.3841191369511769), None),
        'triplet': ((0.09610074859813894,), None),
        'multi-similarity': ((0.010000000000000505, 50.601773762279336, 0.5624815816186126), None),
        'arcface': ((23.225935497468093, 99.99999999999999), 0.0051384088179694),
        'normalized-softmax': ((0.10874714987070239,), 0.004468915155818225),
    },
    'sop': {
        'contrastive': ((0.2850258234628094, 0.5130146609636679), None),
        'triplet': ((0.04519248868248313,), None),
        'multi-similarity': ((8.492496310524517, 57.38862611417401, 0.41673621630849955), None),
        'arcface': ((18.63185573324141, 220.36285192573413), 0.0020186601854510562),
        'normalized-softmax': ((0.06306243924788482,), 0.0005468337161961759),
    },
}
VALUES['grocery-store'] = VALUES['cars196']


@cache
def _loaded(name: str) -> Config:
    return Config.fromfile(ROOT / 'configs' / name)


def load(experiment: MetricLearning, dataset: str, variant: str = 'original') -> Config:
    """The config of a cell; the copy may be changed."""
    pytest.importorskip('mmpretrain')
    return deepcopy(_loaded(experiment.config(dataset, variant)))


def test_every_config_is_an_experiment() -> None:
    """35 configs of the work's and 10 of the groceries, each an experiment's and no more."""
    folder = ROOT / 'configs/metric_learning'
    files = {path.relative_to(folder.parent).as_posix() for path in folder.glob('*/*.py')}
    expected = {
        each.config(dataset, variant.name) for each, dataset in CELLS for variant in each.variants
    }
    assert files == expected
    assert len([name for name in files if '/bn_inception/' in name]) == 35
    assert len([name for name in files if '/efficientnet_lite/' in name]) == 10
    assert sum('-bgval' in name for name in files) == 5
    assert {(each.model, dataset) for each, dataset in CELLS} == set(product(LOSSES, DATASETS))
    assert {each.tested for each in EXPERIMENTS} == {'best'}


@pytest.mark.parametrize(('experiment', 'dataset'), CELLS, ids=IDS)
def test_settings_of_the_work(experiment: MetricLearning, dataset: str) -> None:
    """Loss, sampling and learning rates, network and crops, stop and test are the work's."""
    config = load(experiment, dataset)
    kind, m, names = KINDS[experiment.model]
    values, proxies_lr = VALUES[dataset][experiment.model]
    if dataset == 'grocery-store':
        m = max(m, 2)  # 30 classes do not fill a batch of 32
    head = config.model.head
    assert head.loss == dict(zip(names, values, strict=True), type=kind)
    assert (head.embedding_size, head.num_classes) == (128, DATASETS[dataset])
    assert experiment.datasets[dataset] == DATASETS[dataset]

    loader = config.train_dataloader
    assert loader.batch_size == 32
    assert loader.batch_sampler == dict(type='MPerClassBatchSampler', m=m, iterations=100)
    optimizer = dict(type='RMSprop', lr=1e-6, weight_decay=1e-4, momentum=0.9)
    proxies = {'custom_keys': {'head.loss_module': {'lr': proxies_lr}}} if proxies_lr else None
    assert config.optim_wrapper.optimizer == optimizer
    assert config.optim_wrapper.get('paramwise_cfg') == proxies
    assert 'param_scheduler' not in config
    assert config.train_cfg.max_epochs == 1000

    freeze, stop, attention = config.custom_hooks
    assert freeze.type == 'FreezeBatchNormHook'
    assert (stop.type, stop.patience, stop.min_delta) == (
        'ResumableEarlyStoppingHook',
        15,
        0,
    )
    assert stop.monitor == config.default_hooks.checkpoint.save_best == 'retrieval/MAP@R'
    folder = f'data/masks/{Path(config.photos.data_root).name}'
    assert attention == dict(type='AttentionScoreHook', mask_dir=folder, model='u2net')
    assert config.test_cfg == dict(
        type='BackgroundTestLoop',
        bank='data/background_bank/bank_b.txt',
        mask_dir=folder,
        model='u2net',
        on_missing='error',
        resize='linear',
        repeats=5,
    )
    for subset in ('train', 'val', 'test'):
        photos = config[f'{subset}_dataloader'].dataset
        assert photos.subset == subset
        assert photos.data_root == config.photos.data_root

    if experiment.network == 'bn-inception':
        preprocessor = dict(mean=[104, 117, 128], std=[1, 1, 1], to_rgb=False)
        assert config.data_preprocessor == preprocessor
        _, resize, crop, flip, _ = config.train_pipeline
        assert (resize.scale, resize.edge) == (256, 'short')
        ranges = (crop.scale, crop.crop_ratio_range, crop.aspect_ratio_range, flip.prob)
        assert ranges == (227, (0.16, 1.0), (0.75, 1.33), 0.5)
        _, resize, crop, _ = config.test_pipeline
        assert (resize.scale, resize.edge, crop.crop_size) == (256, 'short', 227)


@pytest.mark.parametrize(('experiment', 'dataset'), CELLS, ids=IDS)
def test_variant_differs_in_backgrounds_alone(experiment: MetricLearning, dataset: str) -> None:
    """It is short and inherits; without wrapper and hooks it is its original. The test is alike."""
    original = load(experiment, dataset).to_dict()
    for variant, wrapped in (('bgaug', ('train', 'val')), ('bgval', ('val',))):
        if variant not in {each.name for each in experiment.variants}:
            continue
        path = ROOT / 'configs' / experiment.config(dataset, variant)
        text = path.read_text(encoding='utf-8')
        assert len(text.splitlines()) <= 12
        original_name = Path(experiment.config(dataset)).name
        assert text.startswith(f"_base_ = './{original_name}'\n")
        content = load(experiment, dataset, variant).to_dict()
        for subset in wrapped:
            outer = content[f'{subset}_dataloader']['dataset']
            inner, pipeline = outer.pop('dataset'), outer.pop('pipeline')
            assert outer == original['bgaug']
            assert outer['type'] == 'RembgDataset'
            assert outer['bank'] == 'data/background_bank/bank_a.txt'
            assert outer['mask_dir'] == original['test_cfg']['mask_dir']
            content[f'{subset}_dataloader']['dataset'] = {**inner, 'pipeline': pipeline}
        more = content['custom_hooks'][len(original['custom_hooks']) :]
        assert [hook['type'] for hook in more] == ['DiffMetricsHook', 'DisjointBanksHook']
        content['custom_hooks'] = original['custom_hooks']
        assert content == original


@pytest.mark.parametrize('loss', LOSSES)
@pytest.mark.parametrize('dataset', ['cars196', 'grocery-store'])
@pytest.mark.usefixtures('no_initialisation')
def test_model_builds(loss: str, dataset: str) -> None:
    """Backbone, head and loss; the proxies have the learning rate of the loss, all else 1e-6."""
    experiment = next(e for e in EXPERIMENTS if e.model == loss and dataset in e.datasets)
    config = load(experiment, dataset)
    config.model.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build({'data_preprocessor': config.data_preprocessor, **config.model})
    groups = build_optim_wrapper(model, config.optim_wrapper).optimizer.param_groups
    proxies_lr = VALUES[dataset][loss][1]
    names = [name for name, _ in model.named_parameters()]
    if proxies_lr is None:
        assert {group['lr'] for group in groups} == {1e-6}
    else:
        rates = {name: group['lr'] for name, group in zip(names, groups, strict=True)}
        assert rates.pop('head.loss_module.W') == proxies_lr
        assert set(rates.values()) == {1e-6}
        assert model.head.loss_module.W.shape == (128, DATASETS[dataset])


@pytest.mark.parametrize('folder', sorted({each.folder for each in EXPERIMENTS}))
def test_readme_names_every_config(folder: str) -> None:
    """The patterns in a folder's README stand for each of its configs, once."""
    text = (ROOT / 'configs' / folder / 'README.md').read_text(encoding='utf-8')
    named = []
    for pattern in re.findall(r'\| `(\S+\.py)`', text):
        parts = re.split(r'\{(.*?)\}', pattern)
        choices = [part.split(',') if number % 2 else [part] for number, part in enumerate(parts)]
        named += [''.join(chosen) for chosen in product(*choices)]
    assert sorted(named) == sorted(file.name for file in (ROOT / 'configs' / folder).glob('*.py'))


def test_the_work_is_complete() -> None:
    """Its items have metrics, its datasets titles; claims and numbers are of what there is."""
    assert set(WORK.metrics) == set(WORK.items) == {ITEM, 'Classifiers'}
    assert set(WORK.datasets) == {*DATASETS, 'clothing10'}
    assert {name for claim in WORK.claims for name in claim.datasets} <= set(DATASETS)
    assert {each.model for each in WORK.published} == set(LOSSES)
    assert len(WORK.published) == 5 * 3 * 3
    assert {variant.suffix for each in EXPERIMENTS for variant in each.variants[1:]} <= set(
        SUFFIXES
    )


def table(metric: str, dataset: str) -> pd.DataFrame:
    """What the work prints of a metric: a row a loss, a column a variant."""
    return pd.DataFrame(
        {
            each.model: each.values
            for each in WORK.published
            if each.metric == metric and each.datasets == (dataset,)
        }
    ).T


def ends(values: pd.Series) -> tuple[float, float]:
    """Least and greatest, to a decimal."""
    return round(float(values.min()), 1), round(float(values.max()), 1)


def on(dataset: str, found: Mapping[tuple[str, str], float]) -> pd.Series:
    """What was found on a dataset."""
    return pd.Series({cell: value for cell, value in found.items() if cell[1] == dataset})


def test_what_the_tables_show() -> None:
    """The figures of the claims: drops, gains in 14 of 15 cells, the cost on Products."""
    drops, gains, attention, cost = {}, {}, {}, {}
    for dataset in ('cars196', 'cub200', 'sop'):
        clean, replaced = table(CLEAN, dataset), table(REPLACED, dataset)
        drops[dataset] = ends((replaced.original / clean.original - 1) * 100)
        for found, metric in ((gains, REPLACED), (attention, ATTENTION), (cost, CLEAN)):
            each = table(metric, dataset)
            found |= {(loss, dataset): d for loss, d in (each.bgaug - each.original).items()}
    assert drops == {'cars196': (-16.1, -12.5), 'cub200': (-40.2, -36.4), 'sop': (-89.0, -81.5)}
    odd = ('multi-similarity', 'cars196')
    assert [cell for cell, gain in gains.items() if gain < 0] == [odd]
    assert [cell for cell, gain in attention.items() if gain < 0] == [odd]
    assert len(gains) == len(attention) == 15
    assert (round(gains[odd], 2), round(attention[odd], 3)) == (-0.77, -0.018)
    assert ends(on('cars196', gains).drop([odd])) == (1.8, 3.0)
    assert ends(on('cub200', gains)) == (3.0, 5.1)
    assert ends(on('sop', gains)) == (9.6, 19.9)
    assert sorted(on('sop', cost).round(2))[::4] == [-18.25, -6.46]
    assert [cell for cell, change in cost.items() if change < -1 and cell[1] != 'sop'] == [odd]
    assert round(cost[odd], 2) == -3.19


def test_deviations() -> None:
    """Beside the numbers stand those of five tests, and of the test photos."""
    found = {
        (each.model, each.metric): each.deviations
        for each in WORK.published
        if each.datasets == ('sop',)
    }
    assert found['triplet', CLEAN] == {}
    assert found['triplet', REPLACED] == {'original': 0.06, 'bgaug': 0.07}
    assert found['triplet', ATTENTION] == {'original': 0.166, 'bgaug': 0.215}


def printed(dataset: str) -> dict[str, dict[str, tuple[float, ...]]]:
    """Loss to variant to MAP@R, MAP@R on replaced backgrounds and attention, as printed."""
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for metric in (CLEAN, REPLACED, ATTENTION):
        for loss, row in table(metric, dataset).iterrows():
            for variant, value in row.items():
                cell = found.setdefault(str(loss), {})
                cell[str(variant)] = (*cell.get(str(variant), ()), float(value))
    return found


@pytest.fixture
def make_runs(make_result: Callable[..., Path]) -> Callable[..., None]:
    """A function that writes the results of three seeds, which differ by little."""

    def make(dataset: str, numbers: Any, seeds: int = 3) -> None:
        for run in select_runs(WORK, [], [dataset], seeds=range(seeds)):
            values = numbers.get(run.experiment.model, {}).get(run.variant)
            if values is not None:
                noise = (run.seed - 1) * 0.001 * (1 if run.variant == 'original' else 2)
                metrics = {
                    key: value + noise * steps
                    for steps, (key, value) in enumerate(
                        zip((CLEAN, REPLACED, ATTENTION), values, strict=True), start=1
                    )
                }
                metrics['replaced_std/retrieval/MAP@R'] = 0.1
                metrics['attention/photos'] = 12.0
                make_result(run, metrics, checkpoint='best.pth')

    return make


def group(root: Path, dataset: str) -> Group:
    """The group of results on a dataset."""
    return next(e for e in group_results(read_results(root), WORK) if e.dataset == dataset)


def verdict(name: str, root: Path, dataset: str) -> Verdict:
    """The verdict on a claim."""
    claim = next(each for each in WORK.claims if each.name == name)
    found = group(root, dataset)
    assert claim.is_about(found.item, dataset)
    return claim.judge(found, {})


def test_the_works_own_numbers_hold(make_runs: Callable, tmp_path: Path) -> None:
    """Results like those of the tables, with several seeds, bear out each claim."""
    for dataset in ('cars196', 'cub200', 'sop'):
        make_runs(dataset, printed(dataset))
        for claim in WORK.claims:
            if claim.is_about(ITEM, dataset) and claim.name != 'T1-d':
                found = verdict(claim.name, tmp_path / 'root', dataset)
                assert found.label == 'holds', (claim.name, dataset)
                assert found.figures.count(';') == 4


def test_opposite_numbers_do_not_hold(make_runs: Callable, tmp_path: Path) -> None:
    """With original and replaced exchanged, and better on other backgrounds, nothing does."""
    numbers = printed('cars196')
    numbers['triplet'] = {'original': (10.0, 12.0, 0.6), 'bgaug': (4.0, 9.0, 0.5)}
    make_runs('cars196', numbers)
    for name in ('T1-a', 'T1-b', 'T1-c', 'T2'):
        assert verdict(name, tmp_path / 'root', 'cars196').label == 'does not hold', name


@pytest.mark.parametrize('what', ['one seed', 'a loss is missing', 'a variant is missing'])
def test_what_is_missing_is_undecided(what: str, make_runs: Callable, tmp_path: Path) -> None:
    """One seed decides nothing, and neither do four losses."""
    numbers = printed('cub200')
    if what == 'a loss is missing':
        del numbers['arcface']
    if what == 'a variant is missing':
        del numbers['arcface']['bgaug']
    make_runs('cub200', numbers, seeds=1 if what == 'one seed' else 3)
    root = tmp_path / 'root'
    assert {verdict(name, root, 'cub200').label for name in ('T1-b', 'T1-c', 'T2')} == {'undecided'}
    expected = 'holds' if what == 'a variant is missing' else 'undecided'
    assert verdict('T1-a', root, 'cub200').label == expected
    words = {'one seed': '(one seed)'}.get(what, 'ArcFace not run')
    assert words in verdict('T1-b', root, 'cub200').figures


def test_drop_is_of_the_same_runs(make_runs: Callable, tmp_path: Path) -> None:
    """T1-a is about two metrics of the original variant, seed by seed."""
    make_runs('cars196', {'triplet': {'original': (15.0, 12.5, 0.5), 'bgaug': (1.0, 99.0, 0.5)}})
    figures = verdict('T1-a', tmp_path / 'root', 'cars196').figures
    assert 'Triplet -2.50 [-2.50, -2.50]' in figures


def test_groceries_are_judged_by_what_most_cells_show(make_runs: Callable, tmp_path: Path) -> None:
    """Without numbers of the work each loss must gain; sizes are not judged."""
    up = {'original': (30.0, 20.0, 0.1), 'bgaug': (25.0, 24.0, 0.2)}
    make_runs('grocery-store', dict.fromkeys(LOSSES, up))
    root = tmp_path / 'root'
    assert verdict('T1-b', root, 'grocery-store').label == 'holds'
    assert verdict('T2', root, 'grocery-store').label == 'holds'
    assert not any(c.is_about(ITEM, 'grocery-store') for c in WORK.claims if c.name == 'T1-c')


def test_selection_alone(make_runs: Callable, tmp_path: Path) -> None:
    """The third variant of Cars196 is shown; the work names no direction."""
    cell = {'original': (15.0, 12.0, 0.5), 'bgval': (14.0, 12.5, 0.5)}
    make_runs('cars196', dict.fromkeys(LOSSES, cell))
    found = verdict('T1-d', tmp_path / 'root', 'cars196')
    assert found.label == 'undecided'
    assert 'ArcFace +0.50 [' in found.figures


def test_report(make_runs: Callable, tmp_path: Path) -> None:
    """Ours beside the work's, with its deviations, for every metric; claims where they belong."""
    numbers = printed('cars196')
    numbers['triplet']['bgval'] = (15.0, 13.5, 0.51)
    make_runs('cars196', numbers)
    make_runs('grocery-store', {'triplet': {'original': (30.0, 20.0, 0.1)}})
    write_report(build_report(tmp_path / 'root'), tmp_path / 'report')
    frame = pd.read_csv(tmp_path / 'report' / 'tables_1_and_2_cars196.csv', dtype=str)
    assert len(frame) == 5 * 2 * 3
    rows = frame.set_index(['network', 'variant', 'metric'])
    row = rows.loc['Contrastive', 'background replaced', 'MAP@R, test backgrounds replaced']
    assert (row['original'], row['changed'], row['difference']) == ('13.31', '16.31', '+3.00')
    assert (row['paper: original'], row['paper: changed']) == ('13.31 ± 0.15', '16.31 ± 0.03')
    assert row['paper: difference'] == '+3.00'
    assert row['test images'] == '60'
    row = rows.loc['Contrastive', 'background replaced', 'attention score']
    assert row['test images'] == '12'  # not of all
    assert (row['original'], row['paper: changed']) == ('0.505', '0.534 ± 0.100')
    row = rows.loc['Triplet', 'selected on replaced backgrounds', 'MAP@R, test photos as they are']
    assert (row['changed'], row['paper: original'], row['paper: changed']) == (
        '15.00',
        '15.33',
        '—',
    )
    claims = {
        path.stem: pd.read_csv(path)['claim'].tolist()
        for path in (tmp_path / 'report').glob('*_claims.csv')
    }
    assert claims == {
        'tables_1_and_2_cars196_claims': ['T1-a', 'T1-b', 'T1-c', 'T1-d', 'T2'],
        'tables_1_and_2_cub200_claims': ['T1-a', 'T1-b', 'T1-c', 'T2'],
        'tables_1_and_2_sop_claims': ['T1-a', 'T1-b', 'T1-c', 'T2'],
        'tables_1_and_2_grocery-store_claims': ['T1-a', 'T1-b', 'T2'],
    }
    page = (tmp_path / 'report' / 'index.html').read_text(encoding='utf-8')
    assert '<td class="paper">13.31 ± 0.15</td>' in page
    assert 'Kobs, Hotho: On Background Bias in Deep Metric Learning, ICMV 2022' in page
    assert page.count("not the paper's data</span>") == 1
