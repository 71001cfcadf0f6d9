"""LoadForegroundMask: the foreground mask as a key of the sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, Compose

from bgremoval_mm.datasets.transforms.mask_fit import moves_of
from bgremoval_mm.datasets.transforms.mask_source import (
    FG_MASK,
    FG_MASK_MOVES,
    MaskSource,
    check_image,
)
from bgremoval_mm.datasets.transforms.randomness import random_numbers_kept, random_states
from bgremoval_mm.registry import TRANSFORMS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.masks.functional import RESIZE_METHODS

__all__ = ['LoadForegroundMask']


@TRANSFORMS.register_module(force=True)
class LoadForegroundMask(BaseTransform):
    """Put the foreground mask of an image into the sample.

    Stands directly after the image loader, before any RemoveBackground. (RembgDataset puts its
    removal before it: give it a `mask_dir` then, for a mask that is computed is that of the image
    as it comes.) How the mask keeps up with the geometry of the image depends on the codebase:

    - mmsegmentation: its transforms (Resize, RandomFlip, RandomCrop, RandomRotate...) change every
      map that the sample lists in ``seg_fields``, where the mask is put. They take the nearest
      pixel, and RandomRotate fills corners with its `seg_pad_val`, 255 unless it is set: set it
      to 0, or the corners count as foreground. mmcv's Pad does not know ``seg_fields``.
    - mmpretrain, mmdet and mmcv: their transforms change the image and annotations of their own
      only. Give the geometric ones as `transforms`: they are applied to the image and its
      annotations, and then, with the same random numbers, to the mask as if it were an image. So
      it is interpolated and padded as the image is: pad with 0, the background.

    **Required Keys:**

    - img: uint8 or float32 array of shape (H, W, 3), BGR, values in [0, 255]
    - img_path: see RemoveBackground
    - seg_fields (optional): names of the maps that mmsegmentation's transforms change

    **Added Keys:**

    - fg_mask: uint8 array of the image's height and width, 0 for background to 255 for foreground
    - fg_mask_moves: by which RemoveBackground tells whether the image was flipped without its mask

    **Modified Keys:**

    - seg_fields: fg_mask is added, if there are any
    - what `transforms` change

    Args:
        model: See RemoveBackground.
        mask_dir: See RemoveBackground.
        img_root: See RemoveBackground. To be given with `mask_dir`.
        on_missing: See RemoveBackground.
        resize: See RemoveBackground.
        transforms: Geometric transforms, or their configs, for the image and the mask alike. They
            must draw random numbers as mmcv's TransformBroadcaster needs it (in methods under
            ``@cache_randomness``), which Resize, RandomFlip, RandomCrop and RandomResizedCrop do.
        **engine: What else BackgroundRemover takes: backend, device, precision, accept_licence,
            calibration.

    Raises:
        ValueError: If an argument is not allowed; as RemoveBackground does; if a transform draws
            random numbers in another way, or changes the size of the image but not of the mask.
        FileNotFoundError: If a mask is missing or stale, with ``on_missing='error'``.

    Examples:
        >>> train_pipeline = [
        ...     dict(type='LoadImageFromFile'),
        ...     dict(type='LoadForegroundMask', mask_dir='data/masks', img_root='data/photos',
        ...          transforms=[dict(type='RandomResizedCrop', scale=224),
        ...                      dict(type='RandomFlip', prob=0.5, direction='horizontal')]),
        ...     dict(type='PackInputs')]
    """

    def __init__(
        self,
        model: str = 'u2net',
        mask_dir: str | None = None,
        img_root: str | None = None,
        on_missing: str = 'compute',
        resize: str = 'lanczos',
        transforms: Sequence[dict[str, Any] | Callable[..., Any]] = (),
        **engine: Any,
    ) -> None:
        if resize not in RESIZE_METHODS:
            msg = f'`resize` must be one of {", ".join(RESIZE_METHODS)}, but got {resize!r}'
            raise ArgumentError(msg)
        self.resize = resize
        self.transforms = Compose(list(transforms))
        self.masks = MaskSource(model, mask_dir, img_root, on_missing, **engine)

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Add ``results['fg_mask']``; return None if one of `transforms` gives the sample up."""
        image: Any = results.get('img')
        check_image(image, type(self).__name__)
        mask = self.masks.mask_of(results, self.resize)
        with random_numbers_kept(self.transforms):
            moved: dict[str, Any] | None = self.transforms(results)
            if moved is None:
                return None
            moved[FG_MASK] = self._move(mask, moved['img'].shape[:2])
        moved[FG_MASK_MOVES] = moves_of(moved)
        if 'seg_fields' in moved:
            moved['seg_fields'] = [*moved['seg_fields'], FG_MASK]
        return moved

    def _move(self, mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Apply the transforms to the mask as they were applied to the image.

        Args:
            mask: Of the image as it was loaded.
            size: Height and width of the image now.
        """
        before = random_states()
        sample = self.transforms({'img': mask, 'img_shape': mask.shape, 'ori_shape': mask.shape})
        if sample is None or sample['img'].shape != size:
            got = 'nothing' if sample is None else f'shape {sample["img"].shape}'
            msg = (
                '`transforms` must do the same to image and mask, but make an image of shape '
                f'{size}, and of the mask {got}'
            )
            raise ArgumentError(msg)
        if random_states() != before:
            msg = (
                "`transforms` must draw their random numbers in methods under mmcv's "
                f'@cache_randomness, so that the mask gets those of the image, but got '
                f'{self.transforms}'
            )
            raise ArgumentError(msg)
        moved: np.ndarray = sample['img']
        return moved

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}({self.masks!r}, resize={self.resize!r}, '
            f'transforms={self.transforms!r})'
        )
