"""Clothing Co-Parsing's own files, and its instances as a COCO dataset."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.datasets.formats.categories import CCP_CLASSES
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.messages import first_few

__all__ = ['INFO', 'coco', 'read_label_list', 'read_labels']

INFO = {'description': 'Clothing Co-Parsing, one instance a label and photograph'}
"""By this, an annotation file of ours is recognised."""


def read_labels(path: Path) -> np.ndarray:
    """Read the label map of a ``.mat`` file, uint8 of shape (H, W): 0 is the background.

    Raises:
        ArgumentError: If it is not what CCP has there.
    """
    from scipy.io import loadmat

    content = loadmat(io.BytesIO(path.read_bytes()))
    if 'groundtruth' not in content:
        names = sorted(name for name in content if not name.startswith('__'))
        msg = f'{path} must hold `groundtruth`, but holds {first_few(names) or "nothing"}'
        raise ArgumentError(msg)
    labels: np.ndarray = content['groundtruth']
    if labels.ndim != 2 or labels.dtype.kind not in 'iu':
        msg = (
            f'`groundtruth` of {path} must be whole numbers of shape (height, width), but is '
            f'{labels.dtype} of shape {labels.shape}'
        )
        raise ArgumentError(msg)
    unknown = sorted({int(value) for value in np.unique(labels)} - set(range(len(CCP_CLASSES) + 1)))
    if unknown:
        msg = (
            f'`groundtruth` of {path} must hold labels from 0 to {len(CCP_CLASSES)}, but holds '
            f'{first_few([str(value) for value in unknown])}'
        )
        raise ArgumentError(msg)
    return labels.astype(np.uint8)


def read_label_list(path: Path) -> tuple[str, ...]:
    """Read the names of the labels, the background's first.

    Raises:
        ArgumentError: If the file cannot be read.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(io.BytesIO(path.read_bytes()))
        return tuple(str(cell[0]) for cell in content['label_list'].ravel())
    except Exception as err:
        # scipy raises what comes up while it decodes.
        msg = f'{path}, the list of the labels, cannot be read: {type(err).__name__}: {err}'
        raise ArgumentError(msg) from err


def coco(photos: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a COCO dataset.

    Args:
        photos: By name of the photograph, ``height`` and ``width`` in pixels, and ``instances``
            (see `label_maps.instances_of`).

    Returns:
        ``images`` (id = name as a number), ``annotations`` (ids from 1) and ``categories`` (ids
        from 0, in the order of CCP's labels).
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for name, photo in photos.items():
        size = {'height': photo['height'], 'width': photo['width']}
        images.append({'id': int(name), 'file_name': f'{name}.jpg', **size})
        for instance in photo['instances']:
            annotations.append({'id': len(annotations) + 1, 'image_id': int(name), **instance})
    categories = [{'id': index, 'name': name} for index, name in enumerate(CCP_CLASSES)]
    return {
        'info': INFO,
        'images': images,
        'annotations': annotations,
        'categories': categories,
    }
