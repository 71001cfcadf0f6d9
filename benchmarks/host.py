#!/usr/bin/env python
r"""Benchmark of the work of a removal job besides its network: what a GPU has to be fed by.

Real jobs, whose network answers at once with masks of a store: reading, decoding, resizing and
normalising, stretching of the mask, its figures, writing and recording. `store` writes masks at
the network's size, `mask` full-size ones, `rgba` cut-outs with straight edges, `rgba-clean` with
clean ones.

Every round measures each output, first in one thread, step by step, then as a job in one
process with its own threads, then as several such processes with a part of the photos each
(`--shard` of a job). Printed are medians over the rounds: milliseconds of CPU a photo, which other
programs on the machine hardly change; images/s on the clock, which they do; and what as many
processes as the cores that were asked for would make if none disturbed the other, which is an
extrapolation of the CPU's seconds and not a measurement.

    python tools/remove_background.py data/ccp/photos data/masks/ccp
    python benchmarks/host.py data/ccp/photos --masks data/masks/ccp --processes 1 2
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.removal import BackgroundRemover, MaskStore
from bgremoval_mm.removal.backends.base import Backend
from bgremoval_mm.removal.io.storage import open_storage
from bgremoval_mm.removal.jobs.pipeline import Job
from bgremoval_mm.removal.outputs.base import OutputFolder
from bgremoval_mm.removal.outputs.cutouts import CutoutFolder
from bgremoval_mm.utils.allocator import keep_freed_memory
from bgremoval_mm.utils.sampling import evenly_spaced

OUTPUTS = ('store', 'mask', 'rgba', 'rgba-clean')
_STEPS = ('read and decode', 'resize and normalise', 'stretch', 'make and write', 'record')


@dataclass(frozen=True)
class NoNetwork(Backend):
    """Network that answers at once, with one known saliency map after the other."""

    maps: list[np.ndarray] = field(default_factory=list, hash=False, compare=False)
    turns: Any = field(default_factory=itertools.count, hash=False, compare=False)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Return a map for each input."""
        return np.stack([self.maps[next(self.turns) % len(self.maps)] for _ in batch])[:, None]


@dataclass(frozen=True)
class Work:
    """The photos, their masks, and what is made of them."""

    photos: Path
    names: tuple[str, ...]
    masks: Path
    model: str
    output: str
    batch_size: int
    keeps_memory: bool

    def job(self, folder: Path) -> Job:
        """Return the job, whose results go to a folder."""
        remover = BackgroundRemover(self.model, device='cpu', batch_size=self.batch_size)
        store = MaskStore(self.masks, self.model)
        stored = filter(None, map(store.get, self.names))
        maps = [each.mask.astype(np.float32) / 255 for each in stored]
        if not maps:
            msg = f'{self.masks} has no masks of {self.model} for {self.photos}'
            raise SystemExit(msg)
        remover.backend = NoNetwork(remover.options, maps=maps)
        target: OutputFolder = MaskStore(folder, self.model)
        if self.output != 'store':
            kind, _, edges = self.output.partition('-')
            given = {'edges': edges or 'straight'} if kind == 'rgba' else {}
            target = CutoutFolder(folder, kind, self.model, **given)  # type: ignore[arg-type]
        return Job(open_storage(self.photos), target, remover)


def main() -> None:
    """Time every output and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photos', type=Path, help='folder of photos')
    parser.add_argument('--masks', type=Path, required=True, help='mask store of these photos')
    parser.add_argument('--model', default='u2net', help='the model of the store')
    parser.add_argument('--outputs', nargs='+', choices=OUTPUTS, default=OUTPUTS)
    parser.add_argument('--images', type=int, default=100, help='photos for each figure')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--processes', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--cores', type=int, default=16, help='extrapolate to so many')
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument(
        '--default-malloc', action='store_true', help='without keep_freed_memory(), for comparison'
    )
    args = parser.parse_args()
    if not args.default_malloc:
        keep_freed_memory()

    root = args.photos
    files = sorted(str(each.relative_to(root)) for each in root.rglob('*') if each.is_file())
    stored = [name for name in files if MaskStore(args.masks, args.model).path(name).exists()]
    names = tuple(evenly_spaced(stored, min(args.images, len(stored))))
    works = [
        Work(root, names, args.masks, args.model, output, args.batch_size, not args.default_malloc)
        for output in args.outputs
    ]
    steps: dict[str, list[list[float]]] = defaultdict(list)
    runs: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    for number in range(-1, args.rounds):  # the first round fills the caches and does not count
        for work in works:
            found = one_thread(work)
            rates = {count: processes(work, count) for count in args.processes}
            if number >= 0:
                steps[work.output].append(found)
                for count, each in rates.items():
                    runs[work.output, count].append(each)
    print(f'{len(names)} photos of {root}, {args.rounds} rounds, medians')
    for output in args.outputs:
        report(output, steps[output], args.cores)
        for count in args.processes:
            report_processes(count, runs[output, count], runs[output, args.processes[0]])


def one_thread(work: Work) -> list[float]:
    """Do the photos one after the other, and return each step's seconds of CPU a photo."""
    sums = [0.0] * len(_STEPS)
    with tempfile.TemporaryDirectory() as folder:
        job = work.job(Path(folder))
        for name in work.names:
            times = [time.thread_time()]
            source = job.source.read_image(name)
            times.append(time.thread_time())
            inputs = job.remover.preprocess(source.pixels)
            source = source.as_array() if job.target.needs_pixels else source.without_pixels()
            times.append(time.thread_time())
            ((mask, constant),) = job.remover.infer(inputs[None])
            times.append(time.thread_time())
            record = job.target.write(name, source, mask, constant)
            times.append(time.thread_time())
            job.target.manifest.append(record)
            times.append(time.thread_time())
            for index, (start, end) in enumerate(itertools.pairwise(times)):
                sums[index] += end - start
    return [each / len(work.names) for each in sums]


def processes(work: Work, count: int) -> tuple[float, float]:
    """Run the job in so many processes; return images/s and the seconds of CPU a photo."""
    context = multiprocessing.get_context('spawn')
    barrier, spent = context.Barrier(count + 1), context.SimpleQueue()
    started = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            share = work.names[index::count]
            place = Path(folder, str(index))
            each = context.Process(target=run_job, args=(work, share, place, barrier, spent))
            each.start()
            started.append(each)
        barrier.wait(timeout=120)
        begin = time.perf_counter()
        cpu = sum(spent.get() for _ in started)
        seconds = time.perf_counter() - begin
        for each in started:
            each.join()
    return len(work.names) / seconds, cpu / len(work.names)


def run_job(work: Work, names: Iterable[str], folder: Path, barrier: Any, spent: Any) -> None:
    """Do a share of the photos as a job does, in a process of its own."""
    if work.keeps_memory:
        keep_freed_memory()
    job = work.job(folder)
    barrier.wait(timeout=120)
    before = time.process_time()
    for record in job.run(names):
        if record.status != 'ok':
            msg = f'{record.path}: {record.error}'
            raise SystemExit(msg)
        job.target.manifest.append(record)
    spent.put(time.process_time() - before)


def report(output: str, found: list[list[float]], cores: int) -> None:
    """Print what one thread takes, step by step, and what that would make on many cores."""
    whole = statistics.median(map(sum, found))
    print(f'{output}: {1e3 * whole:.2f} ms of CPU a photo in one thread')
    for name, times in zip(_STEPS, zip(*found, strict=True), strict=True):
        print(f'    {name:22} {1e3 * statistics.median(times):6.2f} ms')
    print(
        f'    {1 / whole:.0f} images/s and core; extrapolated to {cores} cores: '
        f'{cores / whole:,.0f} images/s'
    )


def report_processes(
    count: int, found: list[tuple[float, float]], first: list[tuple[float, float]]
) -> None:
    """Print what so many processes make on the clock, also relative to the first number."""
    rates, cpu = zip(*found, strict=True)
    ratios = [rate / base for (rate, _), (base, _) in zip(found, first, strict=True)]
    print(
        f'    {count} process{"es" if count > 1 else ""}: {statistics.median(rates):.0f} images/s '
        f'on the clock, {statistics.median(ratios):.2f} times the first '
        f'({min(ratios):.2f} to {max(ratios):.2f}); {1e3 * statistics.median(cpu):.2f} ms of CPU '
        'a photo'
    )


if __name__ == '__main__':
    main()
