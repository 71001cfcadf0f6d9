#!/usr/bin/env python
"""Whole removal jobs, ours and rembg's, side by side on the same photos.

Each round runs both, alternately, in this process: rembg with one session that is reused (its
best case: open, `remove(only_mask=True)`, save as PNG), ours by `remove_tree(output='mask')`
into an empty folder. Decoding and writing count. Printed are images/s and the ratio of each
round, and the median ratio.

    python benchmarks/remove_tree.py data/ccp/photos --images 24 --rounds 5 --model u2netp
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image

from bgremoval_mm.removal import fetch_weights, remove_tree


def run_rembg(folder: Path, out: Path, session: object) -> None:
    """What a careful user of rembg's Python interface writes."""
    import rembg

    out.mkdir()
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            rembg.remove(image, session=session, only_mask=True).save(out / f'{path.name}.png')


def run_ours(folder: Path, out: Path, model: str) -> None:
    """The same job by this package."""
    summary = remove_tree(folder, out, model, 'mask', device='cpu', progress=False)
    if summary.failed:
        msg = f'failed: {summary.failed}'
        raise SystemExit(msg)


def main() -> None:
    """Alternate and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photos', type=Path)
    parser.add_argument('--images', type=int, default=24)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--model', default='u2netp')
    args = parser.parse_args()

    import os

    import rembg

    os.environ['U2NET_HOME'] = str(fetch_weights(args.model).parent)
    session = rembg.new_session(args.model, providers=['CPUExecutionProvider'])
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / 'photos'
        photos.mkdir()
        for path in sorted(p for p in args.photos.iterdir() if p.is_file())[: args.images]:
            (photos / path.name).symlink_to(path.resolve())
        count = len(list(photos.iterdir()))
        for number in range(-1, args.rounds):  # The first round warms up and does not count.
            seconds = {}
            for name in ('rembg', 'ours') if number % 2 else ('ours', 'rembg'):
                out = Path(scratch) / f'{name}{number}'
                started = time.perf_counter()
                if name == 'rembg':
                    run_rembg(photos, out, session)
                else:
                    run_ours(photos, out, args.model)
                seconds[name] = time.perf_counter() - started
            if number < 0:
                continue
            ratios.append(seconds['rembg'] / seconds['ours'])
            print(
                f'round {number + 1}: rembg {count / seconds["rembg"]:.2f} images/s, '
                f'ours {count / seconds["ours"]:.2f} images/s, ratio {ratios[-1]:.2f}'
            )
    print(
        f'{args.model}, {count} photos, {args.rounds} rounds: ours is '
        f'{statistics.median(ratios):.2f} times as fast as rembg (median; '
        f'{min(ratios):.2f} to {max(ratios):.2f})'
    )


if __name__ == '__main__':
    main()
