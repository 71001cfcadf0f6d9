"""The input of a job: a folder of images or one image, on this machine or at an address."""

from __future__ import annotations

from pathlib import Path

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.addresses import is_url, local_path
from bgremoval_mm.removal.io.scan import Scan
from bgremoval_mm.removal.io.storage import Storage, open_storage
from bgremoval_mm.removal.jobs.apart import (
    TargetError,
    check_apart,
    check_no_result_inside,
    check_not_beside,
)
from bgremoval_mm.removal.outputs.base import OutputFolder

__all__ = ['open_source']


def open_source(src: str | Path, dst: str | Path, target: OutputFolder) -> tuple[Storage, Scan]:
    """Return the images' storage and what it holds. A single image is its folder's only one.

    Args:
        src: Folder of images, or one image; a path or an address.
        dst: Folder for the results, as it was given.
        target: The folder in it, or itself, that they go to.

    Raises:
        FileNotFoundError: If there is nothing.
        ArgumentError: If it is neither a folder nor a file.
        TargetError: If the target, or a result, lies in it.
    """
    source, path = open_storage(src), local_path(src)
    if path is not None:
        _check_path(src, path)
    for results in (dst, target.storage.address):
        check_apart(src, results)
    target_path = local_path(target.storage.address)
    if target_path is not None and target_path.is_file():
        msg = f'`dst` must be a folder, but {target_path} is a file'
        raise TargetError(msg)
    if (single := source.as_file()) is not None:
        for results in (dst, target.storage.address):
            check_not_beside(src, single.address, results)
        source = single
    scan = source.scan()
    if path is None and not scan.images + scan.ignored + [*scan.unreadable]:
        msg = f'`src` must be an address with images below it, but there is no file below {src}'
        raise FileNotFoundError(msg)
    check_no_result_inside(src, target.storage.address, scan.images)
    return source, scan


def _check_path(src: str | Path, path: Path) -> None:
    """Make sure that a path of this machine is one of a folder or a file."""
    if not path.exists():
        quoted = is_url(src) and '%' in str(src)
        hint = ' (addresses are taken as they stand: write a blank, not %20)' if quoted else ''
        msg = f'`src` must be an existing folder or image, but there is no {src}{hint}'
        raise FileNotFoundError(msg)
    if not path.is_dir() and not path.is_file():
        msg = f'`src` must be a folder or an image, but {src} is neither: a FIFO, a device ...'
        raise ArgumentError(msg)
