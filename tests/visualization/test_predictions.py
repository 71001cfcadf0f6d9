"""What is read out of the codebases' data samples, and what is drawn of it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from bgremoval_mm.visualization.predictions import Annotation, PredictionView, _annotations_of


def test_label_maps_become_regions_where_something_is_annotated() -> None:
    """mmseg: a region a class; pixels without annotation (255) are left out of both."""
    structures = pytest.importorskip('mmseg.structures')
    from mmengine.structures import PixelData

    sample = structures.SegDataSample()
    labels = torch.tensor([[[0, 0, 255], [2, 2, 255]]])
    sample.gt_sem_seg = PixelData(data=labels)
    sample.pred_sem_seg = PixelData(data=torch.tensor([[[0, 1, 1], [1, 1, 2]]]))
    truth, prediction = _annotations_of(sample, 0.5)
    assert [claim.category for claim in truth] == [0, 2]
    assert [claim.category for claim in prediction] == [0, 1]
    assert truth[1].mask is not None
    assert truth[1].mask.tolist() == [[False, False, False], [True, True, False]]
    assert prediction[1].mask is not None
    assert prediction[1].mask.tolist() == [[False, True, False], [True, True, False]]


def test_instances_above_the_threshold_the_surest_first() -> None:
    """mmdet: masks, boxes and scores; annotations have no score and are all kept."""
    structures = pytest.importorskip('mmdet.structures')
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData

    sample = structures.DetDataSample()
    masks = np.zeros((1, 4, 5), np.uint8)
    masks[0, 1:3, 1:4] = 1
    sample.gt_instances = InstanceData(
        labels=torch.tensor([3]),
        bboxes=torch.tensor([[1.0, 1.0, 4.0, 3.0]]),
        masks=BitmapMasks(masks, 4, 5),
    )
    sample.pred_instances = InstanceData(
        labels=torch.tensor([1, 2, 3]),
        bboxes=torch.arange(12).reshape(3, 4).float(),
        masks=torch.from_numpy(np.stack([masks[0], masks[0], 1 - masks[0]]).astype(bool)),
        scores=torch.tensor([0.5, 0.2, 0.9]),
    )
    (known,), predicted = _annotations_of(sample, 0.5)
    assert (known.category, known.box, known.score) == (3, (1.0, 1.0, 4.0, 3.0), None)
    assert known.mask is not None
    assert np.array_equal(known.mask, masks[0].astype(bool))
    assert [claim.category for claim in predicted] == [3, 1]
    assert predicted[0].score == pytest.approx(0.9)
    assert predicted[0].box == (8.0, 9.0, 10.0, 11.0)
    assert predicted[0].mask is not None
    assert np.array_equal(predicted[0].mask, masks[0] == 0)


def test_class_of_the_highest_score() -> None:
    """mmpretrain: the best class with its score, and the labels."""
    structures = pytest.importorskip('mmpretrain.structures')
    sample = structures.DataSample().set_gt_label(2).set_pred_score(torch.tensor([0.1, 0.7, 0.2]))
    truth, prediction = _annotations_of(sample, 0.3)
    assert truth == [Annotation(2)]
    assert [claim.category for claim in prediction] == [1]
    assert prediction[0].score == pytest.approx(0.7)


def test_sample_without_prediction() -> None:
    """What cannot be shown is an error that names the fields."""
    from mmengine.structures import BaseDataElement

    with pytest.raises(ValueError, match='BaseDataElement with the fields'):
        _annotations_of(BaseDataElement(), 0.3)


def test_drawing() -> None:
    """Masks are mixed in and outlined, boxes framed, the first claim on top; photos stay."""
    pytest.importorskip('matplotlib')
    from bgremoval_mm.visualization.prediction_sheet import draw_annotations

    photo = np.full((9, 9, 3), 100, np.uint8)
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    drawn = draw_annotations(photo, [Annotation(0, mask)], {0: (200, 0, 0)})
    assert (photo == 100).all()
    assert drawn[0, 0].tolist() == [100, 100, 100]
    assert drawn[4, 4].tolist() == [155, 45, 45]  # 45 percent of the photo, 55 of the colour
    assert drawn[2, 4].tolist() == [200, 0, 0]  # outline
    framed = draw_annotations(photo, [Annotation(0, box=(1, 1, 7, 7))], {0: (0, 200, 0)})
    assert framed[1, 4].tolist() == [0, 200, 0]
    assert framed[4, 4].tolist() == [100, 100, 100]
    both = draw_annotations(
        photo, [Annotation(0, mask), Annotation(1, mask)], {0: (200, 0, 0), 1: (0, 0, 200)}
    )
    assert both[2, 4].tolist() == [200, 0, 0]


def test_colours() -> None:
    """Each class has a colour of its own, also when there are more than the palette holds."""
    pytest.importorskip('matplotlib')
    from bgremoval_mm.visualization.prediction_sheet import pick_colours

    few = pick_colours([7, 5, 7])
    assert list(few) == [7, 5]
    many = pick_colours(range(46))
    assert len(set(many.values())) == 46


def test_annotations_in_polygons() -> None:
    """mmdet: masks that its pipeline leaves as polygons are drawn into pixels."""
    structures = pytest.importorskip('mmdet.structures')
    from mmdet.structures.mask import PolygonMasks
    from mmengine.structures import InstanceData

    sample = structures.DetDataSample()
    square = np.array([0.0, 0.0, 2.0, 0.0, 2.0, 2.0, 0.0, 2.0])
    sample.gt_instances = InstanceData(
        labels=torch.tensor([0]),
        bboxes=torch.tensor([[0.0, 0.0, 2.0, 2.0]]),
        masks=PolygonMasks([[square]], 4, 5),
    )
    sample.pred_instances = InstanceData(
        labels=torch.zeros(0), bboxes=torch.zeros(0, 4), scores=torch.zeros(0)
    )
    ((known,), _) = _annotations_of(sample, 0.5)
    assert known.mask is not None
    assert known.mask.shape == (4, 5)
    assert known.mask.sum() == 4


def test_classes_without_names() -> None:
    """They are shown by their numbers, in captions and in the legend."""
    pytest.importorskip('matplotlib')
    from bgremoval_mm.visualization.prediction_sheet import draw_prediction_sheet

    photo = np.full((9, 9, 3), 100, np.uint8)
    view = PredictionView('a.jpg', photo, [Annotation(1)], [Annotation(0, score=0.5)])
    assert draw_prediction_sheet([(view, view)], (), ('title', 'line')).width > 100


def test_long_names_in_the_legend(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have fewer columns, so that none is written over the next one."""
    pytest.importorskip('matplotlib')
    from bgremoval_mm.visualization.prediction_sheet import _legend

    drawn: list[tuple[float, float, str]] = []
    monkeypatch.setattr(
        'matplotlib.figure.Figure.text', lambda _, x, y, text, **__: drawn.append((x, y, text))
    )
    name = 'headband, head covering, hair accessory'
    _legend([(name, (0, 0, 0))] * 5, 1113)
    places = [(x * 1113 / 150, y) for x, y, _ in drawn]
    assert len(set(places)) == 5
    for (x, y), (next_x, next_y) in pairwise(places):
        assert next_y < y or next_x - x > 0.066 * len(name)
