"""The annotated images of a dataset of mmdet or mmseg, by its config or its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

from bgremoval_mm.analysis.annotation_loss import AnnotatedImage, Labels
from bgremoval_mm.datasets.formats.categories import IGNORED
from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.datasets.unwrap import base_datasets, type_name
from bgremoval_mm.registry import DATASETS
from bgremoval_mm.removal import BackgroundRemover, MaskStore
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.paths import path_below
from bgremoval_mm.utils.text import printable

__all__ = ['KNOWN', 'AnnotatedImages', 'of_config', 'of_name']

KNOWN = {'ccp': 'CCP', 'fashionpedia': 'Fashionpedia'}
"""Datasets that need no config."""

_ALL_FOREGROUND = ('CCP', 'CCPSemantic')
# Their masks know no categories, and are no label maps.
_MASKS_ONLY = ('CCPSaliency', 'PairsDataset', 'PairsInstances', 'SaliencyFolders')
_BACKGROUND = 'background'  # the class that removal is meant to erase


@dataclass(frozen=True)
class AnnotatedImages:
    """Annotated images of one or more subsets.

    Attributes:
        classes: Names of the categories.
        images: The images by their path below the folder that the masks were made from.
        all_foreground: Whether all of the foreground is annotated, people and what they wear, so
            that the union of the annotations is a true foreground mask.
        root: The folder that the masks were made from.
    """

    classes: tuple[str, ...]
    images: dict[str, AnnotatedImage]
    all_foreground: bool
    root: Path


def of_name(
    name: str,
    data_root: str | None,
    mask_dir: str | None,
    model: str,
    subsets: tuple[str, ...],
    precision: str = 'fp32',
) -> AnnotatedImages:
    """Return the images of a dataset of this package.

    Args:
        name: A key of `KNOWN`.
        data_root: Folder of the dataset; None: ``data/<name>``.
        mask_dir: Root of the masks; None: ``data/masks/<name>``.
        model: Model of the masks.
        subsets: ``'train'``, ``'val'`` or both.
        precision: Of the masks.
    """
    root = data_root or f'data/{name}'
    datasets = [{'type': KNOWN[name], 'data_root': root, 'subset': each} for each in subsets]
    store = MaskStore(mask_dir or f'data/masks/{name}', model, precision)
    return _collect(datasets, store, root, 'mmdet')


def of_config(
    path: str,
    mask_dir: str | None,
    model: str | None,
    subsets: tuple[str, ...],
    precision: str | None = None,
) -> AnnotatedImages:
    """Return the images of a config's datasets, of this package or any of mmdet and mmseg.

    Args:
        path: The config; its masks are taken if it removes backgrounds.
        mask_dir: Root of the masks; None: that of the config's RembgDataset.
        model: Model of the masks; None: that of the config's RembgDataset, or u2net.
        subsets: Loaders: ``'train'``, ``'val'``.
        precision: Of the masks; None: that of the config's RembgDataset, or fp32.

    Raises:
        ValueError: If the config has no such dataset, or no masks and none are given.
    """
    config = Config.fromfile(path)
    datasets: list[dict[str, Any]] = []
    roots: set[str] = set()
    removals: list[dict[str, Any]] = []
    for subset in subsets:
        node = (config.get(f'{subset}_dataloader') or {}).get('dataset')
        if node is None:
            continue
        for base, removal in zip(base_datasets(node), RemovalSettings.of(node), strict=True):
            if type_name(base) in _MASKS_ONLY:
                msg = (
                    f'{subset}_dataloader in {path} has a {type_name(base)}, whose masks tell '
                    'foreground from background, without categories: score removal models on them '
                    'with `bgremoval compare-models`'
                )
                raise ArgumentError(msg)
            if not isinstance(base, dict) or not base.get('data_root'):
                msg = (
                    f'the datasets of {subset}_dataloader in {path} must be datasets of mmdet or '
                    f'mmseg with a `data_root`, but one is a {type_name(base)}'
                )
                raise ArgumentError(msg)
            settings = {k: v for k, v in base.items() if k not in ('pipeline', 'filter_cfg')}
            if settings not in datasets:
                datasets.append(settings)
            own = removal.arguments
            roots.add(own.get('img_root') or base['data_root'])
            if removal.kind == 'masks':
                removals.append(own)
    if not datasets:
        msg = f'{path} has no dataset in its loaders ({", ".join(subsets)})'
        raise ArgumentError(msg)
    mask_dir = mask_dir or _same(path, 'mask_dir', removals)
    model = model or _same(path, 'model', removals)
    if mask_dir is None:
        msg = f'{path} names no masks, as a `-rembg` config does: give --mask-dir'
        raise ArgumentError(msg)
    if len(roots) > 1:
        msg = f'the datasets of {path} lie in several folders ({", ".join(sorted(roots))})'
        raise ArgumentError(msg)
    # A remover knows what 'auto' is here.
    precision = precision or _same(path, 'precision', removals) or 'fp32'
    remover = BackgroundRemover(model or 'u2net', precision=precision)
    store = MaskStore(mask_dir, remover.spec, remover.precision)
    return _collect(datasets, store, roots.pop(), config.get('default_scope', 'mmdet'))


def _same(path: str, name: str, removals: list[dict[str, Any]]) -> Any:
    """Return an argument that is the same wherever the config removes backgrounds."""
    values = {each[name] for each in removals}
    if len(values) > 1:
        found = ', '.join(sorted(map(repr, values)))
        msg = f'the datasets of {path} must have one `{name}`, but have {printable(found)}'
        raise ArgumentError(msg)
    return values.pop() if values else None


def _collect(
    datasets: list[dict[str, Any]], store: MaskStore, root: str, scope: str
) -> AnnotatedImages:
    base = Path(os.path.expanduser(root))  # noqa: PTH111 (as datasets do it)
    images: dict[str, AnnotatedImage] = {}
    classes: tuple[str, ...] = ()
    with DefaultScope.overwrite_default_scope(scope):
        for config in datasets:
            # In test mode nothing is filtered.
            dataset = DATASETS.build({**config, 'pipeline': [], 'test_mode': True})
            found = tuple(dataset.metainfo.get('classes') or ())
            if classes not in ((), found):
                pairs = enumerate(zip_longest(classes, found))
                number, names = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
                msg = (
                    'all datasets must have the same classes in the same order, but class '
                    f'{number} is {printable(" and ".join(map(repr, names)))}'
                )
                raise ArgumentError(msg)
            classes = found
            labels = _labels(dataset, classes)
            for index in range(len(dataset)):
                image = _annotated(dataset.get_data_info(index), base, store, labels)
                images.setdefault(image.key, image)
    masks = [mask for each in images.values() for _, mask in each.instances or ()]
    if masks and not any(masks):
        msg = 'the annotations have boxes but no masks, so pixels cannot be counted'
        raise ArgumentError(msg)
    return AnnotatedImages(
        classes, images, all(type_name(each) in _ALL_FOREGROUND for each in datasets), base
    )


def _labels(dataset: Any, classes: tuple[str, ...]) -> Labels:
    ignored = {IGNORED, getattr(dataset, 'ignore_index', IGNORED)}
    background = {i for i, name in enumerate(classes) if name.lower() == _BACKGROUND}
    return Labels(len(classes), frozenset(ignored | background))


def _annotated(
    info: dict[str, Any], base: Path, store: MaskStore, labels: Labels
) -> AnnotatedImage:
    path = Path(info['img_path'])
    key = path_below(path, base)
    if 'instances' in info:
        instances = tuple(_instances(info['instances']))
        return AnnotatedImage(path, key, store, instances, size=(info['height'], info['width']))
    if info.get('reduce_zero_label') or info.get('label_map'):
        msg = 'datasets that change the values of label maps as they load them are not supported'
        raise ArgumentError(msg)
    if info.get('seg_map_path') is None:
        msg = f'{printable(path)} has neither instances nor a label map: nothing of it is annotated'
        raise ArgumentError(msg)
    return AnnotatedImage(path, key, store, label_map=Path(info['seg_map_path']), labels=labels)


def _instances(instances: list[dict[str, Any]]) -> Iterator[tuple[int, Any]]:
    # mmdet drops empty lists of polygons: such an instance has no pixel.
    return ((each['bbox_label'], each.get('mask', [])) for each in instances)
