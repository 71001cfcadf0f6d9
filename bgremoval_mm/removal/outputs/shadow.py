"""A soft shadow on the ground below an object."""

from __future__ import annotations

import cv2
import numpy as np

from bgremoval_mm.removal.outputs.framing import object_box

__all__ = ['REACH', 'add_shadow', 'cast_shadow']

_OPACITY = 0.45
_DEPTH = 0.05  # of the object's longer side: the shadow on the ground, from front to back
_SOFTNESS = 0.015  # of the object's longer side: standard deviation of its edge
# Of the object's longer side: how far below the object the shadow is seen.
REACH = _DEPTH / 2 + 2 * _SOFTNESS


def cast_shadow(mask: np.ndarray) -> np.ndarray:
    """Return the shadow of an object on the ground, where light falls from above.

    The object's silhouette is pressed flat on the line that it stands on, and blurred.

    Args:
        mask: The object, uint8 of shape (H, W).

    Returns:
        uint8 array of shape (H, W): 255 is black; all 0 where there is no object.
    """
    box = object_box(mask)
    shadow = np.zeros(mask.shape, np.float32)
    if box is None:
        return shadow.astype(np.uint8)
    left, top, right, bottom = map(int, box)
    longer = max(right - left, bottom - top)
    depth = max(1, round(_DEPTH * longer))
    silhouette = mask[top:bottom, left:right]
    flat = cv2.resize(silhouette, (right - left, depth), interpolation=cv2.INTER_AREA)
    above = bottom - depth // 2
    ground = slice(max(0, above), min(len(mask), above + depth))
    shadow[ground, left:right] = flat[ground.start - above : ground.stop - above]
    soft = cv2.GaussianBlur(
        shadow, (0, 0), max(0.5, _SOFTNESS * longer), borderType=cv2.BORDER_CONSTANT
    )
    result: np.ndarray = np.rint(_OPACITY * soft).astype(np.uint8)
    return result


def add_shadow(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay an object over its shadow.

    With the shares a of the object and s of its shadow, which is black, what is seen has the share
    ``A = a + (1 - a) s`` and the colours ``a F / A``: on a background B it is
    ``a F + (1 - a) (1 - s) B``.

    Args:
        image: Colours of the object, uint8 of shape (H, W, 3).
        mask: Its mask, uint8 of shape (H, W).

    Returns:
        Colours and mask of both together, uint8 of the same shapes.
    """
    share = mask.astype(np.float32) / 255
    together = share + (1 - share) * (cast_shadow(mask).astype(np.float32) / 255)
    part = np.divide(share, together, where=together > 0, out=np.zeros_like(share))
    return (
        np.rint(image * part[..., None]).astype(np.uint8),
        np.rint(255 * together).astype(np.uint8),
    )
