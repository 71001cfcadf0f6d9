"""Start the engine again and again in fresh processes, and count those that hang: no test.

    python starts.py --starts 500 --at-once 6

Each process removes the backgrounds of a few small photos by the default job (``job``), or has
several threads use one new remover at the same moment (``threads``), or several new removers with a
network each (``models``). To widen every race between
threads, the interpreter switches between them every microsecond, and several processes share the
cores. A process that has not ended within the limit counts as hung and is killed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

JOB = """
import sys
from bgremoval_mm.cli.main import main
sys.setswitchinterval(1e-6)
sys.exit(main(['masks', *sys.argv[1:]]))
"""

THREADS = """
import sys, threading
import numpy as np
from bgremoval_mm.removal import BackgroundRemover
backend, model, networks = sys.argv[1:]
sys.setswitchinterval(1e-6)
networks = int(networks)
removers = [
    BackgroundRemover(model, backend, 'cpu', num_threads=1 + number % networks).for_throughput()
    for number in range(4)
]
batch = removers[0].preprocess(np.full((40, 30, 3), 99, np.uint8))[None]
together = threading.Barrier(4)
def use(remover):
    together.wait()
    remover.infer(batch)
threads = [threading.Thread(target=use, args=(remover,)) for remover in removers]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def main(argv: list[str] | None = None) -> int:
    """Start, wait, count; 1 if a process hung or failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--starts', type=int, default=500)
    parser.add_argument('--at-once', type=int, default=6)
    parser.add_argument('--mode', choices=['job', 'threads', 'models'], default='job')
    parser.add_argument('--model', default='u2netp')
    parser.add_argument('--backend', default='auto')
    parser.add_argument('--limit', type=float, default=180, help='seconds for one process')
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        photos = Path(scratch) / 'photos'
        photos.mkdir()
        noise = np.random.default_rng(0)
        for index in range(6):
            pixels = noise.integers(0, 255, (60, 80, 3), np.uint8)
            Image.fromarray(pixels).save(photos / f'{index}.jpg')
        start = partial(_start, args, Path(scratch))
        begun = time.monotonic()
        with ThreadPoolExecutor(args.at_once) as pool:
            results = []
            for index, result in enumerate(pool.map(start, range(args.starts))):
                results.append(result)
                if result:
                    print(f'start {index}: {result}', flush=True)
    hung = sum(result == 'hung' for result in results)
    failed = sum(bool(result) for result in results) - hung
    print(
        f'{args.mode}, {args.model}, backend {args.backend}: {hung} of {len(results)} starts hung, '
        f'{failed} failed ({args.at_once} at once, {time.monotonic() - begun:.0f} s in all)'
    )
    return 1 if hung or failed else 0


def _start(args: argparse.Namespace, scratch: Path, index: int) -> str:
    """Run one process; nothing if it ended well, else what became of it."""
    if args.mode == 'job':
        options = ['--model', args.model, '--backend', args.backend]
        target = scratch / f'masks{index}'
        command = [sys.executable, '-c', JOB, str(scratch / 'photos'), str(target), *options]
    else:
        networks = '4' if args.mode == 'models' else '1'
        command = [sys.executable, '-c', THREADS, args.backend, args.model, networks]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        _, error = process.communicate(timeout=args.limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return 'hung'
    if process.returncode:
        return f'exit code {process.returncode}: {error.decode(errors="replace")[-2000:]}'
    return ''


if __name__ == '__main__':
    sys.exit(main())
