"""The name of an image: its path below the folder of images."""

from __future__ import annotations

import os
from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

__all__ = ['path_below']


def path_below(path: str | Path, root: str | Path) -> str:
    """Return the path of an image below a folder, with ``/``, as a scan of the folder names it.

    Relative paths, ``..`` and trailing slashes are allowed in both. Where the path does not begin
    with the folder as it is written, links are followed: a dataset may give the resolved paths of
    images in a folder that is a link, and the other way round. A link below the folder keeps its
    own name, wherever it leads.

    Args:
        path: An image. Need not exist.
        root: The folder that was SRC of ``tools/remove_background.py``.

    Raises:
        ArgumentError: If the image does not lie there.

    Examples:
        >>> path_below('data/photos/train/a.jpg', 'data/photos/')
        'train/a.jpg'
    """
    written, prefix = os.fspath(path), os.fspath(root).rstrip('/') + '/'
    if len(prefix) > 1 and written.startswith(prefix):
        # The usual case, in a tenth of the time: a training asks for each of its images.
        name = written[len(prefix) :]
        if not {'', '.', '..'} & set(name.split('/')):
            return name
    image, folder = _absolute(path), _absolute(root)
    if folder in image.parents:
        return image.relative_to(folder).as_posix()
    real = Path(os.path.realpath(folder))
    # The nearest folders first: the file itself may be a link into some cache within the root.
    for folder in (*image.parents, image):
        found = Path(os.path.realpath(folder))
        if found.is_relative_to(real):
            below = found.relative_to(real) / image.relative_to(folder)
            if below.parts:
                return below.as_posix()
    msg = (
        f'`img_root` must be a folder above every image, but {printable(path)} does not lie in '
        f'{printable(root)}'
    )
    raise ArgumentError(msg)


def _absolute(path: str | Path) -> Path:
    """Return an absolute path without ``..``; links stay, but those that a ``..`` leads out of."""
    whole = Path.cwd() / path
    if '..' not in whole.parts:
        return whole
    behind = len(whole.parts) - whole.parts[::-1].index('..')
    return Path(os.path.realpath(Path(*whole.parts[:behind])), *whole.parts[behind:])
