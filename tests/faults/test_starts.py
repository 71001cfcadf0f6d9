"""Tests that the engine starts: no two threads may take a runtime's first steps together."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
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
        assert sessions.run_session('key', lambda: made.append(1) or 'session', run) == 'session'

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


def test_first_runs_of_two_sessions_are_apart() -> None:
    """A second model's first run waits for the first model's, and for sessions that are made."""
    events = []

    def make(name: str) -> str:
        events.append(f'{name} begins')
        time.sleep(0.02)
        return name

    def run(name: str) -> None:
        time.sleep(0.02)
        events.append(f'{name} ends')

    together = threading.Barrier(2)

    def use(name: str) -> None:
        together.wait(10)
        sessions.run_session(name, lambda: make(name), run)

    threads = [threading.Thread(target=use, args=(name,)) for name in ('a', 'b')]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [event.split()[1] for event in events] == ['begins', 'ends'] * 2
    assert events[0][0] == events[1][0]


def test_first_run_that_fails_is_tried_again() -> None:
    """A failed first run leaves the session unused, and its lock free."""
    with pytest.raises(ZeroDivisionError):
        sessions.run_session('key', lambda: 0, lambda number: 1 / number)
    assert sessions.run_session('key', lambda: 1, lambda number: number) == 0


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize(
    ('mode', 'backend'),
    [
        ('job', 'auto'),
        ('threads', 'openvino'),
        ('threads', 'onnxruntime'),
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
