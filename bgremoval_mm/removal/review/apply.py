"""What is done about the verdicts of a review: delete, make again, leave out of training."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.manifest import Record, writing
from bgremoval_mm.removal.io.storage import open_storage
from bgremoval_mm.removal.jobs.run import TreeSummary, run_job
from bgremoval_mm.removal.options import EngineOptions, Framing, JobOptions, OutputOptions
from bgremoval_mm.removal.outputs.base import OutputFolder
from bgremoval_mm.removal.outputs.mask_store import MaskStore
from bgremoval_mm.removal.outputs.results import FRAMING, format_of, settings_of, suffix_of
from bgremoval_mm.removal.review.left_out import read_left_out, update_left_out
from bgremoval_mm.removal.zoo.catalogue import get_model
from bgremoval_mm.utils.text import printable

__all__ = ['REJECTED', 'delete_results', 'leave_out', 'make_again', 'rejected_records']

REJECTED = 'rejected in a review'
_NAMED = 3
# Of a result's settings, those that follow from the others.
_FOLLOWING = ('model', 'model_hash', 'network', 'precision', 'hidden')


def rejected_records(results: OutputFolder, verdicts: dict[str, str]) -> list[Record]:
    """Return the records of the results that were rejected, by path; not of those deleted already.

    Among them are those that `make_again` was replacing when it was stopped, or failed to.

    Args:
        results: The results that were reviewed.
        verdicts: Path to verdict, as `read_verdicts` gives them.

    Raises:
        ArgumentError: If the verdicts name an image that these are not the results of.
    """
    records = results.manifest.read()
    if strangers := sorted(verdicts.keys() - records.keys()):
        names = ', '.join(map(printable, strangers[:_NAMED]))
        more = f' and {len(strangers) - _NAMED} more' if len(strangers) > _NAMED else ''
        msg = (
            f'the verdicts must be those of a review of {printable(results.storage.address)}, but '
            f'they name {names}{more}, which it has no record of'
        )
        raise ArgumentError(msg)
    rejected = (records[path] for path, verdict in sorted(verdicts.items()) if verdict == 'reject')
    return [record for record in rejected if record.error != REJECTED]


def delete_results(results: OutputFolder, rejected: Iterable[Record]) -> int:
    """Delete results, and record the images as failed.

    The next run of the job makes them again, since it finds none.

    Args:
        results: Where they are.
        rejected: Their records.

    Returns:
        How many were deleted.

    Raises:
        TargetWriteError: If they cannot be deleted, or recorded.
    """
    deleted = 0
    for record in rejected:
        # Recorded first: what is listed as failed but still there does no harm.
        failed = replace(record, status='error', error=REJECTED, quality=None, time=time.time())
        results.manifest.append(failed)
        with writing():
            results.storage.delete(_name(results, record))
        deleted += 1
    results.manifest.flush()
    return deleted


def make_again(
    results: OutputFolder,
    rejected: Iterable[Record],
    images: str | Path,
    model: str | Path,
    accept_licence: bool = False,
    progress: bool = True,
    calibration: str | None = None,
) -> list[TreeSummary]:
    """Make results again with another model, with the settings that they were made with.

    Those that it has made already count as done before, so that a stopped call can be resumed.

    Full-size files are replaced. Masks go to that model's own folder of the same store, because a
    store's masks are all of one model.

    Args:
        results: Where they are.
        rejected: Their records.
        images: The folder of images.
        model: Name of the other model, or the path of its ONNX file.
        accept_licence: See EngineOptions.
        progress: Show a progress bar.
        calibration: Folder of photos that int8 is calibrated with. None takes `images`, which
            are like those that are made again.

    Returns:
        What was done; one summary for each group of equal settings. Images that are not in the
        folder any more count as failed, and their results stay.

    Raises:
        ArgumentError: If all were made by that model, or some with settings that are not known
            here.
        FileNotFoundError, TargetError, WeightsError: See `remove_tree`.
    """
    summaries: list[TreeSummary] = []
    records, name = list(rejected), get_model(model).name
    left = [each for each in records if each.model != name or each.status != 'ok']
    if records and not left:
        msg = f'`model` must be another one than {name}, which made the rejected results'
        raise ArgumentError(msg)
    for settings, group in _by_settings(left):
        paths = {record.path for record in group}
        precision = settings.get('precision', 'fp32')
        photos = (calibration or str(images)) if precision == 'int8' else None
        engine = EngineOptions(
            model, precision=precision, accept_licence=accept_licence, calibration=photos
        )
        job = JobOptions(
            overwrite=True,
            accept=paths.__contains__,
            progress=progress,
            max_pixels=max(record.max_pixels for record in group),
            max_bytes=max(record.max_bytes for record in group),
        )
        output = _output_of(settings)
        summary = run_job(images, _root(results), engine, output, job)
        if summary.done + len(summary.failed) < len(paths):
            lost = f'there is no such image in {printable(images)}'
            summary.failed |= dict.fromkeys(sorted(paths - _images_in(images)), lost)
        if not summaries:
            summary.skipped += len(records) - len(left)
        summaries.append(summary)
    return summaries


def leave_out(file: Path, verdicts: dict[str, str]) -> tuple[int, int]:
    """Enter the rejected images into a list for `RembgDataset(exclude=...)`.

    What is in the list already stays, but for images that are to be kept now.

    Args:
        file: The list; made if it is not there.
        verdicts: Path to verdict, as `read_verdicts` gives them.

    Returns:
        How many images were entered, and how many are in the list.

    Raises:
        ArgumentError: If the file is there, but is no such list.
    """
    before = read_left_out(file) if file.exists() else set()
    kept = {path for path, verdict in verdicts.items() if verdict == 'keep'}
    rejected = verdicts.keys() - kept
    update_left_out(file, rejected, kept)
    return len(rejected - before), len((before - kept) | rejected)


def _images_in(root: str | Path) -> set[str]:
    """Return the paths of the images in a folder, or of a single image."""
    source = open_storage(root)
    scan = (source.as_file() or source).scan()
    return {*scan.images, *scan.unreadable}


def _name(results: OutputFolder, record: Record) -> str:
    """Return the name of a result, which may have another format than the folder's others."""
    return results.name(record.path).removesuffix(results.suffix) + suffix_of(record)


def _by_settings(records: Iterable[Record]) -> Iterable[tuple[dict[str, Any], list[Record]]]:
    def key(record: Record) -> str:
        return repr((settings_of(record), suffix_of(record)))

    for _, group in groupby(sorted(records, key=key), key):
        members = list(group)
        yield settings_of(members[0]) | {'file_format': format_of(members[0])}, members


def _output_of(settings: dict[str, Any]) -> OutputOptions:
    known = {each.name for each in fields(OutputOptions)}
    given = {name: value for name, value in settings.items() if name not in _FOLLOWING}
    if framing := {name: given.pop(name) for name in FRAMING & given.keys()}:
        given['framing'] = Framing(**framing)
    if given['output'] == 'rgba' and not {'edges', 'threshold'} & given.keys():
        given['edges'] = 'straight'  # what the manifest does not say is as in version 0.1
    if strange := sorted(given.keys() - known):
        msg = (
            f'the rejected results were made with {", ".join(map(printable, strange))}, which '
            'cannot be repeated here: make them again with `bgremoval remove --overwrite`'
        )
        raise ArgumentError(msg)
    return OutputOptions(**given)


def _root(results: OutputFolder) -> str:
    """Return DST of the job: of a mask store, the folder around those of its models."""
    address = results.storage.address
    return address.rpartition('/')[0] if isinstance(results, MaskStore) else address
