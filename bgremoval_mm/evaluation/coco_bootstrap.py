"""COCO's mAP on any drawing of the images; boxes and masks are matched only once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np

from bgremoval_mm.evaluation.statistics import Estimate, resampled_difference, resampled_scores

__all__ = ['ResampledMap', 'map_difference', 'map_estimates']

RESAMPLES = 200  # each takes a fraction of a second


class ResampledMap:
    """mAP (IoU 0.5 to 0.95, all sizes, 100 detections an image) of drawn images.

    pycocotools matches detections to annotations image by image, once, and then accumulates them
    over the images. Only the second part is done for each drawing.

    Args:
        annotations: COCO annotation file.
        results: COCO results file of the images; an empty list if nothing was found.
        kind: 'bbox' or 'segm'.
    """

    def __init__(self, annotations: Path, results: Path, kind: str) -> None:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        with _silence():
            truth = COCO(str(annotations))
            found = json.loads(results.read_bytes())
            # Where nothing was found, loadRes looks at the first detection all the same.
            detections = truth.loadRes(found) if found else COCO()
            self._evaluation = COCOeval(truth, detections, kind)
        parameters = self._evaluation.params
        parameters.areaRng, parameters.areaRngLbl = [[0, 1e10]], ['all']
        parameters.maxDets = [100]
        with _silence():
            self._evaluation.evaluate()
        self.images = list(parameters.imgIds)
        categories = len(parameters.catIds)
        # One entry a category and image, in that order.
        self._matches = np.empty((categories, len(self.images)), dtype=object)
        for index, match in enumerate(self._evaluation.evalImgs):
            self._matches[index // len(self.images), index % len(self.images)] = match

    def __call__(self, indices: np.ndarray) -> float:
        """Return the mAP, a fraction, of the images of these indices, with repetitions."""
        precision = self._precision(indices)
        known = precision[precision > -1]
        return float(known.mean()) if known.size else float('nan')

    def whole(self) -> float:
        """Return the mAP of all images."""
        return self(np.arange(len(self.images)))

    def by_class(self) -> dict[str, float]:
        """Return the AP of each class that is annotated, over all images, a fraction."""
        precision = self._precision(np.arange(len(self.images)))
        found = {}
        for index, category in enumerate(self._evaluation.params.catIds):
            known = precision[..., index][precision[..., index] > -1]
            if known.size:
                found[self._evaluation.cocoGt.cats[category]['name']] = float(known.mean())
        return found

    def images_of_classes(self) -> dict[str, int]:
        """Return on how many images each class is annotated."""
        truth = self._evaluation.cocoGt
        return {truth.cats[key]['name']: len(set(truth.catToImgs[key])) for key in truth.cats}

    def _precision(self, indices: np.ndarray) -> np.ndarray:
        """Return precision by IoU threshold, recall threshold and class; -1 without annotation."""
        self._evaluation.evalImgs = list(self._matches[:, indices].ravel())
        with _silence():
            self._evaluation.accumulate()
        precision: np.ndarray = self._evaluation.eval['precision'][..., 0, 0]
        return precision


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what pycocotools prints of each of its steps."""
    with Path(os.devnull).open('w') as nowhere, redirect_stdout(nowhere):
        yield


def map_difference(
    annotations: Path,
    original: list[Path],
    removed: list[Path],
    kind: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return the difference of mAP, a fraction, with a paired bootstrap over images.

    Args:
        annotations: COCO annotation file of the test images.
        original: COCO results file of each seed's baseline.
        removed: The same of the variant.
        kind: 'bbox' or 'segm'.
        resamples: How often images are drawn.
        seed: Of the draws.
    """
    both = [
        [ResampledMap(annotations, file, kind) for file in each] for each in (original, removed)
    ]
    return resampled_difference(
        lambda which, drawn: float(np.mean([each(drawn) for each in both[which]])),
        len(both[0][0].images),
        resamples,
        seed,
    )


def map_estimates(
    tests: Mapping[str, Sequence[ResampledMap]],
    reference: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    """Return the mAP of tests on the same images, and their differences, by a bootstrap over these.

    Args:
        tests: Name to tests, whose mean mAP counts; at least one.
        reference: Name of the tests that the others are compared with.
        resamples: How often images are drawn, the same ones for all tests.
        seed: Of the draws.

    Returns:
        Name to mAP, and name to mAP minus that of the reference, if this is among the tests; both
        are fractions.
    """
    names = list(tests)
    others = [name for name in names if name != reference and reference in tests]

    def scores(drawn: np.ndarray) -> np.ndarray:
        found = {name: np.mean([each(drawn) for each in tests[name]]) for name in names}
        changes = [found[name] - found[reference] for name in others]
        return np.array([*found.values(), *changes])

    count = len(tests[names[0]][0].images)
    estimates = resampled_scores(scores, count, resamples, seed)
    return (
        dict(zip(names, estimates, strict=False)),
        dict(zip(others, estimates[len(names) :], strict=True)),
    )
