"""Tests that the engine starts: a runtime's first steps are one thread's, and no model waits."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from bgremoval_mm.removal.backends import sessions

STARTS = Path(__file__).with_name('starts.py')


@pytest.fixture(autouse=True)
def no_sessions() -> None:
    """Each test begins without sessions."""
    sessions.release_sessions()


def test_first_run_is_alone() -> None:
    """Until a session has been run once, no other thread runs it; afterwards all do."""
    inside, most = [], []
    lock = threading.Lock()
    together = threading.Barrier(4)

    def run(session: str) -> str:
        with lock:
            inside.append(session)
            most.append(len(inside))
        time.sleep(0.02)
        with lock:
            inside.pop()
        return session

    def use() -> None:
        together.wait(10)
        assert sessions.run_session('runtime', 'key', make, run) == 'session'

    def make() -> str:
        made.append(1)
        return 'session'

    made: list[int] = []
    for expected in (1, None):
        most.clear()
        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(most) == 4
        if expected:
            assert most[0] == 1
    assert max(most) > 1  # later runs share the session
    assert made == [1]


def run_in_threads(*functions: Callable[[], object]) -> None:
    """Call functions at the same moment, each in a thread of its own, and wait for them."""
    together = threading.Barrier(len(functions))

    def call(function: Callable[[], object]) -> None:
        together.wait(10)
        function()

    threads = [threading.Thread(target=call, args=(each,), daemon=True) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize('runtimes', [('one', 'one'), ('one', 'other')], ids=' '.join)
def test_slow_session_holds_up_no_other(runtimes: tuple[str, str]) -> None:
    """While a session is made, for minutes perhaps, one of another key is made and run."""
    other_has_run = threading.Event()

    def make_slowly() -> str:
        assert other_has_run.wait(10)
        return 'slow'

    found = []
    run_in_threads(
        lambda: found.append(sessions.run_session(runtimes[0], 'a', make_slowly, str.upper)),
        lambda: sessions.run_session(
            runtimes[1], 'b', lambda: 'fast', lambda _: other_has_run.set()
        ),
    )
    assert found == ['SLOW']


def test_session_of_a_key_is_made_once() -> None:
    """Threads that need it at the same moment wait for the one that makes it."""
    made: list[int] = []

    def make() -> int:
        made.append(1)
        time.sleep(0.02)
        return len(made)

    found: list[int] = []
    use = partial(sessions.run_session, 'runtime', 'key', make, found.append)
    run_in_threads(*[use] * 4)
    assert (made, found) == ([1], [1] * 4)


def test_first_steps_of_a_runtime_are_one_threads() -> None:
    """Until a runtime has run one session, it runs no other; after that, all at once."""
    inside: list[str] = []
    most: list[int] = []

    def run_alone(key: str) -> None:
        inside.append(key)
        most.append(len(inside))
        time.sleep(0.02)
        most.append(len(inside))
        inside.remove(key)

    def use(key: str, run: Callable[[str], object]) -> None:
        sessions.run_session('steps', key, lambda: key, run)

    run_in_threads(*(partial(use, key, run_alone) for key in 'abc'))
    assert max(most) == 1
    all_inside = threading.Barrier(3)
    run_in_threads(*(partial(use, key, lambda _: all_inside.wait(10)) for key in 'cde'))


def test_runtimes_do_not_wait_for_each_other() -> None:
    """Their first runs may be at the same moment."""
    all_inside = threading.Barrier(3)

    def use(runtime: str) -> None:
        sessions.run_session(runtime, runtime, lambda: runtime, lambda _: all_inside.wait(10))

    run_in_threads(*(partial(use, runtime) for runtime in 'xyz'))


def test_first_run_that_fails_is_tried_again() -> None:
    """A failed first run leaves the session unused, and its lock free."""
    with pytest.raises(ZeroDivisionError):
        sessions.run_session('runtime', 'key', lambda: 0, lambda number: 1 / number)
    assert sessions.run_session('runtime', 'key', lambda: 1, lambda number: number) == 0


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize(
    ('mode', 'backend'),
    [
        ('job', 'auto'),
        ('threads', 'openvino'),
        ('threads', 'onnxruntime'),
        ('models', 'openvino'),
        ('models', 'onnxruntime'),
    ],
)
def test_no_start_hangs(mode: str, backend: str, u2netp: str, repository: Path) -> None:
    """Fresh processes, several at once, with the race widened; `starts.py` does more of them."""
    if backend != 'auto' and find_spec(backend) is None:
        pytest.skip(f'needs {backend}')
    options = ['--starts', '6', '--at-once', '3', '--mode', mode, '--backend', backend]
    done = subprocess.run(
        [sys.executable, str(STARTS), *options, '--model', u2netp],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
