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
    Framing,
    JobOptions,
    Output,
    OutputOptions,
)
from bgremoval_mm.removal.zoo.catalogue import ModelSpec

__all__ = ['TargetError', 'TreeSummary', 'check_apart', 'check_not_source', 'remove_tree']


def remove_tree(
    src: str | Path,
    dst: str | Path,
    model: str | Path | ModelSpec = 'u2net',
    *,
    backend: str = 'auto',
    device: str = 'auto',
    precision: str = 'fp32',
    batch_size: int = 1,
    num_threads: int = 0,
    accept_licence: bool = False,
    calibration: str | None = None,
    output: Output = 'store',
    fill: float | Sequence[float] = 0,
    file_format: str = 'png',
    mask_dir: str | Path | None = None,
    second_model: str | Path | ModelSpec | None = None,
    edges: str | None = None,
    matting: bool = False,
    threshold: float | None = None,
    framing: Framing | None = None,
    shadow: bool = False,
    convert_srgb: bool = False,
    overwrite: bool = False,
    checksum: bool = False,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    shard: str | None = None,
    engine: str = 'local',
    workers: int = 0,
    accept: Callable[[str], bool] | None = None,
    progress: bool = True,
) -> TreeSummary:
    """Remove the background of every image below a folder.

    Images are found by content. Each gets one result, written atomically, and one line
    in ``manifest.jsonl``; a broken image gets its reason there, and the others are
    done. A run that was stopped, even by ``kill -9``, resumes when called again: what is
    done and unchanged (same source, model and parameters) is skipped.

    `src` is a folder of images, or one image; `dst` is the folder for the results, a MaskStore's
    root for ``output='store'``. Both are paths, or addresses that fsspec opens. The other arguments
    are the fields of three classes, which explain them:

    - EngineOptions: model, backend, device, precision, batch_size, num_threads, accept_licence,
      calibration
    - OutputOptions: output, fill, file_format, mask_dir, second_model, edges, matting, threshold,
      framing, shadow, convert_srgb
    - JobOptions: overwrite, checksum, max_pixels, max_bytes, shard, engine, workers, accept,
      progress

    Returns:
        What was done.

    Raises:
        FileNotFoundError: If `src` does not exist.
        TargetError: If `dst` lies in `src`, or cannot be written to (any more): full disk,
            read-only file system. What was done is kept.
        ArgumentError: If an argument is not what its class allows, or the masks of `mask_dir` are
            of another model or precision. It is a ValueError.
        DeviceError, WeightsError, ImportError: See BackgroundRemover.
    """
    return run_job(
        src,
        dst,
        EngineOptions(
            model=model, backend=backend, device=device, precision=precision,
            batch_size=batch_size, num_threads=num_threads, accept_licence=accept_licence,
            calibration=calibration,
        ),
        OutputOptions(
            output=output, fill=fill, file_format=file_format, mask_dir=mask_dir,
            second_model=second_model, edges=edges, matting=matting, threshold=threshold,
            framing=framing, shadow=shadow, convert_srgb=convert_srgb,
        ),
        JobOptions(
            overwrite=overwrite, checksum=checksum, max_pixels=max_pixels, max_bytes=max_bytes,
            shard=shard, engine=engine, workers=workers, accept=accept, progress=progress,
        ),
    )  # fmt: skip
