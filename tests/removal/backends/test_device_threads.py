"""One thread a device: who is served by it, what becomes of errors, interrupts, forks and exits."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.removal import DeviceError
from bgremoval_mm.removal.backends import device_threads
from bgremoval_mm.removal.backends.device_threads import run_on_device


@pytest.fixture(autouse=True)
def no_threads() -> Iterator[None]:
    """Each test begins without threads, and ends those that it has made."""
    device_threads._end_threads()
    yield
    device_threads._end_threads()


def test_each_device_has_one_thread() -> None:
    """Many callers at once are served by the same thread, one after another; devices side by side.

    The thread may be asked by what it does itself.
    """
    inside: list[int] = []

    def do() -> tuple[int, int]:
        inside.append(1)
        count = len(inside)
        own = run_on_device('a', threading.get_ident)
        inside.pop()
        return own, count

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: run_on_device('a', do), range(200)))
    assert len(set(found)) == 1
    owner, most = found[0]
    assert most == 1
    assert owner != threading.get_ident()

    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        waits = [
            pool.submit(run_on_device, name, lambda: both.wait(10) + 1 and threading.get_ident())
            for name in 'ab'
        ]
        assert len({each.result() for each in waits} | {owner}) == 2


@pytest.mark.parametrize('error', [ValueError('mine'), TimeoutError('of a share'), SystemExit(3)])
def test_errors_are_the_callers(error: BaseException) -> None:
    """What the function raises is raised where it was asked for, and the thread goes on."""

    def fail() -> None:
        raise error

    owner = run_on_device('a', threading.get_ident)
    with pytest.raises(type(error)) as caught:
        run_on_device('a', fail)
    assert caught.value is error
    assert run_on_device('a', threading.get_ident) == owner


def test_nothing_is_kept() -> None:
    """A batch is let go when it is done, also when it has failed, without the garbage collector."""

    def use(batch: np.ndarray, divisor: int) -> float:
        return float(batch.sum()) / divisor

    def ask(divisor: int) -> weakref.ref[np.ndarray]:
        batch = np.ones(3)
        try:
            assert run_on_device('a', partial(use, batch, divisor)) == 3
        except ZeroDivisionError:
            assert divisor == 0
        return weakref.ref(batch)

    gc.disable()
    try:
        for divisor in (1, 0):
            alive = ask(divisor)
            run_on_device('a', int)  # the thread has come back from the one before
            assert alive() is None
    finally:
        gc.enable()


def test_interrupt_while_waiting() -> None:
    """Ctrl-C reaches who waits; what was not begun is never done, and others are served."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    begun, go, done = threading.Event(), threading.Event(), []

    def interrupt() -> None:
        begun.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    def hold() -> None:
        begun.set()
        assert go.wait(10)
        done.append('held')

    try:
        with ThreadPoolExecutor(2) as pool:
            for function in (hold, lambda: done.append('never')):
                pool.submit(interrupt)
                with pytest.raises(KeyboardInterrupt):
                    run_on_device('a', function)
            later = pool.submit(run_on_device, 'a', lambda: done.append('later'))
            go.set()
            later.result(10)
    finally:
        signal.signal(signal.SIGINT, former)
    assert done == ['held', 'later']


def test_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that finishes nothing is given up; time in which it serves others does not count."""
    monkeypatch.setattr(device_threads, '_TURN', 0.02)
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(run_on_device, 'a', lambda: go.wait(10))
        with pytest.raises(DeviceError, match=r'nothing was finished on a for 0 s\. .* start the'):
            run_on_device('a', int, limit=0.1)
        monkeypatch.setattr(device_threads, 'is_downloading', lambda: not go.is_set())
        threading.Timer(0.3, go.set).start()
        assert run_on_device('a', int, limit=0.1) == 0
        assert held.result()
    naps = threading.Event()
    with ThreadPoolExecutor(8) as pool:
        waits = [
            pool.submit(run_on_device, 'a', lambda: naps.wait(0.1), limit=0.4) for _ in range(8)
        ]
        assert [each.result() for each in waits] == [False] * 8  # the last one waits for 0.8 s


def child(answers: multiprocessing.Queue) -> None:
    """Tell which thread does it in a forked process."""
    answers.put((run_on_device('a', os.getpid), threading.active_count()))


def test_forked_child_has_its_own_thread() -> None:
    """Also if the parent's thread is at work, and another one looks for its thread, at the fork."""
    context = multiprocessing.get_context('fork')
    answers = context.Queue()
    begun, go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool, device_threads._guard:
        thread = device_threads._threads['a'] = device_threads._DeviceThread('a')
        pool.submit(thread.call, lambda: begun.set() or go.wait(10), 10)
        assert begun.wait(10)
        process = context.Process(target=child, args=(answers,))
        process.start()
        pid, _ = answers.get(timeout=20)
        process.join(20)
        go.set()
    assert (pid, process.exitcode) == (process.pid, 0)
    assert run_on_device('a', os.getpid) == os.getpid()


EXIT = """
import sys, threading, time
from bgremoval_mm.removal.backends import device_threads
device_threads._LEAVE = float(sys.argv[1])
begun, never = threading.Event(), threading.Event()
def work():
    begun.set()
    never.wait(float(sys.argv[2]))
    print('finished', flush=True)
ask = lambda function: threading.Thread(
    target=device_threads.run_on_device, args=('a', function), daemon=True
).start()
ask(work)
begun.wait()
ask(lambda: print('never', flush=True))
"""


@pytest.mark.parametrize(
    ('leave', 'work', 'printed'), [('20', '0.5', 'finished\n'), ('0', '60', '')]
)
def test_end_of_the_process(leave: str, work: str, printed: str, repository: Path) -> None:
    """It waits for what a device has begun, begins nothing more, and leaves what hangs."""
    done = subprocess.run(
        [sys.executable, '-c', EXIT, leave, work],
        env={**os.environ, 'PYTHONPATH': str(repository)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stdout) == (0, printed), done.stderr


FORKED = """
import multiprocessing, torch
from bgremoval_mm.removal.backends.device_threads import run_on_device
torch.set_num_threads(2)
def compute():
    return run_on_device('cpu', lambda: float(torch.ones(4_000_000).exp().sum()))
def child():
    assert compute() == expected
expected = compute()
process = multiprocessing.get_context('fork').Process(target=child)
process.start()
process.join(60)
print('hung' if process.is_alive() else process.exitcode)
process.kill()
"""


def test_forked_child_computes_in_several_threads(repository: Path) -> None:
    """OpenMP's threads, which a child lacks, were those of the parent's device thread alone."""
    done = subprocess.run(
        [sys.executable, '-c', FORKED],
        env={**os.environ, 'PYTHONPATH': str(repository), 'OMP_NUM_THREADS': '2'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == '0\n', done.stderr
