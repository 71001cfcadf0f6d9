"""The paper's settings: the table, the configs and the defaults register say the same."""

from __future__ import annotations

import re
from pathlib import Path

import mmengine
import pytest
from mmengine.config import Config

from bgremoval_mm.experiments import ARMS, CLASSIFICATION, CLASSIFICATION_DATASETS, Classification

ROOT = Path(__file__).resolve().parents[1]
CELLS = [
    pytest.param(each, dataset, id=Path(each.config(dataset)).stem)
    for each in CLASSIFICATION
    for dataset in CLASSIFICATION_DATASETS
]

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


def load(experiment: Classification, dataset: str, arm: str = 'original') -> Config:
    """The config of one cell."""
    pytest.importorskip('mmpretrain')
    return Config.fromfile(ROOT / 'configs' / experiment.config(dataset, arm))


def test_the_table_has_the_papers_cells() -> None:
    """12 networks from scratch, 13 pre-trained, no name twice: 50 trainings a data set."""
    figures = [each.figure for each in CLASSIFICATION]
    assert (figures.count('Fig. 5'), figures.count('Fig. 6')) == (12, 13)
    names = {each.config('clothing10', arm) for each in CLASSIFICATION for arm in ARMS}
    assert len(names) == 50


def test_every_config_is_an_experiment() -> None:
    """There is no file without an entry and no entry without a file."""
    files = {
        path.relative_to(ROOT / 'configs').as_posix()
        for path in (ROOT / 'configs' / 'classification').rglob('*.py')
    }
    assert files == {
        each.config(dataset, arm)
        for each in CLASSIFICATION
        for dataset in CLASSIFICATION_DATASETS
        for arm in ARMS
    }


@pytest.mark.parametrize('experiment', CLASSIFICATION, ids=lambda e: f'{e.title} {e.figure}')
def test_table_against_the_paper(experiment: Classification) -> None:
    """The table's numbers are the paper's."""
    title = experiment.title
    for depth in ('11', '13', '16', '19', '50', '101'):
        title = title.replace(f'-{depth}', '-{}')
    each = experiment
    found = (each.batch_size, each.epochs, each.optimiser, each.lr, each.schedule)
    assert found == PAPER[title, each.figure]


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


@pytest.mark.parametrize('experiment', CLASSIFICATION, ids=lambda e: f'{e.title} {e.figure}')
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
    """An unknown data set or arm is refused with the known ones."""
    with pytest.raises(ValueError, match="one of fashionstyle14, clothing10, but got 'imagenet'"):
        CLASSIFICATION[0].config('imagenet')
    with pytest.raises(ValueError, match="one of original, rembg, but got 'removed'"):
        CLASSIFICATION[0].config('clothing10', 'removed')


@pytest.mark.parametrize('family', sorted({each.family for each in CLASSIFICATION}))
def test_readme_and_metafile_list_every_config(family: str) -> None:
    """A folder's README links each config once, and its metafile names each with its settings."""
    folder = ROOT / 'configs' / 'classification' / family
    files = sorted(path.name for path in folder.glob('*.py'))
    links = re.findall(r'\]\(([^/)]+\.py)\)', (folder / 'README.md').read_text(encoding='utf-8'))
    assert sorted(links) == files
    models = mmengine.load(folder / 'metafile.yml')['Models']
    assert sorted(Path(each['Config']).name for each in models) == files
    settings = {
        each.config(dataset, arm): (each.epochs, each.batch_size)
        for each in CLASSIFICATION
        for dataset in CLASSIFICATION_DATASETS
        for arm in ARMS
    }
    for each in models:
        assert each['Name'] == Path(each['Config']).stem
        found = (each['Metadata']['Epochs'], each['Metadata']['Batch Size'])
        assert found == settings[each['Config'].removeprefix('configs/')]


def test_model_index_names_every_metafile() -> None:
    """`mim search` reads all folders, by the package that it reads them with."""
    modelindex = pytest.importorskip('modelindex')
    index = modelindex.load(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    names = {Path(each.config).name for each in index.models}
    assert names == {Path(e.config(d, a)).name for e in CLASSIFICATION
                     for d in CLASSIFICATION_DATASETS for a in ARMS}  # fmt: skip
    assert all((ROOT / each.config).is_file() for each in index.models)
    assert all((ROOT / each.readme).is_file() for each in index.collections)
