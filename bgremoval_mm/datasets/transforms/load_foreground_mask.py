"""LoadForegroundMask: the foreground mask as a key of the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from bgremoval_mm.datasets.transforms.randomness import (
    each_of,
    random_numbers_kept,
    random_states,
)
from bgremoval_mm.registry import TRANSFORMS
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.masks.functional import RESIZE_METHODS

__all__ = ['LoadForegroundMask']

# Transforms of mmpretrain, mmdet, mmseg and mmcv that change levels, not places.
_COLOUR = {
    'AdjustGamma',
    'AutoContrast',
    'BioMedicalGaussianBlur',
    'BioMedicalGaussianNoise',
    'BioMedicalRandomGamma',
    'Brightness',
    'CLAHE',
    'Color',
    'ColorJitter',
    'ColorTransform',
    'Contrast',
    'Corrupt',
    'Equalize',
    'GaussianBlur',
    'Invert',
    'Lighting',
    'Normalize',
    'PhotoMetricDistortion',
    'Posterize',
    'RGB2Gray',
    'RandomGrayscale',
    'Rerange',
    'Sharpness',
    'Solarize',
    'SolarizeAdd',
    'YOLOXHSVRandomAug',
}

# Those that draw random numbers where mmcv cannot keep them: at a random sample, or unseen.
_UNSHARED = {'Albu', 'Albumentations', 'CutOut', 'Cutout'}

# Where transforms keep the colour of what an image does not cover; mmseg's RandomRotate: `pal_val`.
_PADDING = ('pad_val', 'pal_val', 'img_border_value', 'border_val', 'fill_color', 'fill_in', 'mean')
_PADDING_STEP = 'pad_cfg'  # the config of the Pad that mmcv's and mmpretrain's CenterCrop makes


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
      it is interpolated as the image is; what is padded or cut out is background, 0, whatever
      colour the image gets there.

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
            Those that change colours are refused, also inside RandAugment and the like.
        **engine: What else BackgroundRemover takes: backend, device, precision, accept_licence,
            calibration.

    Raises:
        ValueError: If an argument is not allowed; as RemoveBackground does; if a transform draws
            random numbers in another way, changes the size of the image but not of the mask, or
            needs annotations, which the mask does not have.
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
        _check_geometric(self.transforms)
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
            moved[FG_MASK] = self._move(mask, moved['img'])
        moved[FG_MASK_MOVES] = moves_of(moved)
        if 'seg_fields' in moved:
            moved['seg_fields'] = [*moved['seg_fields'], FG_MASK]
        return moved

    def _move(self, mask: np.ndarray, image: Any) -> np.ndarray:
        """Apply the transforms to the mask as they were applied to the image.

        Args:
            mask: Of the image as it was loaded.
            image: What became of the image.
        """
        if not isinstance(image, np.ndarray):
            msg = f'`transforms` must leave an array as `img`, but left {type(image).__name__}'
            raise ArgumentError(msg)
        size = image.shape[:2]
        before = random_states()
        with _background_padded(self.transforms):
            sample = self._apply(mask)
        if sample is None or sample['img'].shape != (*size, 3):
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
        return np.ascontiguousarray(sample['img'][..., 0])

    def _apply(self, mask: np.ndarray) -> dict[str, Any] | None:
        """Return a sample whose image is the mask, after the transforms."""
        # As an image of three channels, which is what transforms and their padding are made for.
        image = np.repeat(mask[..., None], 3, axis=-1)
        sample: dict[str, Any] | None
        sample = {'img': image, 'img_shape': mask.shape, 'ori_shape': mask.shape}
        for each in self.transforms:
            try:
                sample = each(sample)
            except Exception as err:
                # Those of mmdet that ask for boxes, for example.
                name = type(each).__name__
                msg = (
                    '`transforms` must do the same to image and mask, but the mask, which is given '
                    f'to them as an image without annotations, makes {name} fail ({err!r}): put it '
                    'behind RemoveBackground'
                )
                raise ArgumentError(msg) from err
            if sample is None:
                return None
        return sample

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}({self.masks!r}, resize={self.resize!r}, '
            f'transforms={self.transforms!r})'
        )


def _check_geometric(transforms: Iterable[Any]) -> None:
    """Refuse transforms that would change the levels of a mask, or move it elsewhere.

    Raises:
        ArgumentError: If there is one, by the name of its class, also inside another transform.
    """
    for each in each_of(transforms):
        # torchvision's stand in a wrapper of mmpretrain, as `t`.
        kind = type(getattr(each, 't', each))
        names = {base.__name__ for base in kind.__mro__}
        msg = f'`transforms` must be geometric, alike for image and mask, but got {kind.__name__}'
        if names & _COLOUR:
            msg += ', which changes colours: put it behind LoadForegroundMask'
            raise ArgumentError(msg)
        if names & _UNSHARED:
            msg += ', which draws random numbers of its own: put it behind RemoveBackground'
            raise ArgumentError(msg)


@contextmanager
def _background_padded(transforms: Iterable[Any]) -> Iterator[None]:
    """Let transforms pad and cut out with 0, which is background in a mask, for a while."""
    steps = [vars(each) for each in each_of(transforms)]
    kept = [
        (attributes, name, attributes[name])
        for attributes in steps
        for name in (*_PADDING, _PADDING_STEP)
        if name in attributes
    ]
    try:
        for attributes, name, value in kept:
            attributes[name] = _without_colour(value) if name == _PADDING_STEP else _zero(value)
        yield
    finally:
        for attributes, name, value in kept:
            attributes[name] = value


def _without_colour(step: Any) -> Any:
    """Return the config of a transform that pads, so that it pads with 0."""
    if not isinstance(step, Mapping):
        return step
    return {key: _zero(value) if key in _PADDING else value for key, value in step.items()}


def _zero(value: Any) -> Any:
    """Return 0 in place of each number of a colour, of several, or of those of image and map."""
    if isinstance(value, Mapping):
        return {key: _zero(each) for key, each in value.items()}
    if isinstance(value, Sequence | np.ndarray):
        return tuple(_zero(each) for each in value)
    return None if value is None else 0
