"""Pipelines that remove the background, and the place of the removal in them."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from mmcv.transforms import KeyMapper
from mmengine.dataset import Compose
from mmengine.logging import print_log

from bgremoval_mm.datasets.transforms.background_bank import sources_of
from bgremoval_mm.datasets.transforms.load_removed import LoadImageFromRemoved, RemovedImages
from bgremoval_mm.datasets.transforms.remove_background import RemoveBackground
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.masks.functional import check_fill
from bgremoval_mm.utils.class_names import class_name
from bgremoval_mm.utils.text import printable

__all__ = [
    'RembgPipeline',
    'find_removals',
    'is_image_loader',
    'is_removal',
    'loads_images',
    'put_removal_in',
    'transforms_of',
    'with_removal',
]

Removal = RemoveBackground | RemovedImages

_FOLDERS = ('mask_dir', 'img_root', 'image_dir')


class RembgPipeline(Compose):
    """A pipeline that removes the background right after loading the image.

    An image that cannot be read makes a loader with ``ignore_empty=True`` return None, and
    then the dataset silently takes another sample. Here the path is logged and counted.

    Args:
        transforms: Transforms or their configs, the image loader among them; none at all for a
            dataset that is asked for its annotations only.
        removal: The RemoveBackground to put behind the loader, unless one is there; or the
            RemovedImages that the loader is to load instead.
        given: The arguments of `removal` that must hold for one that is there.

    Raises:
        ArgumentError: See ``put_removal_in``.
    """

    def __init__(
        self,
        transforms: Sequence[dict[str, Any] | Callable[..., Any]],
        removal: Removal,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(put_removal_in(Compose(transforms).transforms, removal, given or {}))
        self.removal = removal
        self.unreadable = 0

    def __call__(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """Apply the transforms; return None if one of them gave the sample up."""
        path = data.get('img_path')
        results: dict[str, Any] | None = data
        for transform in self.transforms:
            try:
                results = transform(results)
            except Exception as err:
                # Not every loader names the file in its error.
                err.add_note(f'while {type(transform).__name__} was at work on {printable(path)}')
                raise
            if results is None:
                if is_image_loader(transform):
                    self._report(path)
                return None
        return results

    def _report(self, path: str | None) -> None:
        self.unreadable += 1
        print_log(
            f'{printable(path)} cannot be read; the dataset puts another sample in its place '
            f'({self.unreadable} so far in this process)',
            'current',
            logging.WARNING,
        )


def with_removal(pipeline: Any, removal: Removal, given: Mapping[str, Any]) -> Any:
    """Return a pipeline with the removal put in; the given one is not changed.

    Args:
        pipeline: Transforms or their configs, or an object that keeps them in ``transforms``:
            mmengine's Compose becomes a RembgPipeline, an object of any other class keeps it.
        removal: See RembgPipeline.
        given: See RembgPipeline.

    Raises:
        ArgumentError: See ``put_removal_in`` and ``transforms_of``.
    """
    transforms = transforms_of(pipeline)
    if isinstance(pipeline, Sequence) or type(pipeline) in (Compose, RembgPipeline):
        return RembgPipeline(transforms, removal, given)
    # How a class of the user's applies its transforms, and what it does besides, is its own.
    changed = copy.copy(pipeline)
    changed.transforms = put_removal_in(transforms, removal, given)
    return changed


def transforms_of(pipeline: Any) -> list[Any]:
    """Return the transforms of a pipeline, or their configs.

    Raises:
        ArgumentError: If `pipeline` is neither a sequence nor an object with ``transforms``.
    """
    transforms = getattr(pipeline, 'transforms', pipeline)
    if isinstance(transforms, list | tuple):
        return list(transforms)
    msg = (
        'a pipeline must be a list of transforms, or an object that keeps them in `transforms` as '
        f"mmengine's Compose does, but got {type(pipeline).__name__}"
    )
    raise ArgumentError(msg)


def put_removal_in(
    transforms: Sequence[Callable[..., Any]], removal: Removal, given: Mapping[str, Any]
) -> list[Callable[..., Any]]:
    """Return the transforms with the removal behind the image loader, or in its place.

    Transforms that remove the background already stay as they are, as long as they do what was
    asked for. No transforms stay none: whoever looks at annotations only sets an empty pipeline.

    Args:
        transforms: Built transforms.
        removal: See RembgPipeline.
        given: See RembgPipeline.

    Raises:
        ArgumentError: If there is no image loader among the transforms, one stands behind the
            removal, or a removal among them differs from the arguments that were given.
    """
    if not transforms:
        return []
    present = list(find_removals(transforms))
    if present:
        for each in present:
            _check_agreement(each, given)
        _check_order(transforms)
        return list(transforms)
    loaders = [i for i, each in enumerate(transforms) if is_image_loader(each)]
    if not loaders:
        names = [type(each).__name__ for each in transforms]
        msg = (
            'the pipeline must hold an image loader (a transform whose name begins with '
            'LoadImage, not inside another one), behind which the background is removed, but got '
            f'{names}'
        )
        raise ArgumentError(msg)
    result = list(transforms)
    last = loaders[-1]
    if isinstance(removal, RemovedImages):
        result[last] = LoadImageFromRemoved(result[last], removal)
    else:
        result.insert(last + 1, removal)
    _check_order(result)
    return result


def _check_order(transforms: Sequence[Callable[..., Any]]) -> None:
    """Refuse an image loader behind the removal: it would bring the background back."""
    removing = [i for i, each in enumerate(transforms) if any(find_removals([each]))]
    behind = [each for each in transforms[removing[-1] + 1 :] if _loads(each)]
    if behind:
        msg = (
            'no image loader must stand behind the removal of the background, because it loads '
            f'the background again, but got {type(behind[0]).__name__} there: put it before'
        )
        raise ArgumentError(msg)


def _loads(transform: Any) -> bool:
    """Tell whether a transform, or one inside RandomApply and its like, loads the image."""
    if is_image_loader(transform):
        return True
    if isinstance(transform, KeyMapper):
        return False  # what it loads may be another image, for another key
    inner = getattr(transform, 'transforms', ())
    return any(map(_loads, inner if isinstance(inner, list | tuple) else [inner]))


def find_removals(transforms: Any) -> Iterator[RemoveBackground | LoadImageFromRemoved]:
    """Find the transforms that remove backgrounds, inside RandomApply and its like as well."""
    yield from _find(transforms, set())


def _find(node: Any, seen: set[int]) -> Iterator[RemoveBackground | LoadImageFromRemoved]:
    if is_removal(node):
        yield node
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _find(each, seen)
    elif isinstance(node, dict):
        yield from _find(list(node.values()), seen)
    elif isinstance(node, partial):
        yield from _find([node.func, node.args, node.keywords], seen)
    elif _is_transform(node) and id(node) not in seen:
        seen.add(id(node))
        yield from _find(list(vars(node).values()), seen)


def is_removal(transform: Any) -> bool:
    """Tell whether a transform itself removes the background, not one inside it."""
    return isinstance(transform, RemoveBackground | LoadImageFromRemoved)


def _is_transform(node: Any) -> bool:
    return callable(node) and hasattr(node, '__dict__') and not isinstance(node, type)


def _check_agreement(
    present: RemoveBackground | LoadImageFromRemoved, given: Mapping[str, Any]
) -> None:
    """Refuse arguments that would have no effect, because the pipeline says otherwise."""
    if isinstance(present, RemoveBackground):
        if 'image_dir' in given:
            msg = (
                'the pipeline must hold no RemoveBackground where `image_dir` is given: the '
                'background is removed already'
            )
            raise ArgumentError(msg)
        there = {name: getattr(present, name, None) for name in given}
    else:
        images = {'image_dir': present.images.image_dir, 'img_root': present.images.img_root}
        there = {name: images.get(name) for name in given}
    differing = [
        f'{name}={given[name]!r} (there: {there[name]!r})'
        for name in sorted(given)
        if _comparable(name, given[name]) != _comparable(name, there[name])
    ]
    if differing:
        msg = (
            f'the pipeline has a {type(present).__name__} of its own, which these arguments '
            f'differ from: {printable(", ".join(differing))}. Take it out of the pipeline, or '
            'give these arguments to it alone'
        )
        raise ArgumentError(msg)


def _comparable(name: str, value: Any) -> Any:
    """Return an argument so that two ways to write the same are equal."""
    if value is None:
        return None
    if name in _FOLDERS:
        return os.path.normpath(value)
    if name == 'bank':
        return tuple(map(os.path.normpath, sources_of(value)))
    if name == 'scale':
        return tuple(value)
    if name == 'fill' and not isinstance(value, str):
        return tuple(check_fill(value))
    return getattr(value, 'name', value) if name == 'model' else value


def is_image_loader(transform: Any) -> bool:
    """Tell whether a transform, or its config, loads the image: its name begins with LoadImage."""
    kind = transform.get('type', '') if isinstance(transform, dict) else type(transform)
    return class_name(kind).startswith('LoadImage')


def loads_images(pipeline: Any) -> bool:
    """Tell whether a pipeline, or its config, has an image loader."""
    return any(is_image_loader(each) for each in transforms_of(pipeline))
