"""remove_tree: a tree of images to a tree of masks or cut-outs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bgremoval_mm.removal.jobs.apart import TargetError, check_apart, check_not_source
from bgremoval_mm.removal.jobs.run import TreeSummary, run_job
from bgremoval_mm.removal.options import (
    MAX_BYTES,
    MAX_PIXELS,
    EngineOptions,
    JobOptions,
    Output,
    OutputOptions,
)
from bgremoval_mm.removal.zoo.catalogue import ModelSpec

__all__ = ['TargetError', 'TreeSummary', 'check_apart', 'check_not_source', 'remove_tree']


def remove_tree(
    src: str | Path,
    dst: str | Path,
    model: str | ModelSpec = 'u2net',
    *,
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

    Images are found by content. Each gets one result, written atomically, and one line
    in ``manifest.jsonl``; a broken image gets its reason there, and the others are
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
    return run_job(
        src,
        dst,
        EngineOptions(
            model=model,
            backend=backend,
            device=device,
            precision=precision,
            batch_size=batch_size,
            num_threads=num_threads,
            accept_licence=accept_licence,
            calibration=calibration,
        ),
        OutputOptions(
            output=output,
            fill=fill,
            file_format=file_format,
            mask_dir=mask_dir,
            second_model=second_model,
        ),
        JobOptions(
            overwrite=overwrite,
            checksum=checksum,
            max_pixels=max_pixels,
            max_bytes=max_bytes,
            shard=shard,
            engine=engine,
            workers=workers,
            accept=accept,
            progress=progress,
        ),
    )
