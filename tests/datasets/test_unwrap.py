"""Looking into wrappers: every kind of them, as objects and as configs; nothing is ignored."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset, ClassBalancedDataset, ConcatDataset, RepeatDataset
from PIL import Image
from torch.utils.data import ConcatDataset as TorchConcatDataset
from torch.utils.data import Dataset, StackDataset, Subset, TensorDataset

from bgremoval_mm import ChangeBackground, RembgConcatDataset, RembgDataset, RemoveBackground
from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.datasets.unwrap import (
    base_datasets,
    base_keys,
    copy_down_to_bases,
)
from bgremoval_mm.removal.errors import ArgumentError

COLOUR = (255, 0, 255)
LOADER = {'type': 'LoadImageFromFile'}


class Photos(BaseDataset):
    """Photos of one folder, of class 0 or 1 in turn."""

    METAINFO = {'classes': ('a', 'b')}  # noqa: RUF012

    def load_data_list(self) -> list[dict]:
        """List the files."""
        paths = sorted(Path(self.data_root).rglob('*.jpg'))
        return [{'img_path': str(path), 'gt_label': i % 2} for i, path in enumerate(paths)]

    def get_cat_ids(self, idx: int) -> list[int]:
        """Give the class of a photo."""
        return [self.get_data_info(idx)['gt_label']]


class Plain:
    """A wrapper that derives from nothing and keeps its dataset under a name of its own."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> Any:
        return self.inner[index]


class Behind(Dataset):
    """A wrapper that shows its dataset by a property only."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @property
    def dataset(self) -> Any:
        """The dataset."""
        return self._inner

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_'):
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __getitem__(self, index: int) -> Any:
        return self._inner[index]

    def __len__(self) -> int:
        return len(self._inner)


class Circle(Plain):
    """A wrapper that something in it knows."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.note = Plain(self)


@pytest.fixture
def photos(model, image_tree: Path) -> Photos:
    """A dataset of six photos."""
    return Photos(data_root=str(image_tree), pipeline=[LOADER])


def kfold(dataset: Any) -> Any:
    """mmpretrain's KFoldDataset, around the config of a dataset."""
    datasets = pytest.importorskip('mmpretrain.datasets')
    config = {'type': type(dataset), 'data_root': dataset.data_root, 'pipeline': [LOADER]}
    return datasets.KFoldDataset(config, num_splits=2, seed=0)


def mixed(codebase: str, dataset: Any) -> Any:
    """The MultiImageMixDataset of mmdet or mmseg, with nothing to mix."""
    datasets = pytest.importorskip(f'{codebase}.datasets')
    config = {'type': type(dataset), 'data_root': dataset.data_root, 'pipeline': [LOADER]}
    return datasets.MultiImageMixDataset(
        config, pipeline=[{'type': 'mmcv.Resize', 'scale': (8, 8)}]
    )


WRAPPERS = {
    'mmengine Concat': lambda d: ConcatDataset([d, d]),
    'mmengine Repeat': lambda d: RepeatDataset(d, times=2),
    'mmengine ClassBalanced': lambda d: ClassBalancedDataset(d, oversample_thr=0.1),
    'mmpretrain KFold': kfold,
    'mmdet Mix': lambda d: mixed('mmdet', d),
    'mmseg Mix': lambda d: mixed('mmseg', d),
    'torch Subset': lambda d: Subset(d, [0, 1]),
    'torch Concat': lambda d: TorchConcatDataset([d, Subset(d, [1])]),
    'a class under another name': lambda d: Plain(Plain(d)),
    'a class behind a property': Behind,
}


def removed_share(dataset: Any, index: int) -> float:
    """Share of a sample's pixels that have the fill colour (which no photo has)."""
    image = dataset[index]['img'][..., ::-1]
    return float((image == COLOUR).all(axis=-1).mean())


@pytest.mark.parametrize('beside', [False, True])
@pytest.mark.parametrize('wrapper', WRAPPERS)
def test_background_is_removed_inside_every_wrapper(photos, wrapper: str, beside: bool) -> None:
    """In each wrapper, alone or beside a plain dataset: all lose it, and the given ones keep it."""
    dataset = WRAPPERS[wrapper](photos)
    if beside:
        dataset = TorchConcatDataset([dataset, photos, Plain(Subset(dataset, [0]))])
    removed = RembgDataset(dataset, model='u2netp', device='cpu', threshold=0.5, fill=COLOUR)
    assert len(removed) == len(dataset) > 0
    for index in range(len(dataset)):
        assert removed_share(removed, index) > 0.05
        assert removed_share(dataset, index) == 0
    assert removed.metainfo['classes'] == ('a', 'b')


def test_what_two_wrappers_share_is_copied_twice(photos) -> None:
    """One dataset at two places becomes two, with the same annotations; the given one stays."""
    shared = TorchConcatDataset([photos, Subset(photos, [0])])
    before = photos.pipeline
    twin = copy_down_to_bases(shared)
    first, second = base_datasets(twin)
    assert len({id(each) for each in (first, second, photos)}) == 3
    assert first.data_bytes is photos.data_bytes
    first.pipeline = None
    assert photos.pipeline is before is second.pipeline
    assert base_datasets(shared) == [photos, photos]
    assert shared.datasets[0] is photos
    assert shared.datasets[1].dataset is photos


def test_datasets_in_a_dictionary(photos) -> None:
    """torch's StackDataset has them by name, or in a tuple."""
    assert base_datasets(StackDataset(one=photos, two=photos)) == [photos, photos]
    assert len(base_datasets(copy_down_to_bases(StackDataset(photos, photos)))) == 2


class NoPipeline(Dataset):
    """Loads images in a way of its own."""

    def __len__(self) -> int:
        return 1


class ReadOnly(NoPipeline):
    """Shows a pipeline that cannot be changed."""

    @property
    def pipeline(self) -> list:
        """Nothing."""
        return []


class Pasting(Photos):
    """Loads images itself, and others from a dataset that it holds."""

    def __init__(self, others: Any, **options: Any) -> None:
        super().__init__(**options)
        self.others = others


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda d: NoPipeline(), 'NoPipeline has no pipeline'),
        (lambda d: ReadOnly(), 'ReadOnly has no pipeline'),
        (lambda d: TorchConcatDataset([d, NoPipeline()]), 'NoPipeline has no pipeline'),
        (lambda d: TorchConcatDataset([NoPipeline(), d]), 'NoPipeline has no pipeline'),
        (lambda d: TorchConcatDataset([d, [1]]), 'ConcatDataset must hold datasets, but .* list'),
        (lambda d: Subset(TensorDataset(torch.ones(2)), [0]), 'TensorDataset has no pipeline'),
        (lambda d: Subset([1, 2], [0]), 'Subset has no pipeline'),
        (lambda d: Plain(Subset([1, 2], [0])), 'Subset has no pipeline'),
        (lambda d: Plain([3]), 'Plain has no pipeline'),
        (lambda d: Circle([3]), 'Circle has no pipeline'),
        (
            lambda d: Pasting(d, data_root=d.data_root, pipeline=[LOADER]),
            r'Pasting wraps a dataset \(in `others`\) and has a pipeline of its own that loads',
        ),
    ],
)  # fmt: skip
def test_unknown_is_an_error_that_names_the_class(photos, build, message: str) -> None:
    """What has no pipeline in reach is refused, wherever it lies; both kinds of error catch it."""
    with pytest.raises(TypeError, match=message):
        RembgDataset(build(photos))
    with pytest.raises(ArgumentError, match=message):
        RembgConcatDataset(build(photos))


def test_pipeline_that_cannot_be_read(photos) -> None:
    """A pipeline of a class that shows no transforms is refused too."""
    photos.pipeline = len
    with pytest.raises(ArgumentError, match=r'keeps them in `transforms`.*builtin_function'):
        RembgDataset(photos)


def test_configs_are_looked_into_as_datasets_are() -> None:
    """Through `dataset` and `datasets`, to the keys by which options reach them."""
    first, second = {'type': 'A', 'data_root': 'a'}, {'type': 'B', 'dataset': 'not a dataset'}
    config = ConfigDict(
        type='RembgDataset',
        dataset={
            'type': 'ConcatDataset',
            'datasets': [{'type': 'RepeatDataset', 'dataset': first, 'times': 2}, second],
        },
    )
    assert base_datasets(config) == [first, second]
    assert base_keys(config) == ['dataset.datasets.0.dataset', 'dataset.datasets.1']
    assert base_keys(first) == ['']
    twin = copy_down_to_bases(config)
    base_datasets(twin)[0]['data_root'] = 'changed'
    assert base_datasets(config)[0]['data_root'] == 'a'
    with pytest.raises(ArgumentError, match='must have a `type`, but has data_root'):
        base_datasets({'data_root': 'a'})


def test_settings_of_objects(photos, masked) -> None:
    """Every argument of the RemoveBackground, or the folders of the removed images, or none."""
    store = masked(Path(photos.data_root))
    removed = RembgDataset(photos, store, model='u2netp', threshold=0.4, prob=0.5, resize='linear')
    plain, masks = RemovalSettings.of(TorchConcatDataset([photos, removed]))
    assert (plain.kind, plain.arguments) == ('none', {})
    assert masks.kind == 'masks'
    assert masks.arguments == {
        **dict.fromkeys(('calibration',)),
        'model': 'u2netp',
        'fill': 0,
        'mask_dir': store,
        'img_root': photos.data_root,
        'threshold': 0.4,
        'prob': 0.5,
        'on_missing': 'compute',
        'backend': 'auto',
        'device': 'auto',
        'accept_licence': False,
        'precision': 'fp32',
        'resize': 'linear',
    }
    both = RemovalSettings.of(RembgConcatDataset(photos, store, model='u2netp'))
    assert [each.kind for each in both] == ['none', 'masks']
    nested = {
        'type': 'RandomApply',
        'transforms': [RemoveBackground('u2netp', fill=7)],
        'prob': 0.5,
    }
    photos.pipeline = type(photos.pipeline)([LOADER, nested])
    (settings,) = RemovalSettings.of(photos)
    assert settings.arguments['fill'] == 7
    photos.pipeline.transforms.append(ChangeBackground('removed', model='u2netp'))
    with pytest.raises(ArgumentError, match='must remove the background in one way'):
        RemovalSettings.of(photos)


def test_settings_of_removed_images(photos, image_tree: Path, tmp_path: Path) -> None:
    """`image_dir` is told apart from masks, in a config as in a dataset."""
    from bgremoval_mm.removal import remove_tree

    folder = tmp_path / 'removed'
    remove_tree(image_tree, folder, 'u2netp', output='rgb', device='cpu', progress=False)
    expected = RemovalSettings('images', {'image_dir': str(folder), 'img_root': str(image_tree)})
    (settings,) = RemovalSettings.of(RembgDataset(photos, image_dir=str(folder)))
    assert settings == expected
    assert settings.removes
    assert settings.made_with['model'] == 'u2netp'
    config = {
        'type': 'RembgDataset',
        'image_dir': str(folder),
        'dataset': {'type': 'Photos', 'data_root': str(image_tree)},
    }
    assert RemovalSettings.of(config) == [expected]


@pytest.mark.parametrize(
    'config',
    [
        {},
        {'type': 'RembgDataset'},
        {'type': 'RembgDataset', 'model': 'u2netp', 'fill': [1, 2, 3], 'threshold': 0.3},
        {'type': 'RembgDataset', 'mask_dir': 'masks', 'precision': 'bf16', 'on_missing': 'error'},
        {'type': 'bgremoval_mm.RembgDataset', 'mask_dir': 'masks', 'img_root': '/'},
        {'type': RembgConcatDataset, 'model': 'u2netp'},
        {'type': 'RembgDataset', 'condition': 'blurred', 'model': 'u2netp'},
        {'type': 'RembgDataset', 'pipeline': [LOADER, {'type': 'RemoveBackground', 'fill': 9}]},
        {'type': 'RepeatDataset', 'times': 2},
    ],
)
def test_settings_of_a_config_are_those_of_its_dataset(model, image_tree, config: dict) -> None:
    """What is read off a config is what the dataset that it builds does, argument by argument."""
    from mmengine.registry import DATASETS

    base = {'type': Photos, 'data_root': str(image_tree), 'pipeline': [LOADER]}
    config = {**config, 'dataset': base} if config else base
    assert RemovalSettings.of(config) == RemovalSettings.of(DATASETS.build(copy.deepcopy(config)))


@pytest.mark.parametrize(
    ('steps', 'removes'),
    [
        ([], False),
        ([{'type': 'RemoveBackground', 'prob': 0.5}], True),
        ([{'type': 'RemoveBackground', 'prob': 0.0}], False),
        ([{'type': 'ChangeBackground', 'condition': 'removed'}], True),
        ([{'type': 'ChangeBackground', 'condition': 'blurred'}], False),
    ],
)
def test_settings_say_whether_backgrounds_are_removed(
    model, image_tree, steps: list[dict], removes: bool
) -> None:
    """Of a dataset and of its config alike."""
    from mmengine.registry import DATASETS

    config = {'type': Photos, 'data_root': str(image_tree), 'pipeline': [LOADER, *steps]}
    for dataset in (config, DATASETS.build(copy.deepcopy(config))):
        assert [each.removes for each in RemovalSettings.of(dataset)] == [removes]


def test_precision_of_a_dataset_is_resolved(photos, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks gets the precision that the masks have, not 'auto'."""
    monkeypatch.setattr('bgremoval_mm.removal.options.engine.choose_precision', lambda *_: 'fp32')
    removed = RembgDataset(photos, model='u2netp', precision='auto')
    (settings,) = RemovalSettings.of(removed)
    assert settings.arguments['precision'] == 'fp32'


def test_subsets_of_mmengine_have_pipelines_of_their_own(photos) -> None:
    """mmengine keeps one memo for the copies of all subsets; with it they would share."""
    one, two = photos.get_subset([0]), photos.get_subset([0])
    assert one.pipeline is not two.pipeline
    np.testing.assert_array_equal(one[0]['img'], two[0]['img'])


def test_photo_has_not_the_fill_colour(photos, image_tree: Path) -> None:
    """The measure of these tests is sound: no photo has a pixel of that colour."""
    for path in image_tree.rglob('*.jpg'):
        with Image.open(path) as image:
            assert not (np.asarray(image.convert('RGB')) == COLOUR).all(axis=-1).any()
