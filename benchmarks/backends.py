#!/usr/bin/env python
r"""Whole removal jobs of each backend and precision beside rembg, and what they do to the masks.

Each round runs rembg (one reused session, its best case) and each of ours, in turning order, in
this process, on the same photos: decode, infer, write PNG masks. Printed are the median images/s
and the median ratio to rembg; then the mean difference of the masks to ONNX Runtime's in fp32, and
with label maps of CCP the mean IoU with what is annotated.

    python benchmarks/backends.py data/ccp/photos --labels data/ccp-prepared/label_maps \
        --images 24 --rounds 3 --model u2net --settings onnxruntime:fp32 openvino:fp32 openvino:int8
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.removal import BackgroundRemover, fetch_weights, read_image, remove_tree

REFERENCE = 'onnxruntime:fp32'


def run_rembg(folder: Path, out: Path, session: object) -> None:
    """What a careful user of rembg's Python interface writes."""
    import rembg

    out.mkdir()
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            rembg.remove(image, session=session, only_mask=True).save(out / f'{path.name}.png')


def run_ours(folder: Path, out: Path, model: str, setting: str, calibration: str) -> None:
    """The same job by this package."""
    backend, precision = setting.split(':')
    summary = remove_tree(
        folder,
        out,
        model,
        'mask',
        backend=backend,
        device='cpu',
        precision=precision,
        calibration=calibration,
        progress=False,
    )
    if summary.failed:
        msg = f'failed: {summary.failed}'
        raise SystemExit(msg)


def measure_speed(args: argparse.Namespace, photos: Path, scratch: Path) -> None:
    """Alternate and print."""
    import rembg

    os.environ['U2NET_HOME'] = str(fetch_weights(args.model).parent)
    session = rembg.new_session(args.model, providers=['CPUExecutionProvider'])
    jobs = ['rembg', *args.settings]
    count = len(list(photos.iterdir()))
    rates: dict[str, list[float]] = {job: [] for job in jobs}
    for number in range(-1, args.rounds):  # the first round warms up and does not count
        turn = (number + 1) % len(jobs)
        for job in jobs[turn:] + jobs[:turn]:
            out = scratch / f'{job.replace(":", "-")}{number}'
            started = time.perf_counter()
            if job == 'rembg':
                run_rembg(photos, out, session)
            else:
                run_ours(photos, out, args.model, job, args.calibration or str(args.photos))
            if number >= 0:
                rates[job].append(count / (time.perf_counter() - started))
    for job in jobs:
        ratios = [ours / theirs for ours, theirs in zip(rates[job], rates['rembg'], strict=True)]
        print(
            f'{args.model} {job:<18} {statistics.median(rates[job]):6.2f} images/s, '
            f'{statistics.median(ratios):5.2f} times rembg ({min(ratios):.2f} to {max(ratios):.2f})'
        )


def measure_quality(args: argparse.Namespace, photos: Path) -> None:
    """Compare masks with fp32's and with the annotation."""
    files = sorted(photos.iterdir())
    images = [read_image(path).rgb for path in files]
    calibration = args.calibration or str(args.photos)
    masks = {}
    for setting in dict.fromkeys([REFERENCE, *args.settings]):
        backend, precision = setting.split(':')
        remover = BackgroundRemover(args.model, backend, 'cpu', precision, calibration=calibration)
        masks[setting] = [remover([image])[0] for image in images]
    for setting, found in masks.items():
        pairs = zip(found, masks[REFERENCE], strict=True)
        difference = np.mean([np.abs(a.astype(int) - b).mean() for a, b in pairs])
        line = f'{args.model} {setting:<18} mean difference to fp32 {difference:.3f} of 255 levels'
        if args.labels is not None:
            ious = [
                iou(mask, args.labels / f'{path.stem}.png')
                for mask, path in zip(found, files, strict=True)
            ]
            line += f', mean IoU {np.nanmean(ious):.4f}'
        print(line)


def iou(mask: np.ndarray, labels: Path) -> float:
    """IoU of the mask above one half with the annotated pixels; NaN without annotation."""
    if not labels.is_file():
        return float('nan')
    with Image.open(labels) as image:
        annotated = np.asarray(image) != 255
    foreground = mask > 127
    union = (foreground | annotated).sum()
    return float((foreground & annotated).sum() / union) if union else float('nan')


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photos', type=Path)
    parser.add_argument('--labels', type=Path, help='label maps of the photos: <stem>.png')
    parser.add_argument('--calibration', help='photos for int8 (default: the photos themselves)')
    parser.add_argument('--images', type=int, default=24, help='evenly chosen (default: 24)')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--model', default='u2net')
    parser.add_argument(
        '--settings', nargs='+', default=[REFERENCE, 'openvino:fp32', 'torch:fp32', 'openvino:int8']
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / 'photos'
        photos.mkdir()
        files = sorted(path for path in args.photos.iterdir() if path.is_file())
        for index in np.linspace(0, len(files) - 1, min(args.images, len(files))).round():
            path = files[int(index)]
            (photos / path.name).symlink_to(path.resolve())
        measure_quality(args, photos)
        measure_speed(args, photos, Path(scratch))


if __name__ == '__main__':
    main()
