"""COCO's evaluation, plain and through mmdet, gives the numbers published for a known sample."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

coco_mask = pytest.importorskip('pycocotools.mask')

SAMPLE = Path(__file__).with_name('fashionpedia_sample.json')
#: What eval_demo.ipynb of KMnP/fashionpedia-api prints, without attributes (see README.md).
PUBLISHED = {
    'mAP': 0.532, 'mAP_50': 0.532, 'mAP_75': 0.532, 'mAP_s': 0.505, 'mAP_m': 0.0, 'mAP_l': 0.8,
    'AR@1': 0.5, 'AR@10': 0.562, 'AR@100': 0.562, 'AR_s': 0.5, 'AR_m': 0.0, 'AR_l': 0.8,
}  # fmt: skip
CATEGORIES = range(48)


@pytest.fixture
def sample(tmp_path: Path) -> dict[str, Any]:
    """The sample's images, annotations (in a COCO file, too) and results as run-length codes."""
    content = json.loads(SAMPLE.read_text())
    results = content.pop('results')
    sizes = {each['id']: (each['height'], each['width']) for each in content['images']}
    for each in results:
        codes = coco_mask.frPyObjects(each['segmentation'], *sizes[each['image_id']])
        each['segmentation'] = coco_mask.merge(codes)
    content['categories'] = [{'id': number, 'name': f'no. {number}'} for number in CATEGORIES]
    file = tmp_path / 'instances.json'
    file.write_text(json.dumps(content))
    return {**content, 'results': results, 'file': file}


def shoelace(polygon: list[float]) -> float:
    """Area of a polygon [x1, y1, x2, y2...]."""
    x, y = np.array(polygon).reshape(-1, 2).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def test_sample_is_whole(sample: dict[str, Any]) -> None:
    """The outlines have the areas that the published file says, so none of them is mistyped."""
    assert len(sample['annotations']) == len(sample['results']) == 12
    for each in sample['annotations']:
        assert sum(map(shoelace, each['segmentation'])) == each['area'], each['id']


def test_pycocotools(sample: dict[str, Any]) -> None:
    """COCOeval gives the published numbers to the three digits that are published."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO(str(sample['file']))
    evaluation = COCOeval(truth, truth.loadRes(sample['results']), 'segm')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    found = [f'{value:.3f}' for value in evaluation.stats]
    assert found == [f'{value:.3f}' for value in PUBLISHED.values()]


def test_numbers_by_hand() -> None:
    """They follow from eight categories: four found, one of two shoes, and three not found.

    The wrong shoe is as sure as the right one and stands first: precision 1/2 up to recall 1/2,
    which covers 51 of COCO's 101 recalls. Among small objects the wrong one, a large one, is left
    out. Results of three categories without annotations count for nothing.
    """
    shoe = 51 / 101 / 2
    assert f'{(4 + shoe) / 8:.3f}' == f'{PUBLISHED["mAP"]:.3f}'
    assert f'{51 / 101:.3f}' == f'{PUBLISHED["mAP_s"]:.3f}'
    assert f'{4 / 8:.3f}' == f'{PUBLISHED["AR@1"]:.3f}'
    assert f'{(4 + 1 / 2) / 8:.3f}' == f'{PUBLISHED["AR@100"]:.3f}'
    assert f'{4 / 5:.3f}' == f'{PUBLISHED["mAP_l"]:.3f}'


def test_metric_of_the_configs(sample: dict[str, Any], repository: Path) -> None:
    """mmdet's CocoMetric, as our configs set it, gives them from bitmaps, as a model does.

    The annotations have no boxes, so boxes are not measured.
    """
    pytest.importorskip('mmdet')
    from mmengine.config import Config
    from mmengine.registry import METRICS, DefaultScope

    name = 'mask-rcnn_x101-32x4d_fpn_1xb4-1x_fashionpedia.py'
    settings = Config.fromfile(repository / 'configs/detection/mask_rcnn' / name).test_evaluator
    assert settings.type == 'CocoMetric'
    assert 'segm' in settings.metric
    items = [key for key in PUBLISHED if key.startswith('mAP')] + ['AR@100']
    settings.update(ann_file=str(sample['file']), metric=['segm'], metric_items=items)
    with DefaultScope.overwrite_default_scope('mmdet'):
        metric = METRICS.build(settings)
    metric.dataset_meta = {'classes': tuple(each['name'] for each in sample['categories'])}
    metric.process({}, list(predictions(sample)))
    found = metric.evaluate(size=len(sample['images']))
    assert found == {f'coco/segm_{key}': PUBLISHED[key] for key in items}


def predictions(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """Results as mmdet's models give them, for each image: boxes, scores, labels and bitmaps."""
    import torch

    of_image = defaultdict(list)
    for each in sample['results']:
        of_image[each['image_id']].append(each)
    return [
        {
            'img_id': image['id'],
            'ori_shape': (image['height'], image['width']),
            'pred_instances': {
                'bboxes': torch.zeros(len(of_image[image['id']]), 4),
                'scores': torch.tensor([each['score'] for each in of_image[image['id']]]),
                'labels': torch.tensor([each['category_id'] for each in of_image[image['id']]]),
                'masks': torch.from_numpy(
                    np.stack(
                        [coco_mask.decode(each['segmentation']) for each in of_image[image['id']]]
                    )
                ).bool(),
            },
        }
        for image in sample['images']
    ]
