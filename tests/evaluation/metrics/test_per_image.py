"""What a test leaves for statistics, against counting by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from bgremoval_mm.evaluation.metrics.per_image import ClassEvidence, RegionEvidence, region_areas


def test_region_areas_are_counted_pixel_by_pixel() -> None:
    """Intersection, union, prediction and annotation; 255 counts nowhere."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, (7, 9))
    labels[random.random((7, 9)) < 0.3] = 255
    predicted = random.integers(0, 5, (7, 9))
    areas = region_areas(torch.from_numpy(predicted), torch.from_numpy(labels), 5)
    expected = np.zeros((5, 4), int)
    for row in range(7):
        for column in range(9):
            said, known = predicted[row, column], labels[row, column]
            if known == 255:
                continue
            for category in range(5):
                expected[category] += [
                    said == known == category,
                    category in (said, known),
                    said == category,
                    known == category,
                ]
    assert areas.tolist() == expected.tolist()


def test_classes_in_the_order_of_the_names(tmp_path: Path) -> None:
    """Whatever the order of the batches, the images are in that of their names."""
    metric = ClassEvidence(str(tmp_path / 'new' / 'evidence.npz'), '/data')
    metric.dataset_meta = {'classes': ('hat', 'dress')}
    for name, label, scores in (('b', 1, [0.2, 0.8]), ('a', 1, [0.7, 0.3])):
        sample = {
            'img_path': f'/data/test/{name}.jpg',
            'gt_label': torch.tensor([label]),
            'pred_score': torch.tensor(scores),
        }
        metric.process(None, [sample])
    assert metric.evaluate(2) == {}
    with np.load(tmp_path / 'new' / 'evidence.npz') as evidence:
        assert evidence['names'].tolist() == ['test/a.jpg', 'test/b.jpg']
        assert evidence['labels'].tolist() == [1, 1]
        assert evidence['predictions'].tolist() == [0, 1]
        assert evidence['classes'].tolist() == ['hat', 'dress']


def test_regions_sum_to_the_data_sets_areas(tmp_path: Path) -> None:
    """An array of (images, classes, 4), whose sum over the images gives IoU."""
    metric = RegionEvidence(str(tmp_path / 'evidence.npz'), '/data')
    metric.dataset_meta = {'classes': ('ground', 'thing')}
    labels = torch.tensor([[[0, 1, 1]]])
    for name, said in (('b', [[[0, 1, 0]]]), ('a', [[[1, 1, 1]]])):
        metric.process(
            None,
            [
                {
                    'img_path': f'/data/{name}.jpg',
                    'pred_sem_seg': {'data': torch.tensor(said)},
                    'gt_sem_seg': {'data': labels},
                }
            ],
        )
    metric.evaluate(2)
    with np.load(tmp_path / 'evidence.npz') as evidence:
        assert evidence['areas'].shape == (2, 2, 4)
        assert evidence['names'].tolist() == ['a.jpg', 'b.jpg']
        assert evidence['areas'].sum(0).tolist() == [[1, 3, 2, 2], [3, 5, 4, 4]]


def test_evidence_of_a_finished_run_stays(tmp_path: Path) -> None:
    """Another test with the run's saved config does not replace what belongs to its result."""
    (tmp_path / 'result.json').write_text('{}')
    (tmp_path / 'evidence.npz').write_bytes(b'as it was')
    metric = ClassEvidence(str(tmp_path / 'evidence.npz'), '/data')
    metric.dataset_meta = {'classes': ('hat', 'dress')}
    sample = {
        'img_path': '/data/a.jpg',
        'gt_label': torch.tensor([0]),
        'pred_score': torch.tensor([0.9, 0.1]),
    }
    metric.process(None, [sample])
    metric.evaluate(1)
    assert (tmp_path / 'evidence.npz').read_bytes() == b'as it was'
