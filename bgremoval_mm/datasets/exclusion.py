"""Leaving out images that a list names, such as those whose mask was rejected in a review."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from bgremoval_mm.datasets.unwrap import children_of
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.paths import path_below
from bgremoval_mm.removal.review.left_out import read_left_out
from bgremoval_mm.utils.text import printable

__all__ = ['check_excludable', 'exclude_images']


def check_excludable(dataset: Any, root: str | None) -> None:
    """Refuse a dataset of which no images can be left out.

    Args:
        dataset: The dataset.
        root: Its folder of images.

    Raises:
        ArgumentError: If it wraps another one, whose length it knows already, or has no
            `get_subset_`, or `root` is missing.
    """
    name = type(dataset).__name__
    if children_of(dataset):
        msg = (
            f'`exclude` must be given to a RembgDataset around a dataset that loads images, but '
            f'{name} wraps others: put the RembgDataset inside it'
        )
        raise ArgumentError(msg)
    if not hasattr(dataset, 'get_subset_'):
        msg = f'`exclude` needs a dataset with `get_subset_`, as those of mmengine, but got {name}'
        raise ArgumentError(msg)
    if root is None:
        msg = (
            f'`img_root` must be given with `exclude`, because the {name} has no `data_root`: the '
            'folder that the paths of the list begin in'
        )
        raise ArgumentError(msg)


def exclude_images(dataset: Any, file: str | Path, root: str | Path) -> None:
    """Keep the images of a loaded dataset that a list does not name.

    Args:
        dataset: Dataset of mmengine, which is changed.
        file: The list, see ``read_left_out``.
        root: Folder that the paths of the list begin in.

    Raises:
        ArgumentError: If it is no such list, an image does not lie in `root`, or none is left.
    """
    excluded = read_left_out(file)
    paths = (dataset.get_data_info(index)['img_path'] for index in range(len(dataset)))
    kept = [index for index, path in enumerate(paths) if path_below(path, root) not in excluded]
    number = len(dataset)
    if number and not kept:
        msg = f'{printable(file)} leaves out all {number} images of {type(dataset).__name__}'
        raise ArgumentError(msg)
    print_log(
        f'{printable(file)}: {number - len(kept)} of {number} images are left out',
        logger='current',
        level=logging.INFO,
    )
    if len(kept) < number:
        dataset.get_subset_(kept)
