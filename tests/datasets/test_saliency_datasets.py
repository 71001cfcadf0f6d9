"""Datasets of photos with masks: one's own pairs, published layouts, CCP's foreground."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('mmseg')

from mmengine.registry import DATASETS, DefaultScope
from torch.utils.data import DataLoader

from bgremoval_mm.datasets.formats.ccp import read_labels
from bgremoval_mm.datasets.prepare import ccp
from bgremoval_mm.datasets.saliency import LAYOUTS
from bgremoval_mm.datasets.transforms.load_saliency_mask import LoadSaliencyMask, foreground_of
from bgremoval_mm.datasets.transforms.scale_to_full_range import ScaleToFullRange
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.pairs.manifest import Pair, write_manifest

META = ('img_path', 'ori_shape', 'cluster')
PIPELINE = [
    {'type': 'LoadImageFromFile'},
    {'type': 'Resize', 'scale': (16, 16), 'keep_ratio': False},
    {'type': 'LoadSaliencyMask'},
    {'type': 'PackSegInputs', 'meta_keys': META},
]


def build(**config: Any) -> Any:
    """Build a dataset as mmseg's tools do."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build({'pipeline': PIPELINE, **config})


def write(path: Path, pixels: np.ndarray) -> None:
    """Write a picture, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def mask(index: int) -> np.ndarray:
    """A mask of 30 x 20 with index + 1 rows of foreground."""
    levels = np.zeros((20, 30), np.uint8)
    levels[: index + 1] = 255
    return levels


@pytest.fixture
def manifest(tmp_path: Path, picture) -> Path:
    """Six pairs beside the manifest's folder: four train, two validate, in two clusters."""
    pairs = []
    for index in range(6):
        write(tmp_path / f'photos/x/{index}.jpg', picture(30, 20, index))
        write(tmp_path / f'masks/x/{index}.png', mask(index))
        pairs.append(
            Pair(
                f'../photos/x/{index}.jpg', f'../masks/x/{index}.png', 30, 20, '', '', 0.5,
                ('white', 'shirts')[index % 2], 'train' if index < 4 else 'val', item=f'p{index}',
            )
        )  # fmt: skip
    write_manifest(tmp_path / 'pairs/manifest.csv', pairs)
    return tmp_path / 'pairs/manifest.csv'


def test_pairs_of_a_manifest(manifest: Path, tmp_path: Path) -> None:
    """The photos of a split, with masks at their own size, and their clusters."""
    dataset = build(type='PairsDataset', manifest=str(manifest), split='val')
    assert dataset.metainfo['classes'] == ('background', 'foreground')
    assert len(dataset) == 2
    sample = dataset[1]
    assert sample['inputs'].shape == (3, 16, 16)
    labels = sample['data_samples'].gt_sem_seg.data
    assert labels.shape == (1, 20, 30)
    assert (labels[0].numpy() == (mask(5) > 0)).all()
    assert sample['data_samples'].cluster == 'shirts'
    assert sample['data_samples'].img_path == str(tmp_path / 'photos/x/5.jpg')
    assert dataset.get_data_info(0)['item'] == 'p4'
    assert dataset.test_mode
    train = build(type='PairsDataset', manifest=str(manifest), clusters=['white'])
    assert [Path(train.get_data_info(i)['img_path']).stem for i in range(len(train))] == ['0', '2']
    assert not train.test_mode


def test_workers(manifest: Path) -> None:
    """Pickled, and through a DataLoader with two workers, samples are the same."""
    dataset = build(type='PairsDataset', manifest=str(manifest))
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    for copy, sample in zip(pickle.loads(pickle.dumps(dataset)), loader, strict=True):
        assert (copy['inputs'] == sample['inputs']).all()
        expected = copy['data_samples'].gt_sem_seg.data
        assert (expected == sample['data_samples'].gt_sem_seg.data).all()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(split='valid'), "`split` must be one of 'train', 'val', 'test', but got 'valid'"),
        (dict(clusters=['hats']), "`clusters` must be one of 'shirts', 'white', but got 'hats'"),
        (dict(split='test'), "has no pair of the split 'test'"),
        (dict(manifest='gone.csv'), r'gone\.csv, the manifest, is missing: `bgremoval pairs'),
        (dict(ann_file='a.txt'), r'`ann_file` of PairsDataset must be left out, but got a\.txt'),
        (dict(metainfo=dict(classes=('a',))), r"`metainfo\['classes'\]` of PairsDataset must be"),
    ],
)
def test_bad_arguments(manifest: Path, change: dict, message: str) -> None:
    """Each error names the argument and what is allowed."""
    with pytest.raises((ArgumentError, FileNotFoundError), match=message):
        build(**{'type': 'PairsDataset', 'manifest': str(manifest), **change})


def test_files_that_are_gone(manifest: Path) -> None:
    """A mask that the manifest has and the disk has not is told at the start."""
    (manifest.parent.parent / 'masks/x/1.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 masks of PairsDataset are missing: .*x/1\.png'):
        build(type='PairsDataset', manifest=str(manifest))


@pytest.mark.parametrize('layout', LAYOUTS)
def test_published_layouts(tmp_path: Path, picture, layout: str) -> None:
    """Each set in the folders of its archive; litter of a Mac's archive is no photo."""
    photos, photo_suffix, masks, mask_suffix = LAYOUTS[layout]
    for index in range(3):
        write(tmp_path / photos / f'{index}{photo_suffix}', picture(30, 20, index))
        write(tmp_path / masks / f'{index}{mask_suffix}', mask(index))
    (tmp_path / photos / f'._0{photo_suffix}').write_bytes(b'')
    dataset = build(type='SaliencyFolders', data_root=str(tmp_path), layout=layout)
    assert len(dataset) == 3
    labels = dataset[2]['data_samples'].gt_sem_seg.data
    assert (labels[0].numpy() == (mask(2) > 0)).all()
    assert dataset.test_mode == (layout != 'DUTS-TR')


def test_sets_are_told_apart(tmp_path: Path, picture) -> None:
    """Samples of a set have its name as their cluster, if they are to have one."""
    write(tmp_path / 'images/a.jpg', picture(30, 20, 0))
    write(tmp_path / 'ground_truth_mask/a.png', mask(3))
    common = dict(type='SaliencyFolders', data_root=str(tmp_path), layout='ECSSD')
    assert build(**common, cluster='ECSSD')[0]['data_samples'].cluster == 'ECSSD'
    assert 'cluster' not in build(**common)[0]['data_samples']


def test_pairs_for_detectors(manifest: Path) -> None:
    """The foreground is the only class, and the mask is one object of the resized photo."""
    pytest.importorskip('mmdet')
    pipeline = [
        {'type': 'LoadImageFromFile'},
        {'type': 'LoadForegroundInstance'},
        {'type': 'Resize', 'scale': (60, 20), 'keep_ratio': False},
        {'type': 'PackDetInputs', 'meta_keys': ('img_path', 'scale_factor')},
    ]
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(
            dict(type='PairsInstances', manifest=str(manifest), split='val', pipeline=pipeline)
        )
        sample = pickle.loads(pickle.dumps(dataset))[0]['data_samples']
    assert dataset.metainfo['classes'] == ('foreground',)
    assert sample.gt_instances.labels.tolist() == [0]
    assert sample.gt_instances.bboxes.tensor.tolist() == [[0, 0, 60, 5]]
    assert sample.gt_instances.masks.masks[0, :5].all()


def test_other_layouts(tmp_path: Path, picture) -> None:
    """Folders and suffixes of one's own, and what will not do."""
    write(tmp_path / 'in/a.bmp', picture(30, 20))
    write(tmp_path / 'out/a_mask.png', mask(0))
    layout = ('in', '.bmp', 'out', '_mask.png')
    assert len(build(type='SaliencyFolders', data_root=str(tmp_path), layout=layout)) == 1
    for bad, message in (
        ('MSRA', "`layout` must be one of 'DUTS-TR'.* but got 'MSRA'"),
        (('in', 'out'), r"`layout` must be a name or folder and suffix .* but got \('in', 'out'\)"),
        ('ECSSD', r'images must hold photos \*\.jpg, but .*images does not exist'),
    ):
        with pytest.raises(ArgumentError, match=message):
            build(type='SaliencyFolders', data_root=str(tmp_path), layout=bad)


def test_ccp(ccp_root: Path) -> None:
    """Labels above 0 are foreground, and the split is that of CCPSemantic; nothing is prepared."""
    names = ccp.split(ccp.annotated(ccp_root))
    for subset in ('train', 'val'):
        dataset = build(type='CCPSaliency', data_root=str(ccp_root), subset=subset)
        paths = [Path(dataset.get_data_info(i)['img_path']) for i in range(len(dataset))]
        assert [path.stem for path in paths] == names[subset]
        labels = read_labels(ccp_root / 'annotations/pixel-level' / f'{paths[0].stem}.mat')
        found = dataset[0]['data_samples'].gt_sem_seg.data[0].numpy()
        assert (found == (labels > 0)).all()
        assert set(np.unique(found)) == {0, 1}
    with pytest.raises(ArgumentError, match='must be the folder of Clothing Co-Parsing, but'):
        build(type='CCPSaliency', data_root=str(ccp_root / 'photos'))


def test_the_rule_of_levels() -> None:
    """From 128 on, or 1 where there are 0 and 1 only."""
    levels = np.array([0, 1, 127, 128, 255], np.uint8)
    assert foreground_of(levels).tolist() == [0, 0, 0, 1, 1]
    assert foreground_of(levels[:2]).tolist() == [0, 1]
    assert foreground_of(levels[:1]).tolist() == [0]


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_masks_of_16_bits(tmp_path: Path, suffix: str) -> None:
    """Half of their range is the threshold, as `bgremoval pairs check` and comparisons have it."""
    levels = np.array([[0, 60, 127], [128, 200, 255]], np.uint16) * 257
    write(tmp_path / f'mask.{suffix}', levels)
    sample = {'seg_map_path': str(tmp_path / f'mask.{suffix}'), 'seg_fields': []}
    assert LoadSaliencyMask()(sample)['gt_seg_map'].tolist() == [[0, 0, 0], [1, 1, 1]]


def test_masks_that_will_not_do(tmp_path: Path) -> None:
    """Another size than the photo's, and a file that is no picture."""
    write(tmp_path / 'mask.png', mask(0))
    sample = {'seg_map_path': str(tmp_path / 'mask.png'), 'ori_shape': (30, 20), 'seg_fields': []}
    with pytest.raises(ArgumentError, match='the size of its photo, 20 x 30, but has 30 x 20'):
        LoadSaliencyMask()(sample)
    (tmp_path / 'mask.png').write_text('none')
    with pytest.raises(ArgumentError, match=r'mask\.png, a mask, cannot be read: '):
        LoadSaliencyMask()(sample)


@pytest.mark.parametrize(
    ('levels', 'said'),
    [
        ([[0, 100, 100]], 'but its highest level is 100'),
        ([[0, 1, 255]], 'the levels 1 and 255: is 255 what should be ignored'),
        ([[1, 1, 255]], 'the levels 1 and 255'),
        ([[[0, 0, 0], [128, 0, 0]]], r'but has colours\. Are they labels of classes\?'),
    ],
)
def test_masks_that_are_labels(tmp_path: Path, levels: list, said: str) -> None:
    """Labels of classes are refused: read as saliency they would be empty, or the border."""
    write(tmp_path / 'mask.png', np.array(levels, np.uint8))
    sample = {'seg_map_path': str(tmp_path / 'mask.png'), 'seg_fields': []}
    with pytest.raises(ArgumentError, match=rf'mask\.png: a mask must be grey, .*{said}'):
        LoadSaliencyMask()(sample)


@pytest.mark.parametrize('levels', [[0, 0], [0, 1], [1, 1], [0, 3, 200], [0, 1, 2, 254, 255]])
def test_masks_that_are_not(tmp_path: Path, levels: list[int]) -> None:
    """Empty ones, 0 and 1, and soft edges with or without noise are as published sets have them."""
    write(tmp_path / 'mask.png', np.array([levels], np.uint8))
    found = LoadSaliencyMask()({'seg_map_path': str(tmp_path / 'mask.png'), 'seg_fields': []})
    expected = [level > 127 or max(levels) == level == 1 for level in levels]
    assert found['gt_seg_map'].tolist() == [expected]


def test_nearly_grey_masks(tmp_path: Path) -> None:
    """JPEG files have some colour where there was none."""
    write(tmp_path / 'mask.png', np.array([[[3, 0, 9], [250, 255, 244]]], np.uint8))
    found = LoadSaliencyMask()({'seg_map_path': str(tmp_path / 'mask.png'), 'seg_fields': []})
    assert found['gt_seg_map'].tolist() == [[0, 1]]


def test_scaling_to_the_full_range() -> None:
    """The brightest value becomes 255; a photo with white, and a black one, stay as they are."""
    dark = np.array([[[10, 20, 51]], [[0, 5, 25]]], np.uint8)
    found = ScaleToFullRange()({'img': dark})['img']
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, dark * 5.0)
    for same in (np.full((2, 2, 3), 255, np.uint8), np.zeros((2, 2, 3), np.uint8)):
        assert (ScaleToFullRange()({'img': same})['img'] == same).all()
