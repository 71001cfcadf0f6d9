"""The annotated pixels that removing the background erases, by category and image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.datasets.formats.categories import IGNORED
from bgremoval_mm.datasets.formats.label_maps import decode_mask
from bgremoval_mm.removal import MaskStore
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.masks.functional import binarise
from bgremoval_mm.removal.masks.iou import iou
from bgremoval_mm.removal.outputs.mask_store import mask_problem

__all__ = [
    'AnnotatedImage',
    'CategoryLoss',
    'ImageLoss',
    'InstanceLoss',
    'Labels',
    'annotated_pixels',
    'by_category',
    'instance_loss',
    'measure',
]

THRESHOLD = 0.5
"""A pixel is erased where the mask's foreground share is this or less."""

WIPED_OUT = 0.9
"""An instance is wiped out when more than this share of its pixels is erased."""


@dataclass(frozen=True)
class Labels:
    """What the values of a label map mean.

    Attributes:
        classes: How many classes there are, counted from 0.
        left_out: Values of pixels that belong to no category: ignored ones, and the class of the
            background, which removal is meant to erase.
    """

    classes: int
    left_out: frozenset[int] = frozenset((IGNORED,))


@dataclass(frozen=True)
class AnnotatedImage:
    """An image, its annotations and where its mask is.

    Attributes:
        path: The image file.
        key: Its path below the folder that the masks were made from.
        store: The masks.
        instances: Category and COCO segmentation of each instance; None if there is a label map.
        label_map: File of category indices; None if there are instances.
        labels: What these mean; None if there are instances.
        size: Height and width in pixels that the instances are for; None if there is a label map.
    """

    path: Path
    key: str
    store: MaskStore
    instances: tuple[tuple[int, Any], ...] | None = None
    label_map: Path | None = None
    labels: Labels | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class InstanceLoss:
    """What is erased of one instance.

    Attributes:
        category: Index of its category.
        pixels: Annotated pixels.
        soft: Pixels erased when the soft mask is applied: the sum of 1 - mask / 255.
        hard: Pixels erased at `THRESHOLD`.
    """

    category: int
    pixels: int
    soft: float
    hard: int

    @property
    def wiped_out(self) -> bool:
        """Whether next to nothing of it is left."""
        return self.hard > WIPED_OUT * self.pixels


@dataclass(frozen=True)
class ImageLoss:
    """What is erased of one image's annotations.

    Attributes:
        pixels: Annotated pixels, each counted once.
        erased: Those of them that are erased at `THRESHOLD`.
        iou: Intersection over union of the mask at `THRESHOLD` and of all annotated pixels.
        instances: The same by instance; where instances overlap, a pixel counts for each.
    """

    pixels: int
    erased: int
    iou: float
    instances: tuple[InstanceLoss, ...]

    @property
    def share(self) -> float:
        """Erased share of the annotated pixels; 0 where nothing is annotated."""
        return self.erased / self.pixels if self.pixels else 0.0


@dataclass
class CategoryLoss:
    """What is erased of a category, over all images.

    Attributes:
        name: The category.
        instances: How many are annotated.
        pixels: Their pixels.
        soft: Erased share of the pixels when the soft mask is applied, in [0, 1].
        hard: Erased share at `THRESHOLD`, in [0, 1].
        wiped_out: How many instances are wiped out.
    """

    name: str
    instances: int = 0
    pixels: int = 0
    soft: float = 0.0
    hard: float = 0.0
    wiped_out: int = 0
    _soft: float = field(default=0.0, repr=False)
    _hard: int = field(default=0, repr=False)

    def add(self, loss: InstanceLoss) -> None:
        """Count an instance in. Shares are of all pixels, so that large instances weigh more."""
        self.instances += 1
        self.pixels += loss.pixels
        self._soft += loss.soft
        self._hard += loss.hard
        self.wiped_out += loss.wiped_out
        self.soft, self.hard = self._soft / self.pixels, self._hard / self.pixels

    def as_dict(self) -> dict[str, Any]:
        """Return what is reported."""
        return {key: value for key, value in asdict(self).items() if not key.startswith('_')}


def instance_loss(category: int, inside: np.ndarray, mask: np.ndarray) -> InstanceLoss:
    """Measure what a mask erases of an instance.

    Args:
        category: Index of its category.
        inside: bool of shape (H, W), True on the instance.
        mask: uint8 of shape (H, W), 255 is foreground.
    """
    shares = mask[inside]
    return InstanceLoss(
        category,
        pixels=shares.size,
        soft=shares.size - float(shares.sum(dtype=np.int64)) / 255,
        hard=int((binarise(shares, THRESHOLD) == 0).sum()),
    )


def annotated_pixels(image: AnnotatedImage) -> list[tuple[int, np.ndarray]]:
    """Return category and pixels (bool of shape (H, W)) of each instance, or label of a map.

    Instances without a pixel are left out.

    Raises:
        ValueError: If an annotation is not of its image's size, or a label map has channels, or a
            value that is not a class.
    """
    if image.label_map is not None:
        assert image.labels is not None
        from PIL import Image

        with Image.open(image.label_map) as picture:
            labels = np.asarray(picture)
        if labels.ndim != 2:
            msg = f'a label map must have one channel, but {image.label_map} has {labels.shape[2]}'
            raise ArgumentError(msg)
        found = [int(value) for value in np.unique(labels) if value not in image.labels.left_out]
        unknown = [value for value in found if value >= image.labels.classes]
        if unknown:
            msg = (
                f'a label map must hold class indices from 0 to {image.labels.classes - 1}, but '
                f'{image.label_map} holds {", ".join(map(str, unknown))}'
            )
            raise ArgumentError(msg)
        return [(value, labels == value) for value in found]
    assert image.size is not None
    decoded = (
        (category, decode_mask(segmentation, *image.size).astype(bool))
        for category, segmentation in image.instances or ()
    )
    return [(category, inside) for category, inside in decoded if inside.any()]


def measure(image: AnnotatedImage) -> ImageLoss:
    """Measure what its mask erases of an image's annotations.

    Raises:
        FileNotFoundError: If there is no mask, or no image.
        ValueError: If the mask is of other content or precision, damaged, or not of the
            annotations' size.
    """
    mask = load_mask(image)
    layers = annotated_pixels(image)
    for _, inside in layers[:1]:
        if inside.shape != mask.shape:
            (height, width), (rows, columns) = inside.shape, mask.shape
            msg = (
                f'the annotations are for {width} x {height} pixels, but the upright image has '
                f'{columns} x {rows}'
            )
            raise ArgumentError(msg)
    union = np.zeros(mask.shape, bool)
    for _, inside in layers:
        union |= inside
    foreground = binarise(mask, THRESHOLD) > 0
    return ImageLoss(
        pixels=int(union.sum()),
        erased=int((union & ~foreground).sum()),
        iou=iou(union, foreground),
        instances=tuple(instance_loss(category, inside, mask) for category, inside in layers),
    )


def load_mask(image: AnnotatedImage) -> np.ndarray:
    """Return the mask of an image at its full size, uint8 of shape (H, W)."""
    if not image.path.is_file():
        msg = f'{image.path} is missing'
        raise FileNotFoundError(msg)
    stored = image.store.get(image.key)
    problem = mask_problem(image.store, stored, image.path)
    if stored is None:
        msg = f'{problem} {image.store.path(image.key)}'
        raise FileNotFoundError(msg)
    if problem is not None:
        msg = f'{problem}: {image.store.path(image.key)}'
        raise ArgumentError(msg)
    return stored.full_size()


def by_category(losses: Iterable[ImageLoss], classes: Sequence[str]) -> list[CategoryLoss]:
    """Sum up each category that is annotated, the most erased (at `THRESHOLD`) first."""
    categories: dict[int, CategoryLoss] = {}
    for loss in losses:
        for each in loss.instances:
            name = classes[each.category]
            categories.setdefault(each.category, CategoryLoss(name)).add(each)
    return sorted(categories.values(), key=lambda c: (-c.hard, c.name))


def summary(losses: Mapping[str, ImageLoss], with_iou: bool) -> dict[str, Any]:
    """Sum up all images; IoU only where all of the foreground is annotated."""
    every = list(losses.values())
    pixels = sum(loss.pixels for loss in every)
    instances = [each for loss in every for each in loss.instances]
    content: dict[str, Any] = {
        'images': len(every),
        'instances': len(instances),
        'pixels': pixels,
        'erased_hard': sum(loss.erased for loss in every) / pixels if pixels else None,
        'wiped_out': sum(each.wiped_out for each in instances),
        'iou': None,
    }
    if with_iou and every:
        values = np.array([loss.iou for loss in every])
        content['iou'] = {
            'mean': float(values.mean()),
            'median': float(np.median(values)),
            'below_0.8': int((values < 0.8).sum()),
        }
    return content
