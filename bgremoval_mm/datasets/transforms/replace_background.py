"""ReplaceBackground: another scene behind the object, at random, as an augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness

from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank
from bgremoval_mm.datasets.transforms.remove_background import RemoveBackground
from bgremoval_mm.registry import TRANSFORMS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.masks.backgrounds import blend

__all__ = [
    'OPTIONS',
    'BackgroundDraw',
    'ReplaceBackground',
    'check_crops',
    'crop_background',
    'draw_of',
]

OPTIONS = ('scale', 'flip_prob')
"""Arguments of ReplaceBackground, beside `bank`, that RemoveBackground does not have."""


class BackgroundDraw(NamedTuple):
    """What was drawn for one image, whatever its size.

    Attributes:
        photo: Index of the photo in the bank.
        scale: Area of the crop, as a share of the largest crop of the image's shape, in (0, 1].
        left: Where the crop lies: 0 is at the left edge, towards 1 at the right.
        top: The same from top to bottom.
        flip: Whether it is mirrored, left to right.
    """

    photo: int
    scale: float
    left: float
    top: float
    flip: bool


@TRANSFORMS.register_module(force=True)
class ReplaceBackground(RemoveBackground):
    """Put an image's foreground before a random crop of a random photo of a bank.

    ``m * image + (1 - m) * background`` with the soft mask m. An augmentation against networks
    that look at the background (Kobs and Hotho, "On Background Bias in Deep Metric Learning",
    ICMV 2022), who replace the background of every training image.

    Stands where RemoveBackground stands, directly after the image loader, or anywhere behind a
    LoadForegroundMask; finds masks as it does, has its keys, and leaves annotations as they are.
    Every image gets another background in every epoch; the same seed gives the same ones, also
    after a resume with EpochSeedHook.

    Args:
        bank: Where the backgrounds come from: a folder, a list file, several of them, a
            BackgroundBank, or a dict of its arguments.
        prob: Probability that the background is replaced, in [0, 1].
        scale: Least and greatest area of the crop, as a share of the largest crop of the image's
            shape. The default is that of the work's RandomResizedCrop.
        flip_prob: Probability that the crop is mirrored, left to right.
        **removal: What RemoveBackground takes, but for `fill`.

    Raises:
        TypeError, ValueError: As RemoveBackground and BackgroundBank do, or if an argument is not
            one of the above.
        FileNotFoundError: If a mask is missing or stale, with ``on_missing='error'``.

    Examples:
        >>> train_pipeline = [
        ...     dict(type='LoadImageFromFile'),
        ...     dict(type='ReplaceBackground', bank='data/background_bank/bank_a.txt',
        ...          mask_dir='data/masks/photos', img_root='data/photos'),
        ...     dict(type='RandomResizedCrop', scale=224),
        ...     dict(type='PackInputs')]
    """

    # A list of its own: mmcv's decorator would write into that of RemoveBackground.
    _methods_with_randomness = ['draw_removal']  # noqa: RUF012

    def __init__(
        self,
        bank: Any,
        prob: float = 1.0,
        scale: Sequence[float] = (0.16, 1.0),
        flip_prob: float = 0.5,
        **removal: Any,
    ) -> None:
        if 'fill' in removal:
            msg = '`fill` must not be given with `bank`: photos take the place of the colour'
            raise ArgumentError(msg)
        check_crops(scale, flip_prob)
        super().__init__(prob=prob, **removal)
        self.bank = BackgroundBank.of(bank)
        self.scale = (float(scale[0]), float(scale[1]))
        self.flip_prob = flip_prob

    @cache_randomness
    def draw_background(self) -> BackgroundDraw:
        """Draw a photo of the bank and a crop of it."""
        # numpy's generator is the one that mmengine seeds in each worker.
        numbers = np.random.random_sample(5).tolist()  # noqa: NPY002
        return draw_of(numbers, len(self.bank), self.scale, self.flip_prob)

    def _change(self, image: np.ndarray, mask: np.ndarray, results: dict[str, Any]) -> np.ndarray:
        draw = self.draw_background()
        background = crop_background(self.bank.photo(draw.photo), image.shape[:2], draw)
        return blend(image, background, mask)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(bank={self.bank!r}, prob={self.prob!r}, scale={self.scale!r}, '
            f'flip_prob={self.flip_prob!r}, masks={self.masks!r})'
        )


def check_crops(scale: Sequence[float], flip_prob: float) -> None:
    """Check how crops are to be drawn.

    Raises:
        ArgumentError: If an argument is not what ReplaceBackground takes.
    """
    if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
        msg = f'`scale` must be two numbers in (0, 1], the smaller first, but got {scale!r}'
        raise ArgumentError(msg)
    if not 0 <= flip_prob <= 1:
        msg = f'`flip_prob` must be a number in [0, 1], but got {flip_prob!r}'
        raise ArgumentError(msg)


def draw_of(
    numbers: Sequence[float], photos: int, scale: tuple[float, float], flip_prob: float
) -> BackgroundDraw:
    """Return the photo and the crop that five random numbers in [0, 1) choose.

    Args:
        numbers: For the photo, its scale, its place from left and top, and whether it is mirrored.
        photos: How many the bank has.
        scale: Area of the crop, as of ReplaceBackground.
        flip_prob: Probability that it is mirrored.
    """
    photo, share, left, top, mirror = numbers
    least, greatest = scale
    return BackgroundDraw(
        photo=int(photo * photos),
        scale=least + (greatest - least) * share,
        left=left,
        top=top,
        flip=mirror < flip_prob,
    )


def crop_background(photo: np.ndarray, size: tuple[int, int], draw: BackgroundDraw) -> np.ndarray:
    """Cut a piece of an image's shape out of a photo, and bring it to the image's size.

    Args:
        photo: uint8 array of shape (h, w, 3); a small one is scaled up.
        size: Height and width of the image.
        draw: Where the piece lies; `photo` is not looked at.

    Returns:
        uint8 array of shape (height, width, 3).
    """
    height, width = photo.shape[:2]
    factor = min(height / size[0], width / size[1]) * draw.scale**0.5
    rows = min(height, max(1, round(size[0] * factor)))
    columns = min(width, max(1, round(size[1] * factor)))
    top = int(draw.top * (height - rows + 1))
    left = int(draw.left * (width - columns + 1))
    piece = photo[top : top + rows, left : left + columns]
    if draw.flip:
        piece = cv2.flip(piece, 1)
    # Down to a half, linear interpolation leaves no pixel out, and takes a sixth of the time.
    method = cv2.INTER_AREA if rows > 2 * size[0] else cv2.INTER_LINEAR
    return cv2.resize(piece, (size[1], size[0]), interpolation=method)
