"""Fashionpedia and CCP as datasets of label maps: scores, checks, wrappers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bgremoval_mm
from bgremoval_mm.datasets.formats.categories import CCP_CLASSES, prepared_folder
from bgremoval_mm.datasets.prepare import ccp, fashionpedia
from bgremoval_mm.datasets.prepare.check_report import CheckReport
from bgremoval_mm.registry import DATASETS

pytest.importorskip('mmseg')

PIPELINE = [
    {'type': 'LoadImageFromFile'},
    {'type': 'mmseg.LoadAnnotations'},
    {'type': 'mmseg.PackSegInputs'},
]


def draw(root: Path, with_background: bool) -> None:
    """Draw label maps as the tool does."""
    parser = argparse.ArgumentParser()
    fashionpedia.add_arguments(parser)
    switch = '--with-background' if with_background else '--label-maps'
    report = fashionpedia.run(parser.parse_args([str(root), switch, '--workers', '1']))
    assert report.usable, report.errors


@pytest.fixture
def drawn_ccp(ccp_root: Path) -> dict[str, Any]:
    """Config of the small CCP, prepared."""
    ccp.prepare(ccp_root, prepared_folder(ccp_root), CheckReport('CCP', ''), 1, progress=False)
    return {'type': 'CCPSemantic', 'data_root': str(ccp_root)}


@pytest.fixture
def drawn_46(fashionpedia_root: Path) -> dict[str, Any]:
    """Config of the small Fashionpedia with the background ignored."""
    draw(fashionpedia_root, False)
    return {'type': 'FashionpediaSemantic', 'data_root': str(fashionpedia_root)}


@pytest.fixture
def drawn_47(fashionpedia_root: Path) -> dict[str, Any]:
    """Config of the small Fashionpedia with the background as a class."""
    draw(fashionpedia_root, True)
    root = str(fashionpedia_root)
    return {'type': 'FashionpediaSemantic', 'data_root': root, 'with_background': True}


@pytest.fixture(params=['drawn_ccp', 'drawn_46', 'drawn_47'])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Config of the validation subset of each dataset in turn."""
    return {**request.getfixturevalue(request.param), 'subset': 'val', 'pipeline': PIPELINE}


def score(dataset: Any, shift: int = 0) -> dict[str, float]:
    """IoUMetric of the label maps taken for predictions, with labels shifted."""
    from mmseg.evaluation import IoUMetric

    metric = IoUMetric(iou_metrics=['mIoU'])
    metric.dataset_meta = dataset.metainfo
    classes = len(dataset.metainfo['classes'])
    for index in range(len(dataset)):
        truth = dataset[index]['data_samples'].gt_sem_seg.data
        # Where the truth is ignored, a prediction may be anything.
        prediction = (truth.long() + shift) % classes
        metric.process({}, [{'pred_sem_seg': {'data': prediction}, 'gt_sem_seg': {'data': truth}}])
    return metric.evaluate(len(dataset))


def test_scores(config: dict, model: str, masked) -> None:
    """Label maps score 100 as predictions, wrong labels 0, also with the background removed."""
    plain = DATASETS.build(config)
    removed = DATASETS.build({
        'type': 'RembgDataset',
        'model': model,
        'mask_dir': masked(Path(config['data_root'])),
        'on_missing': 'error',
        'dataset': {**config, 'pipeline': []},
        'pipeline': PIPELINE,
    })  # fmt: skip
    assert len(plain) == len(removed) == (2 if config['type'] == 'CCPSemantic' else 3)
    for dataset in (plain, removed):
        right, wrong = score(dataset), score(dataset, shift=1)
        assert right['aAcc'] == right['mIoU'] == right['mAcc'] == 100
        assert wrong['aAcc'] == wrong['mIoU'] == 0
    assert not np.array_equal(plain[0]['inputs'], removed[0]['inputs'])
    names = [type(each).__name__ for each in removed.pipeline.transforms]
    assert names == [
        'LoadImageFromFile',
        'RemoveBackground',
        'LoadAnnotations',
        'CheckLabelMap',
        'PackSegInputs',
    ]


def test_pixels(drawn_46: dict, fashionpedia_root: Path) -> None:
    """The pocket lies on the coat; the background is 255, or class 46; both live side by side."""
    draw(fashionpedia_root, True)
    expected = np.full((30, 40), 255, np.uint8)
    expected[5:25, 8:28] = 9
    expected[10:14, 13:18] = 32
    expected[10:20, 35:37] = 37
    for with_background in (False, True):
        dataset = bgremoval_mm.FashionpediaSemantic(
            fashionpedia_root, 'val', with_background=with_background, pipeline=PIPELINE
        )
        found = dataset[1]['data_samples'].gt_sem_seg.data.numpy()[0]
        ground = 46 if with_background else 255
        assert np.array_equal(found, np.where(expected == 255, ground, expected))
        assert len(dataset.metainfo['classes']) == 46 + with_background
        assert len(dataset.metainfo['palette']) == 46 + with_background
        assert dataset.metainfo['label_map'] is None
        assert dataset.metainfo['reduce_zero_label'] is False
        assert dataset.get_data_info(1)['img_path'].endswith('fashionpedia/test/val1.jpg')
    assert dataset.metainfo['classes'][46] == 'background'


def test_subsets_of_ccp(drawn_ccp: dict) -> None:
    """Seven train and two validate, none does both; pixels are the label less one."""
    subsets = [DATASETS.build({**drawn_ccp, 'subset': name}) for name in ('train', 'val')]
    names = [{Path(d.get_data_info(i)['img_path']).name for i in range(len(d))} for d in subsets]
    assert [len(each) for each in names] == [7, 2]
    assert not names[0] & names[1]
    assert [dataset.test_mode for dataset in subsets] == [False, True]
    assert subsets[0].metainfo['classes'] == CCP_CLASSES
    labels = np.asarray(Image.open(subsets[0].get_data_info(0)['seg_map_path']))
    assert sorted(np.unique(labels)) == [0, 4, 57, 255]


@pytest.mark.parametrize(
    ('mode', 'size', 'value', 'said'),
    [
        ('RGB', (40, 30), (1, 1, 1), r'must have one channel, .*0003\.png has 3'),
        ('L', (30, 40), 1, r'of its image, 40 x 30 pixels, but .*0003\.png has 30 x 40'),
        ('L', (40, 30), 58, r'from 0 to 57, or 255 for none, but .*0003\.png holds 58'),
    ],
)
def test_wrong_label_map(drawn_ccp: dict, mode: str, size, value, said: str) -> None:
    """It is an error that names the file, in training too."""
    dataset = DATASETS.build({**drawn_ccp, 'test_mode': False, 'pipeline': PIPELINE})
    paths = [dataset.get_data_info(index)['seg_map_path'] for index in range(len(dataset))]
    index = next(i for i, path in enumerate(paths) if path.endswith('0003.png'))
    dataset[index]
    dataset.pipeline = PIPELINE[1:2]  # nothing to compare the size with
    assert dataset[index]['gt_seg_map'].shape == (30, 40)
    dataset.pipeline = PIPELINE
    Image.new(mode, size, value).save(paths[index])
    with pytest.raises(ValueError, match=said):
        dataset[index]


def test_missing_files(drawn_ccp: dict, ccp_root: Path) -> None:
    """A missing photograph, label map or list is an error at load."""
    labels = prepared_folder(ccp_root) / 'label_maps'
    name = (labels / 'val.txt').read_text().split()[0]
    for file, said in (
        (labels / f'{name}.png', rf'1 label maps of CCPSemantic are missing: .*{name}\.png'),
        (ccp_root / 'photos' / f'{name}.jpg', rf'1 images of CCPSemantic are missing: .*{name}'),
        (labels / 'val.txt', r'val\.txt, the list of the label maps, is missing\. .* ccp`'),
    ):
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(FileNotFoundError, match=said):
            DATASETS.build({**drawn_ccp, 'subset': 'val'})
        file.write_bytes(content)
    assert len(DATASETS.build({**drawn_ccp, 'subset': 'val'})) == 2


def test_arguments(drawn_ccp: dict, tmp_path: Path) -> None:
    """Settings that would shift indices are refused; the prepared folder may be elsewhere."""
    with pytest.raises(ValueError, match='`reduce_zero_label` of CCPSemantic must be False'):
        DATASETS.build({**drawn_ccp, 'reduce_zero_label': True})
    with pytest.raises(ValueError, match='`ignore_index` of CCPSemantic must be 255, but got 0'):
        DATASETS.build({**drawn_ccp, 'ignore_index': 0})
    with pytest.raises(ValueError, match=r'must be left out or be its 58 classes'):
        DATASETS.build({**drawn_ccp, 'metainfo': {'classes': ('a',)}})
    prepared_folder(drawn_ccp['data_root']).rename(tmp_path / 'elsewhere')
    assert len(DATASETS.build({**drawn_ccp, 'prepared': tmp_path / 'elsewhere'})) == 7
