"""RemoveBackground: background removal as a step of any OpenMMLab pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from bgremoval_mm.datasets.transforms.mask_source import ON_MISSING, MaskSource
from bgremoval_mm.registry import TRANSFORMS
from bgremoval_mm.removal import ImageError, StoredMask, binarise, compose, read_image
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import read_stored
from bgremoval_mm.removal.io.paths import path_below
from bgremoval_mm.removal.masks.functional import RESIZE_METHODS, check_fill
from bgremoval_mm.utils.text import printable

__all__ = ['IMAGENET_MEAN', 'ON_MISSING', 'RemoveBackground', 'name_below']

# R, G, B: the mean that the data preprocessors of mmpretrain, mmdet and mmseg subtract.
IMAGENET_MEAN = (123.675, 116.28, 103.53)

# The name under which it was known before it had a module of its own.
name_below = path_below


@TRANSFORMS.register_module(force=True)
class RemoveBackground(BaseTransform):
    """Replace the background of an image by a plain colour.

    Stands directly after the image loader, before any change of geometry, in pipelines of
    training and of testing. Annotations stay as they are.

    With `mask_dir` the mask comes from a MaskStore, as ``tools/remove_background.py`` fills
    it; without, the network runs on each image, in every epoch anew: for training, make the
    masks beforehand.

    **Required Keys:**

    - img: uint8 or float32 array of shape (H, W, 3), BGR, values in [0, 255]
    - img_path: path of its file (with `mask_dir` only; None or absent for an array that was
      never a file, whose mask is computed)

    **Modified Keys:**

    - img: same shape and dtype

    Args:
        model: Name of a model of ``bgremoval_mm.removal.CATALOGUE``.
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
            above, or its mask has another size, orientation or precision.
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
        if threshold is not None and not 0 < threshold < 1:
            msg = f'`threshold` must be None or a number in (0, 1), but got {threshold!r}'
            raise ArgumentError(msg)
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
        self._known_upright: set[str] = set()

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Remove the background of ``results['img']``."""
        image: Any = results.get('img')
        _check_image(image)
        # numpy's generator is the one that mmengine seeds in each worker.
        if self.prob < 1 and np.random.random_sample() >= self.prob:  # noqa: NPY002
            return results
        mask = self._mask_of(image, results)
        if self.threshold is not None:
            mask = binarise(mask, self.threshold)
        results['img'] = self._change(image, mask, results)
        return results

    def _change(self, image: np.ndarray, mask: np.ndarray, results: dict[str, Any]) -> np.ndarray:
        """The image with its background changed; subclasses change it in other ways."""
        return compose(image, mask, self._fill_bgr)

    def _mask_of(self, image: np.ndarray, results: dict[str, Any]) -> np.ndarray:
        path = results.get('img_path')
        if path is None and self.mask_dir is not None and self.on_missing == 'error':
            # An array that was never a file, as inferencers load it.
            msg = (
                "RemoveBackground finds the mask by results['img_path'], which is not there. "
                "For images without files take on_missing='compute'."
            )
            raise KeyError(msg)
        stored = None if path is None else self.masks.find(str(path))
        if stored is None:
            return self.masks.compute(image)
        self._check_fit(image, stored, str(path))
        return stored.full_size(self.resize)

    def _check_fit(self, image: np.ndarray, stored: StoredMask, path: str) -> None:
        """Refuse a mask that was made for the image in another size or orientation."""
        height, width = image.shape[:2]
        turned = stored.orientation != 1
        if (width, height) == stored.size:
            if not turned or path in self._known_upright:
                return
            if _is_upright(image, Path(path)):
                self._known_upright.add(path)
                return
        if turned and sorted((width, height)) == sorted(stored.size):
            raise ArgumentError(self._explain_turn(image, stored, path))
        msg = (
            f'the mask of {printable(path)} is for an image of {stored.size[0]} x {stored.size[1]} '
            f'pixels, but `img` has {width} x {height}: RemoveBackground must stand directly '
            'after the image loader'
        )
        if (height, width) == stored.size:
            msg += (
                ", and the loader must turn images by their EXIF orientation only (mmcv's 'pillow' "
                "also goes by what an editor left in the file's XMP; 'cv2' does not)"
            )
        raise ArgumentError(msg)

    def _explain_turn(self, image: np.ndarray, stored: StoredMask, path: str) -> str:
        """Say why a mask of an upright image does not fit the image that a loader gave."""
        width, height = stored.size
        msg = f'the mask of {printable(path)} is for the upright image ({width} x {height} pixels)'
        if _orientation(Path(path)) not in (None, stored.orientation):
            return (
                f'{msg}, turned by orientation {stored.orientation}, which its EXIF block does not '
                f'have: an earlier version made it. Make it again: {self.masks.command()} '
                '--overwrite'
            )
        return (
            f'{msg}, but `img` came as the file stores it ({image.shape[1]} x {image.shape[0]}): '
            f'the loader did not apply its EXIF orientation ({stored.orientation}). '
            "LoadImageFromFile does with imdecode_backend='cv2', or 'pillow' where OpenCV does not "
            f"know it of {Path(path).suffix} files, and color_type='color'; it does not with "
            "'tifffile', 'turbojpeg', 'unchanged' and '..._ignore_orientation'."
        )

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


def _check_image(image: Any) -> None:
    if (
        isinstance(image, np.ndarray)
        and image.dtype in (np.uint8, np.float32)
        and image.ndim == 3
        and image.shape[2] == 3
    ):
        return
    got = (
        f'{image.dtype} of shape {image.shape}'
        if isinstance(image, np.ndarray)
        else type(image).__name__
    )
    if image is None:
        got = 'none: it must stand behind the image loader'
    msg = (
        "RemoveBackground needs results['img'] to be a uint8 or float32 array of shape (H, W, 3), "
        f'BGR, but got {got}'
    )
    raise TypeError(msg)


def _orientation(path: Path) -> int | None:
    """Return the EXIF orientation of an image as the engine reads it, None if it cannot."""
    try:
        return read_image(path).orientation
    except (ImageError, OSError):
        return None


def _is_upright(image: np.ndarray, path: Path) -> bool:
    """Whether a loaded image looks more like its file turned upright than like the raw file.

    Args:
        image: Array of shape (H, W, 3), BGR.
        path: A file with an EXIF orientation that keeps height and width.
    """
    stored = read_stored(path)
    if stored.shape[:2] != image.shape[:2]:
        return True

    def small(pixels: np.ndarray) -> np.ndarray:
        # Grey, because some loaders give RGB.
        return cv2.resize(pixels.mean(-1, dtype=np.float32), (32, 32), interpolation=cv2.INTER_AREA)

    def distance(pixels: np.ndarray) -> float:
        return float(np.abs(small(image) - small(pixels)).mean())

    return distance(read_image(path).rgb) <= distance(stored)
