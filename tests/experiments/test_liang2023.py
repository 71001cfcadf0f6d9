"""The paper's settings: the table, the configs and the defaults register say the same."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from bgremoval_mm import experiments
from bgremoval_mm.engine.pairs import SUFFIXES
from bgremoval_mm.experiments.papers.liang2023 import WORK
from bgremoval_mm.experiments.papers.liang2023.experiments import (
    AUGMENTATIONS,
    CLASSIFICATION,
    EXPERIMENTS,
    INSTANCE_SEGMENTATION,
    SEMANTIC_SEGMENTATION,
    Classification,
    Experiment,
    InstanceSegmentation,
    SemanticSegmentation,
)

ROOT = Path(__file__).resolve().parents[2]
CELLS = [
    pytest.param(each, dataset, id=Path(each.config(dataset)).stem)
    for each in (*CLASSIFICATION, *AUGMENTATIONS)
    for dataset in each.datasets
]
INSTANCE_CELLS = [
    pytest.param(each, dataset, id=Path(each.config(dataset)).stem)
    for each in INSTANCE_SEGMENTATION
    for dataset in each.datasets
]
VARIANTS = ('original', 'rembg')
FILES = {
    each.config(dataset, variant): each
    for each in EXPERIMENTS
    for dataset in each.datasets
    for variant in (variant.name for variant in each.variants)
}

# Section III and the captions of Fig. 5 and 6 (arXiv 2308.09764v2), typed a second time by hand:
# (network, figure) -> batch, epochs, optimiser, learning rate, schedule.
PAPER = {
    ('VGG-{}', 'Fig. 5'): (32, 100, 'SGD', 0.01, 'step'),
    ('VGG-{} BN', 'Fig. 5'): (32, 100, 'SGD', 0.005, 'step'),
    ('ResNet-{}', 'Fig. 5'): (32, 100, 'SGD', 0.1, 'step'),
    ('ResNeSt-{}', 'Fig. 5'): (16, 300, 'SGD', 0.006, 'cosine'),
    ('Swin-T', 'Fig. 5'): (16, 400, 'AdamW', 0.0001, 'cosine'),
    ('VGG-{}', 'Fig. 6'): (32, 100, 'SGD', 0.0001, 'step'),
    ('VGG-{} BN', 'Fig. 6'): (32, 100, 'SGD', 0.0001, 'step'),
    ('ResNet-{}', 'Fig. 6'): (32, 300, 'SGD', 0.00001, 'fixed'),
    ('ResNeSt-{}', 'Fig. 6'): (32, 200, 'SGD', 0.00005, 'step'),
    ('Swin-T', 'Fig. 6'): (32, 100, 'AdamW', 0.00001, 'fixed'),
    ('ViT-B/16', 'Fig. 6'): (32, 100, 'AdamW', 0.00001, 'fixed'),
}


# Table I (arXiv 2308.09764v2): network -> optimiser, learning rate, warm-up, batch; mAP of boxes
# and of masks, each original, removed and the printed difference.
TABLE_I = {
    'ResNeXt-101': ('SGD', 0.02, True, 4, (0.317, 0.316, -0.001), (0.279, 0.277, -0.002)),
    'ResNeSt-101': ('SGD', 0.02, True, 4, (0.357, 0.354, -0.003), (0.315, 0.313, -0.002)),
    'Swin-T': ('AdamW', 0.001, False, None, (0.345, 0.325, -0.020), (0.320, 0.299, -0.020)),
    'PVT-Small': ('AdamW', 0.001, False, None, (0.314, 0.306, -0.009), (0.293, 0.278, -0.015)),
}


def load(experiment: Experiment, dataset: str, variant: str = 'original') -> Config:
    """The config of one cell."""
    for codebase in ('mmpretrain', 'mmdet', 'mmseg'):
        pytest.importorskip(codebase)
    return Config.fromfile(ROOT / 'configs' / experiment.config(dataset, variant))


def test_the_table_has_the_papers_cells() -> None:
    """12 networks from scratch, 13 pre-trained, no name twice: 50 trainings a dataset."""
    figures = [each.item for each in CLASSIFICATION]
    assert (figures.count('Fig. 5'), figures.count('Fig. 6')) == (12, 13)
    names = {each.config('clothing10', name) for each in CLASSIFICATION for name in VARIANTS}
    assert len(names) == 50


def test_every_config_is_an_experiment() -> None:
    """There is no file without an entry and no entry without a file."""
    files = {
        path.relative_to(ROOT / 'configs').as_posix()
        for task in ('classification', 'detection', 'segmentation')
        for path in (ROOT / 'configs' / task).rglob('*.py')
        if path.parent.name != 'catalogue'  # of another work
    }
    more = {name for name in files if name.endswith('-bgaug.py') and 'lite' not in name}
    assert files - more == set(FILES)
    assert {Path(name).parent.name for name in more} == {'vgg', 'resnet'}


@pytest.mark.parametrize('experiment', CLASSIFICATION, ids=lambda e: f'{e.title} {e.item}')
def test_table_against_the_paper(experiment: Classification) -> None:
    """The table's numbers are the paper's."""
    title = experiment.title
    for depth in ('11', '13', '16', '19', '50', '101'):
        title = title.replace(f'-{depth}', '-{}')
    each = experiment
    found = (each.batch_size, each.epochs, each.optimiser, each.lr, each.schedule)
    assert found == PAPER[title, each.item]


@pytest.mark.parametrize(('experiment', 'dataset'), CELLS)
def test_config_has_the_papers_settings(experiment: Classification, dataset: str) -> None:
    """Batch, epochs, optimiser, learning rate and schedule of a config are the table's."""
    config = load(experiment, dataset)
    assert config.train_dataloader.batch_size == experiment.batch_size
    assert config.auto_scale_lr == {'enable': False, 'base_batch_size': experiment.batch_size}
    assert config.train_cfg.max_epochs == experiment.epochs
    optimiser = config.optim_wrapper.optimizer
    assert (optimiser.type, optimiser.lr) == (experiment.optimiser, experiment.lr)
    schedulers = config.param_scheduler
    schedulers = schedulers if isinstance(schedulers, list) else [schedulers]
    types = [each.type for each in schedulers]
    if experiment.schedule == 'fixed':
        assert types == []
    elif experiment.schedule == 'step':
        assert types == ['MultiStepLR']
        third = experiment.epochs * 3 // 10
        assert list(schedulers[0].milestones) == [third, 2 * third, 3 * third]
        assert schedulers[0].gamma == 0.1
    else:
        assert types == ['LinearLR', 'CosineAnnealingLR']
        warm_up, cosine = schedulers
        assert warm_up.end == cosine.begin
        assert cosine.get('end', experiment.epochs) == experiment.epochs
    assert ('init_cfg' in config.model.backbone) == experiment.pretrained
    assert config.train_dataloader.dataset.subset == 'train'
    assert config.val_dataloader.dataset.subset == 'val'
    assert config.test_dataloader.dataset.subset == 'test'


def test_augmentations_are_fig_5s_resnet_with_one_step_more() -> None:
    """Eight of Fig. 7 and three that mix; each config is the baseline's but for its own part."""
    assert len(AUGMENTATIONS) == 11
    baseline = load(next(e for e in CLASSIFICATION if e.model == 'resnet50'), 'clothing10')
    names = set()
    for experiment in AUGMENTATIONS:
        config = load(experiment, 'clothing10')
        ours, theirs = config.to_dict(), baseline.to_dict()
        if experiment.model in ('resnet50_mixup', 'resnet50_cutmix'):
            (step,) = ours['model'].pop('train_cfg').values()
            assert ours['model']['head'].pop('loss')['use_soft'] is True
            theirs['model']['head'].pop('loss')
        else:
            step = ours.pop('augmentation')
            assert ours['train_dataloader']['dataset']['pipeline'].pop(-2) == step
        # Helpers of the config's own.
        ours = {key: value for key, value in ours.items() if key not in ('steps', 'pack')}
        assert ours == theirs
        names.add(str(step))
    assert len(names) == 11


def test_table_i_against_the_paper() -> None:
    """Settings and numbers are the paper's."""
    for each in INSTANCE_SEGMENTATION:
        *settings, boxes, masks = TABLE_I[each.title]
        assert [each.optimiser, each.lr, each.warm_up, each.batch_size] == settings
        for metric, printed in zip(WORK.metrics['Table I'], (boxes, masks), strict=True):
            number = WORK.number(each, 'fashionpedia', metric)
            assert number is not None
            assert (*number.values.values(), number.difference) == printed
    assert (InstanceSegmentation.epochs, InstanceSegmentation.size) == (12, 512)


def test_table_ii_against_the_paper() -> None:
    """The paper's numbers, beside both sets of classes."""
    (each,) = SEMANTIC_SEGMENTATION
    printed = ((31.98, 31.74, -0.24), (39.68, 39.43, -0.25))
    for metric, expected in zip(WORK.metrics['Table II'], printed, strict=True):
        for dataset in ('fashionpedia', 'fashionpedia47'):
            number = WORK.number(each, dataset, metric)
            assert number is not None
            assert (*number.values.values(), number.difference) == expected
        assert WORK.number(each, 'ccp', metric) is None


def test_misprints_are_those_of_the_numbers() -> None:
    """Every printed difference that is not that of its columns is listed, and no other."""
    wrong = {}
    for each in EXPERIMENTS:
        for metric in WORK.metrics[each.item]:
            number = WORK.number(each, 'fashionpedia', metric)
            if number is not None:
                first, second = number.values.values()
                difference = round(second - first, metric.digits)
                if difference != number.difference:
                    values = (first, second, number.difference, difference)
                    wrong[each.title, metric.title] = values
    (listed,) = WORK.misprints
    rows = [list(row.values()) for row in listed.rows]
    assert wrong == {(title, name): tuple(map(float, rest)) for title, name, *rest in rows}
    assert wrong['Swin-T', 'mask mAP'][-1] == -0.021
    assert wrong['PVT-Small', 'box mAP'][-1] == -0.008


def test_the_work_is_complete() -> None:
    """Every item has metrics, every dataset a title, every claim and number its item."""
    assert set(WORK.metrics) == set(WORK.items)
    assert {name for each in EXPERIMENTS for name in each.datasets} == set(WORK.datasets)
    assert {each.item for each in (*WORK.claims, *WORK.published)} <= set(WORK.items)
    assert {each.model for each in WORK.published} <= set(WORK.models)
    suffixes = {variant.suffix for each in EXPERIMENTS for variant in each.variants[1:]}
    assert suffixes <= set(SUFFIXES)
    assert len(suffixes) == 6


def test_documented_names_can_be_imported() -> None:
    """The list of experiments stands in the package itself, as in earlier releases."""
    assert experiments.EXPERIMENTS is EXPERIMENTS
    assert experiments.ARMS == VARIANTS
    assert all(getattr(experiments, name) for name in experiments.__all__)


@pytest.mark.parametrize(('experiment', 'dataset'), INSTANCE_CELLS)
def test_mask_rcnn_has_the_papers_settings(experiment: InstanceSegmentation, dataset: str) -> None:
    """Image size, batch, epochs, optimiser, learning rate and schedule are the table's."""
    config = load(experiment, dataset)
    assert config.train_dataloader.batch_size == (experiment.batch_size or 4)
    assert config.auto_scale_lr == {'enable': False, 'base_batch_size': 4}
    assert config.train_cfg.max_epochs == experiment.epochs
    for loader in ('train', 'val', 'test'):
        pipeline = config[f'{loader}_dataloader'].dataset.pipeline
        (resize,) = [step for step in pipeline if step['type'] == 'Resize']
        assert tuple(resize['scale']) == (experiment.size, experiment.size)
    optimiser = config.optim_wrapper.optimizer
    assert (optimiser.type, optimiser.lr) == (experiment.optimiser, experiment.lr)
    assert 'clip_grad' not in config.optim_wrapper
    warm_up, steps = config.param_scheduler
    assert (warm_up.type, steps.type) == ('LinearLR', 'MultiStepLR')
    assert (warm_up.start_factor < 1) == experiment.warm_up
    assert steps.end == experiment.epochs
    assert config.model.backbone.init_cfg.type == 'Pretrained'
    assert config.train_dataloader.dataset.subset == 'train'
    assert config.val_dataloader.dataset.subset == config.test_dataloader.dataset.subset == 'val'


@pytest.mark.parametrize('dataset', SemanticSegmentation.datasets)
def test_upernet_trains_as_long_as_it_is_named(dataset: str) -> None:
    """Batch, iterations and crop are those of the config's name."""
    (experiment,) = SEMANTIC_SEGMENTATION
    config = load(experiment, dataset)
    name = Path(experiment.config(dataset)).stem
    thousands = config.train_cfg.max_iters // 1000
    assert f'_1xb{config.train_dataloader.batch_size}-{thousands}k_' in name
    assert config.param_scheduler[-1].end == config.train_cfg.max_iters
    assert config.train_cfg.max_iters % config.train_cfg.val_interval == 0
    # save_best looks at a checkpoint's validation.
    assert config.train_cfg.val_interval % config.default_hooks.checkpoint.interval == 0
    crop = config.model.data_preprocessor.size
    assert name.endswith(f'-{crop[0]}x{crop[1]}')
    assert config.auto_scale_lr == {'enable': False, 'base_batch_size': 2}


@pytest.mark.parametrize('experiment', CLASSIFICATION, ids=lambda e: f'{e.title} {e.item}')
def test_batch_augmentations_are_off_and_can_be_switched_on(experiment: Classification) -> None:
    """Where upstream mixes pictures, the augmentations are there with probability 0."""
    train_cfg = load(experiment, 'clothing10').model.get('train_cfg')
    mixed = {'resnest': ['Mixup'], 'swin_transformer': ['Mixup', 'CutMix']}.get(experiment.family)
    if mixed is None:
        assert train_cfg is None
        return
    augments = train_cfg.augments if isinstance(train_cfg.augments, list) else [train_cfg.augments]
    assert [each.type for each in augments] == mixed
    assert train_cfg.probs == [0.0] * len(mixed)


def test_wrong_arguments() -> None:
    """An unknown dataset or variant is refused with the known ones."""
    with pytest.raises(ValueError, match="one of fashionstyle14, clothing10, but got 'imagenet'"):
        CLASSIFICATION[0].config('imagenet')
    with pytest.raises(ValueError, match="one of original, rembg, but got 'removed'"):
        CLASSIFICATION[0].config('clothing10', 'removed')


def expanded(pattern: str) -> list[str]:
    """Return the names that a pattern stands for, as a shell expands `{a,b}`."""
    parts = re.split(r'\{(.*?)\}', pattern)
    choices = [part.split(',') if number % 2 else [part] for number, part in enumerate(parts)]
    return [''.join(chosen) for chosen in product(*choices)]


@pytest.mark.parametrize('folder', sorted({each.folder for each in EXPERIMENTS}))
def test_readme_names_every_config(folder: str) -> None:
    """The patterns in a folder's README stand for each of its configs, once."""
    text = (ROOT / 'configs' / folder / 'README.md').read_text(encoding='utf-8')
    named = [name for pattern in re.findall(r'`(\S+\.py)`', text) for name in expanded(pattern)]
    assert sorted(named) == sorted(file.name for file in (ROOT / 'configs' / folder).glob('*.py'))


def test_model_index_names_every_metafile() -> None:
    """`mim search` reads all folders, by the package that it reads them with."""
    modelindex = pytest.importorskip('modelindex')
    index = modelindex.load(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    names = {each.config.removeprefix('configs/') for each in index.models}
    folders = {name.rpartition('/')[0] for name in FILES}
    mine = {name for name in names if name.rpartition('/')[0] in folders}
    assert {name for name in mine if '-bgaug' not in name or name in FILES} == set(FILES)
    assert all((ROOT / 'configs' / name).is_file() for name in names)
    index_file = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    listed = {ROOT / name for name in index_file['Import']}
    assert listed == set((ROOT / 'configs').rglob('metafile.yml'))
    assert all((ROOT / each.readme).is_file() for each in index.collections)
