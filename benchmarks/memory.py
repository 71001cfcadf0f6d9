#!/usr/bin/env python
"""Benchmark of a removal job's peak memory with few files and with many, links to the same photos.

Each job runs in its own process. By default it uses the real network. `--tiny` leaves the network
out, so that 20,000 files take minutes; everything else that grows with the number of files still
shows.

    python benchmarks/memory.py data/ccp/photos --few 500 --many 20000 --tiny
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

from bgremoval_mm.removal import BackgroundRemover, remove_tree


def main() -> None:
    """Run both jobs and print their peaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photos', type=Path)
    parser.add_argument('--few', type=int, default=500)
    parser.add_argument('--many', type=int, default=20_000)
    parser.add_argument('--model', default='u2netp')
    parser.add_argument('--tiny', action='store_true', help='leave the network out')
    parser.add_argument('--job', type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        run_job(*args.job, args.model, args.tiny)
        return
    photos = sorted(path for path in args.photos.iterdir() if path.is_file())
    peaks = []
    with tempfile.TemporaryDirectory() as scratch:
        for count in (args.few, args.many):
            src, dst = Path(scratch) / f'src{count}', Path(scratch) / f'dst{count}'
            for index, photo in enumerate(islice(cycle(photos), count)):
                link = src / f'{index % 100:02}' / f'{index:06}{photo.suffix}'
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(photo.resolve())
            for title in ('from nothing', 'again, all done'):
                command = [sys.executable, __file__, str(args.photos), '--model', args.model]
                command += ['--job', str(src), str(dst), *(['--tiny'] if args.tiny else [])]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                peaks.append(int(done.stdout.split()[-1]))
                print(f'{count:6} files, {title:16} peak {peaks[-1] / 1024:7.1f} MiB', flush=True)
    print(f'from nothing: {peaks[2] / peaks[0] - 1:+.1%}; again: {peaks[3] / peaks[1] - 1:+.1%}')


def run_job(src: Path, dst: Path, model: str, tiny: bool) -> None:
    """Run one job and print the peak memory of this process in KiB."""
    if tiny:
        BackgroundRemover.infer = (  # type: ignore[method-assign]
            lambda self, batch: [self._to_mask(each[:1]) for each in batch]
        )
    summary = remove_tree(src, dst, model, device='cpu', progress=False)
    assert not summary.failed, summary.failed
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == '__main__':
    main()
