"""Scores of saliency maps against masks: MAE, F-, S- and E-measure, boundaries and IoU.

Pure functions of arrays. All scores are fractions in [0, 1], as the literature on salient object
detection gives them. What PySODMetrics has is computed by it, with its conventions; the rest is
here: the F-measure of mean precision and recall, the relaxed boundaries and IoU.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.masks.iou import iou

__all__ = [
    'SCORES',
    'ImageScores',
    'MissingPySODMetricsError',
    'boundary',
    'mean_scores',
    'relaxed_boundary_f',
    'require_library',
    'score_image',
    'scores_of_means',
    'stretch_to_unit',
]

BETA_SQUARED = 0.3
#: Scores by name, and whether PySODMetrics computes them.
SCORES = {
    'MAE': False,
    'maxF': True,
    'maxF_pysodmetrics': True,
    'wF': True,
    'S': True,
    'maxE': True,
    'meanE': True,
    'relaxF': False,
    'IoU': False,
}
_RHO = 3.0
_EPSILON = 1e-8


class MissingPySODMetricsError(BgremovalError, ImportError):
    """PySODMetrics is not installed."""


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image.

    Attributes:
        values: Score by name. maxF and maxE are those of the image alone.
        curves: ``precision``, ``recall``, ``F`` and ``E`` at the thresholds 255/255, 254/255 ... 0,
            float64 of shape (256,), if scores need them.
    """

    values: dict[str, float]
    curves: dict[str, np.ndarray] = field(default_factory=dict, repr=False)


def require_library(names: Collection[str]) -> None:
    """Check that what computes these scores is installed.

    Raises:
        MissingPySODMetricsError: If it is not.
    """
    needing = [name for name in names if SCORES[name]]
    if needing and find_spec('py_sod_metrics') is None:
        others = ', '.join(name for name, is_theirs in SCORES.items() if not is_theirs)
        msg = (
            f'{", ".join(needing)} are computed by PySODMetrics, which is not installed: pip '
            'install --no-deps "pysodmetrics>=1.6.2" (without --no-deps, pip would replace numpy '
            f'and OpenCV by older versions); {others} do without it'
        )
        raise MissingPySODMetricsError(msg)


def stretch_to_unit(saliency: np.ndarray) -> np.ndarray:
    """Stretch a map to [0, 1] by its own minimum and maximum; one of a single value stays.

    The authors of U2-Net, rembg and PySODMetrics do it to every map.

    Args:
        saliency: Float array of shape (H, W).

    Returns:
        float64 array of that shape.
    """
    values = saliency.astype(np.float64)
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else values


def score_image(
    saliency: np.ndarray,
    truth: np.ndarray,
    threshold: float = 0.5,
    names: Collection[str] = tuple(SCORES),
) -> ImageScores:
    """Return the scores of a saliency map.

    Without any foreground in `truth`, S is 1 - mean(map), wF and F are 0, E counts background
    alone, and IoU and relaxF are 1 if there is none in the map either, else 0.

    Args:
        saliency: Float array of shape (H, W), values in [0, 1].
        truth: bool array of shape (H, W), True where there is foreground.
        threshold: Above it a pixel counts as foreground, for IoU and relaxF.
        names: Which of `SCORES`.

    Raises:
        MissingPySODMetricsError: If a score needs it and it is not installed.
    """
    require_library(names)
    saliency = saliency.astype(np.float64)
    hard = saliency > threshold
    own: dict[str, Callable[[], float]] = {
        'MAE': lambda: float(np.abs(saliency - truth).mean()),
        'relaxF': lambda: relaxed_boundary_f(hard, truth),
        'IoU': lambda: iou(hard, truth),
    }
    values = {name: compute() for name, compute in own.items() if name in names}
    if not any(SCORES[name] for name in names):
        return ImageScores(values)
    found, curves = _by_library(saliency, truth, names)
    return ImageScores({name: (values | found)[name] for name in SCORES if name in names}, curves)


def _by_library(
    saliency: np.ndarray, truth: np.ndarray, names: Collection[str]
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    import py_sod_metrics as library

    def run(measure: Any) -> Any:
        measure.step(saliency, truth, normalize=False)
        return measure.get_results()

    values: dict[str, float] = {}
    curves: dict[str, np.ndarray] = {}
    if 'wF' in names:
        values['wF'] = float(run(library.WeightedFmeasure())['wfm'])
    if 'S' in names:
        values['S'] = float(run(library.Smeasure())['sm'])
    if 'maxE' in names or 'meanE' in names:
        curves['E'] = run(library.Emeasure())['em']['curve']
        values |= _floats(_of_e_curve(curves['E']))
    if 'maxF' in names or 'maxF_pysodmetrics' in names:
        handlers = {
            'precision': library.PrecisionHandler(True, False),
            'recall': library.RecallHandler(True, False),
            'F': library.FmeasureHandler(True, False, beta=BETA_SQUARED),
        }
        found = run(library.FmeasureV2(handlers))
        curves |= {name: found[name]['dynamic'] for name in handlers}
        values |= _floats(_of_f_curves(curves))
    return values, curves


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _of_e_curve(curve: np.ndarray) -> dict[str, Any]:
    return {'maxE': curve.max(axis=-1), 'meanE': curve.mean(axis=-1)}


def _of_f_curves(curves: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the maxima by both conventions.

    The authors of U2-Net take 255 thresholds, without 255/255.
    """
    precision, recall = curves['precision'][..., 1:], curves['recall'][..., 1:]
    scaled = BETA_SQUARED * precision + recall + _EPSILON
    measure = (1 + BETA_SQUARED) * precision * recall / scaled
    return {'maxF': measure.max(axis=-1), 'maxF_pysodmetrics': curves['F'].max(axis=-1)}


def mean_scores(images: Sequence[ImageScores]) -> dict[str, float]:
    """Return the scores over several images.

    MAE, wF, S, relaxF and IoU are means. *maxF* is that of the authors of U2-Net: precision and
    recall at each threshold are averaged first, and the largest F of the means is taken.
    *maxF_pysodmetrics* averages the images' F at each threshold, and takes the largest mean. maxE
    is the largest of the mean E-measures, meanE their mean over thresholds.

    Args:
        images: At least one, all with the same scores.
    """
    names = images[0].values
    values = {name: float(np.mean([each.values[name] for each in images])) for name in names}
    curves = {
        name: np.mean([each.curves[name] for each in images], axis=0) for name in images[0].curves
    }
    return _floats(scores_of_means(values, curves))


def scores_of_means(values: Mapping[str, Any], curves: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return the scores over several images from the means over them; see `mean_scores`.

    Args:
        values: The mean of each of the images' scores: a number, or an array of shape (R,), of
            as many means, as a bootstrap has.
        curves: The mean of each of their curves, shape (256,) or (R, 256).

    Returns:
        Scores of the same names, each a number or an array of shape (R,).
    """
    overall: dict[str, Any] = {}
    if 'E' in curves:
        overall |= _of_e_curve(curves['E'])
    if 'F' in curves:
        overall |= _of_f_curves(curves)
    return {name: overall.get(name, value) for name, value in values.items()}


def boundary(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a mask that have a neighbour, of four, outside it or the image.

    Args:
        mask: bool array of shape (H, W).

    Returns:
        bool array of that shape: the mask without its erosion.
    """
    from scipy.ndimage import binary_erosion

    edge: np.ndarray = mask & ~binary_erosion(mask)
    return edge


def relaxed_boundary_f(prediction: np.ndarray, truth: np.ndarray, rho: float = _RHO) -> float:
    """Return the relaxed F-measure of the boundaries of a mask.

    Precision is the share of the predicted boundary within `rho` pixels (centre to centre) of the
    true one, recall the share of the true boundary within `rho` pixels of the predicted one (Ehrig
    and Euzenat, "Relaxed Precision and Recall for Ontology Matching", 2005, as Qin et al., "BASNet:
    Boundary-Aware Salient Object Detection", 2019, apply it); they are weighted as the F-measure.

    Args:
        prediction: bool array of shape (H, W), True where there is foreground.
        truth: bool array of the same shape.
        rho: In pixels.

    Returns:
        A fraction; 1 if neither has a boundary, 0 if only one has.
    """
    said, known = boundary(prediction), boundary(truth)
    if not said.any() or not known.any():
        return float(said.any() == known.any())
    precision, recall = _share_near(said, known, rho), _share_near(known, said, rho)
    if not precision + recall:
        return 0.0
    weighted = BETA_SQUARED * precision + recall
    return (1 + BETA_SQUARED) * precision * recall / weighted


def _share_near(pixels: np.ndarray, others: np.ndarray, rho: float) -> float:
    """Return the share of the pixels that have one of the others within `rho`."""
    from scipy.ndimage import distance_transform_edt

    return float((distance_transform_edt(~others)[pixels] <= rho).mean())
