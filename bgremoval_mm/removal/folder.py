"""A tree of images to a tree of masks or cut-outs."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar, get_args

import numpy as np
from tqdm import tqdm

from bgremoval_mm.removal.catalogue import ModelSpec, get_model
from bgremoval_mm.removal.cutouts import CutoutFolder
from bgremoval_mm.removal.images import MAX_BYTES, MAX_PIXELS, ImageError, SourceImage, read_image
from bgremoval_mm.removal.manifest import Record
from bgremoval_mm.removal.output import OutputFolder
from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.removal.scan import scan_tree
from bgremoval_mm.removal.store import MaskStore
from bgremoval_mm.removal.weights import check_licence

logger = logging.getLogger(__name__)

Output = Literal['store', 'mask', 'rgb', 'rgba']
_T = TypeVar('_T')
_R = TypeVar('_R')

# Conditions of the target that the next image will meet as well.
_FATAL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM))


class TargetError(RuntimeError):
    """The target cannot be written to, or must not be."""


@dataclass
class TreeSummary:
    """What a run over a tree did.

    Attributes:
        folder: Where the results and the manifest lie.
        done: Number of images done in this run.
        skipped: Number of images that were done before and have not changed.
        failed: Reason by path, for each image that has no result.
        flagged: Flags by path, for each image of this run whose mask is suspicious.
        ignored: Files that are no images.
        seconds: Wall-clock time.
    """

    folder: Path
    done: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    flagged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class _Loaded:
    path: str
    source: SourceImage | None = None
    network_input: np.ndarray | None = None
    error: str = ''


def remove_tree(
    src: str | Path,
    dst: str | Path,
    model: str | ModelSpec = 'u2net',
    output: Output = 'store',
    fill: float | Sequence[float] = 0,
    backend: str = 'auto',
    device: str = 'auto',
    precision: str = 'fp32',
    batch_size: int = 1,
    overwrite: bool = False,
    checksum: bool = False,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    accept_licence: bool = False,
    calibration: str | None = None,
    progress: bool = True,
) -> TreeSummary:
    """Remove the background of every image below a folder.

    Images are found by content. Each gets one result, written whole or not at all, and one
    line in ``manifest.jsonl``; a broken image gets its reason there, and the others are
    done. A run that was stopped, even by ``kill -9``, goes on where it was when called
    again: what is done and unchanged (same source, model and parameters) is skipped.

    Args:
        src: Folder of images, or one image.
        dst: Folder for the results: a MaskStore's root for ``'store'``.
        model: Name of a model of ``CATALOGUE``, or a ModelSpec.
        output: ``'store'``: masks at the model's resolution in a MaskStore; ``'mask'``,
            ``'rgb'``, ``'rgba'``: full-size PNG files (see CutoutFolder).
        fill: Colour behind the foreground for ``'rgb'``: one value or (R, G, B), 0 to 255.
        backend: See BackgroundRemover.
        device: See BackgroundRemover.
        precision: See BackgroundRemover.
        batch_size: Images in one run of the network. On a CPU more than 1 gains nothing.
        overwrite: Do again what is done.
        checksum: Compare sources by content alone, not by size and time of modification.
        max_pixels: Larger images are refused before they are decoded.
        max_bytes: Larger files are refused before they are read.
        accept_licence: Accept weights that are not for commercial use.
        calibration: See BackgroundRemover.
        progress: Show a progress bar.

    Returns:
        What was done.

    Raises:
        FileNotFoundError: If `src` does not exist.
        TargetError: If `dst` lies in `src`, or cannot be written to (any more): full disk,
            read-only file system. What was done is kept.
        ValueError, DeviceError, WeightsError: See BackgroundRemover.
    """
    started = time.monotonic()
    src, dst = Path(src), Path(dst)
    check_licence(get_model(model), accept_licence)
    remover = BackgroundRemover(
        model,
        backend,
        device,
        precision,
        batch_size,
        accept_licence=accept_licence,
        calibration=calibration,
    )
    target = _make_target(dst, output, model, fill, remover.precision)
    _check_places(src, target.folder)

    scan = scan_tree(src)
    root = src.parent if src.is_file() else src
    summary = TreeSummary(target.folder, ignored=scan.ignored)
    target.sweep(scan.images)
    known = {} if overwrite else target.manifest.read()
    todo = [
        path
        for path in tqdm(scan.images, 'checking', disable=not (progress and known), leave=False)
        if not _is_done(path, root / path, known.get(path), target, checksum)
    ]
    summary.skipped = len(scan.images) - len(todo)
    try:
        for path, reason in scan.unreadable.items():
            _note(target.put_error(path, reason), summary)
        read = partial(read_image, max_pixels=max_pixels, max_bytes=max_bytes)
        load = partial(_load, root=root, read=read, remover=remover, output=output)
        with tqdm(
            total=len(todo), desc=remover.spec.name, unit=' images', disable=not progress
        ) as bar:
            for record in _process(todo, load, remover, target):
                _note(record, summary)
                bar.set_postfix(failed=len(summary.failed), refresh=False)
                bar.update()
    except OSError as err:
        msg = f'cannot write to {target.folder}: {err}. What was done is kept; run again to go on.'
        raise TargetError(msg) from err
    finally:
        summary.seconds = time.monotonic() - started
    return summary


def _make_target(
    dst: Path,
    output: Output,
    model: str | ModelSpec,
    fill: float | Sequence[float],
    precision: str,
) -> OutputFolder:
    if output == 'store':
        return MaskStore(dst, model, precision)
    if output not in get_args(Output):
        msg = f'`output` must be one of {", ".join(get_args(Output))}, but got {output!r}'
        raise ValueError(msg)
    return CutoutFolder(dst, output, model, fill, precision)


def _check_places(src: Path, folder: Path) -> None:
    if not src.exists():
        msg = f'`src` must be an existing folder or image, but there is no {src}'
        raise FileNotFoundError(msg)
    inside = src.resolve() if src.is_dir() else src.resolve().parent
    if folder.resolve().is_relative_to(inside) and src.is_dir():
        msg = (
            f'the results would lie in {folder}, inside the image folder {src}: they would be '
            'taken for images by the next run, and by training. Choose a folder outside it.'
        )
        raise TargetError(msg)


def _is_done(
    path: str, image: Path, record: Record | None, target: OutputFolder, checksum: bool
) -> bool:
    if record is None or not record.is_made_by(target.spec.hash, target.params):
        return False
    if record.source is None or not target.path(path).is_file():
        return False
    try:
        return record.source.matches(image, always_hash=checksum)
    except OSError:
        return False


def _load(
    path: str,
    root: Path,
    read: Callable[[Path], SourceImage],
    remover: BackgroundRemover,
    output: Output,
) -> _Loaded:
    try:
        source = read(root / path)
    except ImageError as err:
        return _Loaded(path, error=str(err))
    except OSError as err:
        return _Loaded(path, error=f'cannot be read: {err.strerror or err}')
    network_input = remover.preprocess(source.rgb)
    if output == 'store':
        # Only the size is still needed: many photographs wait here at once.
        source = source.without_pixels()
    return _Loaded(path, source, network_input)


def _process(
    todo: list[str],
    load: Callable[[str], _Loaded],
    remover: BackgroundRemover,
    target: OutputFolder,
) -> Iterator[Record]:
    """Decode ahead and write behind while the network runs; memory stays bounded."""
    ahead = 2 * remover.batch_size + 2
    threads = max(2, min(8, os.cpu_count() or 1))
    with ThreadPoolExecutor(threads) as readers, ThreadPoolExecutor(threads) as writers:
        writing: deque[Future[Record]] = deque()
        try:
            for batch in _batches(_map_ahead(readers, load, todo, ahead), remover.batch_size):
                inputs = [item.network_input for item in batch if item.network_input is not None]
                found = iter(remover.infer(np.stack(inputs)) if inputs else ())
                for item in batch:
                    if item.source is None:
                        writing.append(writers.submit(target.put_error, item.path, item.error))
                    else:
                        writing.append(
                            writers.submit(_write, target, item.path, item.source, *next(found))
                        )
                while len(writing) > ahead:
                    yield writing.popleft().result()
            while writing:
                yield writing.popleft().result()
        finally:
            readers.shutdown(cancel_futures=True)
            writers.shutdown(cancel_futures=True)


def _write(
    target: OutputFolder, path: str, source: SourceImage, mask: np.ndarray, constant: bool
) -> Record:
    try:
        return target.put(path, source, mask, constant)
    except OSError as err:
        if err.errno in _FATAL:
            raise
        # E.g. a name that is too long once `.png` is appended: this image's trouble alone.
        return target.put_error(path, f'the result cannot be written: {err.strerror or err}')


def _map_ahead(
    pool: ThreadPoolExecutor, function: Callable[[_T], _R], items: Iterable[_T], ahead: int
) -> Iterator[_R]:
    """``map`` in a pool, in order, with at most `ahead` results waiting."""
    remaining = iter(items)
    waiting = deque(pool.submit(function, item) for item in islice(remaining, ahead))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(function, item) for item in islice(remaining, 1))
        yield result


def _batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def _note(record: Record, summary: TreeSummary) -> None:
    if record.status == 'error':
        summary.failed[record.path] = record.error
        return
    summary.done += 1
    if record.quality is not None and record.quality.flags:
        summary.flagged[record.path] = record.quality.flags
