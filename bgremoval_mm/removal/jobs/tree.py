"""A tree of images to a tree of masks or cut-outs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.manifest import Record, TargetWriteError, latest
from bgremoval_mm.removal.io.storage import LocalStorage
from bgremoval_mm.removal.jobs.apart import TargetError, check_apart, check_not_source
from bgremoval_mm.removal.jobs.given_masks import open_masks
from bgremoval_mm.removal.jobs.pipeline import Job
from bgremoval_mm.removal.jobs.progress import progress_bar
from bgremoval_mm.removal.jobs.shard import Shard
from bgremoval_mm.removal.jobs.source import open_source
from bgremoval_mm.removal.options import (
    ENGINES,
    MAX_BYTES,
    MAX_PIXELS,
    OUTPUTS,
    Output,
)
from bgremoval_mm.removal.outputs.base import OutputFolder
from bgremoval_mm.removal.outputs.cutouts import CutoutFolder
from bgremoval_mm.removal.outputs.mask_store import MaskStore
from bgremoval_mm.removal.outputs.results import delete_superseded, format_of
from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, get_model
from bgremoval_mm.removal.zoo.weights import check_licence

__all__ = ['TargetError', 'TreeSummary', 'check_apart', 'check_not_source', 'remove_tree']

logger = logging.getLogger(__name__)


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
        noted: Note by path, for each image of this run that was read with one, e.g. an animation.
    """

    folder: Path | str
    done: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    flagged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    seconds: float = 0.0
    noted: dict[str, str] = field(default_factory=dict)

    def note(self, record: Record) -> None:
        """Count what became of an image."""
        if record.status == 'error':
            self.failed[record.path] = record.error
            return
        self.done += 1
        if record.quality is not None and record.quality.flags:
            self.flagged[record.path] = record.quality.flags
        if record.note:
            self.noted[record.path] = record.note


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
    num_threads: int = 0,
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
        mask_dir: Root of a MaskStore of these images, a path or an address: its masks are taken,
            and the network is run for those only that it lacks. Gives full-size results in any
            colour within minutes.
        num_threads: CPU threads of the networks in all; 0 takes all cores.

    Returns:
        What was done.

    Raises:
        FileNotFoundError: If `src` does not exist.
        TargetError: If `dst` lies in `src`, or cannot be written to (any more): full disk,
            read-only file system. What was done is kept.
        ArgumentError: If an argument is none of these, or the masks of `mask_dir` are of another
            model or precision. It is a ValueError.
        ValueError, DeviceError, WeightsError, ImportError: See BackgroundRemover.
    """
    started = time.monotonic()
    if engine not in ENGINES:
        msg = f'`engine` must be one of {", ".join(ENGINES)}, but got {engine!r}'
        raise ArgumentError(msg)
    for name, limit in (('max_pixels', max_pixels), ('max_bytes', max_bytes)):
        if not isinstance(limit, int) or limit < 1:
            msg = f'`{name}` must be a positive int, but got {limit!r}'
            raise ArgumentError(msg)
    part = Shard.parse(shard)
    make_remover = partial(
        BackgroundRemover,
        backend=backend,
        device=device,
        batch_size=batch_size,
        num_threads=num_threads,
        accept_licence=accept_licence,
        calibration=calibration,
    )
    check_licence(get_model(model), accept_licence)
    if second_model is not None:
        check_licence(get_model(second_model), accept_licence)
    remover = make_remover(model, precision=precision)
    second = (
        make_remover(second_model, precision=remover.precision)
        if second_model is not None
        else None
    )
    target = _make_target(dst, output, model, fill, remover.precision, file_format)
    target.use_manifest(part.name)
    source, scan = open_source(src, dst, target)

    def wanted(path: str) -> bool:
        # A root that cannot be read concerns each part.
        return (path == '.' or part.holds(path)) and (accept is None or accept(path))

    images = list(filter(wanted, scan.images))
    store = _open_masks(mask_dir, model, remover.precision, output, second is not None)
    job = Job(source, target, remover, second, store, max_pixels, max_bytes)

    where = target.folder if isinstance(target.storage, LocalStorage) else target.storage.address
    summary = TreeSummary(where, ignored=scan.ignored)
    target.sweep(images)
    known, formats = _known(job, wanted)
    todo = images if overwrite else _select(job, images, known, checksum, progress)
    del known  # large, and the run is long
    summary.skipped = len(images) - len(todo)
    run = _engine(engine, job.with_threads(num_threads), workers)

    def note(record: Record) -> None:
        target.manifest.append(record)
        summary.note(record)

    try:
        try:
            for path, reason in scan.unreadable.items():
                if wanted(path):
                    note(target.failure(path, reason))
            with (
                progress_bar(len(todo), remover.spec.name, disable=not progress) as bar,
                closing(run(todo)) as records,
            ):
                for record in records:
                    note(record)
                    bar.set_postfix(failed=len(summary.failed), refresh=False)
                    bar.update()
        finally:
            target.manifest.flush()
        delete_superseded(
            target.storage, [path for path in images if path not in summary.failed], formats
        )
    except TargetWriteError as err:
        msg = f'cannot write to {where}: {err}. What was done is kept; run again to go on.'
        raise TargetError(msg) from err
    finally:
        summary.seconds = time.monotonic() - started
    return summary


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
        raise ArgumentError(msg)
    if output == 'store':
        if file_format != 'png':
            msg = f"`file_format` must be png for output='store', but got {file_format!r}"
            raise ArgumentError(msg)
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
        raise ArgumentError(msg)
    return open_masks(mask_dir, model, precision)


def _known(
    job: Job, wanted: Callable[[str], bool]
) -> tuple[dict[str, Record], dict[str, set[str]]]:
    """Return the last record of each image, and the other formats that it was ever written in."""
    formats: dict[str, set[str]] = {}
    current = job.target.params.get('format', 'png')

    def read() -> Iterator[Record]:
        for record in job.target.manifest.records():
            if not wanted(record.path):
                continue
            if record.status == 'ok' and format_of(record) != current:
                formats.setdefault(record.path, set()).add(format_of(record))
            # A catalogue's figures would fill the memory.
            yield replace(record, quality=None, params=_shared(record, job))

    return latest(read()), formats


def _select(
    job: Job, images: list[str], known: dict[str, Record], checksum: bool, progress: bool
) -> list[str]:
    """Return the images that are still to be done."""
    return [
        path
        for path in tqdm(
            images, 'checking', disable=None if progress and known else True, leave=False
        )
        if not job.is_done(path, known.get(path), checksum)
    ]


def _shared(record: Record, job: Job) -> dict:
    """A record's parameters; those of the job are one object."""
    return job.target.params if record.params == job.target.params else record.params


def _engine(name: str, job: Job, workers: int) -> Callable[[list[str]], Generator[Record]]:
    if name == 'local':
        return job.run
    from bgremoval_mm.removal.jobs.ray_engine import run_with_ray

    return partial(run_with_ray, job, workers=workers)
