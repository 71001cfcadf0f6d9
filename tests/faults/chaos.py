"""Start a removal job again and again, and kill each at a random moment: a program, no test.

    python chaos.py SPEC.pickle SRC DST RUNS SEED JOBS

imports everything once, then forks: each run is a fresh copy of a process that has not yet opened
a session. With JOBS above 1, that many work on the same target at once, and are
killed one after the other. Prints a JSON list: how many results there were after each kill.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import sys
import time
from pathlib import Path

import onnxruntime  # noqa: F401

from bgremoval_mm.removal import remove_tree
from bgremoval_mm.removal.zoo.catalogue import ModelSpec


def start(spec: ModelSpec, src: Path, dst: Path) -> int:
    """Fork a process that does the job; its number."""
    pid = os.fork()
    if pid == 0:
        status = 2
        try:
            # Imported by now; another runtime would have to be imported after each fork.
            options = {'backend': 'onnxruntime', 'device': 'cpu', 'progress': False}
            summary = remove_tree(src, dst, spec, **options)
            status = 1 if summary.failed else 0
        finally:
            os._exit(status)
    return pid


def main() -> None:
    """Run, kill, count."""
    spec_file, src, dst, runs, seed, jobs = sys.argv[1:]
    spec = pickle.loads(Path(spec_file).read_bytes())
    source, target = Path(src), Path(dst)
    moment = random.Random(int(seed))
    found = []
    for _ in range(int(runs)):
        processes = [start(spec, source, target) for _ in range(int(jobs))]
        for process in processes:
            time.sleep(moment.uniform(0.02, 0.25))
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        found.append(sum(1 for _ in target.rglob('*.jpg.png')))
    json.dump(found, sys.stdout)


if __name__ == '__main__':
    main()
