"""RemoveBackground: background removal as a step of any OpenMMLab pipeline."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log

from bgremoval_mm.registry import TRANSFORMS
from bgremoval_mm.removal import (
    BackgroundRemover,
    ImageError,
    MaskStore,
    StoredMask,
    binarise,
    compose,
    read_image,
)
from bgremoval_mm.removal.images import read_stored
from bgremoval_mm.removal.masks import RESIZE_METHODS, check_fill

# R, G, B: the mean that the data preprocessors of mmpretrain, mmdet and mmseg subtract.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
ON_MISSING = ('compute', 'error')


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
            content or another model. ``'compute'``: make it and store it. ``'error'``: stop.
        backend: See BackgroundRemover.
        device: See BackgroundRemover. In a DataLoader worker ``'auto'`` is the CPU.
        accept_licence: Accept weights that are not for commercial use.
        precision: See BackgroundRemover; that of the masks in the store.
        resize: How a stored mask is brought to the image's size: ``'lanczos'``, as rembg does, or
            ``'linear'``, which is faster (docs/performance.md).
        calibration: See BackgroundRemover.

    Raises:
        TypeError, ValueError: If an argument is not one of the above, `img` is none of the
            above, or its mask has another size or orientation.
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
            raise ValueError(msg)
        if threshold is not None and not 0 < threshold < 1:
            msg = f'`threshold` must be None or a number in (0, 1), but got {threshold!r}'
            raise ValueError(msg)
        if not 0 <= prob <= 1:
            msg = f'`prob` must be a number in [0, 1], but got {prob!r}'
            raise ValueError(msg)
        if on_missing not in ON_MISSING:
            msg = f'`on_missing` must be one of {", ".join(ON_MISSING)}, but got {on_missing!r}'
            raise ValueError(msg)
        if mask_dir is not None and img_root is None:
            msg = (
                '`img_root` must be given with `mask_dir`: the folder of images that was SRC of '
                'tools/remove_background.py'
            )
            raise ValueError(msg)
        if isinstance(fill, str) and fill != 'mean':
            msg = f"`fill` must be a level, an (R, G, B) triple or 'mean', but got {fill!r}"
            raise ValueError(msg)
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
        remover = self._make_remover()  # Checks the arguments; loads nothing.
        self._store = None if mask_dir is None else MaskStore(mask_dir, model, remover.precision)
        self._known_upright: set[str] = set()

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Remove the background of ``results['img']``."""
        image = results['img']
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
        store = self._store
        if store is None:
            return self._compute(image)
        if results.get('img_path') is None:
            # An array that was never a file, as inferencers load it.
            if self.on_missing == 'error':
                msg = (
                    "RemoveBackground finds the mask by results['img_path'], which is not there. "
                    "For images without files take on_missing='compute'."
                )
                raise KeyError(msg)
            return self._compute(image)
        path = str(results['img_path'])
        name = name_below(path, self.img_root)
        stored = store.get(name)
        if stored is None or not store.is_current(stored, Path(path)):
            if self.on_missing == 'error':
                raise FileNotFoundError(self._explain(path, store.path(name), stored))
            stored = self._make(store, path, name)
            if stored is None:
                return self._compute(image)
        self._check_fit(image, stored, path)
        return stored.full_size(self.resize)

    def _make(self, store: MaskStore, path: str, name: str) -> StoredMask | None:
        """Make and store the mask of a file, or None if only the loader can read it."""
        try:
            source = read_image(Path(path))
        except (ImageError, OSError) as err:
            print_log(
                f'no mask can be stored for {path} ({err}); computed from the loaded image',
                'current',
                logging.WARNING,
            )
            return None
        store.put(name, source, *self._make_remover().low_resolution([source.rgb])[0])
        return store.get(name)

    def _compute(self, image: np.ndarray) -> np.ndarray:
        rgb = np.ascontiguousarray(image[..., ::-1])
        if rgb.dtype != np.uint8:
            rgb = np.rint(rgb).clip(0, 255).astype(np.uint8)
        return self._make_remover()([rgb])[0]

    def _make_remover(self) -> BackgroundRemover:
        from torch.utils.data import get_worker_info

        # Workers share the machine: each takes one thread, and leaves the GPU, which
        # cannot be used after a fork anyway, to the training.
        in_worker = get_worker_info() is not None
        return BackgroundRemover(
            self.model,
            self.backend,
            'cpu' if in_worker and self.device == 'auto' else self.device,
            self.precision,
            num_threads=1 if in_worker else 0,
            accept_licence=self.accept_licence,
            calibration=self.calibration,
        )

    def _explain(self, path: str, mask_path: Path, stored: StoredMask | None) -> str:
        what = (
            'there is no mask'
            if stored is None
            else 'the mask was made by another model, in another precision, or from other content '
            'than the file has now'
        )
        return (
            f'{what} for {path} at {mask_path}. Make it: python '
            f'tools/remove_background.py {self.img_root} {self.mask_dir} --model {self.model}'
            + ('' if self.precision == 'fp32' else f' --precision {self.precision}')
        )

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
        elif not (turned and (height, width) == stored.size):
            msg = (
                f'the mask of {path} is for an image of {stored.size[0]} x {stored.size[1]} '
                f'pixels, but `img` has {width} x {height}: RemoveBackground must stand directly '
                'after the image loader'
            )
            raise ValueError(msg)
        msg = (
            f'the mask of {path} is for the upright image, but the loader did not apply its EXIF '
            f"orientation ({stored.orientation}). Load it with imdecode_backend='cv2' and a "
            "color_type without 'ignore_orientation'."
        )
        raise ValueError(msg)

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


def name_below(path: str, root: str | None) -> str:
    """The path of an image below the folder that was SRC of tools/remove_background.py.

    Raises:
        ValueError: If it does not lie there.
    """
    relative = os.path.relpath(path, root)
    if relative.startswith(os.pardir):
        msg = f'`img_root` must be a folder above every image, but {path} does not lie in {root}'
        raise ValueError(msg)
    return Path(relative).as_posix()


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
    msg = (
        "RemoveBackground needs results['img'] to be a uint8 or float32 array of shape (H, W, 3), "
        f'BGR, but got {got}'
    )
    raise TypeError(msg)


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
