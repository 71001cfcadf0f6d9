"""docs/defaults.md and the configs say the same, and no open setting is missing."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mmengine
import pytest
from mmengine.config import Config

from bgremoval_mm import RemoveBackground
from bgremoval_mm.datasets.transforms.replace_background import ReplaceBackground
from bgremoval_mm.experiments.papers.kobs2022.experiments import EXPERIMENTS as METRIC_LEARNING
from bgremoval_mm.experiments.papers.kobs2022.experiments import (
    Cars,
    Groceries,
    MetricLearning,
    Retrieval,
)
from bgremoval_mm.experiments.papers.liang2023.experiments import (
    CLASSIFICATION,
    EXPERIMENTS,
    INSTANCE_SEGMENTATION,
    SEMANTIC_SEGMENTATION,
    Augmentation,
    Classification,
    Experiment,
    InstanceSegmentation,
    SemanticSegmentation,
)
from bgremoval_mm.experiments.papers.liang2023.open_weights import OpenWeights

ROOT = Path(__file__).resolve().parents[1]
REGISTER = (ROOT / 'docs' / 'defaults.md').read_text(encoding='utf-8')
CELLS = [(each, dataset) for each in (*EXPERIMENTS, *METRIC_LEARNING) for dataset in each.datasets]
IDS = [Path(each.config(dataset)).stem for each, dataset in CELLS]
# What a config says of the network's shape, of the loss's form and of the schedule's kind is given
# by the network's name and by the paper.
STRUCTURE = {
    *('type', '_scope_', 'by_epoch', 'begin', 'convert_to_iter_based', 'mode', 'deterministic'),
    *('num_classes', 'in_channels', 'out_indices', 'num_stages', 'stem_channels', 'depth', 'arch'),
    *('style', 'neck', 'norm_cfg', 'init_cfg', 'prefix', 'topk', 'cal_acc', 'reduction'),
    *('loss_weight', 'model_name'),
}
OPTIMISER = {f'optim_wrapper.optimizer.{name}' for name in ('lr', 'weight_decay', 'momentum')}
OF_WORK = {
    *OPTIMISER,
    *('optim_wrapper.paramwise_cfg', 'model.head.embedding_size', 'model.head.loss'),
    'model.backbone.init_cfg.checkpoint',
}
STATED: dict[type[Experiment], set[str]] = {
    Cars: OF_WORK,
    Retrieval: OF_WORK,
    Groceries: {*OPTIMISER, 'model.head.embedding_size'},
    Classification: {'optim_wrapper.optimizer.lr'},
    Augmentation: {'optim_wrapper.optimizer.lr'},
    InstanceSegmentation: {'optim_wrapper.optimizer.lr'},
    SemanticSegmentation: set(),
    OpenWeights: set(),
}
PARTS = ('optim_wrapper', 'param_scheduler', 'model', 'randomness')


@dataclass(frozen=True)
class Row:
    """One line of a table: for which experiments, which settings, which value (text)."""

    places: tuple[str, ...]
    selectors: tuple[str, ...]
    settings: tuple[str, ...]
    value: str

    def is_for(self, experiment: Experiment, dataset: str) -> bool:
        """Whether the row is for a cell."""
        # An augmentation's training is that of Fig. 5's ResNet-50 but for the augmentation.
        places = ['Fig. 5', 'Fig. 7'] if isinstance(experiment, Augmentation) else [experiment.item]
        names = {'all', *places, experiment.model, experiment.model.partition('_')[0], dataset}
        if isinstance(experiment, Classification):
            names |= {experiment.family, *(f'{experiment.family} {place}' for place in places)}
            names.add({'fashionstyle14': 'FashionStyle14', 'clothing10': 'Clothing10'}[dataset])
        if isinstance(experiment, OpenWeights):
            names.add(experiment.title.partition(', ')[2])
        if isinstance(experiment, MetricLearning):
            names.add(f'{dataset} {experiment.model}')
        return not set(places).isdisjoint(self.places) and not names.isdisjoint(self.selectors)

    @property
    def literal(self) -> Any:
        """The value, if the cell is nothing but a literal; else Ellipsis."""
        found = re.fullmatch(r'`([^`]+)`', self.value)
        return ast.literal_eval(found[1]) if found else ...


def rows(columns: int) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The cells of all table lines of so many columns, without heads; first where they are for.

    A section's title ends with the figures or tables that it is for: 'Fig. 5 and Fig. 6', as items
    of the works.
    """
    places: tuple[str, ...] = ()
    for line in REGISTER.splitlines():
        if line.startswith('## '):
            places = tuple(re.findall(r'Fig\. \d|Table I+|Tables 1 and 2|Open weights', line))
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        is_row = line.startswith('|') and len(cells) == columns
        if is_row and not line.startswith('|---') and cells[-1] != 'reason':
            yield places, cells


ROWS = [
    Row(
        places,
        tuple(part.strip() for part in selectors.split(',')),
        tuple(re.findall(r'`([^`]+)`', settings)),
        value,
    )
    for places, (selectors, settings, value, _) in rows(4)
]


@cache
def load(experiment: Experiment, dataset: str) -> Config:
    """The config of a cell's original arm."""
    for codebase in ('mmpretrain', 'mmdet', 'mmseg'):
        pytest.importorskip(codebase)
    return Config.fromfile(ROOT / 'configs' / experiment.config(dataset))


def look_up(config: Any, path: str) -> Any:
    """The value at a dotted path; list elements go by number."""
    for part in path.split('.'):
        config = config[int(part)] if part.isdigit() else config[part]
    return config


def leaves(node: Any, path: str) -> Iterator[str]:
    """The dotted paths of all settings below one, but for what is structure."""
    if isinstance(node, dict):
        for key, value in node.items():
            # The weights to start from are a setting; other initialisation is the network's own.
            keep = key not in STRUCTURE or (key == 'init_cfg' and 'checkpoint' in (value or {}))
            if keep:
                yield from leaves(value, f'{path}.{key}')
    elif isinstance(node, list | tuple) and node and isinstance(node[0], dict):
        for index, value in enumerate(node):
            yield from leaves(value, f'{path}.{index}')
    elif node is not None and node != []:
        yield path


def test_register_is_read() -> None:
    """The tables are found, and every row is for some experiment and has a setting and a reason."""
    assert len(ROWS) > 75
    for row in ROWS:
        assert row.settings, row
        assert any(row.is_for(*cell) for cell in CELLS), row
    assert all(cells[-1] for _, cells in rows(4))


@pytest.mark.parametrize(('experiment', 'dataset'), CELLS, ids=IDS)
def test_configs_have_the_registered_values(experiment: Experiment, dataset: str) -> None:
    """Each value in the register is the one in every config that it is for."""
    config = load(experiment, dataset)
    for row in ROWS:
        if not row.is_for(experiment, dataset):
            continue
        for setting in row.settings:
            found = look_up(config, setting)  # a setting that is not there fails here
            if row.literal is not ...:
                assert found == row.literal, setting


@pytest.mark.parametrize(('experiment', 'dataset'), CELLS, ids=IDS)
def test_no_open_setting_is_unregistered(experiment: Experiment, dataset: str) -> None:
    """Every setting of optimiser, schedule, network and seed is the paper's or has one row."""
    config = load(experiment, dataset)
    for part in PARTS:
        for path in leaves(config.get(part, []), part):
            stated = any(f'{path}.'.startswith(f'{each}.') for each in STATED[type(experiment)])
            covering = [
                row
                for row in ROWS
                if row.is_for(experiment, dataset)
                and any(path == each or path.startswith(f'{each}.') for each in row.settings)
            ]
            assert stated or len(covering) == 1, path


def test_removal_defaults() -> None:
    """The transform's defaults, which the configs leave as they are, are the registered ones."""
    pytest.importorskip('mmpretrain')
    parameters = inspect.signature(RemoveBackground).parameters
    registered = {
        name.strip('`'): value for _, (name, value, _) in rows(3) if name.strip('`') in parameters
    }
    assert set(registered) == {'model', 'threshold', 'fill', 'prob'}
    for name, value in registered.items():
        expected = ast.literal_eval(value.strip('`'))
        assert parameters[name].default == expected
        for experiment in (CLASSIFICATION[0], INSTANCE_SEGMENTATION[0], SEMANTIC_SEGMENTATION[0]):
            for dataset in experiment.datasets:
                config = Config.fromfile(ROOT / 'configs' / experiment.config(dataset, 'rembg'))
                assert config.train_dataloader.dataset.get(name, expected) == expected


def test_replacement_defaults() -> None:
    """Those of ReplaceBackground, which the configs leave as they are, are the registered ones."""
    parameters = inspect.signature(ReplaceBackground).parameters
    registered = {name.strip('`'): value.strip('`') for _, (name, value, _) in rows(3)}
    for name in ('scale', 'flip_prob'):
        assert parameters[name].default == ast.literal_eval(registered[name])
        for experiment in METRIC_LEARNING:
            for dataset in experiment.datasets:
                assert name not in load(experiment, dataset).bgaug


def switched_on(pipeline: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A pipeline with what the paper argues against as upstream has it."""
    pipeline = deepcopy(pipeline)
    for step in pipeline:
        if step['type'] == 'RandomErasing':
            assert step['erase_prob'] == 0
            step['erase_prob'] = 0.25
        for policy in step.get('policies', ()) if step['type'] == 'RandAugment' else ():
            if isinstance(policy, dict) and policy['type'] == 'Cutout':
                assert policy['prob'] == 0
                policy['prob'] = 0.5
    return pipeline


def at_224_pixels(pipeline: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A pipeline for 384 pixels at 224; the centre crop is out of a shorter side of 256."""
    pipeline = deepcopy(pipeline)
    for step in pipeline:
        if step['type'] == 'ResizeEdge':
            step['scale'] = 256
        for name in ('scale', 'crop_size'):
            if step.get(name) == 384:
                step[name] = 224
    return pipeline


def plain(node: Any) -> Any:
    """Settings without scopes, tuples as lists."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if key != '_scope_'}
    return [plain(each) for each in node] if isinstance(node, list | tuple) else node


@pytest.mark.parametrize('experiment', CLASSIFICATION, ids=lambda e: f'{e.title} {e.item}')
def test_pipelines_are_the_registered_upstream_ones(
    experiment: Classification, upstream_config: Callable[[str], Config]
) -> None:
    """Augmentation, sizes and normalisation are mmpretrain's for the network; nothing cuts out."""
    (row,) = [
        row
        for row in ROWS
        if 'train_pipeline' in row.settings and row.is_for(experiment, 'clothing10')
    ]
    named = re.search(r"mmpretrain's `([^`]+)`", row.value)
    assert named is not None
    upstream, config = upstream_config(named[1]), load(experiment, 'clothing10')
    change = at_224_pixels if 'at 224 pixels' in row.value else deepcopy
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        ours, theirs = (each[loader].dataset.pipeline for each in (config, upstream))
        assert plain(switched_on(ours)) == plain(change(theirs))
    for name in ('mean', 'std', 'to_rgb'):
        assert config.data_preprocessor[name] == upstream.data_preprocessor[name]


@pytest.mark.parametrize(
    'experiment', [e for e in CLASSIFICATION if e.pretrained], ids=lambda e: e.model
)
def test_initial_weights_are_mmpretrains(experiment: Classification) -> None:
    """The URL is the one in mmpretrain's metafile, or in mmengine's hub where there is none."""
    mmpretrain = pytest.importorskip('mmpretrain')
    url = load(experiment, 'fashionstyle14').model.backbone.init_cfg.checkpoint
    if experiment.model == 'resnest101':
        hub = json.loads((Path(mmengine.__file__).parent / 'hub' / 'mmcls.json').read_text())
        assert url == hub['resnest101']
        return
    metafile = Path(
        mmpretrain.__file__, '..', '.mim', 'configs', experiment.family, 'metafile.yml'
    ).resolve()
    models = mmengine.load(metafile)['Models']
    weights = {each.get('Weights') for each in models if experiment.model in each['Name']}
    exact = [each['Weights'] for each in models if each['Name'].split('_')[0] == experiment.model]
    assert url in (exact or weights)


def named_configs(cell: str) -> list[str]:
    """The upstream configs that a cell of the register names."""
    return re.findall(r'`([^`]+\.py)`', cell)


def row_of(setting: str, experiment: Experiment, dataset: str) -> Row:
    """The one row that a setting of a cell has."""
    (row,) = [r for r in ROWS if setting in r.settings and r.is_for(experiment, dataset)]
    return row


def without_class_counts(model: Any) -> Any:
    """A model's settings without class counts and without where weights come from."""
    if isinstance(model, dict):
        dropped = ('num_classes', '_scope_', 'pretrained', 'checkpoint')
        return {k: without_class_counts(v) for k, v in model.items() if k not in dropped}
    return [without_class_counts(v) for v in model] if isinstance(model, list | tuple) else model


@pytest.mark.parametrize('experiment', INSTANCE_SEGMENTATION, ids=lambda e: e.model)
def test_mask_rcnn_is_the_registered_upstream_one(
    experiment: InstanceSegmentation, upstream_config: Callable[..., Config]
) -> None:
    """The network, its pipelines and where its weights come from are mmdet's."""
    config = load(experiment, 'ccp')
    network, *backbone = named_configs(row_of('model', experiment, 'ccp').value)
    upstream = upstream_config(network, 'mmdet').model
    if backbone:
        other = upstream_config(backbone[0], 'mmdet').model
        upstream.backbone, upstream.neck.in_channels = other.backbone, other.neck.in_channels
        # RetinaNet's config leaves the type to the backbone, which takes no other.
        upstream.backbone.init_cfg['type'] = 'Pretrained'
    assert without_class_counts(config.model) == without_class_counts(upstream)
    checkpoint = upstream.backbone.init_cfg.checkpoint
    if checkpoint.startswith('open-mmlab://'):
        hub = json.loads((Path(mmengine.__file__).parent / 'hub' / 'openmmlab.json').read_text())
        found = hub[checkpoint.removeprefix('open-mmlab://')]
        checkpoint = f'https://download.openmmlab.com/{found}' if '://' not in found else found
    assert config.model.backbone.init_cfg.checkpoint == checkpoint

    (base,) = named_configs(row_of('train_pipeline', experiment, 'ccp').value)
    pipelines = upstream_config(base, 'mmdet')
    for name in ('train_pipeline', 'test_pipeline'):
        theirs = [{k: v for k, v in s.items() if k != 'backend_args'} for s in pipelines[name]]
        for step in theirs:
            if step['type'] == 'Resize':
                step['scale'] = (512, 512)
            if step['type'] == 'PackDetInputs' and 'meta_keys' in step:
                step['meta_keys'] = (*step['meta_keys'], 'instances')
        assert plain(config[name]) == plain(theirs)


def test_upernet_is_the_registered_upstream_one(
    upstream_config: Callable[..., Config],
) -> None:
    """The network, its pipelines, its optimiser and its weights are mmsegmentation's."""
    (experiment,) = SEMANTIC_SEGMENTATION
    config = load(experiment, 'fashionpedia')
    (network,) = named_configs(row_of('model', experiment, 'fashionpedia').value)
    upstream = upstream_config(network, 'mmseg')
    ours, theirs = (plain(without_class_counts(each.model)) for each in (config, upstream))
    assert ours == theirs
    checkpoint = upstream.model.backbone.init_cfg.checkpoint
    assert config.model.backbone.init_cfg.checkpoint == checkpoint
    for setting in ('optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert plain(config[setting]) == plain(upstream[setting])
    assert config.train_dataloader.batch_size == upstream.train_dataloader.batch_size
    (base,) = named_configs(row_of('train_pipeline', experiment, 'fashionpedia').value)
    pipelines = upstream_config(base, 'mmseg')
    for name in ('train_pipeline', 'test_pipeline'):
        theirs = [
            {k: v for k, v in step.items() if k != 'reduce_zero_label'} for step in pipelines[name]
        ]
        assert plain(config[name]) == plain(theirs)


def test_scaled_learning_rates() -> None:
    """The register's scaled learning rates are upstream's, by the batch's share of 16."""
    scaled = {
        network: float(value)
        for places, (networks, value, _) in rows(3)
        if places == ('Table I',)
        for network in networks.split(', ')
        if network != 'network'
    }
    upstream = {'x101-32x4d': 0.02, 's101': 0.02, 'swin-t-p4-w7': 1e-4, 'pvt-s': 2e-4}
    assert scaled == pytest.approx({name: lr * 4 / 16 for name, lr in upstream.items()})
    assert f'{6e-5 * 2 / 16:.1e}'.replace('e-0', 'e-') in REGISTER
