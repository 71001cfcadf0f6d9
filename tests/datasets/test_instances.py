"""Fashionpedia and CCP as instance datasets: scores, checks, wrappers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bgremoval_mm
from bgremoval_mm.datasets.formats.categories import CCP_CLASSES, FASHIONPEDIA_CLASSES
from bgremoval_mm.registry import DATASETS

pytest.importorskip('mmdet')

PIPELINE = [
    {'type': 'LoadImageFromFile'},
    {'type': 'mmdet.LoadAnnotations', 'with_bbox': True, 'with_mask': True},
    {'type': 'mmdet.PackDetInputs'},
]


@pytest.fixture(params=['Fashionpedia', 'CCP'])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Config of the validation subset of each dataset in turn."""
    fixture = {'Fashionpedia': 'fashionpedia_root', 'CCP': 'prepared_ccp'}[request.param]
    root = request.getfixturevalue(fixture)
    return {'type': request.param, 'data_root': str(root), 'subset': 'val', 'pipeline': PIPELINE}


def score(dataset: Any, ann_file: str, shift: int = 0) -> dict[str, float]:
    """CocoMetric of the annotations taken for predictions, with labels shifted."""
    from mmdet.evaluation import CocoMetric
    from mmdet.structures.mask import encode_mask_results

    metric = CocoMetric(ann_file=ann_file, metric=['bbox', 'segm'])
    metric.dataset_meta = dataset.metainfo
    classes = len(dataset.metainfo['classes'])
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        truth = sample.gt_instances
        prediction = {
            'bboxes': truth.bboxes.tensor,
            'labels': (truth.labels + shift) % classes,
            'scores': truth.labels.new_ones(len(truth)).float(),
            'masks': encode_mask_results(truth.masks.masks.astype(bool)),
        }
        metric.process(
            {},
            [
                {
                    'img_id': sample.img_id,
                    'ori_shape': sample.ori_shape,
                    'pred_instances': prediction,
                }
            ],
        )
    return metric.evaluate(len(dataset))


def test_scores(config: dict, model: str, masked) -> None:
    """The annotations score 1 as predictions, wrong labels 0, also with the background removed."""
    plain = DATASETS.build(config)
    removed = DATASETS.build({
        'type': 'RembgDataset',
        'model': model,
        'mask_dir': masked(Path(config['data_root'])),
        'on_missing': 'error',
        'dataset': {**config, 'pipeline': []},
        'pipeline': PIPELINE,
    })  # fmt: skip
    assert len(plain) == len(removed) == {'Fashionpedia': 3, 'CCP': 2}[config['type']]
    for dataset in (plain, removed):
        right = score(dataset, plain.ann_file)
        assert right['coco/bbox_mAP'] == right['coco/segm_mAP'] == 1
        wrong = score(dataset, plain.ann_file, shift=1)
        assert wrong['coco/bbox_mAP'] == wrong['coco/segm_mAP'] == 0
    assert not np.array_equal(plain[0]['inputs'], removed[0]['inputs'])
    names = [type(each).__name__ for each in removed.pipeline.transforms]
    assert sorted(names[1:3]) == ['CheckImageSize', 'RemoveBackground']
    assert [names[0], *names[3:]] == ['LoadImageFromFile', 'LoadAnnotations', 'PackDetInputs']


def test_masks_and_classes(fashionpedia_root: Path) -> None:
    """Polygons and both kinds of RLE become bitmaps; ids from 0 are the labels; val is in test/."""
    dataset = bgremoval_mm.Fashionpedia(fashionpedia_root, 'val', pipeline=PIPELINE)
    assert isinstance(dataset, bgremoval_mm.Fashionpedia)
    assert dataset.metainfo['classes'] == FASHIONPEDIA_CLASSES
    assert len(dataset.metainfo['palette']) == 46
    assert dataset.test_mode
    assert Path(dataset.get_data_info(2)['img_path']) == fashionpedia_root / 'test' / 'val2.jpg'
    sample = dataset[2]['data_samples']
    pocket, coat = np.zeros((2, 30, 40), np.uint8)
    pocket[10:14, 14:18] = 1
    coat[5:25, 8:28] = 1
    assert sample.gt_instances.labels.tolist() == [32, 9]
    assert np.array_equal(sample.gt_instances.masks.masks, [pocket, coat])
    beads = np.zeros((30, 40), np.uint8)
    beads[10:20, 35:37] = 1
    assert sample.ignored_instances.labels.tolist() == [37]
    assert np.array_equal(sample.ignored_instances.masks.masks, [beads])


def test_crowd_policy(fashionpedia_root: Path, monkeypatch) -> None:
    """A crowd is ignored or an instance; what the file holds is logged."""
    said: list[str] = []
    from bgremoval_mm.datasets import instances

    monkeypatch.setattr(instances, 'print_log', lambda text, *_: said.append(text))
    for policy, labels in (('ignore', [32, 9]), ('instance', [32, 9, 37])):
        dataset = bgremoval_mm.Fashionpedia(
            fashionpedia_root, crowd_policy=policy, pipeline=PIPELINE
        )
        assert not dataset.test_mode
        assert dataset[0]['data_samples'].gt_instances.labels.tolist() == labels
        assert dataset.get_cat_ids(0) == [32, 9, 37]
    assert said[0] == (
        'Fashionpedia train: 4 images, 12 annotations (4 polygons, 8 RLE; 4 of them crowds, 0 '
        "without a polygon that can be drawn); crowd_policy='ignore'"
    )
    with pytest.raises(ValueError, match="`crowd_policy` must be one of 'ignore', 'instance'"):
        bgremoval_mm.Fashionpedia(fashionpedia_root, crowd_policy='keep')
    with pytest.raises(ValueError, match="`subset` must be one of 'train', 'val', but got 'test'"):
        bgremoval_mm.Fashionpedia(fashionpedia_root, 'test')


def test_filtering_drops_photos_without_instances(fashionpedia_root: Path) -> None:
    """`filter_cfg` leaves out what is too small or has no instance, and nothing else."""
    file = fashionpedia_root / 'annotations' / 'instances_attributes_train2020.json'
    content = json.loads(file.read_text())
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] != 1]
    file.write_text(json.dumps(content))
    config = {'type': 'Fashionpedia', 'data_root': str(fashionpedia_root), 'pipeline': PIPELINE}

    def kept(**filter_cfg: Any) -> list[int]:
        dataset = DATASETS.build({**config, 'filter_cfg': filter_cfg})
        return [dataset.get_data_info(index)['img_id'] for index in range(len(dataset))]

    assert kept(filter_empty_gt=True) == [0, 2, 3]
    assert kept(filter_empty_gt=False) == [0, 1, 2, 3]
    assert kept(filter_empty_gt=True, min_size=30) == [0, 2, 3]  # photos are 40 x 30
    assert kept(filter_empty_gt=False, min_size=30) == [0, 1, 2, 3]


def test_instances_of_ccp(prepared_ccp: Path) -> None:
    """An instance is all pixels of a label, and the class is the label less one."""
    dataset = bgremoval_mm.CCP(prepared_ccp, 'train', pipeline=PIPELINE)
    assert dataset.metainfo['classes'] == CCP_CLASSES
    assert len(dataset) == 7
    sample = dataset[0]['data_samples']
    number = int(Path(sample.img_path).stem)
    truth = sample.gt_instances
    assert truth.labels.tolist() == [0, 4, 57]
    assert truth.bboxes.tensor.tolist() == [
        [30, 20, 38, 23],
        [5, 5, 30, 25],
        [8 + number, 8, 14 + number, 12],
    ]
    assert truth.masks.masks.sum((1, 2)).tolist() == [24, 25 * 20 - 24, 24]


def test_polygons_as_masks_are_refused(config: dict) -> None:
    """With poly2mask=False mmdet would drop every RLE: an error at any depth and any time."""
    wrong = {**PIPELINE[1], 'poly2mask': False}
    nested = {'type': 'RandomApply', 'transforms': [wrong]}
    for each in (wrong, nested):
        with pytest.raises(ValueError, match='`poly2mask` of LoadAnnotations must be True for'):
            DATASETS.build({**config, 'pipeline': [PIPELINE[0], each]})
    dataset = DATASETS.build(config)
    with pytest.raises(ValueError, match='`poly2mask`'):
        dataset.pipeline = [PIPELINE[0], wrong]
    boxes = {**wrong, 'with_mask': False}
    dataset.pipeline = [PIPELINE[0], boxes]
    names = [type(each).__name__ for each in dataset.pipeline.transforms]
    assert names == ['LoadImageFromFile', 'CheckImageSize', 'LoadAnnotations']


def test_other_classes_are_refused(config: dict) -> None:
    """The order of classes is the dataset's; repeating it is allowed."""
    known = DATASETS.build(config).metainfo['classes']
    same = DATASETS.build({**config, 'metainfo': {'classes': known, 'note': 'mine'}})
    assert same.metainfo['note'] == 'mine'
    with pytest.raises(ValueError, match=r'must be left out or be its \d\d classes in their order'):
        DATASETS.build({**config, 'metainfo': {'classes': known[::-1]}})


def test_missing_files(fashionpedia_root: Path, ccp_root: Path) -> None:
    """A missing image or annotation file is an error at load, with the command that helps."""
    with pytest.raises(FileNotFoundError, match=r'instances_val\.json is missing\. .* ccp`'):
        bgremoval_mm.CCP(ccp_root, 'val')
    (fashionpedia_root / 'test' / 'val1.jpg').unlink()
    with pytest.raises(
        FileNotFoundError,
        match=r'1 images of Fashionpedia are missing: .*val1\.jpg\. .*fashionpedia`',
    ):
        bgremoval_mm.Fashionpedia(fashionpedia_root, 'val')


def test_image_of_another_size(fashionpedia_root: Path) -> None:
    """It is an error that names the image and both sizes, in training too."""
    path = fashionpedia_root / 'train' / 'train2.jpg'
    Image.open(path).resize((30, 40)).save(path)
    dataset = bgremoval_mm.Fashionpedia(fashionpedia_root, pipeline=PIPELINE)
    dataset[1]
    with pytest.raises(ValueError, match=r'train2\.jpg has 30 x 40 pixels, .* is for 40 x 30'):
        dataset[2]


def test_wrong_annotations(fashionpedia_root: Path) -> None:
    """A file with an unknown category or an id twice is refused as a whole."""
    file = fashionpedia_root / 'annotations' / 'instances_attributes_val2020.json'
    content = json.loads(file.read_text())
    content['annotations'][0]['category_id'] = 46
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='annotation 1 has category id 46, but the ids are 0 to 4'):
        bgremoval_mm.Fashionpedia(fashionpedia_root, 'val')
    content['annotations'][0] = content['annotations'][1]
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='1 annotation ids more than once: 2'):
        bgremoval_mm.Fashionpedia(fashionpedia_root, 'val')


@pytest.mark.parametrize('segmentation', [[], [[1, 1, 9, 9]]])
def test_instance_without_a_polygon(fashionpedia_root: Path, segmentation: list) -> None:
    """It is ignored, as mmdet does with a polygon that cannot be drawn; the others stay."""
    file = fashionpedia_root / 'annotations' / 'instances_attributes_val2020.json'
    content = json.loads(file.read_text())
    content['annotations'][1]['segmentation'] = segmentation
    file.write_text(json.dumps(content))
    dataset = bgremoval_mm.Fashionpedia(fashionpedia_root, 'val', pipeline=PIPELINE)
    sample = dataset[0]['data_samples']
    assert sample.gt_instances.labels.tolist() == [32]
    assert sample.ignored_instances.labels.tolist() == [9, 37]


def test_meta_without_data(tmp_path: Path) -> None:
    """With lazy_init, as inference builds a dataset for its classes, no file is needed."""
    for name, classes in (('Fashionpedia', FASHIONPEDIA_CLASSES), ('CCP', CCP_CLASSES)):
        config = {'type': name, 'data_root': str(tmp_path), 'lazy_init': True}
        assert DATASETS.build(config).metainfo['classes'] == classes


def test_samples_in_workers(config: dict) -> None:
    """A data loader with processes of its own gives every sample, in order."""
    from mmengine.dataset import pseudo_collate
    from torch.utils.data import DataLoader

    dataset = DATASETS.build(config)
    loader = DataLoader(dataset, 1, num_workers=2, collate_fn=pseudo_collate)
    found = [batch['data_samples'][0].img_id for batch in loader]
    assert found == [dataset.get_data_info(index)['img_id'] for index in range(len(dataset))]
    assert len(found) > 1


@pytest.mark.slow
def test_importing_loads_no_codebase(fashionpedia_root: Path) -> None:
    """Only building a dataset imports mmdet; mmseg stays out even then; any scope will do."""
    code = f"""
import sys
import bgremoval_mm
heavy = ('mmdet', 'mmseg', 'mmpretrain', 'pycocotools', 'scipy', 'matplotlib')
assert not set(heavy) & set(sys.modules), set(heavy) & set(sys.modules)
from mmengine.registry import DATASETS
before = DATASETS.get('Fashionpedia')
root = {str(fashionpedia_root)!r}
dataset = DATASETS.build(dict(type='bgremoval_mm.Fashionpedia', data_root=root))
assert 'mmdet' in sys.modules and 'mmseg' not in sys.modules
assert DATASETS.get('Fashionpedia') is type(dataset) is bgremoval_mm.Fashionpedia
assert before is not bgremoval_mm.Fashionpedia
assert len(before(root, 'val')) == 3
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
