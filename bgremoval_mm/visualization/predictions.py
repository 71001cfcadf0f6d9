"""Predictions of a trained model next to the ground truth."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope
from mmengine.runner.checkpoint import load_checkpoint

from bgremoval_mm.datasets.first_steps import load_photo
from bgremoval_mm.datasets.formats.categories import IGNORED
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.sampling import evenly_spaced
from bgremoval_mm.visualization.network_input import (
    build_part,
    collate_function,
    preprocessor_settings,
)

__all__ = ['Annotation', 'PredictionView', 'Predictor', 'choose_photos']


@dataclass(frozen=True)
class Annotation:
    """One class, region or object in a photo, annotated or predicted.

    Attributes:
        category: Index of the class.
        mask: Where it is: bool array of shape (H, W), in the photo's size; None if not known.
        box: (x1, y1, x2, y2) in the photo's pixels; None if not known.
        score: The network's confidence, 0 to 1; None for annotations and label maps.
    """

    category: int
    mask: np.ndarray | None = None
    box: tuple[float, float, float, float] | None = None
    score: float | None = None


@dataclass(frozen=True)
class PredictionView:
    """A photo as a network gets it, with its ground truth and its predictions.

    Attributes:
        path: The photo's file.
        photo: uint8 array of shape (H, W, 3), RGB, in its own size; the background removed if the
            config removes it.
        truth: What is annotated.
        prediction: What the network predicts.
    """

    path: str
    photo: np.ndarray
    truth: list[Annotation]
    prediction: list[Annotation]


class Predictor:
    """A trained model of mmpretrain, mmdet or mmseg and one of its config's datasets.

    Args:
        cfg: The config.
        checkpoint: Its checkpoint: every key must fit.
        subset: 'val' or 'test': whose photos and pipeline.
        score_threshold: Instances of a lower confidence are left out.
        device: Where the model runs.

    Raises:
        OSError: If a file is not there.
        ValueError: If the config lacks something, or the checkpoint is another model's.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str | Path,
        subset: str = 'test',
        score_threshold: float = 0.3,
        device: str = 'cpu',
    ) -> None:
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        loader = cfg.get(f'{subset}_dataloader')
        if loader is None:
            msg = f'the config has no {subset}_dataloader'
            raise ArgumentError(msg)
        name = f'{subset}_dataloader.dataset'
        self.dataset = build_part(name, partial(DATASETS.build, deepcopy(loader.dataset)))
        self.dataset.full_init()
        self.classes: tuple[str, ...] = tuple(self.dataset.metainfo.get('classes') or ())
        self.score_threshold = score_threshold
        self._collate = collate_function(loader.get('collate_fn'))
        settings = dict(deepcopy(cfg.model), data_preprocessor=preprocessor_settings(cfg))
        self.model = build_part('model', partial(MODELS.build, settings)).to(device).eval()
        self._load(checkpoint)

    def _load(self, checkpoint: str | Path) -> None:
        try:
            load_checkpoint(self.model, str(checkpoint), map_location='cpu', strict=True)
        except RuntimeError as err:
            msg = f'{checkpoint} does not fit the config: {err}'
            raise ArgumentError(msg) from err

    def __len__(self) -> int:
        return len(self.dataset)

    def path(self, index: int) -> str:
        """Return the file of a photo."""
        return str(self.dataset.get_data_info(index)['img_path'])

    def show(self, index: int) -> PredictionView:
        """Predict one photo."""
        with torch.no_grad():
            (sample,) = self.model.test_step(self._collate([self.dataset[index]]))
        truth, prediction = _annotations_of(sample, self.score_threshold)
        return PredictionView(self.path(index), load_photo(self.dataset, index), truth, prediction)


def choose_photos(predictor: Predictor, number: int, names: list[str] | None = None) -> list[int]:
    """Choose the photos to show: those named, or a number of them at equal distances.

    Args:
        predictor: Whose photos.
        number: How many, if none is named.
        names: Ends of paths; each must fit exactly one photo.

    Raises:
        ValueError: If a name fits none or several.
    """
    if not names:
        return evenly_spaced(range(len(predictor)), number)
    paths = [predictor.path(index) for index in range(len(predictor))]
    indices = []
    for name in names:
        found = [index for index, path in enumerate(paths) if path.endswith(name)]
        if len(found) != 1:
            msg = (
                f'{name!r} must be the end of exactly one path of the dataset, but fits '
                f'{len(found)}; there are, for example: {", ".join(paths[:3])}'
            )
            raise ArgumentError(msg)
        indices += found
    return indices


def _annotations_of(sample: Any, threshold: float) -> tuple[list[Annotation], list[Annotation]]:
    """Return what is annotated and what is predicted in a codebase's data sample."""
    if 'pred_sem_seg' in sample:
        predicted = sample.pred_sem_seg.data.squeeze(0).cpu().numpy()
        labels = sample.gt_sem_seg.data.squeeze(0).cpu().numpy() if 'gt_sem_seg' in sample else None
        if labels is None:
            return [], _regions(predicted)
        return _regions(labels), _regions(np.where(labels == IGNORED, IGNORED, predicted))
    if 'pred_instances' in sample:
        truth = _instances(sample.gt_instances, None) if 'gt_instances' in sample else []
        return truth, _instances(sample.pred_instances, threshold)
    if 'pred_score' in sample:
        best = int(sample.pred_score.argmax())
        prediction = [Annotation(best, score=float(sample.pred_score[best]))]
        labels = sample.gt_label.tolist() if 'gt_label' in sample else []
        return [Annotation(int(label)) for label in labels], prediction
    msg = f'nothing can be shown of {type(sample).__name__} with the fields {sample.all_keys()}'
    raise ArgumentError(msg)


def _regions(labels: np.ndarray) -> list[Annotation]:
    return [Annotation(int(n), labels == n) for n in np.unique(labels) if n != IGNORED]


def _instances(instances: Any, threshold: float | None) -> list[Annotation]:
    """Return the instances of at least that score, the surest first."""
    scores = instances.scores.tolist() if 'scores' in instances else [None] * len(instances)
    boxes = instances.bboxes
    boxes = getattr(boxes, 'tensor', boxes).tolist()  # annotations have a box type of mmdet's
    masks = instances.get('masks')
    # and BitmapMasks, or PolygonMasks
    masks = masks.to_ndarray() if hasattr(masks, 'to_ndarray') else masks
    annotations = [
        Annotation(
            int(instances.labels[i]),
            None if masks is None else np.asarray(masks[i]).astype(bool),
            tuple(boxes[i]),
            score,
        )
        for i, score in enumerate(scores)
        if threshold is None or score is None or score >= threshold
    ]
    return sorted(annotations, key=lambda each: -(each.score or 0.0))
