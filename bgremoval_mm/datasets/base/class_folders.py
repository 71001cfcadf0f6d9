"""Images in one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.scan import scan_tree
from bgremoval_mm.utils.messages import first_few

__all__ = ['IncompleteError', 'images_by_class', 'readable_images']


class IncompleteError(ArgumentError, FileNotFoundError):
    """Classes of a dataset have no image."""


def images_by_class(top: Path, classes: Sequence[str]) -> dict[str, str]:
    """Find the images below ``<top>/<class>``, which are detected by content.

    Args:
        top: The folder that holds one folder per class.
        classes: Names of the classes.

    Returns:
        Path relative to `top`, with ``/``, to the name of the class, in the order of the paths.

    Raises:
        ArgumentError: If an image lies in no folder of a class.
        IncompleteError: If a class has no image.
        OSError: If a file or folder cannot be read.
    """
    images = readable_images(top)
    labels = {image: image.rpartition('/')[0].partition('/')[0] for image in images}
    stray = [image for image, label in labels.items() if label not in classes]
    if stray:
        msg = (
            f'{top} holds images outside the folders of the classes: {first_few(stray)}. The '
            f'classes are {", ".join(classes)}; move other images away.'
        )
        raise ArgumentError(msg)
    empty = sorted(set(classes) - set(labels.values()))
    if empty:
        msg = f'{top} must hold images of every class, but has none of {", ".join(empty)}'
        raise IncompleteError(msg)
    return labels


def readable_images(top: Path) -> list[str]:
    """Find the images below a folder, which are detected by content.

    Args:
        top: The folder.

    Returns:
        Paths relative to it, with ``/``, sorted.

    Raises:
        OSError: If a file or folder cannot be read.
    """
    scan = scan_tree(top)
    if scan.unreadable:
        reasons = [f'{path}: {reason}' for path, reason in scan.unreadable.items()]
        msg = f'{top} cannot be read: {first_few(reasons)}'
        raise OSError(msg)
    return scan.images
