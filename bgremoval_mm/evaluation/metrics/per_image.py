"""Per-image results of a test, for statistics: what was right and what was wrong in each image.

Metrics without a score of their own, which stand beside a config's and write ``evidence.npz``.
Images are named by their path below the dataset's root, in the order of the names, so that a run
and its baseline, and runs of several seeds, can be compared image by image.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from bgremoval_mm.registry import METRICS
from bgremoval_mm.utils.atomic import write_atomically

__all__ = [
    'PER_IMAGE_FILE',
    'PerImageAccuracy',
    'PerImageIoU',
    'name_below',
    'read_per_image',
    'write_per_image',
    'write_unless_finished',
]

PER_IMAGE_FILE = 'evidence.npz'
_RESULT = 'result.json'  # beside it, in the folder of a finished run
_IGNORED = 255  # mmseg's label of what is not annotated

_OfImage = tuple[str, int, int, tuple[str, np.ndarray] | None]
"""Name, true and predicted class; product and probabilities, where there is a product."""


class _PerImageResults(BaseMetric):
    """Collects one entry an image and writes them all.

    Args:
        file: The file to write.
        root: Folder that the names of images are relative to.
    """

    default_prefix = 'per_image'  # of no metric; without one, mmengine warns

    def __init__(self, file: str, root: str) -> None:
        super().__init__()
        self.file = Path(file)
        self.root = root

    def _name(self, sample: dict[str, Any]) -> str:
        if sample.get('img_path') is None:  # an image without a file, as CIFAR-10 has
            return f'{sample.get("sample_idx", "")}'
        return name_below(sample['img_path'], self.root)

    def _classes(self) -> np.ndarray:
        return np.array((self.dataset_meta or {}).get('classes') or (), dtype=np.str_)


@METRICS.register_module(force=True)
class PerImageAccuracy(_PerImageResults):
    """Writes the true and the predicted class of each image (mmpretrain).

    Of photos of products, as ``Catalogue`` gives them, also ``products``, the id of each image's
    product, and ``scores``, the probabilities of the classes, float32 of shape (N, C): from these
    follows the class of a product, see :func:`~bgremoval_mm.evaluation.products.predict_products`.

    Args:
        file: The file to write.
        root: Folder that the names of images are relative to.
        topk: That of the ``Accuracy`` beside it. Of classes with the same probability, the one that
            counts depends on it. If probabilities are NaN, as after a training that has diverged,
            no class counts, and the prediction is -1.
    """

    def __init__(self, file: str, root: str, topk: int | Sequence[int] = 1) -> None:
        super().__init__(file, root)
        self.most = max((topk,) if isinstance(topk, int) else topk)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect each sample's classes."""
        for sample in data_samples:
            scores = sample.get('pred_score')
            predicted = sample['pred_label'] if scores is None else self._first(scores)
            labels = (int(sample['gt_label'].item()), int(predicted))
            product = sample.get('product_id')
            of_product = None if product is None or scores is None else (str(product), _row(scores))
            self.results.append((self._name(sample), *labels, of_product))

    def _first(self, scores: torch.Tensor) -> int:
        """Return the class that ``Accuracy`` takes for the most likely one."""
        values, classes = scores.cpu().topk(min(self.most, scores.numel()))
        return -1 if values[0].isnan() else int(classes[0])

    def compute_metrics(self, results: list[_OfImage]) -> dict[str, float]:
        """Write the file; there is no metric."""
        ordered = sorted(results, key=lambda result: result[:3])
        names, labels, predictions, of_product = zip(*ordered, strict=True)
        arrays = {
            'names': np.array(names),
            'labels': np.array(labels, np.int32),
            'predictions': np.array(predictions, np.int32),
            'classes': self._classes(),
        }
        known = [each for each in of_product if each is not None]
        if len(known) == len(names):
            arrays['products'] = np.array([product for product, _ in known])
            arrays['scores'] = np.stack([scores for _, scores in known])
        write_unless_finished(self.file, **arrays)
        return {}


def _row(scores: torch.Tensor) -> np.ndarray:
    row: np.ndarray = scores.detach().float().cpu().numpy()
    return row


@METRICS.register_module(force=True)
class PerImageIoU(_PerImageResults):
    """Writes the areas that mmseg's IoUMetric adds up, image by image.

    ``areas``: int64 of shape (N, C, 4), for each image and class the pixels of intersection,
    union, prediction and annotation, without those that are not annotated.
    """

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Count each sample's pixels."""
        count = len(self._classes())
        for sample in data_samples:
            predicted = sample['pred_sem_seg']['data'].squeeze()
            labels = sample['gt_sem_seg']['data'].squeeze().to(predicted)
            self.results.append((self._name(sample), region_areas(predicted, labels, count)))

    def compute_metrics(self, results: list[tuple[str, np.ndarray]]) -> dict[str, float]:
        """Write the file; there is no metric."""
        names, areas = zip(*sorted(results, key=lambda result: result[0]), strict=True)
        write_unless_finished(
            self.file, names=np.array(names), areas=np.stack(areas), classes=self._classes()
        )
        return {}


def region_areas(predicted: torch.Tensor, labels: torch.Tensor, count: int) -> np.ndarray:
    """Count the pixels of intersection, union, prediction and annotation of each class.

    Values beyond the classes are ignored, as mmseg's IoUMetric does.

    Args:
        predicted: Class of each pixel, integers of shape (H, W).
        labels: The same of the annotation; 255 is no annotation.
        count: Number of classes.

    Returns:
        int64 of shape (count, 4).
    """
    annotated = labels != _IGNORED
    predicted, labels = predicted[annotated].long(), labels[annotated].long()
    both, said, known = (
        torch.bincount(each[each < count], minlength=count)
        for each in (labels[predicted == labels], predicted, labels)
    )
    areas: np.ndarray = torch.stack([both, said + known - both, said, known], dim=1).cpu().numpy()
    return areas


def name_below(path: str, root: str) -> str:
    """Return how an image is named: its path below a folder, with ``/``."""
    return Path(os.path.relpath(path, root)).as_posix()


def read_per_image(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of per-image results.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def write_per_image(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays as a compressed ``.npz``, under a temporary name first."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # a flag of that name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


def write_unless_finished(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays, unless the file is that of a finished run, which belongs to its result."""
    if (path.parent / _RESULT).is_file():
        print_log(f'{path} is of a finished run and stays', 'current', logging.WARNING)
        return
    write_per_image(path, **arrays)
