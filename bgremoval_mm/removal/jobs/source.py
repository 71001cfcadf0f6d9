"""Opening what a job reads: a folder of images or one image, here or at an address."""

from __future__ import annotations

from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.local_storage import LocalPlace, Place, UrlPlace, is_url, open_place
from bgremoval_mm.removal.io.scan import Scan
from bgremoval_mm.removal.jobs.apart import TargetError, check_apart, check_not_beside
from bgremoval_mm.removal.outputs.base import OutputFolder

__all__ = ['open_source']


def open_source(src: str | Path, dst: str | Path, target: OutputFolder) -> tuple[Place, Scan]:
    """Return the images' place and what it holds. A single image is its folder's only one.

    Args:
        src: Folder of images, or one image; a path or an address.
        dst: Folder for the results, as it was given.
        target: The folder in it, or itself, that they go to.

    Raises:
        FileNotFoundError: If there is nothing.
        ArgumentError: If it is neither a folder nor a file.
        TargetError: If the target lies in it.
    """
    source = open_place(src)
    if isinstance(source, LocalPlace):
        if not source.root.exists():
            quoted = is_url(src) and '%' in str(src)
            hint = ' (addresses are taken as they stand: write a blank, not %20)' if quoted else ''
            msg = f'`src` must be an existing folder or image, but there is no {src}{hint}'
            raise FileNotFoundError(msg)
        if not source.root.is_dir() and not source.root.is_file():
            msg = f'`src` must be a folder or an image, but {src} is neither: a FIFO, a device ...'
            raise ArgumentError(msg)
    for results in (dst, target.place.address):
        check_apart(src, results)
    if isinstance(target.place, LocalPlace) and Path(target.place.address).is_file():
        msg = f'`dst` must be a folder, but {target.place.address} is a file'
        raise TargetError(msg)
    if isinstance(source, LocalPlace):
        if source.root.is_file():
            return LocalPlace(source.root.parent), source.scan()
    elif isinstance(source, UrlPlace) and (single := source.as_file()) is not None:
        for results in (dst, target.place.address):
            check_not_beside(src, single.address, results)
        source = single
    scan = source.scan()
    if isinstance(source, UrlPlace) and not scan.images + scan.ignored + [*scan.unreadable]:
        msg = f'`src` must be an address with images below it, but there is no file below {src}'
        raise FileNotFoundError(msg)
    return source, scan
