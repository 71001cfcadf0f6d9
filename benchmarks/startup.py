#!/usr/bin/env python
"""Benchmark of one photo in a cold process, compared with rembg, and of every command's `--help`.

Each round starts one process of each in turn: `bgremoval remove PHOTO OUT`, and a script that does
the same with rembg's Python interface (import, session, remove, save), because rembg's own command
needs packages that rembg does not install. Prints medians, and the median ratio of the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bgremoval_mm.removal import fetch_weights

BGREMOVAL = (sys.executable, '-m', 'bgremoval_mm.cli.main')
COMMANDS = ('remove', 'masks', 'models', 'sheet', 'review', 'bench', 'doctor')

REMBG = """
import sys
from PIL import Image
from rembg import new_session, remove
photo, out, model = sys.argv[1:]
session = new_session(model, providers=['CPUExecutionProvider'])
remove(Image.open(photo), session=session).save(out)
"""


def main() -> int:
    """Time one photo and `--help`, and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photo', type=Path)
    parser.add_argument('--models', nargs='+', default=['u2netp', 'u2net'])
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for model in args.models:
            _one_photo(args.photo, model, args.rounds, Path(scratch))
    for command in ('', *COMMANDS):
        words = [*BGREMOVAL, *([command] if command else []), '--help']
        seconds = [_time(words) for _ in range(args.rounds)]
        print(f'bgremoval {command + " " if command else ""}--help: {_spread(seconds)}', flush=True)
    return 0


def _one_photo(photo: Path, model: str, rounds: int, scratch: Path) -> None:
    weights = fetch_weights(model).parent
    out = str(scratch / 'out.png')
    ours = [*BGREMOVAL, 'remove', str(photo), out, '--model', model]
    theirs = [sys.executable, '-c', REMBG, str(photo), out, model]
    for words in (ours, theirs):  # fill the caches of files and of compiled Python
        _time(words, weights)
    pairs = [(_time(ours, weights), _time(theirs, weights)) for _ in range(rounds)]
    mine, rembgs = zip(*pairs, strict=True)
    ratios = [a / b for a, b in pairs]
    print(
        f'{model}, one photo, {rounds} rounds: ours {_spread(mine)}, rembg {_spread(rembgs)}, '
        f'ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})',
        flush=True,
    )


def _time(words: Sequence[str], weights: Path | None = None) -> float:
    """Return the seconds that a command takes.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    home = {} if weights is None else {'U2NET_HOME': str(weights)}
    begun = time.perf_counter()
    subprocess.run(words, env={**os.environ, **home}, check=True, capture_output=True)
    return time.perf_counter() - begun


def _spread(seconds: Sequence[float]) -> str:
    return f'{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})'


if __name__ == '__main__':
    sys.exit(main())
