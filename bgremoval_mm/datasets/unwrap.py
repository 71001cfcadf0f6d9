"""The base datasets inside wrappers: those that load images.

Wrappers are those of mmengine, mmpretrain, mmdet, mmsegmentation and torch, and any class that
keeps what it wraps in an attribute, a list, a tuple or a dictionary. Nothing is skipped: what
holds a dataset is looked into, and what holds neither a dataset nor a pipeline is an error.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import Dataset

from bgremoval_mm.datasets.pipeline import loads_images, transforms_of
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.class_names import class_name

__all__ = [
    'ArgumentTypeError',
    'base_datasets',
    'base_keys',
    'children_of',
    'copy_down_to_bases',
    'own_pipeline',
    'type_name',
]


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument is of a class that is not allowed."""


def base_datasets(dataset: Any) -> list[Any]:
    """Return the datasets at the bottom of wrappers: those that load images.

    Args:
        dataset: A dataset, or the config of one. A dataset that two wrappers share comes twice.

    Raises:
        ArgumentTypeError: If something in there is no dataset with a pipeline, and wraps none.
    """
    inner = children_of(dataset)
    if inner:
        bases = [base for each in inner.values() for base in base_datasets(each)]
        # Its config has one dataset, of which it makes two.
        twice = isinstance(dataset, dict) and type_name(dataset) == 'RembgConcatDataset'
        return bases * 2 if twice else bases
    _check_base(dataset)
    return [dataset]


def base_keys(config: Any) -> list[str]:
    """Return the keys that lead to the base datasets of a config, in ``--cfg-options`` notation.

    Examples:
        >>> base_keys({'type': 'RepeatDataset', 'dataset': {'type': 'CustomDataset'}})
        ['dataset']
    """
    inner = children_of(config)
    if not inner:
        return ['']
    return [
        '.'.join([*map(str, key), *([rest] if rest else [])])
        for key, each in inner.items()
        for rest in base_keys(each)
    ]


def children_of(dataset: Any) -> dict[tuple[Any, ...], Any]:
    """Return what a wrapper wraps; empty for a base dataset.

    Args:
        dataset: A dataset, or the config of one.

    Returns:
        The wrapped datasets or configs by where they are: ``('dataset',)``, ``('datasets', 0)``.

    Raises:
        ArgumentTypeError: If only some of its ``datasets`` are datasets, or one is wrapped by a
            dataset that loads images itself.
    """
    if isinstance(dataset, dict):
        found = {
            key: _members(key, dataset[key], _like_or_config)
            for key in ('dataset', 'datasets')
            if key in dataset
        }
    else:
        found = {key: _members(key, value, _like) for key, value in _attributes(dataset).items()}
    inner: dict[tuple[Any, ...], Any] = {}
    for key, (members, strangers) in found.items():
        if members and strangers:
            msg = (
                f'`{key}` of {type_name(dataset)} must hold datasets, but one of them is '
                f'{type(strangers[0]).__name__}'
            )
            raise ArgumentTypeError(msg)
        inner |= members
    if inner and not isinstance(dataset, dict):
        pipeline = _attributes(dataset).get('pipeline')
        if pipeline is not None and loads_images(pipeline):
            msg = (
                f'{type_name(dataset)} wraps a dataset (in '
                f'`{next(iter(inner))[0]}`) and has a pipeline of its own that loads images: '
                'put a RemoveBackground into both pipelines instead of wrapping it'
            )
            raise ArgumentTypeError(msg)
    return inner


def _attributes(dataset: Any) -> dict[str, Any]:
    return getattr(dataset, '__dict__', {})


def _members(
    key: str, value: Any, accept: Callable[[Any], bool]
) -> tuple[dict[tuple[Any, ...], Any], list[Any]]:
    """Tell datasets from other things in what lies under a key of a dataset or of its config."""
    if isinstance(value, list | tuple | dict) and not accept(value):
        items = dict(enumerate(value)) if isinstance(value, list | tuple) else value
        # Annotations may be a list of a million entries: the first one tells.
        if key != 'datasets' and items and not accept(next(iter(items.values()))):
            return {}, []
        inner = {(key, place): each for place, each in items.items() if accept(each)}
        return inner, [each for each in items.values() if not accept(each)]
    return ({(key,): value}, []) if accept(value) else ({}, [])


def _like(value: Any, depth: int = 4) -> bool:
    """Tell whether something is a dataset; mmengine's wrappers derive from no common class.

    Args:
        value: Anything.
        depth: How many wrappers of unknown classes to look through; objects may form a circle.
    """
    if isinstance(value, Dataset):
        return True
    kind = type(value)
    sized = hasattr(kind, '__getitem__') and hasattr(kind, '__len__')
    if not sized or isinstance(value, dict | list | tuple) or not _attributes(value):
        return False
    if hasattr(kind, 'full_init') or 'pipeline' in vars(value):
        return True
    return depth > 0 and any(_like(each, depth - 1) for each in _held(value))


def _held(value: Any) -> Iterator[Any]:
    """Yield what an object's attributes hold, and of each container the first thing."""
    for each in _attributes(value).values():
        first = next(iter(each.values()), None) if isinstance(each, dict) else each
        yield next(iter(first), None) if isinstance(first, list | tuple) else first


def _like_or_config(value: Any) -> bool:
    return 'type' in value if isinstance(value, dict) else _like(value)


def _check_base(dataset: Any) -> None:
    if isinstance(dataset, dict):
        if 'type' not in dataset:
            msg = f'the config of a dataset must have a `type`, but has {", ".join(dataset)}'
            raise ArgumentTypeError(msg)
        return
    pipeline = inspect.getattr_static(dataset, 'pipeline', None)
    if pipeline is None or (isinstance(pipeline, property) and pipeline.fset is None):
        msg = (
            f'{type_name(dataset)} has no pipeline of transforms that could be changed, and wraps '
            'no dataset that has one (in an attribute such as `dataset` or `datasets`): put a '
            'RembgDataset inside it, around what it wraps, or a RemoveBackground into the pipeline'
        )
        raise ArgumentTypeError(msg)
    transforms_of(dataset.pipeline)


def own_pipeline(dataset: Any) -> bool:
    """Tell whether a wrapper, or its config, has a pipeline besides those of what it wraps.

    mmdet's and mmsegmentation's MultiImageMixDataset have: it is for mixed samples.
    """
    if isinstance(dataset, dict):
        return 'pipeline' in dataset and bool(children_of(dataset))
    return 'pipeline' in _attributes(dataset) and bool(children_of(dataset))


def type_name(dataset: Any) -> str:
    """Return the name of a dataset's class, without its scope, also from a config."""
    kind = dataset.get('type', 'dict') if isinstance(dataset, dict) else type(dataset)
    return class_name(kind)


def copy_down_to_bases(dataset: Any) -> Any:
    """Return a dataset, or a config, whose pipelines can be changed without the given one's.

    Copies share annotations that are loaded. What two wrappers share is copied twice.
    """
    copied = copy.copy(dataset)
    inner = copied if isinstance(copied, dict) else _attributes(copied)
    for key, each in children_of(dataset).items():
        if len(key) == 1:
            inner[key[0]] = copy_down_to_bases(each)
        else:
            name, place = key
            # Not the given one's list, which the copy still has.
            if inner[name] is (dataset if isinstance(dataset, dict) else vars(dataset))[name]:
                inner[name] = _changeable(inner[name])
            inner[name][place] = copy_down_to_bases(each)
    return copied


def _changeable(container: Any) -> Any:
    return list(container) if isinstance(container, list | tuple) else copy.copy(container)
