"""Foreground masks of test datasets: resized and cropped as the image is, and packed."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.registry import DATASETS, DefaultScope
from torch.utils.data import DataLoader

from bgremoval_mm.datasets.foreground import check_masks, with_foreground_mask
from bgremoval_mm.datasets.transforms.load_foreground_mask import LoadForegroundMask
from bgremoval_mm.datasets.unwrap import base_datasets
from bgremoval_mm.removal import MaskStore
from bgremoval_mm.removal.errors import ArgumentError

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackInputs')
GEOMETRY = [dict(type='ResizeEdge', scale=24, edge='short'), dict(type='CenterCrop', crop_size=20)]
PIPELINE = [LOAD, *GEOMETRY, PACK]


@pytest.fixture(autouse=True)
def scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mmpretrain's scope, for this test only."""
    pytest.importorskip('mmpretrain.datasets')
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    DefaultScope.get_instance('foreground', scope_name='mmpretrain')


def config(folder: Path, pipeline: Any = PIPELINE) -> dict[str, Any]:
    """Config of the eight photos."""
    root = str(folder / 'photos')
    return dict(type='CustomDataset', data_root=root, data_prefix='test', pipeline=pipeline)


def build(folder: Path, pipeline: Any = PIPELINE) -> Any:
    """The eight photos."""
    return DATASETS.build(config(folder, pipeline))


def mask_of(sample: dict[str, Any]) -> np.ndarray:
    """The packed mask."""
    return sample['data_samples'].fg_mask


def test_mask_follows_the_image(masked_photos: Path) -> None:
    """The red channel is the mask before, and so it must be after, to the pixel."""
    changed = with_foreground_mask(build(masked_photos), {'mask_dir': masked_photos / 'masks'})
    for index in range(8):
        sample = changed[index]
        assert mask_of(sample).shape == (20, 20)
        np.testing.assert_array_equal(mask_of(sample), sample['inputs'][2].numpy())
    assert len({mask_of(changed[index]).tobytes() for index in range(8)}) > 4


def test_the_dataset_stays_as_it_is(masked_photos: Path) -> None:
    """The one that is tested has its own pipeline, and gives the same images."""
    dataset = build(masked_photos)
    steps = list(dataset.pipeline.transforms)
    changed = with_foreground_mask(dataset, {'mask_dir': masked_photos / 'masks'})
    assert dataset.pipeline.transforms == steps
    assert 'fg_mask' not in dataset[0]['data_samples']
    assert torch.equal(dataset[0]['inputs'], changed[0]['inputs'])


def test_random_steps_are_shared(masked_photos: Path) -> None:
    """A mask is mirrored with its image."""
    flip = dict(type='RandomFlip', prob=0.5, direction='horizontal')
    plain = build(masked_photos)
    dataset = build(masked_photos, [LOAD, *GEOMETRY, flip, PACK])
    changed = with_foreground_mask(dataset, {'mask_dir': masked_photos / 'masks'})
    mirrored = 0
    for _ in range(20):
        sample = changed[1]
        np.testing.assert_array_equal(mask_of(sample), sample['inputs'][2].numpy())
        mirrored += not torch.equal(sample['inputs'], plain[1]['inputs'])
    assert 0 < mirrored < 20


def test_a_removed_background(masked_photos: Path) -> None:
    """RembgDataset's own store is found, and the mask is that of the photo before the removal."""
    wrapped = DATASETS.build(
        dict(
            type='RembgDataset',
            dataset=config(masked_photos),
            mask_dir=str(masked_photos / 'masks'),
        )
    )
    changed = with_foreground_mask(wrapped, {'mask_dir': None, 'on_missing': 'error'})
    plain = build(masked_photos)
    sample = changed[3]
    np.testing.assert_array_equal(mask_of(sample), plain[3]['inputs'][2].numpy())
    assert torch.equal(sample['inputs'], wrapped[3]['inputs'])
    assert not torch.equal(sample['inputs'], plain[3]['inputs'])


@pytest.mark.parametrize('bank', [None, 'bank'])
def test_masks_of_the_training(masked_photos: Path, bank: str | None) -> None:
    """A test on originals takes the store that training removes or replaces backgrounds with."""
    training = dict(
        type='RembgDataset',
        dataset=config(masked_photos),
        mask_dir=str(masked_photos / 'masks'),
        model='u2net',
        resize='linear',
    )
    if bank:
        training['bank'] = bank
    changed = with_foreground_mask(build(masked_photos), {'model': None}, training)
    step = next(x for x in changed.pipeline.transforms if isinstance(x, LoadForegroundMask))
    assert (step.resize, step.masks.on_missing) == ('linear', 'error')
    assert mask_of(changed[0]).any()


def test_arguments_come_first(masked_photos: Path) -> None:
    """What is given replaces what the dataset has."""
    wrapped = DATASETS.build(
        dict(
            type='RembgDataset',
            dataset=config(masked_photos),
            mask_dir=str(masked_photos / 'elsewhere'),
            on_missing='compute',
        )
    )
    given = {'mask_dir': str(masked_photos / 'masks'), 'resize': 'linear'}
    (base,) = base_datasets(with_foreground_mask(wrapped, given))
    step = next(x for x in base.pipeline.transforms if isinstance(x, LoadForegroundMask))
    assert step.masks.mask_dir == str(masked_photos / 'masks')
    assert (step.resize, step.masks.on_missing) == ('linear', 'error')


def test_a_mask_that_is_there(masked_photos: Path) -> None:
    """A pipeline with a LoadForegroundMask of its own keeps it."""
    folders = {
        'mask_dir': str(masked_photos / 'masks'),
        'img_root': str(masked_photos / 'photos'),
    }
    own = dict(type='LoadForegroundMask', **folders, transforms=GEOMETRY)
    dataset = build(masked_photos, [LOAD, own, PACK])
    changed = with_foreground_mask(dataset, {})
    np.testing.assert_array_equal(mask_of(changed[2]), changed[2]['inputs'][2].numpy())
    with pytest.raises(ArgumentError, match=r"`mask_dir` must not be given where .* got 'other'"):
        with_foreground_mask(dataset, {'mask_dir': 'other'})


def test_joined_datasets(masked_photos: Path) -> None:
    """Each has its own pipeline, and finds its own photos' masks."""
    parts = [config(masked_photos, [LOAD, PACK]), config(masked_photos)]
    joined = DATASETS.build(dict(type='ConcatDataset', datasets=parts))
    changed = with_foreground_mask(joined, {'mask_dir': masked_photos / 'masks'})
    assert [mask_of(changed[index]).shape for index in (7, 8)] == [(32, 48), (20, 20)]
    check_masks(changed, [str(changed.get_data_info(0)['img_path'])])


def test_workers_and_pickling(masked_photos: Path) -> None:
    """It goes into worker processes and batches, and can be pickled."""
    changed = with_foreground_mask(build(masked_photos), {'mask_dir': masked_photos / 'masks'})
    loader = DataLoader(changed, 4, num_workers=2, collate_fn=default_collate)
    samples = [sample for batch in loader for sample in batch['data_samples']]
    again = pickle.loads(pickle.dumps(changed))
    for index, sample in enumerate(samples):
        np.testing.assert_array_equal(sample.fg_mask, mask_of(again[index]))


def test_missing_masks(masked_photos: Path) -> None:
    """The photos that are asked for must have masks; others need not."""
    changed = with_foreground_mask(build(masked_photos), {'mask_dir': masked_photos / 'masks'})
    paths = [str(changed.get_data_info(index)['img_path']) for index in range(8)]
    check_masks(changed, paths)
    MaskStore(masked_photos / 'masks', 'u2net').path('test/hat/0.png').unlink()
    check_masks(changed, paths[1:])
    with pytest.raises(FileNotFoundError, match=r'hat/0\.png.*Make it: python tools/remove_backg'):
        check_masks(changed, paths)


def test_masks_that_are_computed(masked_photos: Path, tiny_model: Any) -> None:
    """With on_missing='compute' nothing is looked for, and the network's mask is stored."""
    tiny_model('u2net')
    shutil.rmtree(masked_photos / 'masks')
    given = {'mask_dir': str(masked_photos / 'masks'), 'on_missing': 'compute'}
    changed = with_foreground_mask(build(masked_photos), given)
    check_masks(changed, [str(changed.get_data_info(0)['img_path'])])
    assert mask_of(changed[0]).shape == (20, 20)
    assert len(list((masked_photos / 'masks').rglob('*.png'))) == 1
    without = with_foreground_mask(build(masked_photos), {'on_missing': 'compute'})
    np.testing.assert_array_equal(mask_of(without[0]) > 128, mask_of(changed[0]) > 128)


def test_no_store(masked_photos: Path) -> None:
    """Where no store is named, that is an error; so is computing a mask of a removed photo."""
    dataset = build(masked_photos)
    with pytest.raises(ArgumentError, match='`mask_dir` must be given: neither'):
        with_foreground_mask(dataset, {})
    with pytest.raises(ArgumentError, match='`mask_dir` must be given: neither'):
        with_foreground_mask(dataset, {}, config(masked_photos))
    removing = build(masked_photos, [LOAD, dict(type='RemoveBackground'), *GEOMETRY, PACK])
    with pytest.raises(ArgumentError, match='`mask_dir` must be given where'):
        with_foreground_mask(removing, {'on_missing': 'compute'})


@pytest.mark.parametrize(
    ('pipeline', 'message'),
    [
        ([LOAD, *GEOMETRY], r"must end in mmpretrain's PackInputs, .* 'CenterCrop'\]"),
        (
            [LOAD, dict(type='TestTimeAug', transforms=[[dict(type='Resize', scale=8)], [PACK]])],
            "must end in mmpretrain's PackInputs",
        ),
        (
            [
                LOAD,
                dict(type='RandomApply', transforms=dict(type='RemoveBackground'), prob=0.5),
                PACK,
            ],
            'must remove the background at its top level',
        ),
        ([PACK], 'must hold an image loader'),
    ],
)
def test_pipelines_that_cannot_carry_a_mask(
    masked_photos: Path, pipeline: list[dict[str, Any]], message: str
) -> None:
    """Each error says what is needed."""
    with pytest.raises(ArgumentError, match=message):
        with_foreground_mask(build(masked_photos, pipeline), {'mask_dir': 'masks'})
