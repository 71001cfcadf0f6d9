"""mAP of drawn images, against COCOeval itself on files with the images drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('pycocotools')

from bgremoval_mm.evaluation.coco_bootstrap import ResampledMap, map_difference, map_estimates

IMAGES = 8


def write(folder: Path, name: str, order: list[int], noise: float) -> tuple[Path, Path]:
    """Annotations and results; the images of `order`, each as a new image."""
    random = np.random.default_rng(0)
    boxes = random.uniform(10, 60, (IMAGES, 3, 4))
    moved = boxes + np.random.default_rng(1).normal(0, noise, boxes.shape)
    scores = random.random((IMAGES, 3))
    images, annotations, results = [], [], []
    for new, old in enumerate(order):
        images.append({'id': new + 1, 'width': 200, 'height': 200, 'file_name': f'{new}.jpg'})
        for k in range(3):
            box = [float(each) for each in boxes[old, k]]
            common = {'image_id': new + 1, 'category_id': k % 2}
            area = {'area': box[2] * box[3], 'iscrowd': 0, 'id': len(annotations) + 1}
            annotations.append({**common, 'bbox': box, **area})
            found = [float(each) for each in moved[old, k]]
            results.append({**common, 'bbox': found, 'score': float(scores[old, k])})
    categories = [{'id': 0, 'name': 'hat'}, {'id': 1, 'name': 'bag'}]
    truth = {'images': images, 'annotations': annotations, 'categories': categories}
    paths = folder / f'{name}.json', folder / f'{name}.bbox.json'
    paths[0].write_text(json.dumps(truth))
    paths[1].write_text(json.dumps(results))
    return paths


def coco_map(annotations: Path, results: Path) -> float:
    """What COCOeval says."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO(str(annotations))
    evaluation = COCOeval(truth, truth.loadRes(str(results)), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


@pytest.mark.parametrize('order', [list(range(IMAGES)), [0, 0, 3, 5, 5, 5, 2, 7]])
def test_drawn_images(order: list[int], tmp_path: Path) -> None:
    """As if each drawn image, repetitions too, were an image of its own."""
    evaluation = ResampledMap(*write(tmp_path, 'whole', list(range(IMAGES)), 2.0), 'bbox')
    expected = coco_map(*write(tmp_path, 'drawn', order, 2.0))
    assert 0.1 < expected < 0.9
    # Results of equal scores may be sorted otherwise; there are such after repetition.
    assert evaluation(np.array(order)) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize('kind', ['bbox', 'segm'])
def test_nothing_was_found(kind: str, tmp_path: Path) -> None:
    """An empty list, as a training that has diverged leaves it, is a mAP of 0."""
    truth, good = write(tmp_path, 'whole', list(range(IMAGES)), 1.0)
    content = json.loads(truth.read_text())
    for each in content['annotations']:
        each['segmentation'] = [[0, 0, 9, 0, 9, 9, 0, 9]]
    truth.write_text(json.dumps(content))
    nothing = tmp_path / 'nothing.json'
    nothing.write_text('[]')
    evaluation = ResampledMap(truth, nothing, kind)
    assert evaluation.whole() == 0
    assert evaluation.by_class() == {'hat': 0, 'bag': 0}
    if kind == 'bbox':
        found = map_difference(truth, [good], [nothing], kind, resamples=9)
        assert found.mean == pytest.approx(-coco_map(truth, good))


def test_classes(tmp_path: Path) -> None:
    """AP of each class; their mean is mAP."""
    evaluation = ResampledMap(*write(tmp_path, 'whole', list(range(IMAGES)), 2.0), 'bbox')
    found = evaluation.by_class()
    assert set(found) == {'hat', 'bag'}
    assert np.mean(list(found.values())) == pytest.approx(evaluation(np.arange(IMAGES)))


def test_difference(tmp_path: Path) -> None:
    """Better boxes give a positive difference, and the same ones none."""
    truth, poor = write(tmp_path, 'poor', list(range(IMAGES)), 4.0)
    _, good = write(tmp_path, 'good', list(range(IMAGES)), 1.0)
    estimate = map_difference(truth, [poor], [good], 'bbox', resamples=30)
    assert estimate.mean == pytest.approx(coco_map(truth, good) - coco_map(truth, poor))
    assert estimate.low is not None
    assert 0 < estimate.low <= estimate.mean
    same = map_difference(truth, [good], [good], 'bbox', resamples=5)
    assert (same.mean, same.low, same.high) == (0.0, 0.0, 0.0)


def test_estimates_of_several_tests(tmp_path: Path) -> None:
    """The change is that of map_difference, drawn alike; several tests count by their mean."""
    truth, poor = write(tmp_path, 'poor', list(range(IMAGES)), 4.0)
    _, good = write(tmp_path, 'good', list(range(IMAGES)), 1.0)
    maps = {name: ResampledMap(truth, file, 'bbox') for name, file in (('a', good), ('b', poor))}
    scores, changes = map_estimates({'good': [maps['a']], 'poor': [maps['b']]}, 'good', 30)
    assert scores['poor'].mean == pytest.approx(coco_map(truth, poor))
    assert changes == {'poor': map_difference(truth, [good], [poor], 'bbox', resamples=30)}
    both, none = map_estimates({'both': [maps['a'], maps['b']]}, 'good', 5)
    assert both['both'].mean == pytest.approx(np.mean([each.whole() for each in maps.values()]))
    assert none == {}
    assert maps['a'].images_of_classes() == {'hat': IMAGES, 'bag': IMAGES}
