"""Measurement of which backend is the fastest here: whole jobs on the user's own photos.

The photos are dealt to the rounds. Each round runs every setting in turn, in this process, on its
photos; so what else the machine does falls on all of them. Printed are medians over the rounds.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.arguments import add_bench_arguments, options_of
from bgremoval_mm.cli.errors import OK
from bgremoval_mm.cli.script import read_pixels
from bgremoval_mm.removal import (
    BackgroundRemover,
    fetch_weights,
    release_sessions,
)
from bgremoval_mm.removal.backends import open_vino
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.io.scan import scan_tree
from bgremoval_mm.removal.jobs.run import run_job
from bgremoval_mm.removal.masks.iou import iou
from bgremoval_mm.removal.options import EngineOptions
from bgremoval_mm.removal.options.choice import is_installed, torch_has_cuda
from bgremoval_mm.removal.options.values import TORCH_MODELS
from bgremoval_mm.removal.zoo.catalogue import CATALOGUE, ModelSpec, get_model
from bgremoval_mm.utils.sampling import evenly_spaced

__all__ = ['add_bench_arguments', 'run_bench']

REFERENCE = 'onnxruntime:fp32'


def run_bench(args: argparse.Namespace) -> int:
    """Measure and print.

    Raises:
        BgremovalError: If a setting does not work, or there are too few photos.
    """
    logging.getLogger('bgremoval_mm').setLevel(logging.WARNING)
    settings = args.settings or _installed(get_model(args.model), args.device)
    if not settings:
        on_gpu = args.device.startswith('cuda')
        wanted = 'onnxruntime-gpu, or torch for CUDA' if on_gpu else 'onnxruntime or openvino'
        msg = f'nothing that runs {args.model} on {args.device} is installed: it needs {wanted}'
        raise ArgumentError(msg)
    if 'rembg' in settings:
        _check_rembg(get_model(args.model))
    args.calibration = args.calibration or str(args.photos)
    with signals.raised(), tempfile.TemporaryDirectory() as scratch:
        parts = _deal(args, Path(scratch))
        _print_quality(args, [each for each in settings if each != 'rembg'], parts)
        _print_speed(args, settings, parts, Path(scratch))
    return OK


def _runs_in_rembg(spec: ModelSpec) -> bool:
    """Return whether rembg feeds a model as we do: of files, those that are fed as u2net."""
    usual = CATALOGUE['u2net']
    how = ('size', 'mean', 'std', 'activation')
    return not spec.path or all(getattr(spec, name) == getattr(usual, name) for name in how)


def _check_rembg(spec: ModelSpec) -> None:
    if not _runs_in_rembg(spec):
        msg = (
            f'--settings rembg: rembg feeds every file as u2net, but {spec.path} takes '
            f'{spec.size} x {spec.size} pixels, mean {spec.mean}, deviation {spec.std}'
        )
        raise ArgumentError(msg)


def _installed(spec: ModelSpec, device: str) -> list[str]:
    """Return the settings that can be run here, rembg first."""
    settings = ['rembg'] if find_spec('rembg') and _runs_in_rembg(spec) else []
    if device.startswith('cuda'):
        if is_installed('onnxruntime-gpu'):
            settings.append(REFERENCE)
        else:  # rembg computes by ONNX Runtime, too
            settings = []
        if torch_has_cuda() and spec.architecture in TORCH_MODELS:
            settings += [f'torch:{precision}' for precision in ('fp32', 'bf16', 'fp16')]
        return settings
    if find_spec('onnxruntime'):
        settings.append(REFERENCE)
    if find_spec('openvino'):
        settings.append('openvino:fp32')
        if 'BF16' in open_vino.capabilities():
            settings.append('openvino:bf16')
        if find_spec('nncf'):
            settings.append('openvino:int8')
    return settings


def _deal(args: argparse.Namespace, scratch: Path) -> list[Path]:
    """Make a folder of links per round, to photos at equal distances in the order of their names.

    Raises:
        ArgumentError: If there are fewer photos than rounds.
    """
    files = [args.photos / name for name in scan_tree(args.photos).images]
    number = min(args.images, len(files))
    if not 1 <= args.rounds <= number:
        msg = f'{args.rounds} rounds need as many photos at least, but {args.photos} gave {number}'
        raise ArgumentError(msg)
    parts = [scratch / f'photos{number}' for number in range(args.rounds)]
    for part in parts:
        part.mkdir()
    for index, path in enumerate(evenly_spaced(files, number)):
        link = parts[index % args.rounds] / f'{index:06}{path.suffix}'
        link.symlink_to(path.absolute())  # not resolved: label maps have the names of these
    return parts


def _rembg_job(args: argparse.Namespace) -> Callable[[Path, Path], None]:
    """Return what a careful user of rembg's Python interface writes: one session for all."""
    import rembg

    spec = get_model(args.model)
    weights = fetch_weights(spec)
    home = os.environ.get('U2NET_HOME')
    os.environ['U2NET_HOME'] = str(weights.parent)  # rembg takes files from there alone
    if args.num_threads is not None:
        os.environ['OMP_NUM_THREADS'] = str(args.num_threads)  # rembg takes its number from there
    provider = 'CPUExecutionProvider' if args.device == 'cpu' else 'CUDAExecutionProvider'
    custom = {'model_path': str(weights)} if spec.path else {}
    name = 'u2net_custom' if spec.path else spec.name
    session = rembg.new_session(name, providers=[provider], **custom)
    if spec.path:  # where its file lies, int8 models are not to be kept
        os.environ.pop('U2NET_HOME')
        os.environ |= {} if home is None else {'U2NET_HOME': home}

    def run(photos: Path, out: Path) -> None:
        out.mkdir()
        for path in sorted(photos.iterdir()):
            with Image.open(path) as image:
                found = rembg.remove(image, session=session, only_mask=args.output != 'rgba')
                found.save(out / f'{path.name}.png')

    return run


def _our_job(args: argparse.Namespace, setting: str) -> Callable[[Path, Path], None]:
    _, output, job = options_of(args)
    if output.output == 'rgba':
        output = replace(output, edges='straight')  # rembg estimates no colours unless asked to
    engine, quiet = _engine(args, setting), replace(job, progress=False)

    def run(photos: Path, out: Path) -> None:
        summary = run_job(photos, out, engine, output, quiet)
        if summary.failed:
            path, reason = next(iter(summary.failed.items()))
            msg = f'{setting} failed on {len(summary.failed)} photos: {path}: {reason}'
            raise BgremovalError(msg)

    return run


def _bare_rate(args: argparse.Namespace, photos: Path, setting: str) -> float:
    """Return the images/s of nothing but the network, on inputs that are ready.

    As many runs are under way as in a job where that hides the copies to a device and back.
    """
    remover = BackgroundRemover.from_options(_engine(args, setting))
    inputs = [remover.preprocess(read_pixels(path)) for path in sorted(photos.iterdir())]
    size = args.batch_size
    batches = [np.stack(inputs[start : start + size]) for start in range(0, len(inputs), size)]
    remover.backend.run(batches[0])  # loads the network: jobs have one with other threads
    with ThreadPoolExecutor(remover.backend.runs_at_once) as pool:
        started = time.perf_counter()
        list(pool.map(remover.backend.run, batches))
    return len(inputs) / (time.perf_counter() - started)


def _engine(args: argparse.Namespace, setting: str) -> EngineOptions:
    backend, precision = setting.split(':')
    return replace(options_of(args)[0], backend=backend, precision=precision)


def _print_speed(
    args: argparse.Namespace, settings: list[str], parts: list[Path], scratch: Path
) -> None:
    jobs = {
        setting: _rembg_job(args) if setting == 'rembg' else _our_job(args, setting)
        for setting in settings
    }
    warm = scratch / 'warming up'
    warm.mkdir()
    # cuDNN, TensorRT and CUDA graphs prepare for each size of batch that a round has.
    for photo in sorted(parts[0].iterdir())[: None if args.batch_size > 1 else 1]:
        (warm / photo.name).symlink_to(photo.resolve())
    for setting, job in jobs.items():  # loads the networks
        job(warm, scratch / f'warm {setting}')
    whole: dict[str, list[float]] = {setting: [] for setting in settings}
    shares: dict[str, list[float]] = {setting: [] for setting in settings}
    for number, photos in enumerate(parts):
        turn = number % len(settings)
        for setting in settings[turn:] + settings[:turn]:
            started = time.perf_counter()
            jobs[setting](photos, scratch / f'{setting} {number}')
            seconds = time.perf_counter() - started
            whole[setting].append(len(list(photos.iterdir())) / seconds)
            if setting != 'rembg':
                shares[setting].append(whole[setting][-1] / _bare_rate(args, photos, setting))
    first = settings[0]
    count = sum(1 for part in parts for _ in part.iterdir())
    print(f'\n{args.model}, {count} photos, {args.rounds} rounds, output {args.output}')
    print(f'{"":18}  images/s  beside {first:16}  of the bare network loop')
    for setting in settings:
        ratios = [a / b for a, b in zip(whole[setting], whole[first], strict=True)]
        line = f'{setting:18}  {statistics.median(whole[setting]):8.2f}  '
        line += f'{statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})'
        if shares[setting]:
            line += f'       {statistics.median(shares[setting]):6.1%}'
        print(line, flush=True)


def _print_quality(args: argparse.Namespace, settings: list[str], parts: list[Path]) -> None:
    """Print how far masks are from ONNX Runtime's in fp32, and with label maps their IoU.

    ONNX Runtime computes them on the CPU, whatever is measured: its build for GPUs need not be
    there.
    """
    files = [path.readlink() for part in parts for path in sorted(part.iterdir())]
    labels = [] if args.labels is None else [args.labels / f'{path.stem}.png' for path in files]
    if labels and not any(path.is_file() for path in labels):
        msg = f'--labels: there is no label map of these photos, such as {labels[0]}'
        raise ArgumentError(msg)
    reference: list[np.ndarray] = []
    measured = [(each, _engine(args, each)) for each in settings]
    if find_spec('onnxruntime'):
        first = replace(_engine(args, REFERENCE), device='cpu')
        measured = [(REFERENCE, first), *(each for each in measured if each[1] != first)]
    for setting, engine in measured:
        remover = BackgroundRemover.from_options(engine)
        found = [remover([read_pixels(path)])[0] for path in files]
        reference = reference or found
        gaps = [np.abs(a.astype(int) - b) for a, b in zip(found, reference, strict=True)]
        line = (
            f'{setting:18}  masks differ from those of {measured[0][0]} by '
            f'{np.mean([gap.mean() for gap in gaps]):.3f} levels on average'
        )
        if labels:
            ious = [_iou(*pair) for pair in zip(found, labels, strict=True)]
            line += f', IoU {np.nanmean(ious):.4f} ({np.isfinite(ious).sum()} photos)'
        print(line, flush=True)
        release_sessions()


def _iou(mask: np.ndarray, labels: Path) -> float:
    """Return the IoU of the mask above one half with the annotated pixels; NaN without any."""
    if not labels.is_file():
        return float('nan')
    with Image.open(labels) as image:
        annotated = np.asarray(image) != 255
    if annotated.shape != mask.shape:
        msg = f"{labels} must have its photo's shape {mask.shape}, but has {annotated.shape}"
        raise ArgumentError(msg)
    return iou(mask > 127, annotated, empty=float('nan'))
