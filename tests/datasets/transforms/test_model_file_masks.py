"""RemoveBackground with a model in a file of one's own."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset

from bgremoval_mm import RemoveBackground
from bgremoval_mm.datasets.transforms.mask_source import MaskMissingError
from bgremoval_mm.removal import MaskStore, WeightsError
from bgremoval_mm.removal.errors import ArgumentError


class Photos(Dataset):
    """Photos without their background."""

    def __init__(self, paths: list[Path], step: RemoveBackground) -> None:
        self.paths, self.step = paths, step

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.step(LoadImageFromFile()({'img_path': str(self.paths[index])}))


def settings_of(path: Path, images: Path, tmp_path: Path) -> dict[str, Any]:
    """Arguments of a RemoveBackground that computes and stores."""
    return {
        'model': str(path),
        'mask_dir': str(tmp_path / 'masks'),
        'img_root': str(images),
        'backend': 'onnxruntime',
        'device': 'cpu',
    }


def test_two_workers_fill_the_files_own_store(
    model_file: Callable[..., Path], image_tree: Path, tmp_path: Path
) -> None:
    """They remove what this process removes, and another file's masks are others."""
    first, second = model_file('a'), model_file('b', scale=-1.0)
    paths = sorted(image_tree.rglob('*.*g'))
    step = RemoveBackground(**settings_of(first, image_tree, tmp_path))
    photos = Photos(paths, pickle.loads(pickle.dumps(step)))
    loader = DataLoader(photos, batch_size=1, num_workers=2, collate_fn=pseudo_collate)
    found = [np.asarray(batch['img'][0]) for batch in loader]
    store = MaskStore(tmp_path / 'masks', first)
    assert all(store.get(path.relative_to(image_tree).as_posix()) for path in paths)
    for image, path in zip(found, paths, strict=True):
        plain = RemoveBackground(str(first), backend='onnxruntime', device='cpu')
        wanted = plain(LoadImageFromFile()({'img_path': str(path)}))['img']
        assert np.abs(image.astype(int) - wanted).max() <= 1
    other = settings_of(second, image_tree, tmp_path) | {'on_missing': 'error'}
    with pytest.raises(MaskMissingError, match=rf'there is no mask for .*--model {second}'):
        RemoveBackground(**other)(LoadImageFromFile()({'img_path': str(paths[0])}))


def test_file_that_changes_while_it_is_used(
    model_file: Callable[..., Path], image_tree: Path, tmp_path: Path
) -> None:
    """Masks of a new file are never stored as the old one's."""
    path = model_file('a')
    step = RemoveBackground(**settings_of(path, image_tree, tmp_path))
    model_file('a', scale=-1.0)
    photo = {'img_path': str(next(image_tree.rglob('*.jpg')))}
    with pytest.raises(WeightsError, match='has changed since it was opened'):
        step(LoadImageFromFile()(photo))
    assert not MaskStore(tmp_path / 'masks', step.masks.store.spec).manifest.read()


def test_missing_file() -> None:
    """It is named when the transform is made, before any photo."""
    with pytest.raises(ArgumentError, match=r'there is no file gone\.onnx'):
        RemoveBackground('gone.onnx')
