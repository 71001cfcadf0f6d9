"""A removal job over a tree of images: what is left to do, the run, the manifest, the summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bgremoval_mm.removal.io.addresses import local_path
from bgremoval_mm.removal.io.claims import ClaimedError
from bgremoval_mm.removal.io.manifest import Record, TargetWriteError, latest
from bgremoval_mm.removal.io.scan import Scan
from bgremoval_mm.removal.jobs.apart import TargetError
from bgremoval_mm.removal.jobs.given_masks import open_masks
from bgremoval_mm.removal.jobs.pipeline import Job
from bgremoval_mm.removal.jobs.progress import progress_bar
from bgremoval_mm.removal.jobs.source import open_source
from bgremoval_mm.removal.options import EngineOptions, JobOptions, OutputOptions
from bgremoval_mm.removal.outputs.base import OutputFolder
from bgremoval_mm.removal.outputs.cutouts import CutoutFolder
from bgremoval_mm.removal.outputs.mask_store import MaskStore
from bgremoval_mm.removal.outputs.results import delete_superseded, format_of
from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.removal.zoo.weights import check_licence

__all__ = ['TreeSummary', 'claimed', 'open_target', 'run_job', 'run_work']

_REPLACED = 'the run that was replacing its result did not end: run it again'
# Where files cannot grow, each announcement is a file.
_ANNOUNCED_AT_ONCE = 1000


@dataclass
class TreeSummary:
    """What a run over a tree did.

    Attributes:
        folder: Where the results and the manifest lie; text, where that is an address.
        done: Number of images done in this run.
        skipped: Number of images that were done before and have not changed.
        failed: Reason by path, for each image that has no result.
        flagged: Flags by path, for each image of this run whose mask is suspicious.
        ignored: Files that are not images.
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


def run_job(
    src: str | Path,
    dst: str | Path,
    engine: EngineOptions,
    output: OutputOptions,
    job: JobOptions,
) -> TreeSummary:
    """Remove the background of every image below a folder; see `remove_tree`.

    Args:
        src: Folder of images, or one image; a path, or an address that fsspec opens.
        dst: Folder for the results; a path or an address.
        engine: Which network finds the foreground.
        output: What is written.
        job: Which images are done, and how.

    Raises:
        FileNotFoundError, TargetError, ArgumentError, DeviceError, WeightsError, ImportError: See
            `remove_tree`.
    """
    started = time.monotonic()
    remover, second = _make_removers(engine, output)
    target = _target_of(dst, remover, output)
    target.use_manifest(job.part.name)
    source, scan = open_source(src, dst, target)
    store = None
    if output.mask_dir is not None:
        store = open_masks(output.mask_dir, remover.spec, remover.precision)
    work = Job(source, target, remover, second, store, job.max_pixels, job.max_bytes)
    return run_work(work, scan, job, engine.num_threads, started)


def run_work(
    work: Job, scan: Scan, job: JobOptions, num_threads: int = 0, started: float | None = None
) -> TreeSummary:
    """Do what is left to do of a job.

    Args:
        work: The job.
        scan: What its source holds.
        job: Which images are done, and how.
        num_threads: CPU threads of the networks; 0 takes all cores.
        started: When the job was begun, by ``time.monotonic()``; None: now.

    Raises:
        TargetError: If the target takes no more; what was done is kept. If another process makes
            other results in the same folder of this machine.
    """
    started = time.monotonic() if started is None else started
    with claimed(work.target):
        return _run_work(work, scan, job, num_threads, started)


@contextmanager
def claimed(target: OutputFolder) -> Iterator[None]:
    """Keep jobs of other settings out of a folder; those of the same may work on it, too.

    Two settings at once would leave files that are not what the manifest says.

    Raises:
        TargetError: If another process makes other results there.
    """
    try:
        with target.storage.claim(target.settings):
            yield
    except ClaimedError as err:
        msg = (
            f'{err}; this run would make {target.settings}. Wait until it has ended, or choose '
            'another folder'
        )
        raise TargetError(msg) from err


def _run_work(
    work: Job, scan: Scan, job: JobOptions, num_threads: int, started: float
) -> TreeSummary:
    target = work.target
    images = list(filter(job.includes, scan.images))
    where = local_path(target.storage.address) or target.storage.address
    summary = TreeSummary(where, ignored=scan.ignored)
    target.sweep(images)
    known, formats = _known(work, job)
    todo = images if job.overwrite else _select(work, images, known, job)
    replaced = {path for path in todo if path in known and known[path].status == 'ok'}
    del known  # large, and the run is long
    summary.skipped = len(images) - len(todo)
    run = _engine(work.with_threads(num_threads), job)

    def note(record: Record) -> None:
        target.manifest.append(record)
        summary.note(record)

    try:
        try:
            for path, reason in scan.unreadable.items():
                if job.includes(path):
                    note(target.failure(path, reason))
            with (
                progress_bar(len(todo), target.spec.name, disable=not job.progress) as bar,
                closing(run(_announced(target, todo, replaced))) as records,
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


def _make_removers(
    engine: EngineOptions, output: OutputOptions
) -> tuple[BackgroundRemover, BackgroundRemover | None]:
    """Return the job's remover, and that of the second model.

    Raises:
        WeightsError: If the licence of either model was not accepted.
    """
    options = [engine.resolved]
    if output.second_model is not None:
        # In the first one's precision: models are compared, not precisions.
        same = replace(engine, model=output.second_model, precision=options[0].precision)
        options.append(same.resolved)
    for each in options:
        check_licence(each.spec, each.accept_licence)
    remover, *others = map(BackgroundRemover.from_options, options)
    return remover, others[0] if others else None


def open_target(dst: str | Path, engine: EngineOptions, output: OutputOptions) -> OutputFolder:
    """Return the folder that a job fills; for the arguments see `run_job`."""
    return _target_of(dst, _make_removers(engine, output)[0], output)


def _target_of(dst: str | Path, remover: BackgroundRemover, output: OutputOptions) -> OutputFolder:
    spec, precision = remover.spec, remover.precision
    if output.output == 'store':
        return MaskStore(dst, spec, precision)
    return CutoutFolder.from_options(dst, output, spec, precision)


def _known(work: Job, job: JobOptions) -> tuple[dict[str, Record], dict[str, set[str]]]:
    """Return the last record of each image, and the other formats that it was ever written in."""
    formats: dict[str, set[str]] = {}
    current = work.target.params.get('format', 'png')

    def read() -> Iterator[Record]:
        for record in work.target.manifest.records():
            if not job.includes(record.path):
                continue
            if record.status == 'ok' and format_of(record) != current:
                formats.setdefault(record.path, set()).add(format_of(record))
            # A catalogue's figures would fill the memory.
            yield replace(record, quality=None, params=_shared(record, work))

    return latest(read()), formats


def _select(work: Job, images: list[str], known: dict[str, Record], job: JobOptions) -> list[str]:
    """Return the images that are still to be done."""
    return [
        path
        for path in tqdm(
            images, 'checking', disable=None if job.progress and known else True, leave=False
        )
        if not work.is_done(path, known.get(path), job.checksum)
    ]


def _shared(record: Record, work: Job) -> dict[str, Any]:
    """Return a record's parameters; those of the job are one object."""
    return work.target.params if record.params == work.target.params else record.params


def _announced(target: OutputFolder, images: list[str], replaced: set[str]) -> Iterator[str]:
    """Yield images; record of each that has a result that it is no longer to be trusted.

    A result is replaced first and recorded then. If the run is killed in between, the manifest must
    not say that the new result is the earlier one.
    """
    at_once = 1 if target.storage.can_append else _ANNOUNCED_AT_ONCE
    for begin in range(0, len(images), at_once):
        part = images[begin : begin + at_once]
        announced = replaced.intersection(part)
        for path in announced:
            target.manifest.append(target.failure(path, _REPLACED))
        if announced:
            target.manifest.flush()
        yield from part


def _engine(work: Job, job: JobOptions) -> Callable[[Iterable[str]], Generator[Record]]:
    if job.engine == 'local':
        return work.run
    from bgremoval_mm.removal.jobs.ray_engine import run_with_ray

    return partial(run_with_ray, work, workers=job.workers)
