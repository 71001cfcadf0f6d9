"""Figures that tell whether a mask can be trusted, and what follows from them.

Each flag compares one figure with one threshold. `MaskQuality.suspicion` is the figure that is
worst in proportion to its threshold, so that masks with different faults can be put in one order.
The thresholds were chosen on one half of the masks that were judged by eye and of those that have
annotated pixels; docs/remove_background.md gives the results on the other half
(benchmarks/quality_flags.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bgremoval_mm.removal.masks.functional import resize
from bgremoval_mm.removal.masks.iou import iou

__all__ = ['FLAGS', 'THRESHOLDS', 'MaskQuality', 'disagreement', 'flags_of', 'judged', 'quality']

# A mask with less (more) foreground than this share of the image is taken for none.
EMPTY_SHARE = 0.005
FULL_SHARE = 0.995
SMALL_SHARE = 0.1
# The flag is raised where the figure is above.
THRESHOLDS = {'undecided': 0.02, 'apart': 0.1, 'seam': 0.18, 'disagreement': 0.1}
_RAISED = {
    'undecided': 'uncertain',
    'apart': 'fragmented',
    'seam': 'seamed',
    'foreground': 'small',
}
FLAGS = ('constant', 'empty', 'full', *_RAISED.values(), 'disputed')
_HOPELESS = frozenset(('constant', 'empty', 'full', 'no figures'))
_WORST = 100.0

_SPECK = 0.01  # of the foreground: smaller parts are not counted
_PAIR = 0.6  # a second part of at least this share of the largest is its other half
_SIDE = 320  # pixels: larger masks are measured at this size, that of U2-Net
_SEAM_LEVEL = 51  # seams are often faint
_THIN = 9  # pixels of 320
_UNDECIDED = (25, 230)  # between 10 % and 90 %
# Manifests of earlier versions have no undecided; below this confidence they had a flag.
_CONFIDENCE = 0.975


@dataclass(frozen=True)
class MaskQuality:
    """Figures that tell whether a mask can be trusted.

    Attributes:
        foreground: Mean of the mask, a fraction of the image in [0, 1].
        confidence: Mean of ``|2 p - 1|`` over the pixels' foreground shares p: 1 where each
            pixel is clearly one or the other, 0 where the model could not tell.
        border: Fraction of the image's outermost pixels that are foreground.
        flags: ``'constant'`` (the saliency map had a single value, so there is no mask),
            ``'empty'`` (next to no foreground), ``'full'`` (next to no background),
            ``'uncertain'`` (whole regions are neither foreground nor background),
            ``'fragmented'`` (a large part lies apart), ``'seamed'`` (a thin line reaches the
            image's edge), ``'small'`` (a detail was taken for the object), ``'disputed'`` (a
            second model sees another foreground).
        components: Number of connected parts (8 neighbours) of more than 1 % of the foreground.
        largest: Fraction of the foreground that the largest part has.
        disagreement: 1 - IoU with the mask of a second model, or None if there is none.
        undecided: Pixels with a share between 10 % and 90 % in regions at least 3 % of the image's
            side wide, for each pixel of foreground: what is undecided besides the edges. None in
            manifests of earlier versions.
        apart: Fraction of the foreground outside its largest part or, if the second is at least
            0.6 times as large, outside these two: a pair of shoes.
        seam: Length of the longest part that is thin (below 3 % of the image's side) and reaches
            the image's edge, a fraction of that side.
        thin: Fraction of the foreground in thin parts: straps, heels, chains. Neither flags nor
            `suspicion` look at it. None in manifests of earlier versions.
        weak_edge: Fraction of the outline where the photo has about the same colour inside and
            outside, see `weak_edge`; None where that was not asked for, as it takes the photo.
    """

    foreground: float
    confidence: float
    border: float
    flags: tuple[str, ...] = ()
    # Manifests of earlier versions lack some of these, or all.
    components: int = 0
    largest: float = 1.0
    disagreement: float | None = None
    undecided: float | None = None
    apart: float = 0.0
    seam: float = 0.0
    thin: float | None = None
    weak_edge: float | None = None

    @property
    def suspicion(self) -> float:
        """How far the worst figure is towards its threshold, or beyond.

        0 is the best; from 1 on the mask has a flag; 100 stands for no mask at all.
        """
        if _HOPELESS & set(self.flags):
            return _WORST
        parts = [*_ratios(self).values()]
        if self.undecided is None:
            parts.append((1 - self.confidence) / (1 - _CONFIDENCE))
        parts.append(float(bool(flags_of(self))))  # those of other versions have no figure here
        return float(min(max(parts), _WORST - 1))


def quality(
    mask: np.ndarray, constant: bool = False, second: np.ndarray | None = None
) -> MaskQuality:
    """Compute figures that tell whether a mask can be trusted.

    Args:
        mask: uint8 array of shape (h, w), at the model's or the image's resolution.
        constant: Whether the saliency map had a single value.
        second: Another model's mask of the image, uint8 of any shape.
    """
    sureness = np.abs(2 * np.arange(256) / 255 - 1)
    counts = cv2.calcHist([mask], [0], None, [256], [0, 256]).ravel()
    edge = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    components, largest, apart = _parts(mask)
    small = _at_most(mask, _SIDE)
    found = MaskQuality(
        flags=('constant',) if constant else (),
        foreground=round(float(mask.mean()) / 255, 4),
        confidence=round(float(counts @ sureness) / mask.size, 4),
        border=round(float((edge > 127).mean()), 4),
        components=components,
        largest=round(largest, 4),
        disagreement=None if second is None else round(disagreement(mask, second), 4),
        undecided=round(_undecided(small), 4),
        apart=round(apart, 4),
        seam=round(_seam(small), 4),
        thin=round(_thin(small), 4),
    )
    return judged(found)


def judged(found: MaskQuality) -> MaskQuality:
    """Return the figures with the flags that follow from them; ``'constant'`` is kept."""
    return replace(found, flags=tuple(_flags(found)))


def flags_of(found: MaskQuality) -> tuple[str, ...]:
    """Return the flags of a mask, less those of earlier versions that were raised in vain.

    These are ``'cut off'``, raised for people as they are usually framed, and ``'fragmented'``
    for a pair.
    """
    if found.undecided is not None:
        return found.flags
    is_pair = found.components == 2 and found.largest <= 1 / (1 + _PAIR)
    in_vain = {'cut off', *(('fragmented',) if is_pair else ())}
    return tuple(flag for flag in found.flags if flag not in in_vain)


def disagreement(mask: np.ndarray, second: np.ndarray) -> float:
    """Return 1 - IoU of the pixels above one half in two masks; 0 where neither has any.

    Args:
        mask: uint8 array of shape (h, w).
        second: uint8 array; resized if its shape is another one.
    """
    second = resize(second, (mask.shape[1], mask.shape[0]))
    return 1 - iou(mask > 127, second > 127)


def _flags(found: MaskQuality) -> Iterator[str]:
    over = {name for name, ratio in _ratios(found).items() if ratio > 1}
    if 'constant' in found.flags:
        yield 'constant'
    if found.foreground < EMPTY_SHARE:
        yield 'empty'
    elif found.foreground > FULL_SHARE:
        yield 'full'
    else:
        yield from (flag for name, flag in _RAISED.items() if name in over)
    if 'disagreement' in over:
        yield 'disputed'


def _ratios(found: MaskQuality) -> dict[str, float]:
    """Return each figure in proportion to its threshold, above 1 where a flag is raised."""
    figures = {name: getattr(found, name) for name in THRESHOLDS}
    ratios = {
        name: float(figure) / THRESHOLDS[name]
        for name, figure in figures.items()
        if figure is not None
    }
    return ratios | {'foreground': SMALL_SHARE / max(found.foreground, SMALL_SHARE / _WORST)}


def _parts(mask: np.ndarray) -> tuple[int, float, float]:
    """Return how many connected parts there are, the largest one's share, and `apart`."""
    foreground = (mask > 127).astype(np.uint8)
    # Every fourth pixel at most is a part of its own; labels of 16 bits take half the time.
    labels = cv2.CV_16U if mask.size < 4 * 65_535 else cv2.CV_32S
    _, _, figures, _ = cv2.connectedComponentsWithStats(foreground, connectivity=8, ltype=labels)
    areas = np.sort(figures[1:, cv2.CC_STAT_AREA])[::-1]
    total = int(areas.sum())
    if not total:
        return 0, 1.0, 0.0
    is_pair = len(areas) > 1 and areas[1] >= _PAIR * areas[0]
    whole = int(areas[: 1 + is_pair].sum())
    return int((areas > _SPECK * total).sum()), float(areas[0]) / total, 1 - whole / total


def _at_most(mask: np.ndarray, side: int) -> np.ndarray:
    """Return the mask, made smaller if its longer side is longer than that."""
    height, width = mask.shape
    scale = side / int(max(height, width))
    if scale >= 1:
        return mask
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(mask, size, interpolation=cv2.INTER_AREA)


def _undecided(mask: np.ndarray) -> float:
    undecided = ((mask > _UNDECIDED[0]) & (mask < _UNDECIDED[1])).astype(np.uint8)
    side = _thin_side(mask)
    wide = cv2.morphologyEx(undecided, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return int(wide.sum()) / max(int((mask > 127).sum()), 1)


def _thin_side(mask: np.ndarray) -> int:
    """Return below how many pixels a part counts as thin, an odd number."""
    return max(3, round(_THIN * int(max(mask.shape)) / _SIDE) | 1)


def _thin_parts(foreground: np.ndarray) -> np.ndarray:
    """Return what an opening by a disc removes: erosion, then dilation.

    After Serra, Image Analysis and Mathematical Morphology, 1982.
    """
    side = _thin_side(foreground)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    parts: np.ndarray = foreground - cv2.morphologyEx(foreground, cv2.MORPH_OPEN, disc)
    return parts


def _thin(mask: np.ndarray) -> float:
    foreground = (mask > 127).astype(np.uint8)
    return int(_thin_parts(foreground).sum()) / max(int(foreground.sum()), 1)


def _seam(mask: np.ndarray) -> float:
    """Measure the longest thin part that reaches the edge, but does not run along it."""
    height, width = mask.shape
    foreground = (mask > _SEAM_LEVEL).astype(np.uint8)
    rim = np.concatenate([foreground[0], foreground[-1], foreground[:, 0], foreground[:, -1]])
    if not rim.any():
        return 0.0
    thin = _thin_parts(foreground)
    number, labels, figures, _ = cv2.connectedComponentsWithStats(thin, connectivity=8)
    edge = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    on_edge = np.bincount(edge, minlength=number)[1:]
    extent = figures[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    across = (on_edge > 0) & (on_edge <= np.hypot(extent[:, 0], extent[:, 1]) / 2)
    lengths = np.hypot(extent[:, 0] / width, extent[:, 1] / height)[across]
    return float(lengths.max(initial=0.0))
