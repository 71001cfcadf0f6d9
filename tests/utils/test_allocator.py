"""Freed memory is kept for the next arrays, unless the environment or the system says otherwise."""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys

import pytest

from bgremoval_mm.cli import console, script, signals
from bgremoval_mm.cli.main import main
from bgremoval_mm.utils import allocator

# Arrays of a photo, again and again: how many pages does the system have to make for the last ones?
PROGRAM = """
import resource, sys
import numpy as np
from bgremoval_mm.utils.allocator import keep_freed_memory

done = keep_freed_memory() if 'keep' in sys.argv else None
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(3 << 20, np.uint8) for _ in range(15)]
    del arrays
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(*words: str, **environment: str) -> tuple[str, int]:
    """Run the program; return what was done, and the new pages of its last round."""
    clean = {key: value for key, value in os.environ.items() if key not in allocator._SETTINGS}
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, *words],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    answer, number = done.stdout.split()
    return answer, int(number)


def test_pages_are_used_again() -> None:
    """45 MiB are 11,520 pages; kept, hardly any of them is new."""
    answer, number = pages('keep')
    assert answer == 'True'
    assert number < 200
    assert pages()[1] > 5000


@pytest.mark.parametrize('name', allocator._SETTINGS)
def test_the_environment_has_the_last_word(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever set malloc's thresholds meant it."""

    def refuse(name: object) -> None:
        pytest.fail('malloc was changed')

    monkeypatch.setattr(ctypes, 'CDLL', refuse)
    monkeypatch.setenv(name, '')
    assert not allocator.keep_freed_memory()


def test_another_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """One without mallopt is left alone."""
    for each in allocator._SETTINGS:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: object())
    assert not allocator.keep_freed_memory()


def test_programs_keep_memory_and_callers_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command and the tools do so in a process of their own, not where they are called."""
    kept: list[int] = []
    for module in (allocator, script):
        monkeypatch.setattr(module, 'keep_freed_memory', lambda size=64: kept.append(size))
    monkeypatch.setattr(console, 'prepare', lambda own_process: None)
    monkeypatch.setattr(signals, 'install', lambda: None)
    monkeypatch.setattr(sys, 'argv', ['bgremoval', 'models'])
    args = argparse.Namespace(debug=False)
    assert main(['models']) == script.run_script(lambda args: 0, args, []) == 0
    assert kept == []
    assert main() == script.run_script(lambda args: 0, args, None) == 0
    assert kept == [64, allocator.FOR_NETWORKS]
