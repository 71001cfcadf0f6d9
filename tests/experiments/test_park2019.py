"""The study of fashion retrieval: its configs, its numbers, and how its claims are judged."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope
from PIL import Image, ImageColor

from bgremoval_mm.datasets.replaced import replace_tree
from bgremoval_mm.engine.pairs import SUFFIXES, baseline_name, what_is_changed
from bgremoval_mm.evaluation.metrics.per_image import write_per_image
from bgremoval_mm.experiments.base import Exhibit, Verdict
from bgremoval_mm.experiments.papers.park2019 import WORK
from bgremoval_mm.experiments.papers.park2019.exhibits import curve_exhibits
from bgremoval_mm.experiments.papers.park2019.experiments import (
    CATEGORY_ITEM,
    CONSUMER_ITEM,
    EXPERIMENTS,
    IN_SHOP_ITEM,
    LOSSES,
    NETWORKS,
    OPEN_ITEM,
    STREET_ITEM,
    Retrieval,
)
from bgremoval_mm.experiments.papers.park2019.published import HITS, hit
from bgremoval_mm.experiments.papers.park2019.sheets import query_exhibits
from bgremoval_mm.experiments.report.groups import Group, group_results
from bgremoval_mm.experiments.report.page import build_report, write_report
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.runner.options import load_config, missing_data, photos_of
from bgremoval_mm.experiments.runner.runs import Workspace, select_runs
from bgremoval_mm.visualization.canvas import RIGHT, WRONG

ROOT = Path(__file__).resolve().parents[2]
CELLS = [(each, dataset) for each in EXPERIMENTS for dataset in each.datasets]
IDS = [Path(each.config(dataset)).stem for each, dataset in CELLS]
SUBSETS = ('train', 'val', 'test')
OPEN = ((OPEN_ITEM, 'luma-items'), (OPEN_ITEM, 'groceries'), (STREET_ITEM, 'luma-street'))
TRIPLETS = {'oc': None, 'oc-os': ('category',), 'oc-is': ('item',)}
# Dataset: its class, its folder, categories, and the subset of validation.
DATA = {
    'inshop': ('DeepFashionInShop', 'deepfashion_inshop', 23, 'test'),
    'consumer2shop': ('DeepFashionConsumerToShop', 'deepfashion_consumer2shop', 50, 'val'),
    'category': ('DeepFashionCategory', 'deepfashion_category', 46, 'val'),
    'luma-items': ('CatalogueItems', 'luma_catalogue', 10, 'val'),
    'groceries': ('GroceryStoreItems', 'grocery_store', 43, 'val'),
    'luma-street': ('CatalogueItems', 'luma_catalogue', 10, 'val'),
}
BACKBONES = {
    'resnet50': ('ResNet', 2048, 'resnet50_8xb32'),
    'densenet121': ('DenseNet', 1024, 'densenet121_4xb256'),
    'seresnet50': ('SEResNet', 2048, 'se-resnet50_batch256'),
    'seresnext50': ('SEResNeXt', 2048, 'resnext50_32x4d'),
    'efficientnet-lite0': ('TIMMBackbone', 1280, 'efficientnet-lite0-57934424'),
}


@cache
def _loaded(name: str) -> Config:
    return Config.fromfile(ROOT / 'configs' / name)


def load(experiment: Retrieval, dataset: str, variant: str = 'original') -> Config:
    """The config of a cell; the copy may be changed."""
    pytest.importorskip('mmpretrain')
    return deepcopy(_loaded(experiment.config(dataset, variant)))


def test_every_config_is_an_experiment() -> None:
    """Each cell of the tables and each curve, in three variants; the open photos in four."""
    folder = ROOT / 'configs/retrieval'
    files = {path.relative_to(folder.parent).as_posix() for path in folder.glob('*/*.py')}
    expected = {
        each.config(dataset, variant.name) for each, dataset in CELLS for variant in each.variants
    }
    assert files == expected
    originals = {(each.item, each.model, dataset) for each, dataset in CELLS}
    four = ('resnet50', 'densenet121', 'seresnet50', 'seresnext50')
    assert tuple(NETWORKS) == four
    assert originals == {
        *((IN_SHOP_ITEM, f'{name}_{loss}', 'inshop') for name in four[:2] for loss in LOSSES),
        *((IN_SHOP_ITEM, f'{name}_oc-is', 'inshop') for name in four),
        *((CATEGORY_ITEM, f'{name}_oc', 'category') for name in four),
        *((CONSUMER_ITEM, f'{name}_oc-is', 'consumer2shop') for name in four),
        *(
            (item, f'efficientnet-lite0_{loss}', dataset)
            for loss in LOSSES
            for item, dataset in OPEN
        ),
    }
    assert len([name for name in files if '/deepfashion/' in name]) == 48
    assert len([name for name in files if '/efficientnet_lite/' in name]) == 36
    assert {each.tested for each in EXPERIMENTS} == {'last'}


@pytest.mark.parametrize(('experiment', 'dataset'), CELLS, ids=IDS)
def test_settings_of_the_work(experiment: Retrieval, dataset: str) -> None:
    """Backbone and weights, loss, optimiser, steps and batches are the work's; so is the test."""
    config = load(experiment, dataset)
    network, loss = experiment.model.split('_')
    kind, channels, weights = BACKBONES[network]
    model, (reader, folder, categories, val) = config.model, DATA[dataset]
    assert model.backbone.type == kind
    assert weights in model.backbone.init_cfg.checkpoint
    # Alpha 1, beta 0.1, delta 0.3 and the sign are the head's, which has its own test.
    expected = dict(type='SimilarityClsHead', in_channels=channels, num_classes=categories)
    if TRIPLETS[loss]:
        expected['triplets'] = TRIPLETS[loss]
    assert model.head == expected
    assert experiment.datasets[dataset] == categories == config.data_preprocessor.num_classes

    assert config.optim_wrapper.optimizer == dict(type='Adam', lr=1e-4, weight_decay=0)
    assert config.param_scheduler == dict(
        type='MultiStepLR', by_epoch=True, milestones=[100, 150], gamma=0.1
    )
    assert config.train_cfg.max_epochs == 200
    is_open = (experiment.item, dataset) in OPEN
    batch = 32 if is_open else 64
    assert {config[f'{subset}_dataloader'].batch_size for subset in SUBSETS} == {batch}
    sampler = config.train_dataloader.get('batch_sampler')
    items = dict(type='MPerClassBatchSampler', by='item_id', m=4, least=2, iterations=None)
    assert sampler == (items if loss == 'oc-is' else None)

    for subset, wanted in (('train', 'train'), ('val', val)):
        photos = config[f'{subset}_dataloader'].dataset
        assert (photos.type, photos.subset) == (reader, wanted)
    shared = 'data' if dataset == 'luma-street' else f'data/{folder}'
    assert photos_of(config.test_dataloader.dataset) == shared
    tested = config.test_dataloader.dataset
    parts = [each.subset for each in tested.get('datasets', [tested])]
    assert parts == (['query', 'gallery'] if is_open else ['test'])
    accuracy = dict(type='Accuracy', topk=(1, 3, 5))
    if experiment.item == CATEGORY_ITEM:
        assert config.test_evaluator == config.val_evaluator == accuracy
    else:
        assert config.test_evaluator == [dict(type='QueryGalleryMetric'), accuracy]
        for step in (config.train_pipeline[-1], config.test_pipeline[-1]):
            assert step == dict(type='PackInputs', algorithm_keys=('item_id', 'role'))
        assert config.default_hooks.checkpoint.save_best is None
    assert config.randomness.seed == 0
    assert not config.auto_scale_lr.enable


def inner(dataset: dict[str, Any], removal: dict[str, Any]) -> dict[str, Any]:
    """Take the wrapper off, and check that it is the registered one."""
    wrapped, pipeline = dataset.pop('dataset'), dataset.pop('pipeline', None)
    assert dataset == removal
    return wrapped if pipeline is None else {**wrapped, 'pipeline': pipeline}


@pytest.mark.parametrize(('experiment', 'dataset'), CELLS, ids=IDS)
def test_variant_differs_in_backgrounds_alone(experiment: Retrieval, dataset: str) -> None:
    """Each is short and inherits; without wrapper and hooks it is its original."""
    original = load(experiment, dataset).to_dict()
    masks = f'data/masks/{DATA[dataset][1]}'
    for variant in experiment.variants[1:]:
        path = ROOT / 'configs' / experiment.config(dataset, variant.name)
        text = path.read_text(encoding='utf-8')
        assert len(text.splitlines()) <= 10
        assert text.startswith(f"_base_ = ['./{Path(experiment.config(dataset)).name}', ")
        content = load(experiment, dataset, variant.name).to_dict()
        removal = content.pop('bgaug' if variant.name == 'bgaug' else 'rembg')
        for name in ('queries', 'gallery', 'white', 'parts'):
            content.pop(name, None)
        assert (removal['type'], removal['mask_dir']) == ('RembgDataset', masks)
        assert removal['on_missing'] == 'error'
        assert ('bank' in removal) == (variant.name == 'bgaug')
        of_queries = removal
        if dataset == 'luma-street' and variant.name != 'bgaug':
            of_queries = content.pop('rembg_street')
            assert of_queries == removal | {'mask_dir': 'data/masks/luma_street'}
        if variant.name == 'rembg-queries':
            # The gallery of Luma is white: black would be one more difference.
            white = {} if dataset == 'groceries' else {'fill': 255}
            queries, gallery = content['test_dataloader']['dataset']['datasets']
            parts = [inner(queries, of_queries | white), gallery]
            content['test_dataloader']['dataset']['datasets'] = parts
        else:
            for subset in SUBSETS if variant.name == 'rembg' else ('train',):
                outer = content[f'{subset}_dataloader']['dataset']
                if of_queries != removal and subset == 'test':
                    parts = zip(outer['datasets'], (of_queries, removal), strict=True)
                    outer['datasets'] = [inner(*part) for part in parts]
                else:
                    content[f'{subset}_dataloader']['dataset'] = inner(outer, removal)
        hooks = content.pop('custom_hooks')
        expected = ['DiffMetricsHook'] + ['DisjointBanksHook'] * (variant.name == 'bgaug')
        assert [hook['type'] for hook in hooks] == expected
        if (variant.name, dataset) == ('bgaug', 'luma-street'):
            assert hooks[1]['tested'] == 'data/background_bank/bank_b.txt'
        assert content == original
        assert variant.suffix in SUFFIXES
        assert baseline_name(path.stem) == Path(experiment.config(dataset)).stem
        assert what_is_changed(path.stem) == SUFFIXES[variant.suffix]


@pytest.mark.parametrize(
    ('experiment', 'dataset'),
    [CELLS[IDS.index(f'{name}_oc-is_1xb64_inshop')] for name in NETWORKS]
    + [CELLS[IDS.index('efficientnet-lite0_oc-os_1xb32_luma-items')]],
    ids=lambda each: getattr(each, 'model', each),
)
@pytest.mark.usefixtures('no_initialisation')
def test_model_builds(experiment: Retrieval, dataset: str) -> None:
    """Backbone and head, with an output for each category."""
    config = load(experiment, dataset)
    config.model.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build({'data_preprocessor': config.data_preprocessor, **config.model})
    assert model.head.relaxation[-1].out_channels == experiment.datasets[dataset]
    assert (model.head.alpha, model.head.beta) == (1.0, 0.1)
    assert model.head.triplet_loss.margin == 0.3


@pytest.mark.parametrize(
    ('tree', 'model', 'dataset'),
    [
        ('deepfashion_inshop', 'resnet50_oc-is', 'inshop'),
        ('deepfashion_consumer2shop', 'resnet50_oc-is', 'consumer2shop'),
        ('deepfashion_category', 'resnet50_oc', 'category'),
        ('luma_items', 'efficientnet-lite0_oc-is', 'luma-items'),
        ('grocery_items', 'efficientnet-lite0_oc-is', 'groceries'),
        ('luma_items', 'efficientnet-lite0_oc-is', 'luma-street'),
    ],
)
def test_datasets_of_the_configs(
    request: pytest.FixtureRequest, tmp_path: Path, tree: str, model: str, dataset: str
) -> None:
    """All subsets of all variants are built and give network inputs; only backgrounds change."""
    root = request.getfixturevalue(tree)
    store = request.getfixturevalue('make_masks')(root)
    Image.new('RGB', (40, 40), 'red').save(tmp_path / 'background.png')
    (tmp_path / 'bank.txt').write_text('background.png')
    experiment = next(e for e in EXPERIMENTS if e.model == model and dataset in e.datasets)
    seen = {}
    for variant in experiment.variants:
        config = load(experiment, dataset, variant.name)
        for subset in SUBSETS:
            outer = config[f'{subset}_dataloader'].dataset
            point_to(outer, root, store, str(tmp_path / 'bank.txt'))
            with DefaultScope.overwrite_default_scope('mmpretrain'):
                photos = DATASETS.build(outer)
            samples = [photos[index] for index in range(len(photos))]
            means = [sample['inputs'].float().mean(dim=(1, 2)).tolist() for sample in samples]
            # Channels are B, G, R. The photos are green, removed black or white, replaced red.
            looks = [
                'removed'
                if blue > 100
                else 'red'
                if red > 20
                else 'green'
                if green > 100
                else 'removed'
                for blue, green, red in means
            ]
            seen[variant.name, subset] = looks
            if experiment.item != CATEGORY_ITEM and subset == 'test':
                roles = [sample['data_samples'].role for sample in samples]
                assert roles == sorted(roles, reverse=True)
                assert set(roles) == {'query', 'gallery'}
                seen['roles'] = roles
    for (variant, subset), looks in ((k, v) for k, v in seen.items() if k != 'roles'):
        expected = {'green'}
        if variant == 'rembg':
            expected = {'removed'}
        if variant == 'bgaug' and subset == 'train':
            expected = {'red'}
        if (variant, subset) == ('rembg-queries', 'test'):
            assert [look == 'removed' for look in looks] == [
                role == 'query' for role in seen['roles']
            ]
            continue
        assert set(looks) == expected, (variant, subset)


def test_queries_of_the_street() -> None:
    """Composites of back views are queries, the shop's own photos the gallery; training is Luma's.

    Masks of the clean photos are never those of the composites.
    """
    street, items = (
        next(each for each in EXPERIMENTS if name in each.datasets)
        for name in ('luma-street', 'luma-items')
    )
    for variant in street.variants:
        config = load(street, 'luma-street', variant.name).to_dict()
        same = load(items, 'luma-items', variant.name).to_dict()
        for part in ('model', 'train_dataloader', 'val_dataloader', 'optim_wrapper'):
            assert config[part] == same[part]
        queries, gallery = (
            (each.get('dataset', each), each)
            for each in config['test_dataloader']['dataset']['datasets']
        )
        photos, wrapper = queries
        assert (photos['data_root'], photos['subset']) == ('data/luma_street', 'query')
        assert photos['manifest'] == 'data/luma_catalogue/products.csv'
        assert photos['queries'] == {'view': ['back']}
        removed = variant.name in ('rembg', 'rembg-queries')
        assert wrapper.get('mask_dir') == ('data/masks/luma_street' if removed else None)
        photos, wrapper = gallery
        assert (photos['data_root'], photos['subset']) == ('data/luma_catalogue', 'gallery')
        assert photos['queries'] == {'view': ['back', 'alt']}
        removed = variant.name == 'rembg'
        assert wrapper.get('mask_dir') == ('data/masks/luma_catalogue' if removed else None)
        assert 'mask_dir' not in config['test_dataloader']['dataset']


def test_masks_of_clean_photos_are_refused_for_the_street(
    luma_items: Path, make_masks: Callable, tmp_path: Path
) -> None:
    """They lie under the same names, but were made from other content."""
    store = make_masks(luma_items)
    Image.new('RGB', (40, 40), 'red').save(tmp_path / 'background.png')
    (tmp_path / 'bank.txt').write_text('background.png')
    street = tmp_path / 'street'
    summary = replace_tree(luma_items, street, store, str(tmp_path / 'bank.txt'), 'u2netp')
    assert summary.done == len(pd.read_csv(luma_items / 'products.csv'))
    experiment = next(each for each in EXPERIMENTS if 'luma-street' in each.datasets)
    queries = load(experiment, 'luma-street', 'rembg-queries').test_dataloader.dataset.datasets[0]
    point_to(queries, luma_items, store, '')
    queries.dataset.data_root = str(street)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(queries)
        with pytest.raises(FileNotFoundError, match='was made from other content') as caught:
            dataset[0]
    assert f'tools/remove_background.py {street} ' in str(caught.value)


@pytest.mark.parametrize(
    ('there', 'missing'),
    [
        ('folds masks/luma_catalogue', 'no photos in data/luma_street: bgremoval replace '),
        (
            'folds masks/luma_catalogue luma_street',
            'no masks in data/masks/luma_street: python tools/remove_background.py '
            'data/luma_street data/masks/luma_street',
        ),
        (
            'folds masks/luma_street luma_street',
            'no masks in data/masks/luma_catalogue: python tools/remove_background.py '
            'data/luma_catalogue data/masks/luma_catalogue',
        ),
        ('folds masks/luma_street luma_street masks/luma_catalogue', ''),
    ],
)
def test_missing_data_of_the_street(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, missing: str
) -> None:
    """What is missing is named with the command that makes it."""
    pytest.importorskip('mmpretrain')
    monkeypatch.chdir(tmp_path)
    for name in ('luma_catalogue', *there.split()):
        folder = tmp_path / 'data' / name
        (folder / 'u2net' if 'masks' in name else folder).mkdir(parents=True)
    (tmp_path / 'data/folds/luma.csv').touch()
    (run,) = select_runs(WORK, [STREET_ITEM], models=['efficientnet-lite0_oc'], variants=['rembg'])
    found = missing_data(run, Workspace(tmp_path, ROOT / 'configs'))
    assert found == missing or (missing.endswith('replace ') and found.startswith(missing))


def point_to(node: Any, root: Path, store: str, bank: str) -> None:
    """Have a dataset's config read a small tree."""
    if isinstance(node, list | tuple):
        for each in node:
            point_to(each, root, store, bank)
        return
    if 'data_root' in node:
        node.data_root = str(root)
        if node.type.startswith('DeepFashion'):
            node.complete = False
        if node.type == 'CatalogueItems':
            node.fold_file = None
            if 'manifest' in node:
                node.manifest = str(root / 'products.csv')
            node.queries = dict(view=['back'])
            node.metainfo = dict(classes=('Jackets', 'Tees'))
    if 'mask_dir' in node:
        node.update(mask_dir=store, model='u2netp')
    if 'bank' in node:
        node.bank = bank
    for key in ('dataset', 'datasets'):
        if key in node:
            point_to(node[key], root, store, bank)


@pytest.fixture
def make_masks(tmp_path: Path, tiny_model: Callable) -> Callable[[Path], str]:
    """A function that makes masks of all photos of a folder; those of one colour keep nothing."""
    from bgremoval_mm.removal import remove_tree

    tiny_model('u2netp')

    def make(root: Path) -> str:
        remove_tree(root, tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
        return str(tmp_path / 'masks')

    return make


@pytest.mark.parametrize('variant', ['original', 'rembg', 'rembg-queries', 'bgaug'])
@pytest.mark.parametrize('dataset', ['luma-items', 'groceries', 'luma-street'])
def test_reduced_options(dataset: str, variant: str) -> None:
    """They fit every variant, and reach the pipelines that are used."""
    pytest.importorskip('mmpretrain')
    name, epochs, milestones = (
        ('groceries', 12, [6, 9]) if dataset == 'groceries' else ('items', 30, [15, 22])
    )
    file = ROOT / f'configs/reduced/efficientnet-lite0_{name}_96px.txt'
    lines = file.read_text().splitlines()
    options = [line for line in lines if line and not line.startswith('#')]
    experiment = next(
        e for e in EXPERIMENTS if e.model == 'efficientnet-lite0_oc-is' and dataset in e.datasets
    )
    config = load_config(ROOT / 'configs' / experiment.config(dataset, variant), options)
    assert config.train_cfg.max_epochs == epochs
    assert config.param_scheduler.milestones == milestones
    for subset in SUBSETS:
        for photos, pipeline in pipelines(config[f'{subset}_dataloader'].dataset):
            assert pipeline[1].scale == (96 if subset == 'train' else 108), photos
            assert subset == 'train' or pipeline[2].crop_size == 96


def pipelines(dataset: Any, given: Any = None) -> list[tuple[str, Any]]:
    """The pipeline that each base dataset uses: the outermost."""
    given = given or dataset.get('pipeline')
    children = [dataset[key] for key in ('dataset',) if key in dataset]
    children += dataset.get('datasets', [])
    if not children:
        return [(dataset.type, given)]
    return [found for child in children for found in pipelines(child, given)]


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


# The tables, typed a second time.
TABLE_1 = {
    'resnet50_oc': (63.3, 76.6),
    'resnet50_oc-os': (56.9, 69.5),
    'resnet50_oc-is': (82.6, 90.5),
    'densenet121_oc': (76.8, 87.3),
    'densenet121_oc-os': (62.8, 74.9),
    'densenet121_oc-is': (82.3, 90.9),
}
TABLE_2 = {
    'resnet50_oc': (87.34, 93.42),
    'densenet121_oc': (87.58, 93.39),
    'seresnet50_oc': (87.58, 93.58),
    'seresnext50_oc': (88.42, 93.93),
}


def test_published_numbers() -> None:
    """Both tables are there, as metrics of the right item, in percent."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for each in WORK.published:
        (value,) = each.values.values()
        found.setdefault((each.item, each.model), {})[each.metric] = value
    expected = {
        (IN_SHOP_ITEM, model): {hit(5): first, hit(20): second}
        for model, (first, second) in TABLE_1.items()
    } | {
        (CATEGORY_ITEM, model): {'accuracy/top3': first, 'accuracy/top5': second}
        for model, (first, second) in TABLE_2.items()
    }
    assert found == expected


def test_the_work_is_complete() -> None:
    """Its items have metrics, its datasets titles; claims are of what there is."""
    items = (IN_SHOP_ITEM, CATEGORY_ITEM, CONSUMER_ITEM, OPEN_ITEM, STREET_ITEM)
    assert WORK.items == tuple(WORK.metrics) == items
    assert set(WORK.datasets) == set(DATA)
    assert {claim.item for claim in WORK.claims} == set(items)
    assert [name for name in WORK.datasets if not WORK.datasets[name].is_own] == [
        'luma-items',
        'groceries',
        'luma-street',
    ]
    assert tuple(f'retrieval/hit@{k}' for k in (1, 5, 10, 20, 30, 40, 50)) == HITS
    keys = {metric.key for metrics in WORK.metrics.values() for metric in metrics}
    assert keys == {*HITS, 'retrieval/MAP@R', 'accuracy/top3', 'accuracy/top5'}


@pytest.fixture
def make_runs(make_result: Callable[..., Path]) -> Callable[..., None]:
    """A function that writes the results of three seeds, which differ by little."""

    def make(item: str, numbers: dict[str, tuple[float, float]], variant: str = 'original') -> None:
        keys = [f'accuracy/top{k}' for k in (3, 5)]
        if item != CATEGORY_ITEM:
            keys = [hit(k) for k in (5, 20)]
        for run in select_runs(WORK, [item], variants=[variant], seeds=range(3)):
            values = numbers.get(run.experiment.model)
            if values is not None:
                steps = 1 + list(numbers).index(run.experiment.model) + (variant != 'original')
                noise = (run.seed - 1) * 0.001 * steps
                metrics = {k: v + noise for k, v in zip(keys, values, strict=True)}
                make_result(run, metrics)

    return make


def verdict(name: str, root: Path) -> Verdict:
    """The verdict on a claim, on the first dataset of its item."""
    claim = next(each for each in WORK.claims if each.name == name)
    groups: list[Group] = group_results(read_results(root), WORK)
    return claim.judge(next(each for each in groups if each.item == claim.item), {})


def test_the_works_own_numbers_hold(make_runs: Callable, tmp_path: Path) -> None:
    """Results like those of the tables, with several seeds, bear out each claim."""
    more = {'seresnet50_oc-is': (82.0, 90.0), 'seresnext50_oc-is': (82.0, 90.0)}
    make_runs(IN_SHOP_ITEM, TABLE_1 | more)
    make_runs(CATEGORY_ITEM, TABLE_2)
    curves = {f'{name}_oc-is': (20.0, 30.0 + number) for number, name in enumerate(NETWORKS)}
    make_runs(CONSUMER_ITEM, curves | {'densenet121_oc-is': (25.0, 40.0)})
    for name in ('T1-a', 'T1-b', 'T1-c', 'T2', 'F4'):
        assert verdict(name, tmp_path / 'root').label == 'holds', name
    assert verdict('T1-a', tmp_path / 'root').figures.startswith('resnet50 +19.30 [')
    assert verdict('F4', tmp_path / 'root').figures.count(';') == 2


def test_opposite_numbers_do_not_hold(make_runs: Callable, tmp_path: Path) -> None:
    """With the losses exchanged, or below earlier work, nothing does."""
    swapped = {'oc-is': 'oc-os', 'oc-os': 'oc-is', 'oc': 'oc'}
    table = {
        f'{name}_{swapped[loss]}': TABLE_1[f'{name}_{loss}']
        for name, loss in (model.split('_') for model in TABLE_1)
    }
    make_runs(IN_SHOP_ITEM, table)
    make_runs(CATEGORY_ITEM, dict.fromkeys(TABLE_2, (80.0, 90.0)))
    make_runs(CONSUMER_ITEM, {f'{name}_oc-is': (1.0, i) for i, name in enumerate(NETWORKS)})
    for name in ('T1-a', 'T1-b', 'T1-c', 'T2', 'F4'):
        assert verdict(name, tmp_path / 'root').label == 'does not hold', name


def test_undecided(make_runs: Callable, tmp_path: Path) -> None:
    """A network that was not run leaves a claim undecided; so does what the work does not ask."""
    make_runs(IN_SHOP_ITEM, {k: v for k, v in TABLE_1.items() if k != 'densenet121_oc'})
    found = verdict('T1-a', tmp_path / 'root')
    assert found.label == 'undecided'
    assert found.figures.endswith('densenet121 not run')
    numbers = {f'efficientnet-lite0_{loss}': (40.0, 50.0) for loss in LOSSES}
    make_runs(OPEN_ITEM, numbers)
    better = dict.fromkeys(numbers, (42.0, 51.0))
    make_runs(OPEN_ITEM, better, 'rembg-queries')
    found = verdict('O-c', tmp_path / 'root')
    assert found.label == 'undecided'
    assert 'EfficientNet-Lite0, OC, background of queries removed +2.00 [' in found.figures
    assert 'EfficientNet-Lite0, OC, background removed not run' in found.figures


def test_few_items_leave_a_claim_open(make_runs: Callable, tmp_path: Path) -> None:
    """Seeds that agree are not enough: both intervals must lie on the claim's side of 0."""
    numbers = {f'efficientnet-lite0_{loss}': (40.0, 50.0) for loss in LOSSES}
    make_runs(OPEN_ITEM, numbers | {'efficientnet-lite0_oc-is': (60.0, 70.0)})
    assert verdict('O-a', tmp_path / 'root').label == 'holds'

    def write_queries(ranks_with_items: np.ndarray) -> None:
        for loss, ranks in (('oc', np.full(10, 9)), ('oc-is', ranks_with_items)):
            for seed in range(3):
                folder = tmp_path / f'root/efficientnet-lite0_{loss}_1xb32_luma-items/seed{seed}'
                write_per_image(
                    folder / 'evidence.npz',
                    names=np.array([f'{i}.jpg' for i in range(10)]),
                    items=np.array(list('abcdefghij')),
                    topk=np.array([1, 5]),
                    first_right=ranks,
                    average_precision=np.zeros(10),
                    r_precision=np.zeros(10),
                )

    write_queries(np.array([1, 9, 9, 9, 9, 9, 9, 9, 9, 9]))  # one item of ten, in each seed
    found = verdict('O-a', tmp_path / 'root')
    assert found.label == 'undecided'
    assert 'over items +10.00 [+0.00, +30.00]' in found.figures
    write_queries(np.array([1, 2, 3, 4, 5, 1, 1, 9, 9, 9]))
    assert verdict('O-a', tmp_path / 'root').label == 'holds'


def test_query_sheets(make_runs: Callable, tmp_path: Path) -> None:
    """Of the network that finds most, one a variant with hits; none without hits or photos."""
    make_runs(OPEN_ITEM, {'efficientnet-lite0_oc': (40.0, 50.0)})
    make_runs(OPEN_ITEM, {'efficientnet-lite0_oc-os': (80.0, 90.0)})  # but in one variant
    make_runs(OPEN_ITEM, {'efficientnet-lite0_oc-is': (60.0, 70.0)})
    make_runs(OPEN_ITEM, {'efficientnet-lite0_oc': (40.0, 50.0)}, 'rembg')
    make_runs(OPEN_ITEM, {'efficientnet-lite0_oc-is': (50.0, 70.0)}, 'rembg')
    for name in ('query', 'right', 'wrong'):
        Image.new('RGB', (40, 60), 'blue').save(tmp_path / f'{name}.png')
    rows = ['query,query_item,rank,photo,item,similarity,right']
    for rank, (name, right) in enumerate((('wrong', 0), ('right', 1), ('wrong', 0)), start=1):
        item = 'a' if right else 'b'
        rows.append(f'{tmp_path}/query.png,a,{rank},{tmp_path}/{name}.png,{item},0.9,{right}')

    def sheets() -> list[Exhibit]:
        groups = group_results(read_results(tmp_path / 'root'), WORK)
        return list(query_exhibits(next(each for each in groups if each.results)))

    assert sheets() == []
    for suffix in ('', '-rembg'):
        folder = f'efficientnet-lite0_oc-is_1xb32_luma-items{suffix}'
        (tmp_path / 'root' / folder / 'seed0/hits.csv').write_text('\n'.join(rows))
    found = sheets()
    assert [each.name for each in found] == ['queries_original', 'queries_rembg']
    assert 'EfficientNet-Lite0, OC+IS, background removed, seed 0' in found[1].caption
    picture = np.asarray(Image.open(io.BytesIO(found[0].picture)).convert('RGB')).reshape(-1, 3)
    counts = {
        colour: int((np.abs(picture.astype(int) - ImageColor.getrgb(colour)) <= 3).all(1).sum())
        for colour in (RIGHT, WRONG)
    }
    assert counts[WRONG] > 1.5 * counts[RIGHT] > 0
    (tmp_path / 'query.png').unlink()
    assert sheets() == []


def test_report(make_runs: Callable, tmp_path: Path) -> None:
    """Ours beside the work's; the misprints and the claims stand where they belong."""
    make_runs(IN_SHOP_ITEM, TABLE_1)
    make_runs(IN_SHOP_ITEM, {'resnet50_oc': (60.0, 70.0)}, 'rembg')
    write_report(build_report(tmp_path / 'root'), tmp_path / 'report')
    (file,) = (tmp_path / 'report').glob('table_1*inshop.csv')
    rows = pd.read_csv(file, dtype=str).set_index(['network', 'variant', 'metric'])
    row = rows.loc['ResNet50, OC', 'background removed', 'top-5 accuracy']
    assert (row['original'], row['changed'], row['paper: original']) == ('63.30', '60.00', '63.30')
    page = (tmp_path / 'report' / 'index.html').read_text(encoding='utf-8')
    assert 'CVPR Workshops 2019' in page
    assert 'minus before the triplet loss' in page
    assert 'Top-k accuracy by k. ResNet50, OC, original: 63.30 in the first 5, 76.60 in the' in page
    assert (tmp_path / 'report' / f'{file.stem}_curves.csv').is_file()


def test_curves(make_runs: Callable, tmp_path: Path) -> None:
    """A line a network and variant, and what is printed beside it."""
    make_runs(IN_SHOP_ITEM, {'resnet50_oc': (63.0, 76.0)})
    make_runs(IN_SHOP_ITEM, {'resnet50_oc': (60.0, 70.0)}, 'rembg')
    group = next(each for each in group_results(read_results(tmp_path / 'root'), WORK))
    table, picture = curve_exhibits(group)
    assert len(table.rows) == 2 + len(TABLE_1)
    assert [tuple(row.values())[1:] for row in table.rows[:3]] == [
        ('original', '—', '63.00', '—', '76.00', '—', '—', '—'),
        ('background removed', '—', '60.00', '—', '70.00', '—', '—', '—'),
        ('as printed', '—', '63.30', '—', '76.60', '—', '—', '—'),
    ]
    assert list(table.rows[0])[2:] == [f'top-{k}' for k in (1, 5, 10, 20, 30, 40, 50)]
    assert picture.picture.startswith(b'\x89PNG')
    assert 'dashed background removed' in picture.caption
