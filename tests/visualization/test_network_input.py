"""What a network gets, of configs of the three codebases on small PNG trees with exact masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from PIL import Image

import bgremoval_mm  # noqa: F401
from bgremoval_mm.removal import MaskStore, read_image
from bgremoval_mm.visualization.network_input import (
    NetworkInput,
    is_wrapped,
    preprocessor_settings,
)

NORMALISATION = {'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375]}
COUNT, WIDTH, HEIGHT = 8, 24, 16


@pytest.fixture
def scope(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that sets the default scope, for one test."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    return init_default_scope


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight PNG files without a dark pixel in two classes, as boxes and label maps, too."""
    root = tmp_path / 'photos'
    random = np.random.default_rng(0)
    images, annotations = [], []
    for index in range(COUNT):
        label = index % 2
        path = root / 'images' / ('hat', 'shoes')[label] / f'{index}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(50, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(path)
        flat = root / 'flat' / f'{index}.png'
        flat.parent.mkdir(exist_ok=True)
        flat.write_bytes(path.read_bytes())
        labels = root / 'labels' / f'{index}.png'
        labels.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((HEIGHT, WIDTH), label, np.uint8)).save(labels)
        images.append({'id': index, 'file_name': flat.name, 'width': WIDTH, 'height': HEIGHT})
        box = {'bbox': [2, 2, 9, 9], 'area': 81, 'iscrowd': 0}
        annotations.append({'id': index + 1, 'image_id': index, 'category_id': label, **box})
    categories = [{'id': 0, 'name': 'hat'}, {'id': 1, 'name': 'shoes'}]
    content = {'images': images, 'annotations': annotations, 'categories': categories}
    (root / 'boxes.json').write_text(json.dumps(content))
    return root


@pytest.fixture
def masks(photos: Path, tmp_path: Path) -> Path:
    """A store whose masks keep a corner that no flip maps onto itself: rows 4 on, columns 0-9."""
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[4:, :10] = 255
    for path in [*photos.glob('images/*/*.png'), *photos.glob('flat/*.png')]:
        store.put(path.relative_to(photos).as_posix(), read_image(path), mask, constant=False)
    return tmp_path / 'masks'


def classification(photos: Path, *steps: dict[str, Any], **settings: Any) -> Config:
    """A config with these steps between loading and packing, and with these settings."""
    pytest.importorskip('mmpretrain')
    pipeline = [{'type': 'LoadImageFromFile'}, *steps, {'type': 'PackInputs'}]
    dataset = {
        'type': 'CustomDataset',
        'data_root': str(photos),
        'data_prefix': 'images',
        'pipeline': pipeline,
    }
    loader = {'batch_size': 5, 'dataset': dataset, 'collate_fn': {'type': 'default_collate'}}
    defaults = {
        'default_scope': 'mmpretrain',
        'model': {'type': 'ImageClassifier'},
        'data_preprocessor': {**NORMALISATION, 'to_rgb': True, 'num_classes': 2},
        'train_dataloader': loader,
        'test_dataloader': loader,
    }
    return Config({**defaults, **settings})


def removed(cfg: Config, masks: Path, kind: str = 'RembgDataset', **options: Any) -> Config:
    """The same config with its datasets in a RembgDataset."""
    twin = Config(cfg.to_dict())
    for name in ('train_dataloader', 'test_dataloader'):
        twin[name].dataset = {
            'type': kind,
            'dataset': twin[name].dataset,
            'mask_dir': str(masks),
            'model': 'u2netp',
            'on_missing': 'error',
            **options,
        }
    return twin


def pixels_of(path: str) -> np.ndarray:
    """The file's own pixels, RGB."""
    return np.asarray(Image.open(path).convert('RGB'))


def test_pictures_are_the_photos_and_black_behind_the_mask(
    photos: Path, masks: Path, scope: Callable[[str], None]
) -> None:
    """Normalisation, channel order and batches are undone to the very pixel."""
    scope('mmpretrain')
    cfg = classification(photos)
    indices = [3, 0, 1, 2, 6, 7]
    original = NetworkInput(cfg, 'train').views(indices, 0)
    rembg = NetworkInput(removed(cfg, masks), 'train').views(indices, 0)
    assert len({view.path for view in original}) == len(indices) > 5  # more than one batch
    for first, second in zip(original, rembg, strict=True):
        assert first.path == second.path
        assert first.photo_size == second.photo_size == (WIDTH, HEIGHT)
        assert first.label == second.label == Path(first.path).parent.name
        np.testing.assert_array_equal(first.picture, pixels_of(first.path))
        expected = np.zeros_like(first.picture)
        expected[4:, :10] = first.picture[4:, :10]
        np.testing.assert_array_equal(second.picture, expected)


@pytest.mark.parametrize('prob', [1.0, 0.5])
def test_arms_share_crop_and_flip(
    prob: float, photos: Path, masks: Path, scope: Callable[[str], None]
) -> None:
    """The kept corner lies at the same pixels of the same crop, also if removal is random."""
    scope('mmpretrain')
    steps = (
        {'type': 'RandomCrop', 'crop_size': (12, 18)},
        {'type': 'RandomFlip', 'prob': 0.5, 'direction': 'horizontal'},
    )
    cfg = classification(photos, *steps)
    indices = list(range(COUNT))
    original = NetworkInput(cfg, 'train').views(indices, 0)
    rembg = NetworkInput(removed(cfg, masks, prob=prob), 'train').views(indices, 0)
    crops, kept = set(), 0
    for first, second in zip(original, rembg, strict=True):
        whole = pixels_of(first.path)
        # Where in the photo, and which way round, is the crop?
        (place,) = [
            (y, x, flip)
            for y in range(HEIGHT - 12 + 1)
            for x in range(WIDTH - 18 + 1)
            for flip in (1, -1)
            if np.array_equal(whole[y : y + 12, x : x + 18][:, ::flip], first.picture)
        ]
        crops.add(place)
        y, x, flip = place
        masked = np.zeros_like(whole)
        masked[4:, :10] = whole[4:, :10]
        expected = masked[y : y + 12, x : x + 18][:, ::flip]
        if np.array_equal(second.picture, first.picture):
            kept += 1
        else:
            np.testing.assert_array_equal(second.picture, expected)
    assert len(crops) > 4
    assert {flip for _, _, flip in crops} == {1, -1}
    assert kept == 0 if prob == 1 else 0 < kept < COUNT


def test_replaced_backgrounds_share_crop_and_flip(
    photos: Path, masks: Path, tmp_path: Path, scope: Callable[[str], None]
) -> None:
    """What is drawn for another background does not move the crop: the foreground is the same."""
    scope('mmpretrain')
    (tmp_path / 'bank').mkdir()
    Image.new('RGB', (40, 40), (1, 2, 3)).save(tmp_path / 'bank' / 'plain.png')
    crop = {'type': 'RandomCrop', 'crop_size': (12, 18)}
    cfg = classification(photos, crop, {'type': 'RandomFlip', 'prob': 0.5})
    indices = list(range(COUNT))
    original = NetworkInput(cfg, 'train').views(indices, 0)
    bank = str(tmp_path / 'bank')
    replaced = NetworkInput(removed(cfg, masks, bank=bank), 'train').views(indices, 0)
    for first, second in zip(original, replaced, strict=True):
        behind = (second.picture == (1, 2, 3)).all(axis=2)
        assert behind.any()
        assert not behind.all()
        np.testing.assert_array_equal(first.picture[~behind], second.picture[~behind])


def test_seed_decides(photos: Path, scope: Callable[[str], None]) -> None:
    """The same seed gives the same crops whichever samples are shown with it, another others."""
    scope('mmpretrain')
    inputs = NetworkInput(classification(photos, {'type': 'RandomCrop', 'crop_size': 8}), 'train')
    first, again, other = (inputs.views(range(COUNT), seed) for seed in (0, 0, 1))
    alone = inputs.views([6], 0)[0]
    same = [np.array_equal(a.picture, b.picture) for a, b in zip(first, other, strict=True)]
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(first, again, strict=True))
    assert not all(same)
    np.testing.assert_array_equal(alone.picture, first[6].picture)


def test_batch_augmentation_in_training_only(
    photos: Path, masks: Path, scope: Callable[[str], None]
) -> None:
    """MixUp from the model's train_cfg mixes photos and labels of a batch, alike in both runs."""
    scope('mmpretrain')
    model = {
        'type': 'ImageClassifier',
        'train_cfg': {'augments': {'type': 'Mixup', 'alpha': 1.0}},
    }
    cfg = classification(photos, model=model)
    twin = removed(cfg, masks)
    indices = list(range(5))
    original, rembg = (NetworkInput(each, 'train').views(indices, 0) for each in (cfg, twin))
    assert [view.label for view in original] == [view.label for view in rembg]
    mixed = [(a, b) for a, b in zip(original, rembg, strict=True) if ' + ' in a.label]
    assert mixed
    photographs = [pixels_of(view.path).astype(float) for view in original]
    for first, second in mixed:
        own = pixels_of(first.path).astype(float)
        share = float(first.label.split()[0])
        share = share if Path(first.path).parent.name == first.label.split()[1] else 1 - share
        # The share is printed with two digits, the levels are rounded to whole ones.
        fits = [
            np.abs(share * own + (1 - share) * other - first.picture).max() < 0.006 * 206 + 0.51
            for other in photographs
        ]
        assert sum(fits) == 1
        expected = np.zeros_like(first.picture)
        expected[4:, :10] = first.picture[4:, :10]
        np.testing.assert_array_equal(second.picture, expected)
    for view in NetworkInput(cfg, 'test').views(indices, 0):
        assert ' + ' not in view.label
        np.testing.assert_array_equal(view.picture, pixels_of(view.path))


def test_removed_twins_of_a_doubled_data_set(
    photos: Path, masks: Path, scope: Callable[[str], None]
) -> None:
    """Of a RembgConcatDataset the second half is shown, and counted once."""
    scope('mmpretrain')
    inputs = NetworkInput(removed(classification(photos), masks, 'RembgConcatDataset'), 'train')
    assert len(inputs) == COUNT
    (view,) = inputs.views([3], 0)
    assert (view.picture[:, 10:] == 0).all()
    np.testing.assert_array_equal(view.picture[4:, :10], pixels_of(view.path)[4:, :10])


def test_detection_pads_and_turns_channels(
    photos: Path, masks: Path, scope: Callable[[str], None]
) -> None:
    """mmdet: padded to multiples of 32 with the mean's level; boxes are named, not drawn."""
    pytest.importorskip('mmdet')
    scope('mmdet')
    dataset = {
        'type': 'CocoDataset',
        'data_root': str(photos),
        'ann_file': 'boxes.json',
        'data_prefix': {'img': 'flat/'},
        'metainfo': {'classes': ('hat', 'shoes')},
        'pipeline': [
            {'type': 'LoadImageFromFile'},
            {'type': 'LoadAnnotations', 'with_bbox': True},
            {'type': 'RandomFlip', 'prob': 0.5},
            {'type': 'PackDetInputs'},
        ],
    }
    preprocessor = {
        'type': 'DetDataPreprocessor',
        **NORMALISATION,
        'bgr_to_rgb': True,
        'pad_size_divisor': 32,
        'batch_augments': [
            {'type': 'BatchSyncRandomResize', 'random_size_range': (32, 64), 'interval': 10}
        ],
    }
    loader = {'batch_size': 2, 'dataset': dataset}
    cfg = Config({
        'default_scope': 'mmdet',
        'model': {'type': 'RetinaNet', 'data_preprocessor': preprocessor},
        'train_dataloader': loader,
        'test_dataloader': loader,
    })  # fmt: skip
    original = NetworkInput(cfg, 'train').views(range(6), 0)
    rembg = NetworkInput(removed(cfg, masks), 'train').views(range(6), 0)
    flips = set()
    for index, (first, second) in enumerate(zip(original, rembg, strict=True)):
        assert first.label == f'1 object: {("hat", "shoes")[index % 2]}'
        assert first.picture.shape == (32, 32, 3)
        whole = pixels_of(first.path)
        (flip,) = [
            flip
            for flip in (1, -1)
            if np.array_equal(first.picture[:HEIGHT, :WIDTH], whole[:, ::flip])
        ]
        flips.add(flip)
        assert (first.picture[HEIGHT:] == (124, 116, 104)).all()
        masked = np.zeros_like(whole)
        masked[4:, :10] = whole[4:, :10]
        np.testing.assert_array_equal(second.picture[:HEIGHT, :WIDTH], masked[:, ::flip])
    assert flips == {1, -1}


def test_segmentation(photos: Path, masks: Path, scope: Callable[[str], None]) -> None:
    """mmseg: the classes of the label map, the photo and the removed photo."""
    pytest.importorskip('mmseg')
    scope('mmseg')
    dataset = {
        'type': 'BaseSegDataset',
        'data_root': str(photos),
        'data_prefix': {'img_path': 'flat', 'seg_map_path': 'labels'},
        'img_suffix': '.png',
        'metainfo': {'classes': ('ground', 'thing')},
        'pipeline': [
            {'type': 'LoadImageFromFile'},
            {'type': 'LoadAnnotations'},
            {'type': 'PackSegInputs'},
        ],
    }
    preprocessor = {
        'type': 'SegDataPreProcessor',
        **NORMALISATION,
        'bgr_to_rgb': True,
        'size': (HEIGHT, 32),
    }
    loader = {'batch_size': 2, 'dataset': dataset}
    cfg = Config({
        'default_scope': 'mmseg',
        'model': {'type': 'EncoderDecoder', 'data_preprocessor': preprocessor},
        'train_dataloader': loader,
        'test_dataloader': loader,
    })  # fmt: skip
    for subset, width in (('train', 32), ('test', WIDTH)):
        original = NetworkInput(cfg, subset).views([0, 1, 2], 0)
        rembg = NetworkInput(removed(cfg, masks), subset).views([0, 1, 2], 0)
        assert [view.label for view in original] == ['ground', 'thing', 'ground']
        for first, second in zip(original, rembg, strict=True):
            assert first.picture.shape == (HEIGHT, width, 3)
            whole = pixels_of(first.path)
            np.testing.assert_array_equal(first.picture[:, :WIDTH], whole)
            np.testing.assert_array_equal(second.picture[4:, :10], whole[4:, :10])
            assert (second.picture[:, 10:WIDTH] == 0).all()


def test_without_normalisation_channels_are_bgr(photos: Path, scope: Callable[[str], None]) -> None:
    """A config without data preprocessor gets B, G, R as it was loaded; it is shown rightly."""
    scope('mmpretrain')
    cfg = classification(photos, data_preprocessor=None)
    (view,) = NetworkInput(cfg, 'train').views([2], 0)
    np.testing.assert_array_equal(view.picture, pixels_of(view.path))


def test_settings_of_the_data_preprocessor() -> None:
    """The model's own before the config's; mmpretrain's default kind and batch augmentations."""
    own, top = {'type': 'A', 'to_rgb': True}, {'to_rgb': False}
    cfg = Config({'default_scope': 'mmdet', 'model': {'data_preprocessor': own}})
    cfg.data_preprocessor = top
    assert preprocessor_settings(cfg) == own
    cfg = Config({'default_scope': 'mmpretrain', 'data_preprocessor': top})
    cfg.model = {'train_cfg': {'augments': 'M'}}
    assert preprocessor_settings(cfg) == {
        'type': 'ClsDataPreprocessor',
        'to_rgb': False,
        'batch_augments': {'augments': 'M'},
    }
    assert cfg.data_preprocessor == top
    assert preprocessor_settings(Config({})) == {'type': 'BaseDataPreprocessor'}


def test_wrapped_data_sets_are_known_by_type(photos: Path, masks: Path) -> None:
    """By name, with or without a scope, and as a class."""
    cfg = classification(photos)
    assert not is_wrapped(cfg, 'train')
    assert is_wrapped(removed(cfg, masks), 'train')
    assert is_wrapped(removed(cfg, masks, 'mmengine.RembgConcatDataset'), 'test')
    assert not is_wrapped(cfg, 'val')


def test_errors_name_what_is_wrong(
    photos: Path, masks: Path, scope: Callable[[str], None], tmp_path: Path
) -> None:
    """No such loader, an unknown argument, an unknown transform, a missing mask."""
    scope('mmpretrain')
    cfg = classification(photos)
    with pytest.raises(ValueError, match='no val_dataloader; it has train, test'):
        NetworkInput(cfg, 'val')
    with pytest.raises(ValueError, match=r'train_dataloader\.dataset cannot be built: .*colour'):
        NetworkInput(removed(cfg, masks, colour=3), 'train')
    with pytest.raises(ValueError, match=r'cannot be built: .*Nonsense'):
        NetworkInput(classification(photos, {'type': 'Nonsense'}), 'train')
    twin = removed(cfg, tmp_path / 'none')
    with pytest.raises(FileNotFoundError, match=r'Make it: python tools/remove_background\.py'):
        NetworkInput(twin, 'train').views([0], 0)
