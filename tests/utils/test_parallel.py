"""Work in many processes: results in order, failures by name, and what an end in between leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.cpu import usable_cores
from bgremoval_mm.utils.parallel import for_each


def halve(number: int) -> int:
    """Half of an even number; an odd one is an error."""
    if number % 2:
        msg = f'{number} is odd'
        raise ValueError(msg)
    return number // 2


@pytest.mark.parametrize('workers', [1, 3])
def test_results_and_failures(workers: int) -> None:
    """One job that fails stops no other, and the order is that of the jobs."""
    jobs = [(f'job {number}', number) for number in (8, 5, 2, 7, *range(10, 60, 2))]
    results, failures = for_each(halve, jobs, 'Halving', workers, progress=False)
    assert list(results.items())[:3] == [('job 8', 4), ('job 2', 1), ('job 10', 5)]
    assert len(results) == 27
    assert failures == {'job 5': 'ValueError: 5 is odd', 'job 7': 'ValueError: 7 is odd'}


def refuse(number: int) -> None:
    """Raise one of the package's own errors."""
    msg = f'{number} is not allowed'
    raise ArgumentError(msg)


def test_own_errors_explain_themselves() -> None:
    """Only what others raise is told with the name of its class."""
    _, failures = for_each(refuse, [('job', 3)], 'Refusing', 1, progress=False)
    assert failures == {'job': '3 is not allowed'}


def test_nothing_to_do() -> None:
    """No job, no result; there is at least one core."""
    assert for_each(halve, [], 'Halving', progress=False) == ({}, {})
    assert usable_cores() >= 1


SLOW = """
import sys, time
from pathlib import Path
from bgremoval_mm.utils.cpu import usable_cores
from bgremoval_mm.utils.parallel import for_each
def work(path):
    time.sleep(0.05)
    Path(path).touch()
for_each(work, [(str(i), f'{sys.argv[1]}/{i}') for i in range(2000)], 'Waiting', 2, False)
"""


@pytest.mark.slow
@pytest.mark.parametrize('kind', [signal.SIGINT, signal.SIGKILL])
def test_end_in_between(tmp_path: Path, kind: signal.Signals) -> None:
    """After Ctrl-C or a kill of the parent, no process works on or waits for ever."""
    script = tmp_path / 'slow.py'
    script.write_text(SLOW)
    done = tmp_path / 'done'
    done.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(script), str(done)], stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(list(done.iterdir())) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(done.iterdir())
    # Ctrl-C reaches the whole group of a terminal, a kill one process.
    (os.killpg if kind == signal.SIGINT else os.kill)(process.pid, kind)
    # The workers share stderr: reading it ends when the last of them has ended.
    _, said = process.communicate(timeout=30)
    count = len(list(done.iterdir()))
    assert process.returncode != 0
    assert count < 1000
    if kind == signal.SIGINT:
        assert said.count(b'Traceback') == 1
        assert b'KeyboardInterrupt' in said
    time.sleep(0.3)
    assert len(list(done.iterdir())) == count
