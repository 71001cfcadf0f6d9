"""A test dataset whose samples carry their foreground mask, resized and cropped as the image is."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from bgremoval_mm.datasets.pipeline import find_removals, is_image_loader, is_removal
from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.datasets.transforms.load_foreground_mask import LoadForegroundMask
from bgremoval_mm.datasets.transforms.mask_source import FG_MASK
from bgremoval_mm.datasets.unwrap import base_datasets, copy_down_to_bases
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['check_masks', 'with_foreground_mask']

_TAKEN = (
    'model',
    'mask_dir',
    'img_root',
    'resize',
    'backend',
    'device',
    'accept_licence',
    'precision',
    'calibration',
)
"""Arguments of RemoveBackground that LoadForegroundMask has, but for `on_missing`."""


def with_foreground_mask(dataset: Any, given: Mapping[str, Any], training: Any = None) -> Any:
    """Return a copy of a dataset of mmpretrain whose data samples have the field ``fg_mask``.

    It is a uint8 array of the height and width of the packed image, 255 for foreground.

    A LoadForegroundMask is put behind the image loader and whatever removes the background there;
    it applies the steps that follow, up to the packing, to image and mask alike. A pipeline that
    has a LoadForegroundMask already keeps it, with its own `on_missing`, and packs its mask too.

    Args:
        dataset: The dataset, in whatever wrappers; it is not changed.
        given: What LoadForegroundMask takes: mask_dir, model, img_root, on_missing... What is
            missing or None is as the dataset removes backgrounds, else as `training` does; then
            `img_root` is the dataset's `data_root`.
        training: Config of the training dataset, or the dataset.

    Raises:
        ArgumentError: If no mask store is named anywhere and masks must not be computed, or the
            pipeline does not end in mmpretrain's PackInputs.
    """
    wanted = {name: value for name, value in given.items() if value is not None}
    copied = copy_down_to_bases(dataset)
    for base in base_datasets(copied):
        changed = copy.copy(base.pipeline)
        changed.transforms = _put_in(base, wanted, training)
        base.pipeline = changed
    return copied


def check_masks(dataset: Any, paths: Sequence[str]) -> None:
    """Look for the masks of photos before anything is computed.

    Args:
        dataset: What :func:`with_foreground_mask` returned.
        paths: The photos.

    Raises:
        FileNotFoundError: If a store lacks one and ``on_missing='error'``.
    """
    wanted = set(paths)
    for base in base_datasets(dataset):
        steps = [each for each in base.pipeline.transforms if isinstance(each, LoadForegroundMask)]
        if steps[0].masks.on_missing == 'error':
            for index in range(len(base)):
                path = str(base.get_data_info(index)['img_path'])
                if path in wanted:
                    steps[0].masks.find(path)


def _put_in(base: Any, given: Mapping[str, Any], training: Any) -> list[Any]:
    """Return the transforms of a base dataset, with a mask loaded and packed."""
    transforms = list(base.pipeline.transforms)
    packers = [i for i, each in enumerate(transforms) if hasattr(each, 'algorithm_keys')]
    if packers != [len(transforms) - 1]:
        msg = (
            "the test pipeline must end in mmpretrain's PackInputs, so that it can pack the mask "
            f'too, but has {[type(each).__name__ for each in transforms]}'
        )
        raise ArgumentError(msg)
    packer = copy.copy(transforms.pop())
    packer.algorithm_keys = (*packer.algorithm_keys, FG_MASK)
    if any(isinstance(each, LoadForegroundMask) for each in transforms):
        named = sorted(set(given) - {'on_missing'})
        if named:
            msg = (
                f'`{named[0]}` must not be given where the test pipeline has a LoadForegroundMask '
                f'of its own, but got {given[named[0]]!r}'
            )
            raise ArgumentError(msg)
        return [*transforms, packer]
    loading = [i for i, each in enumerate(transforms) if is_image_loader(each) or is_removal(each)]
    if not loading:
        msg = f'the test pipeline must hold an image loader, but has {transforms}'
        raise ArgumentError(msg)
    place = loading[-1] + 1
    if any(True for _ in find_removals(transforms[place:])):
        msg = (
            'the test pipeline must remove the background at its top level, not within another '
            'transform'
        )
        raise ArgumentError(msg)
    load = LoadForegroundMask(transforms=transforms[place:], **_arguments(base, given, training))
    return [*transforms[:place], load, packer]


def _arguments(base: Any, given: Mapping[str, Any], training: Any) -> dict[str, Any]:
    """Return what LoadForegroundMask takes, for one dataset."""
    (own,) = RemovalSettings.of(base)
    known = [own] if training is None else [own, *RemovalSettings.of(training)]
    stores = [each.arguments for each in known if each.arguments.get('mask_dir') is not None]
    arguments = {name: stores[0][name] for name in _TAKEN} if stores else {}
    arguments |= given
    if arguments.get('mask_dir') is None:
        if given.get('on_missing', 'error') == 'error':
            msg = (
                '`mask_dir` must be given: neither the test pipeline nor that of training names a '
                "store of masks (or on_missing='compute', which computes each mask)"
            )
            raise ArgumentError(msg)
        if own.kind != 'none':
            msg = (
                '`mask_dir` must be given where the test pipeline removes backgrounds: a mask '
                'computed from what is left would be another'
            )
            raise ArgumentError(msg)
    elif arguments.get('img_root') is None:
        arguments['img_root'] = getattr(base, 'data_root', None) or None
    return {'on_missing': 'error', **arguments}
