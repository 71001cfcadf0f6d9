"""RembgDataset over a tree of removed images, and masks resized by another method."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, DefaultScope
from PIL import ExifTags, Image
from torch.utils.data import DataLoader

from bgremoval_mm import RembgConcatDataset, RembgDataset, RemoveBackground
from bgremoval_mm.removal import MaskStore, compose, remove_tree
from bgremoval_mm.removal.errors import ArgumentError


@pytest.fixture
def removed_tree(tiny_model, tmp_path: Path):
    """A function that removes the background of a dataset's images, into files."""
    tiny_model('u2netp')

    def make(root: str, **options: object) -> str:
        out = tmp_path / 'removed'
        remove_tree(root, out, 'u2netp', output='rgb', device='cpu', progress=False, **options)
        return str(out)

    return make


def build(dataset: dict, **options: object):
    """A RembgDataset built as a runner builds it, from a config."""
    with DefaultScope.overwrite_default_scope(dataset['type'].split('.')[0]):
        return DATASETS.build({'type': 'RembgDataset', 'dataset': dataset, **options})


@pytest.mark.parametrize('workers', [0, 2])
def test_same_samples_as_composed_at_load(
    any_dataset: dict, removed_tree, tmp_path: Path, workers: int
) -> None:
    """Pixels (to the level, where images are floats) and paths of masks composed at load."""
    root = any_dataset['data_root']
    image_dir = removed_tree(root)
    remove_tree(root, tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
    composed = build(any_dataset, mask_dir=str(tmp_path / 'masks'), model='u2netp')
    loaded = pickle.loads(pickle.dumps(build(any_dataset, image_dir=image_dir)))
    assert len(loaded) == len(composed) > 2
    loader = DataLoader(loaded, batch_size=1, num_workers=workers, collate_fn=pseudo_collate)
    for batch, expected in zip(loader, (composed[i] for i in range(len(composed))), strict=True):
        assert (batch['inputs'][0].float() - expected['inputs'].float()).abs().max() <= 0.5
        assert batch['data_samples'][0].img_path == expected['data_samples'].img_path
        assert batch['data_samples'][0].ori_shape == expected['data_samples'].ori_shape


@pytest.mark.parametrize('file_format', ['webp', 'jpeg'])
def test_other_formats(class_folders: dict, removed_tree, file_format: str) -> None:
    """The manifest says which files there are."""
    root = class_folders['data_root']
    image_dir = removed_tree(root, file_format=file_format, fill=200)
    sample = build(class_folders, image_dir=image_dir)[0]
    assert sample['data_samples'].img_path.startswith(root)
    removed = next(Path(image_dir).rglob('*.*.*'))
    assert removed.suffix == {'webp': '.webp', 'jpeg': '.jpg'}[file_format]


def test_new_pipeline_and_concatenation(class_folders: dict, removed_tree) -> None:
    """A pipeline that is set later loads the removed images too; so does the concatenation."""
    image_dir = removed_tree(class_folders['data_root'])
    removed = build(class_folders, image_dir=image_dir)
    first = removed[0]['inputs']
    removed.pipeline = class_folders['pipeline']
    assert (removed[0]['inputs'] == first).all()
    assert 'LoadImageFromRemoved(LoadImageFromFile' in repr(removed.pipeline)
    both = RembgConcatDataset(DATASETS.build(class_folders), image_dir=image_dir)
    assert (both[len(removed)]['inputs'] == first).all()
    assert not (both[0]['inputs'] == first).all()


def test_what_is_missing_or_changed_is_an_error(class_folders: dict, removed_tree) -> None:
    """The error names the files and the command."""
    root = class_folders['data_root']
    image_dir = removed_tree(root)
    removed = build(class_folders, image_dir=image_dir)
    path = Path(removed.get_data_info(0)['img_path'])
    os.utime(path)  # as copying does
    assert removed[0] is not None
    path.write_bytes(path.read_bytes() + b'more')
    with pytest.raises(FileNotFoundError, match='the image has changed since the removed one was'):
        build(class_folders, image_dir=image_dir)[0]
    remove_tree(
        root, image_dir, 'u2netp', output='rgb', device='cpu', progress=False, overwrite=True
    )
    removed = build(class_folders, image_dir=image_dir)
    assert removed[0] is not None
    (Path(image_dir) / path.relative_to(root)).with_name(path.name + '.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'remove_background.py .* --output rgb'):
        removed[0]


@pytest.mark.parametrize('orientation', [3, 6])
def test_loaders_that_do_not_turn(class_folders: dict, removed_tree, orientation: int) -> None:
    """Removed images are upright: annotations of the image as it is stored would not fit them."""
    path = Path(class_folders['data_root']) / 'dress' / '1.jpg'
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    pixels = np.asarray(Image.open(path)).copy()
    pixels[:5, :9] = 255
    Image.fromarray(pixels).save(path, exif=exif, quality=98)
    image_dir = removed_tree(class_folders['data_root'])
    turning = build(class_folders, image_dir=image_dir)
    shapes = {
        Path(sample['data_samples'].img_path): sample['data_samples'].ori_shape
        for sample in (turning[i] for i in range(len(turning)))
    }
    assert shapes[path] == (pixels.shape[:2] if orientation == 3 else pixels.shape[1::-1])
    loader, *rest = class_folders['pipeline']
    loader = {**loader, 'color_type': 'color_ignore_orientation'}
    raw = build({**class_folders, 'pipeline': [loader, *rest]}, image_dir=image_dir)
    expected = rf'1\.jpg is upright, but the loader does not .* orientation \({orientation}\)'
    with pytest.raises(ArgumentError, match=expected):
        [raw[i] for i in range(len(raw))]


def test_what_does_not_go_together(class_folders: dict, removed_tree, tmp_path: Path) -> None:
    """Masks beside removed images, a tree of something else, a second removal."""
    image_dir = removed_tree(class_folders['data_root'])
    for extra in ({'mask_dir': 'masks'}, {'fill': 0}):
        with pytest.raises(ValueError, match=rf'`{next(iter(extra))}` has no effect'):
            RembgDataset(class_folders, image_dir=image_dir, **extra)
    with pytest.raises(ValueError, match="holds results of output 'none at all'"):
        RembgDataset(class_folders, image_dir=str(tmp_path / 'nowhere'))
    loader, *rest = class_folders['pipeline']
    pipeline = [loader, {'type': 'RemoveBackground', 'model': 'u2netp'}, *rest]
    with pytest.raises(ValueError, match='must hold no RemoveBackground'):
        RembgDataset({**class_folders, 'pipeline': pipeline}, image_dir=image_dir)


def test_linear_resize(tiny_model, image_tree: Path, tmp_path: Path) -> None:
    """`resize='linear'` is OpenCV's bilinear filter on the stored mask; others are refused."""
    tiny_model('u2netp')
    remove_tree(image_tree, tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
    path = image_tree / 'dress/1.jpg'
    image = cv2.imread(str(path))
    options = {'model': 'u2netp', 'mask_dir': str(tmp_path / 'masks'), 'img_root': str(image_tree)}
    found = RemoveBackground(resize='linear', **options)({'img': image, 'img_path': str(path)})
    stored = MaskStore(tmp_path / 'masks', 'u2netp').get('dress/1.jpg')
    assert stored is not None
    mask = cv2.resize(stored.mask, stored.size, interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(found['img'], compose(image, mask))
    with pytest.raises(ValueError, match="`resize` must be one of lanczos, linear, but got 'area'"):
        RemoveBackground(resize='area', **options)
