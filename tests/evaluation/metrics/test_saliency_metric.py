"""SaliencyMetric: what it takes of mmseg's samples, and by image, cluster and set."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bgremoval_mm.evaluation.metrics.saliency import SaliencyMetric
from bgremoval_mm.registry import METRICS
from bgremoval_mm.removal.errors import ArgumentError

OURS = ('MAE', 'relaxF', 'IoU')


def sample(overlap: int, cluster: str | None = None, name: str = 'a.jpg') -> dict[str, Any]:
    """Truth and map of 10 pixels in a row, of which `overlap` are found: IoU overlap / 10."""
    truth = torch.zeros(1, 4, 20, dtype=torch.long)
    truth[0, 1, 5:15] = 1
    found = torch.zeros(1, 4, 20)
    found[0, 1, 5 : 5 + overlap] = 0.9
    made = {'seg_logits': {'data': found}, 'gt_sem_seg': {'data': truth}, 'img_path': f'/d/{name}'}
    return made if cluster is None else made | {'cluster': cluster}


def test_by_image_by_cluster_and_over_all(tmp_path: Path) -> None:
    """Means of IoU, and a table with a row for each image."""
    file = tmp_path / 'new' / 'images.csv'
    metric = METRICS.build(dict(type='SaliencyMetric', scores=OURS, per_image=str(file)))
    metric.process(None, [sample(8, 'white', 'b.jpg'), sample(10, 'shorts', 'c.jpg')])
    metric.process(None, [sample(6, 'white', 'a.jpg')])
    found = metric.evaluate(3)
    assert found['saliency/IoU'] == pytest.approx(0.8)
    assert found['saliency/IoU/white'] == pytest.approx(0.7)
    assert found['saliency/IoU/shorts'] == pytest.approx(1.0)
    assert found['saliency/MAE'] == pytest.approx(6 / 3 / 80)
    assert set(found) == {
        f'saliency/{name}{tail}' for name in OURS for tail in ('', '/white', '/shorts')
    }
    rows = list(csv.DictReader(file.open()))
    assert [(row['image'], row['cluster'], row['IoU']) for row in rows] == [
        ('/d/a.jpg', 'white', '0.600000'),
        ('/d/b.jpg', 'white', '0.800000'),
        ('/d/c.jpg', 'shorts', '1.000000'),
    ]


def test_without_clusters() -> None:
    """The metrics over all images, and nothing else."""
    metric = SaliencyMetric(scores=('IoU',))
    metric.process(None, [sample(5)])
    assert metric.evaluate(1) == {'saliency/IoU': pytest.approx(0.5)}


def test_maps_are_stretched_unless_told_otherwise() -> None:
    """A map from 0 to 0.4 finds nothing as it is, and everything stretched."""
    faint = sample(10)
    faint['seg_logits']['data'] *= 4 / 9
    for normalize, expected in ((True, 1.0), (False, 0.0)):
        metric = SaliencyMetric(scores=('IoU',), normalize=normalize)
        metric.process(None, [faint])
        assert metric.evaluate(1)['saliency/IoU'] == expected


def test_detectors() -> None:
    """The objects that are more than half as sure as the surest are the foreground."""
    made = sample(0)
    masks = torch.zeros(3, 4, 20, dtype=torch.bool)
    masks[0, 1, 5:9], masks[1, 1, 7:13], masks[2, 3] = True, True, True
    made['pred_instances'] = {'masks': masks, 'scores': torch.tensor([0.8, 0.5, 0.3])}
    made['gt_sem_seg'] = {'sem_seg': made['gt_sem_seg'].pop('data')}  # mmdet's name
    del made['seg_logits']
    metric = SaliencyMetric(scores=('IoU',))
    metric.process(None, [made])
    made['pred_instances'] = {'masks': masks[:0], 'scores': torch.zeros(0)}
    metric.process(None, [made])
    assert metric.evaluate(2)['saliency/IoU'] == pytest.approx((0.8 + 0) / 2)


def test_models_of_two_classes() -> None:
    """The softmax of two channels gives the foreground's probability."""
    both = sample(0)
    logits = torch.zeros(2, 4, 20)
    logits[1, 1, 5:15] = np.log(4)  # 0.8 against 0.5 elsewhere
    both['seg_logits']['data'] = logits
    metric = SaliencyMetric(scores=('MAE',), normalize=False)
    metric.process(None, [both])
    assert metric.evaluate(1)['saliency/MAE'] == pytest.approx((10 * 0.2 + 70 * 0.5) / 80, abs=1e-6)


def test_all_metrics() -> None:
    """With PySODMetrics, all nine by default."""
    pytest.importorskip('py_sod_metrics')
    metric = SaliencyMetric()
    metric.process(None, [sample(10), sample(5)])
    found = metric.evaluate(2)
    assert len(found) == 9
    # At 0.5 and below: precision 1 and 1, recall 1 and 0.5, so F of 1 and 0.75.
    assert found['saliency/maxF'] == pytest.approx(1.3 * 0.75 / (0.3 + 0.75), abs=1e-6)
    second = 1.3 * 0.5 / (0.3 + 0.5)
    assert found['saliency/maxF_pysodmetrics'] == pytest.approx((1 + second) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(scores=('IoU', 'mIoU')), "`scores` must be of MAE, maxF, .*, but got 'mIoU'"),
        (dict(scores=()), '`scores` must be of .*, but got none'),
        (dict(scores=('IoU',), threshold=1), '`threshold` must be from 0 to below 1, but got 1'),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    """Each error names the argument and what is allowed."""
    with pytest.raises(ArgumentError, match=message):
        SaliencyMetric(**arguments)


def test_bad_samples() -> None:
    """Label maps of several classes, and models of several classes, are refused."""
    metric = SaliencyMetric(scores=('IoU',))
    bad = sample(5)
    bad['gt_sem_seg']['data'][0, 0, 0] = 255
    with pytest.raises(ArgumentError, match=r'label maps of 0 and 1, but got 255 in that of /d/a'):
        metric.process(None, [bad])
    bad = sample(5)
    bad['seg_logits']['data'] = torch.zeros(3, 4, 20)
    with pytest.raises(ArgumentError, match='two for background and foreground, but got 3'):
        metric.process(None, [bad])
    for channels in (1, 2):
        bad = sample(5)
        bad['seg_logits']['data'] = torch.zeros(channels, 4, 20)
        bad['seg_logits']['data'][0, 0, :3] = float('nan')
        with pytest.raises(ArgumentError, match=r'of /d/a\.jpg has NaN in 3 of 80 pixels\. Has'):
            metric.process(None, [bad])
