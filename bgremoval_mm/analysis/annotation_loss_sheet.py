"""The contact sheet of annotation loss: the images of which the most is erased."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from bgremoval_mm.analysis.annotation_loss import (
    THRESHOLD,
    AnnotatedImage,
    ImageLoss,
    annotated_pixels,
    load_mask,
)
from bgremoval_mm.removal import compose, read_image
from bgremoval_mm.removal.masks.functional import binarise
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles, shrink

__all__ = ['draw_loss_sheet']

_RED = np.array([230, 30, 40], np.float32)


def draw_loss_sheet(
    worst: Sequence[tuple[AnnotatedImage, ImageLoss]], classes: Sequence[str], heading: str
) -> Image.Image:
    """Draw photo, removed photo, and the photo with what is erased of its annotations in red.

    Args:
        worst: The images to show, with their figures.
        classes: Names of the categories.
        heading: Title of the sheet.

    Returns:
        RGB picture.
    """
    return draw_tiles(
        [_tile(image, loss, classes) for image, loss in worst],
        ('original', 'removed', 'erased (red)'),
        (heading, f'the {len(worst)} images of which the largest annotated share is erased'),
    )


def _tile(image: AnnotatedImage, loss: ImageLoss, classes: Sequence[str]) -> Tile:
    photo, mask = read_image(image.path).rgb, load_mask(image)
    union = np.zeros(mask.shape, bool)
    for _, inside in annotated_pixels(image):
        union |= inside
    lost = union & (binarise(mask, THRESHOLD) == 0)
    marked = photo.astype(np.float32)
    marked[~lost] = marked[~lost] * 0.5 + 127
    marked[lost] = _RED
    caption = [image.key, f'{loss.share:.1%} of the annotated pixels erased']
    gone = {classes[each.category] for each in loss.instances if each.wiped_out}
    return Tile(
        [shrink(each) for each in (photo, compose(photo, mask), marked.astype(np.uint8))],
        caption,
        f'gone: {", ".join(sorted(gone))}' if gone else '',
    )
