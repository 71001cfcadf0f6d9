#!/usr/bin/env python
r"""Benchmark of training data loaders: originals, removed and replaced backgrounds.

Builds the training loader of a config as mmengine's Runner does, and wraps its dataset in
RembgDataset. Each round runs every variant in turn, in this process tree, on the same samples.
Prints images/s and the ratio to the originals, medians over the rounds. With `--cpu` it makes the
samples one by one in this process and counts seconds of its CPU instead of those on the clock: on
a machine that other programs keep busy, only these can be compared. With `--resized` it compares a
store with a copy of it whose masks were brought to the size of their photos.

    python tools/remove_background.py data/clothing10 data/masks/clothing10 --model u2netp
    python tools/remove_background.py data/clothing10 data/removed/clothing10 --model u2netp \
        --output rgb --format jpeg
    python benchmarks/dataloader.py configs/classification/vgg/vgg11_1xb32_clothing10.py \
        --masks data/masks/clothing10 --removed data/removed/clothing10 --model u2netp \
        --bank data/background_bank/bank_a.txt

    cp -r data/masks/clothing10 data/masks/resized
    bgremoval resize-masks data/masks/resized --model u2netp
    python benchmarks/dataloader.py configs/classification/vgg/vgg11_1xb32_clothing10.py \
        --masks data/masks/clothing10 --resized data/masks/resized --model u2netp
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from pathlib import Path
from typing import Any

import cv2
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from torch.utils.data import Subset

from bgremoval_mm.utils.allocator import FOR_NETWORKS, keep_freed_memory


def main() -> None:
    """Time every variant and print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config of the baseline')
    parser.add_argument('--masks', type=Path, required=True, help='mask store of its images')
    parser.add_argument('--removed', type=Path, nargs='*', default=[], help='--output rgb trees')
    parser.add_argument(
        '--resized', type=Path, help='the same store after `bgremoval resize-masks`'
    )
    parser.add_argument('--bank', help='folder or list file of photos for replaced backgrounds')
    parser.add_argument('--model', default='u2net')
    parser.add_argument('--precision', default='fp32', help='that the masks were made in')
    parser.add_argument('--img-root', help="SRC of both (default: the dataset's data_root)")
    parser.add_argument('--images', type=int, default=600)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--cpu', action='store_true', help='count the CPU time of one process')
    parser.add_argument(
        '--default-malloc', action='store_true', help='without keep_freed_memory(), for comparison'
    )
    args = parser.parse_args()

    if not args.default_malloc:  # as in tools/train.py, whose workers are forked
        keep_freed_memory(FOR_NETWORKS)
    if args.cpu:  # as in a worker
        torch.set_num_threads(1)
        cv2.setNumThreads(0)
    config = Config.fromfile(args.config)
    import_modules_from_strings(**config.custom_imports)
    init_default_scope(config.default_scope)
    dataset = config.train_dataloader.dataset
    options: dict[str, Any] = {'type': 'RembgDataset', 'dataset': dataset}
    if args.img_root:
        options['img_root'] = args.img_root
    made_by = {'model': args.model, 'precision': args.precision, 'on_missing': 'error'}
    masks = {**options, 'mask_dir': str(args.masks), **made_by}
    variants = {
        'original': dataset,
        'composed, lanczos': masks,
        'composed, linear': {**masks, 'resize': 'linear'},
        'blurred': {**masks, 'condition': 'blurred'},
        **{f'removed, {tree.name}': {**options, 'image_dir': str(tree)} for tree in args.removed},
    }
    if args.resized is not None:
        resized = {**masks, 'mask_dir': str(args.resized)}
        variants['composed, resized masks'] = resized
        variants['blurred, resized masks'] = {**resized, 'condition': 'blurred'}
        if args.bank:
            variants['replaced, resized masks'] = {**resized, 'bank': args.bank}
    if args.bank:
        variants['replaced, linear'] = {**masks, 'resize': 'linear', 'bank': args.bank}
    built = {name: DATASETS.build(copy.deepcopy(each)) for name, each in variants.items()}
    rates: dict[str, list[float]] = {name: [] for name in built}
    for number in range(-1, args.rounds):  # the first round fills the caches and does not count
        names = list(built)
        turn = (number + 1) % len(names)
        for name in names[turn:] + names[:turn]:
            if args.cpu:
                rate = measure_cpu(built[name], args.images)
            else:
                rate = measure(config, built[name], args.images, args.workers)
            if number >= 0:
                rates[name].append(rate)
    how = 'CPU time of one process' if args.cpu else f'{args.workers} workers'
    print(f'{args.config.name}: {args.images} images, {how}, {args.rounds} rounds')
    for name, found in rates.items():
        ratios = [a / b for a, b in zip(found, rates['original'], strict=True)]
        print(
            f'  {name:24} {statistics.median(found):7.1f} images/s  '
            f'{statistics.median(ratios):5.1%} ({min(ratios):.1%} to {max(ratios):.1%})'
        )


def measure(config: Config, dataset: Any, images: int, workers: int) -> float:
    """Return the images/s of one pass after the first batch, without the start of the workers."""
    loader = copy.deepcopy(config.train_dataloader)
    loader.dataset = Subset(dataset, range(min(images, len(dataset))))
    loader.sampler = {'type': 'DefaultSampler', 'shuffle': False}
    loader.num_workers = workers
    loader.persistent_workers = False
    batches = iter(Runner.build_dataloader(loader, seed=0))
    next(batches)
    started, count = time.perf_counter(), 0
    for batch in batches:
        count += len(batch['inputs'])
    return count / (time.perf_counter() - started)


def measure_cpu(dataset: Any, images: int) -> float:
    """Return the images for each second of CPU, without a loader."""
    number = min(images, len(dataset))
    started = time.process_time()
    for index in range(number):
        dataset[index]
    return number / (time.process_time() - started)


if __name__ == '__main__':
    main()
