"""A tree of images to a tree of masks or cut-outs."""

from __future__ import annotations

import logging
import re
import time
import zlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from bgremoval_mm.removal.catalogue import ModelSpec, get_model
from bgremoval_mm.removal.cutouts import CutoutFolder
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.job import Job
from bgremoval_mm.removal.manifest import Record, latest
from bgremoval_mm.removal.options import ENGINES, MAX_BYTES, MAX_PIXELS, OUTPUTS, Output
from bgremoval_mm.removal.output import OutputFolder
from bgremoval_mm.removal.places import LocalPlace, Place, UrlPlace, open_place
from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.removal.scan import Scan
from bgremoval_mm.removal.store import MaskStore
from bgremoval_mm.removal.weights import check_licence

__all__ = ['TargetError', 'TreeSummary', 'remove_tree']

logger = logging.getLogger(__name__)


class TargetError(BgremovalError, RuntimeError):
    """The target cannot be written to, or must not be."""


@dataclass
class TreeSummary:
    """What a run over a tree did.

    Attributes:
        folder: Where the results and the manifest lie; text, where that is an address.
        done: Number of images done in this run.
        skipped: Number of images that were done before and have not changed.
        failed: Reason by path, for each image that has no result.
        flagged: Flags by path, for each image of this run whose mask is suspicious.
        ignored: Files that are no images.
        seconds: Wall-clock time.
    """

    folder: Path | str
    done: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    flagged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def note(self, record: Record) -> None:
        """Count what became of an image."""
        if record.status == 'error':
            self.failed[record.path] = record.error
            return
        self.done += 1
        if record.quality is not None and record.quality.flags:
            self.flagged[record.path] = record.quality.flags


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
    file_format: str = 'png',
    second_model: str | ModelSpec | None = None,
    shard: str | None = None,
    engine: str = 'local',
    workers: int = 0,
    accept: Callable[[str], bool] | None = None,
    mask_dir: str | Path | None = None,
) -> TreeSummary:
    """Remove the background of every image below a folder.

    Images are found by content. Each gets one result, written whole or not at all, and one
    line in ``manifest.jsonl``; a broken image gets its reason there, and the others are
    done. A run that was stopped, even by ``kill -9``, goes on where it was when called
    again: what is done and unchanged (same source, model and parameters) is skipped.

    Args:
        src: Folder of images, or one image; a path, or an address that fsspec opens.
        dst: Folder for the results: a MaskStore's root for ``'store'``; a path or an address.
        model: Name of a model of ``CATALOGUE``, or a ModelSpec.
        output: ``'store'``: masks at the model's resolution in a MaskStore; ``'mask'``,
            ``'rgb'``, ``'rgba'``: full-size files (see CutoutFolder).
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
        file_format: Of full-size results; see CutoutFolder. A store's masks are PNG files.
        second_model: Another model to compare each mask with, which fills in
            ``MaskQuality.disagreement``; the result stays the first one's.
        shard: ``'i/n'``: do the i-th of n parts of the images, i from 1 to n. Parts are cut by
            a hash of the name, so that each stays the same when images are added, and have a
            manifest each (see Manifest): for as many jobs on as many machines.
        engine: ``'local'``, or ``'ray'``: on a Ray cluster, or on all cores of this machine.
        workers: Number of Ray actors; 0 takes one a GPU, or one every four CPU cores.
        accept: Which images to do, by their path; the others are left out.
        mask_dir: Root of a MaskStore of these images: its masks are taken, and the network is run
            for those only that it lacks. Gives full-size results in any colour within minutes.

    Returns:
        What was done.

    Raises:
        FileNotFoundError: If `src` does not exist.
        TargetError: If `dst` lies in `src`, or cannot be written to (any more): full disk,
            read-only file system. What was done is kept.
        ValueError, DeviceError, WeightsError, ImportError: See BackgroundRemover.
    """
    started = time.monotonic()
    if engine not in ENGINES:
        msg = f'`engine` must be one of {", ".join(ENGINES)}, but got {engine!r}'
        raise ValueError(msg)
    part = _Shard.parse(shard)
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
    second = second_model and BackgroundRemover(
        second_model, backend, device, batch_size=batch_size, accept_licence=accept_licence
    )
    target = _make_target(dst, output, model, fill, remover.precision, file_format)
    target.use_manifest(part.name)
    source, scan = _open_source(src, target)
    images = [path for path in scan.images if part.holds(path) and (accept is None or accept(path))]
    store = _open_masks(mask_dir, model, remover.precision, output, bool(second))
    job = Job(source, target, remover, second or None, store, max_pixels, max_bytes)

    where = target.folder if isinstance(target.place, LocalPlace) else target.place.address
    summary = TreeSummary(where, ignored=scan.ignored)
    target.sweep(images)
    todo = images if overwrite else _select(job, images, part, checksum, progress)
    summary.skipped = len(images) - len(todo)
    run = _engine(engine, job.with_threads(0), workers)
    try:
        for path, reason in scan.unreadable.items():
            record = target.failure(path, reason)
            target.manifest.append(record)
            summary.note(record)
        with (
            tqdm(
                total=len(todo), desc=remover.spec.name, unit=' images', disable=not progress
            ) as bar,
            closing(run(todo)) as records,
        ):
            for record in records:
                target.manifest.append(record)
                summary.note(record)
                bar.set_postfix(failed=len(summary.failed), refresh=False)
                bar.update()
    except OSError as err:
        msg = f'cannot write to {where}: {err}. What was done is kept; run again to go on.'
        raise TargetError(msg) from err
    finally:
        target.manifest.flush()
        summary.seconds = time.monotonic() - started
    return summary


@dataclass(frozen=True)
class _Shard:
    """The i-th of n parts of a tree's images."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str | None) -> _Shard:
        """The part that ``'i/n'`` names; None is the whole."""
        if text is None:
            return cls(1, 1)
        found = re.fullmatch(r'(\d+)/(\d+)', text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            msg = f"`shard` must be 'i/n' with i from 1 to n, e.g. '3/8', but got {text!r}"
            raise ValueError(msg)
        return cls(int(found[1]), int(found[2]))

    @property
    def name(self) -> str:
        return '' if self.count == 1 else f'{self.index}-of-{self.count}'

    def holds(self, path: str) -> bool:
        key = zlib.crc32(path.encode(errors='surrogateescape'))
        return key % self.count == self.index - 1


def _make_target(
    dst: str | Path,
    output: Output,
    model: str | ModelSpec,
    fill: float | Sequence[float],
    precision: str,
    file_format: str,
) -> OutputFolder:
    if output not in OUTPUTS:
        msg = f'`output` must be one of {", ".join(OUTPUTS)}, but got {output!r}'
        raise ValueError(msg)
    if output == 'store':
        if file_format != 'png':
            msg = f"`file_format` must be png for output='store', but got {file_format!r}"
            raise ValueError(msg)
        return MaskStore(dst, model, precision)
    return CutoutFolder(dst, output, model, fill, precision, file_format)


def _open_masks(
    mask_dir: str | Path | None,
    model: str | ModelSpec,
    precision: str,
    output: Output,
    compared: bool,
) -> MaskStore | None:
    if mask_dir is None:
        return None
    if output == 'store' or compared:
        msg = (
            '`mask_dir` takes masks that were made before: it goes neither with '
            "output='store' nor with `second_model`"
        )
        raise ValueError(msg)
    store = MaskStore(mask_dir, model, precision)
    if not store.manifest.exists():
        msg = (
            f'`mask_dir` must be the root of a mask store, but there is no {store.manifest.address}'
        )
        raise FileNotFoundError(msg)
    return store


def _open_source(src: str | Path, target: OutputFolder) -> tuple[Place, Scan]:
    """The images' place and what it holds. A single image is its folder's only one.

    Raises:
        FileNotFoundError: If there is nothing.
        TargetError: If the target lies in it.
    """
    source = open_place(src)
    if isinstance(source, LocalPlace):
        if not source.root.exists():
            msg = f'`src` must be an existing folder or image, but there is no {src}'
            raise FileNotFoundError(msg)
        if source.root.is_file():
            return LocalPlace(source.root.parent), source.scan()
        if isinstance(target.place, LocalPlace):
            _check_apart(src, target, target.place.root.resolve(), source.root.resolve())
        return source, source.scan()
    if isinstance(target.place, UrlPlace):
        _check_apart(src, target, Path(target.place.address), Path(source.address))
    scan = source.scan()
    if not scan.images and not scan.ignored:
        msg = f'`src` must be an address with images below it, but there is no file below {src}'
        raise FileNotFoundError(msg)
    return source, scan


def _check_apart(src: str | Path, target: OutputFolder, inner: Path, outer: Path) -> None:
    if inner.is_relative_to(outer):
        msg = (
            f'the results would lie in {target.place.address}, inside the image folder {src}: they '
            'would be taken for images by the next run, and by training. Choose a folder '
            'outside it.'
        )
        raise TargetError(msg)


def _select(job: Job, images: list[str], part: _Shard, checksum: bool, progress: bool) -> list[str]:
    """The images that are still to be done."""
    known = latest(
        # A catalogue's figures would fill the memory.
        replace(record, quality=None, params=_shared(record, job))
        for record in job.target.manifest.records()
        if part.holds(record.path)
    )
    return [
        path
        for path in tqdm(images, 'checking', disable=not (progress and known), leave=False)
        if not job.is_done(path, known.get(path), checksum)
    ]


def _shared(record: Record, job: Job) -> dict:
    """A record's parameters; those of the job are one object."""
    return job.target.params if record.params == job.target.params else record.params


def _engine(name: str, job: Job, workers: int) -> Callable[[list[str]], Generator[Record]]:
    if name == 'local':
        return job.run
    from bgremoval_mm.removal.ray_engine import run_with_ray

    return partial(run_with_ray, job, workers=workers)
