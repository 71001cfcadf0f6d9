"""Photos behind the first steps of a pipeline, in whatever wrappers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from bgremoval_mm.datasets.first_steps import load_photo
from bgremoval_mm.removal import MaskStore, read_image


def build(config: dict, scope: str):
    """A dataset built as a runner builds it."""
    with DefaultScope.overwrite_default_scope(scope):
        return DATASETS.build(config)


@pytest.mark.parametrize('wrapper', ['ConcatDataset', 'RepeatDataset', None])
def test_the_photo_as_it_is_loaded(any_dataset: dict, wrapper: str | None) -> None:
    """Turned to RGB and to uint8; afterwards the dataset gives what it gave before."""
    config = {
        'ConcatDataset': {'type': 'ConcatDataset', 'datasets': [any_dataset]},
        'RepeatDataset': {'type': 'RepeatDataset', 'dataset': any_dataset, 'times': 2},
        None: any_dataset,
    }[wrapper]
    dataset = build(config, any_dataset['type'].split('.')[0])
    before = dataset[1]['inputs']
    photo = load_photo(dataset, 1)
    assert photo.dtype == np.uint8
    np.testing.assert_array_equal(photo.transpose(2, 0, 1)[::-1], before.numpy().astype(np.uint8))
    assert (dataset[1]['inputs'] == before).all()


def test_joined_datasets_have_pipelines_of_their_own(class_folders: dict, tmp_path: Path) -> None:
    """A photo of the second dataset is loaded by its pipeline, not by the first's."""
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    for name in ('hat/0.png', 'dress/1.png'):
        path = tmp_path / 'more' / name
        path.parent.mkdir(parents=True)
        Image.new('RGB', (8, 8), (10, 20, 30)).save(path)
        store.put(name, read_image(path), np.zeros((8, 8), np.uint8), constant=False)
    removal = {'type': 'RemoveBackground', 'model': 'u2netp', 'fill': 77, 'on_missing': 'error',
               'mask_dir': str(tmp_path / 'masks'), 'img_root': str(tmp_path / 'more')}  # fmt: skip
    load, pack = class_folders['pipeline']
    second = {
        **class_folders,
        'data_root': str(tmp_path / 'more'),
        'pipeline': [load, removal, {'type': 'mmpretrain.Resize', 'scale': 4}, pack],
    }
    dataset = build({'type': 'ConcatDataset', 'datasets': [class_folders, second]}, 'mmpretrain')
    assert load_photo(dataset, 0).shape == (14, 21, 3)
    np.testing.assert_array_equal(load_photo(dataset, 7), np.full((8, 8, 3), 77, np.uint8))
