"""RemoveBackground: background removal as a step of any OpenMMLab pipeline."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from bgremoval_mm.datasets.transforms.mask_fit import moves_of
from bgremoval_mm.datasets.transforms.mask_source import (
    FG_MASK,
    FG_MASK_MOVES,
    ON_MISSING,
    MaskSource,
    check_image,
)
from bgremoval_mm.registry import TRANSFORMS
from bgremoval_mm.removal import binarise, compose
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.paths import path_below
from bgremoval_mm.removal.masks.functional import RESIZE_METHODS, check_fill
from bgremoval_mm.removal.options.values import check_threshold

__all__ = ['DEFAULTS', 'IMAGENET_MEAN', 'ON_MISSING', 'RemoveBackground', 'name_below']

# R, G, B: the mean that the data preprocessors of mmpretrain, mmdet and mmseg subtract.
IMAGENET_MEAN = (123.675, 116.28, 103.53)

# The name under which it was known before it had a module of its own.
name_below = path_below


@TRANSFORMS.register_module(force=True)
class RemoveBackground(BaseTransform):
    """Replace the background of an image by a plain colour.

    Stands directly after the image loader, before any change of geometry, in pipelines of
    training and of testing; or anywhere behind a LoadForegroundMask, whose mask it takes.
    Annotations stay as they are.

    With `mask_dir` the mask comes from a MaskStore, as ``tools/remove_background.py`` fills
    it; without, the network runs on each image, in every epoch again: for training, make the
    masks beforehand.

    **Required Keys:**

    - img: uint8 or float32 array of shape (H, W, 3), BGR, values in [0, 255]
    - img_path: path of its file (with `mask_dir` only; None or absent for an array that was
      never a file, whose mask is computed)
    - fg_mask (optional): uint8 array of shape (H, W), see LoadForegroundMask

    **Modified Keys:**

    - img: same shape and dtype

    Args:
        model: Name of a model of ``bgremoval_mm.removal.CATALOGUE``, or the path of an ONNX file.
        fill: Colour behind the foreground: a level from 0 to 255, an (R, G, B) triple, or
            ``'mean'`` for the ImageNet mean, which the data preprocessor turns into 0.
        mask_dir: Root of a MaskStore: the DST of ``tools/remove_background.py``.
        img_root: Folder that the store mirrors: the SRC of ``tools/remove_background.py``.
            Needed with `mask_dir`; RembgDataset fills it in.
        threshold: None keeps the mask's soft edge:
            ``mask/255 * img + (1 - mask/255) * fill``. A number in (0, 1) makes it hard:
            a pixel is kept if its foreground share exceeds that.
        prob: Probability that the background is removed; below 1 it is an augmentation.
        on_missing: What to do where the store has no mask of the image, or one of other
            content or other weights. ``'compute'``: make it and store it. ``'error'``: stop. A mask
            of another precision is always an error: it is never overwritten.
        backend: See BackgroundRemover.
        device: See BackgroundRemover. In a DataLoader worker ``'auto'`` is the CPU.
        accept_licence: Accept weights that are not for commercial use.
        precision: See BackgroundRemover; that of the masks in the store. ``'auto'`` is decided when
            the transform is made, and is the same in all workers.
        resize: How a stored mask is brought to the image's size: ``'lanczos'``, as rembg does, or
            ``'linear'``, which is faster (docs/performance.md).
        calibration: See BackgroundRemover.

    Raises:
        TypeError, ValueError: If an argument is not one of the above, `img` is none of the
            above, its mask has another size, orientation or precision, or the image was flipped
            without it.
        FileNotFoundError: If a mask is missing or stale, with ``on_missing='error'``.
    """

    def __init__(
        self,
        model: str = 'u2net',
        fill: float | Sequence[float] | str = 0,
        mask_dir: str | None = None,
        img_root: str | None = None,
        threshold: float | None = None,
        prob: float = 1.0,
        on_missing: str = 'compute',
        backend: str = 'auto',
        device: str = 'auto',
        accept_licence: bool = False,
        precision: str = 'fp32',
        calibration: str | None = None,
        resize: str = 'lanczos',
    ) -> None:
        if resize not in RESIZE_METHODS:
            msg = f'`resize` must be one of {", ".join(RESIZE_METHODS)}, but got {resize!r}'
            raise ArgumentError(msg)
        check_threshold(threshold)
        if not 0 <= prob <= 1:
            msg = f'`prob` must be a number in [0, 1], but got {prob!r}'
            raise ArgumentError(msg)
        if isinstance(fill, str) and fill != 'mean':
            msg = f"`fill` must be a level, an (R, G, B) triple or 'mean', but got {fill!r}"
            raise ArgumentError(msg)
        self.model = model
        self.fill = fill
        self.mask_dir = mask_dir
        self.img_root = img_root
        self.threshold = threshold
        self.prob = prob
        self.on_missing = on_missing
        self.backend = backend
        self.device = device
        self.accept_licence = accept_licence
        self.precision = precision
        self.calibration = calibration
        self.resize = resize

        self._fill_bgr = check_fill(IMAGENET_MEAN if isinstance(fill, str) else fill)[::-1]
        self.masks = MaskSource(
            model,
            mask_dir,
            img_root,
            on_missing,
            backend=backend,
            device=device,
            precision=precision,
            accept_licence=accept_licence,
            calibration=calibration,
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Remove the background of ``results['img']``."""
        image: Any = results.get('img')
        check_image(image, type(self).__name__)
        if not self.draw_removal():
            return results
        mask = self._mask_of(image, results)
        if self.threshold is not None:
            mask = binarise(mask, self.threshold)
        results['img'] = self._change(image, mask, results)
        return results

    @cache_randomness
    def draw_removal(self) -> bool:
        """Return whether the background of this sample is removed; draws a number if `prob` < 1.

        mmcv's TransformBroadcaster lets several images share what is returned.
        """
        # numpy's generator is the one that mmengine seeds in each worker.
        return self.prob >= 1 or bool(np.random.random_sample() < self.prob)  # noqa: NPY002

    def _mask_of(self, image: np.ndarray, results: dict[str, Any]) -> np.ndarray:
        """Return the mask that the sample carries already, else that of its file."""
        mask: np.ndarray | None = results.get(FG_MASK)
        if mask is None:
            return self.masks.mask_of(results, self.resize)
        if mask.shape != image.shape[:2]:
            msg = (
                f"results['{FG_MASK}'] must have the size of the image, {image.shape[1]} x "
                f'{image.shape[0]} pixels, but has shape {mask.shape}: a transform between '
                'LoadForegroundMask and RemoveBackground has changed the image only'
            )
            raise ArgumentError(msg)
        # What mmsegmentation's transforms move, they move with the maps in `seg_fields`.
        moves = moves_of(results)
        if FG_MASK not in results.get('seg_fields', ()) and moves != results.get(
            FG_MASK_MOVES, moves
        ):
            msg = (
                f"results['{FG_MASK}'] must be moved as the image is, but a transform between "
                'LoadForegroundMask and RemoveBackground has flipped or moved the image only, or '
                'does so at random: give it to LoadForegroundMask as one of its `transforms`, or '
                'let RemoveBackground stand directly after the image loader'
            )
            raise ArgumentError(msg)
        return mask

    def _change(self, image: np.ndarray, mask: np.ndarray, results: dict[str, Any]) -> np.ndarray:
        """Return the image with its background changed; subclasses change it in other ways."""
        return compose(image, mask, self._fill_bgr)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(model={self.model!r}, fill={self.fill!r}, '
            f'mask_dir={self.mask_dir!r}, img_root={self.img_root!r}, '
            f'threshold={self.threshold!r}, prob={self.prob!r}, '
            f'on_missing={self.on_missing!r}, backend={self.backend!r}, '
            f'device={self.device!r}, accept_licence={self.accept_licence!r}, '
            f'precision={self.precision!r}, calibration={self.calibration!r}, '
            f'resize={self.resize!r})'
        )


DEFAULTS: dict[str, Any] = {
    name: parameter.default
    for name, parameter in inspect.signature(RemoveBackground).parameters.items()
}
"""Every argument of RemoveBackground, with its default."""
