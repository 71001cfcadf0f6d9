#!/usr/bin/env python
"""Measure what an upload costs: one worker takes photos through the pipeline, on one core.

    python benchmarks/pipeline.py data/ccp/photos --photos 200 --model u2net --precision fp32 bf16

Each setting is `bgremoval pipeline run --once` in a process of its own, with one thread. Printed
are its seconds of CPU per upload, less those of a run with one photo: unlike the time on the clock,
they depend little on what else the machine does. 86,400 divided by them is the uploads a day of a
core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bgremoval_mm.utils.sampling import evenly_spaced

DAY = 86_400


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', type=Path, help='folder of photos')
    parser.add_argument('--photos', type=int, default=200, help='evenly chosen (default: 200)')
    parser.add_argument('--model', default='u2net')
    parser.add_argument('--precision', nargs='+', default=['fp32', 'bf16'])
    args = parser.parse_args()
    files = sorted(path for path in args.source.rglob('*') if path.is_file())
    with tempfile.TemporaryDirectory() as folder:
        photos, few = Path(folder, 'photos'), Path(folder, 'few')
        photos.mkdir()
        few.mkdir()
        chosen = evenly_spaced(files, min(args.photos, len(files)))
        for file in chosen:
            shutil.copy(file, photos / file.name)
        shutil.copy(chosen[0], few / chosen[0].name)  # so that the network is loaded
        for precision in args.precision:
            start, _, _ = run(few, Path(folder, f'{precision}-few'), args.model, precision)
            cpu, seconds, told = run(photos, Path(folder, precision), args.model, precision)
            each = (cpu - start) / (len(chosen) - 1)
            print(
                f'{args.model} {precision}: {len(chosen)} photos, {told}; '
                f'{each:.3f} s of CPU each: '
                f'{DAY / each:,.0f} a day and core; start {start:.1f} s of CPU; '
                f'{seconds:.0f} s on the clock',
                flush=True,
            )


def run(photos: Path, root: Path, model: str, precision: str) -> tuple[float, float, str]:
    """Return the seconds of CPU and on the clock of a run, and its counts."""
    routes = root.with_suffix('.toml')
    routes.write_text(f'[[route]]\nname = "all"\nmodel = "{model}"\n', encoding='utf-8')
    command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'pipeline', 'run', photos, root]
    command += ['--once', '--threads', '1', '--precision', precision, '--routes', routes]
    command += ['--device', 'cpu']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    before, started = os.times(), time.perf_counter()
    made = subprocess.run(
        list(map(str, command)), check=False, env=environment, capture_output=True, text=True
    )
    after, seconds = os.times(), time.perf_counter() - started
    if made.returncode:
        raise SystemExit(made.stderr)
    cpu = after.children_user - before.children_user
    cpu += after.children_system - before.children_system
    return cpu, seconds, made.stdout.splitlines()[0]


if __name__ == '__main__':
    main()
