#!/usr/bin/env python
"""Benchmark of the exact search beside faiss alone: seconds, CPU seconds and peak memory.

Each search runs in a process of its own, one after the other in every round. By default it has the
size of DeepFashion's In-Shop test, in vectors of ResNet-50; `--gallery 1000000` is a large shop.

    python benchmarks/retrieval.py
    python benchmarks/retrieval.py --queries 1000 --gallery 1000000 --dimension 128
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from bgremoval_mm.evaluation.nearest import find_nearest, normalise

SEARCHES = ('faiss alone', 'find_nearest by faiss', 'find_nearest by torch')


def main() -> None:
    """Run every search in every round, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--queries', type=int, default=14_218)
    parser.add_argument('--gallery', type=int, default=12_612)
    parser.add_argument('--dimension', type=int, default=2048)
    parser.add_argument('-k', type=int, default=50)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--search', choices=SEARCHES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.search:
        print(json.dumps(measure(args)))
        return
    runs: dict[str, list[dict[str, float | str]]] = {name: [] for name in SEARCHES}
    for number in range(args.rounds):
        # Each search comes first, second and last equally often.
        for name in (*SEARCHES[number % 3 :], *SEARCHES[: number % 3]):
            command = [sys.executable, __file__, '--search', name, '-k', str(args.k)]
            for option in ('queries', 'gallery', 'dimension'):
                command += [f'--{option}', str(getattr(args, option))]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            runs[name].append(json.loads(done.stdout))
    print(
        f'{args.queries:,} queries, {args.gallery:,} vectors of {args.dimension:,}, k = {args.k}, '
        f'{args.rounds} rounds'
    )
    for name, each in runs.items():
        figures = {
            key: statistics.median(float(run[key]) for run in each)
            for key in ('seconds', 'cpu', 'memory')
        }
        print(
            f'{name:22} {figures["seconds"]:8.1f} s {figures["cpu"]:8.1f} s of CPU time '
            f'{figures["memory"]:8.0f} MiB more than the vectors   {each[0]["found"]}'
        )


def measure(args: argparse.Namespace) -> dict[str, float | str]:
    """Run one search in this process; return what it took and a hash of what it found."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(max(1, args.gallery // 4), args.dimension)).astype(np.float32)
    gallery = make_vectors(rng, centres, args.gallery)
    queries = make_vectors(rng, centres, args.queries)
    del centres
    find_nearest(queries[:2], gallery[:50], 1, 'torch')  # imports are not measured
    import faiss

    Path('/proc/self/clear_refs').write_text('5')  # Linux: the peak begins again
    before = kibibytes('VmRSS')
    started, cpu = time.perf_counter(), time.process_time()
    if args.search == SEARCHES[0]:
        index = faiss.IndexFlatIP(args.dimension)
        index.add(gallery)
        similarities, indices = index.search(queries, args.k)
    else:
        library = args.search.rpartition(' ')[2]
        similarities, indices = find_nearest(queries, gallery, args.k, library)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    found = hashlib.sha256(indices.tobytes() + similarities.tobytes()).hexdigest()[:8]
    memory = (kibibytes('VmHWM') - before) / 1024
    return {'seconds': seconds, 'cpu': cpu, 'memory': memory, 'found': found}


def kibibytes(name: str) -> int:
    """Return a figure of this process's memory: VmRSS, or VmHWM for its peak."""
    found = re.search(rf'^{name}:\s+(\d+) kB', Path('/proc/self/status').read_text(), re.M)
    assert found, name
    return int(found[1])


def make_vectors(rng: np.random.Generator, centres: np.ndarray, count: int) -> np.ndarray:
    """Return vectors of length 1 around the centres, made in parts, so that memory stays low."""
    vectors = np.empty((count, centres.shape[1]), np.float32)
    for start in range(0, count, 4096):
        part = vectors[start : start + 4096]
        noise = rng.standard_normal(part.shape, np.float32)
        part[:] = normalise(centres[rng.integers(0, len(centres), len(part))] + noise)
    return vectors


if __name__ == '__main__':
    main()
