"""Checks that keep results apart from the images that they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.io.addresses import is_same, lies_in, local_path, way_to
from bgremoval_mm.utils.text import printable

__all__ = [
    'TargetError',
    'check_apart',
    'check_no_result_inside',
    'check_not_beside',
    'check_not_source',
]


class TargetError(BgremovalError, RuntimeError):
    """The target cannot be written to, or must not be."""


def check_apart(src: str | Path, dst: str | Path) -> None:
    """Refuse a folder of results that lies among the images, however the two are written.

    Paths and addresses are compared in one form (see `addresses.lies_in`). No store is asked, so
    that this can be called before anything else; where `src` is an address, `remove_tree` finds out
    whether it is one image, whose folder is refused too.

    Args:
        src: Folder of images, or one image; a path or an address.
        dst: Folder for the results; a path or an address.

    Raises:
        TargetError: If `dst` is `src` or lies in it, or, where `src` is one image on this machine,
            if it is that image or its folder.
    """
    path = local_path(src)
    if path is not None and path.is_file():
        if is_same(src, dst):
            msg = f'the results would replace the image {src}. Choose a folder outside its own'
            raise TargetError(msg)
        check_not_beside(src, path.parent, dst)
    elif lies_in(dst, src):
        msg = (
            f'the results would lie in {dst}, inside the image folder {src}: they would be taken '
            'for images by the next run, and by training. Choose a folder outside it.'
        )
        raise TargetError(msg)


def check_not_source(src: str | Path, dst: str | Path) -> None:
    """Refuse a result file that would replace the image that it is made of.

    Args:
        src: The image; a path or an address.
        dst: File for the result; a path or an address.

    Raises:
        TargetError: If they are one file, however they are written.
    """
    if is_same(src, dst):
        msg = f'the result would replace the image {src}. Choose another name for it'
        raise TargetError(msg)


def check_not_beside(src: str | Path, folder: str | Path, dst: str | Path) -> None:
    """Refuse the folder of the one image `src` as the folder of its result.

    Raises:
        TargetError: If `dst` is that folder, however they are written.
    """
    if is_same(folder, dst):
        msg = (
            f'the result would lie in {dst}, beside the image {src}: a run over this folder would '
            'take it for an image. Choose another folder.'
        )
        raise TargetError(msg)


def check_no_result_inside(src: str | Path, dst: str | Path, images: Iterable[str]) -> None:
    """Refuse a folder of results above that of the images, if a result would come to lie in this.

    That is so for images in a folder that has the name of the images' own: in `photos/photos`, if
    the results of `photos` go to the folder around it.

    Args:
        src: Folder of the images; a path or an address.
        dst: Folder for the results, which have the names of the images; a path or an address.
        images: Paths of the images below `src`.

    Raises:
        TargetError: If it is so; the message names an image.
    """
    way = way_to(src, dst)
    if way is None:
        return
    image = next((each for each in images if each.startswith(f'{way}/')), None)
    if image is not None:
        msg = (
            f'the result of {printable(image)} would lie inside the image folder {src}, as this '
            f'lies in {dst} under the same name: it would be taken for an image by the next run, '
            'and by training. Choose another folder.'
        )
        raise TargetError(msg)
