"""Ctrl-C and SIGTERM: an exit code and one line at any moment, and nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal.io.manifest import Manifest

# The signal is sent once the command has taken over; what Python does before is not ours. The root
# package is not loaded, because what it loads is no part of the command.
START = """
import sys, types
package = types.ModuleType('bgremoval_mm')
package.__path__ = ['{package}']
sys.modules['bgremoval_mm'] = package
from bgremoval_mm.cli import signals
signals.install()
print('ready', flush=True)
"""
COMMAND = """
from bgremoval_mm.cli.main import main
sys.exit(main())
"""
TOOL = """
import runpy
runpy.run_path('tools/remove_background.py', run_name='__main__')
"""
# A network that takes its time, and needs no weights.
SLOW = """
import time
import numpy as np
from bgremoval_mm.removal import BackgroundRemover
def infer(self, batch):
    time.sleep(0.2)
    return [(np.full((320, 320), 255, np.uint8), False) for _ in batch]
BackgroundRemover.infer = infer
"""
PROBE = """
import time
from bgremoval_mm.cli.errors import guarded
def work():
    with signals.raised():
        try:
            print('works', flush=True)
            time.sleep(60)
        finally:
            time.sleep({wind_up})
            print('wound up', flush=True)
sys.exit(guarded(work))
"""
LINE = {
    signal.SIGINT: 'Interrupted. Run the same command again to go on.\n',
    signal.SIGTERM: 'Terminated. Run the same command again to go on.\n',
}
CODE = {signal.SIGINT: 130, signal.SIGTERM: 143}


@contextmanager
def started(repository: Path, code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs this code and has taken over the signals; killed in the end."""
    code = START.format(package=repository / 'bgremoval_mm') + code
    process = subprocess.Popen(
        [sys.executable, '-c', code, *arguments],
        cwd=repository,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == 'ready\n'
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_of(error: str) -> str:
    """What was printed, without the progress bar."""
    lines = error.replace('\r', '\n').splitlines(keepends=True)
    return ''.join(line for line in lines if line.strip() and 'images' not in line)


@pytest.mark.slow
@pytest.mark.parametrize('delay', [0, 0.05, 0.2, 0.5, 1.0, 2.0])
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_while_it_starts(
    repository: Path, tmp_path: Path, number: signal.Signals, delay: float
) -> None:
    """The parser, the imports and the wait for standard input end at once, with one line."""
    target = tmp_path / 'cut.png'
    with started(repository, COMMAND, 'remove', '-', str(target)) as process:
        time.sleep(delay)
        process.send_signal(number)
        # Standard input stays open: it is not its end that ends the command.
        assert process.wait(timeout=30) == CODE[number]
        assert process.stderr is not None
        assert process.stderr.read() == LINE[number]
    assert not target.exists()


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('program', [COMMAND, TOOL])
def test_while_it_works(
    repository: Path, tmp_path: Path, number: signal.Signals, program: str
) -> None:
    """What is done is recorded, nothing else is left, and the same command goes on."""
    source, target = tmp_path / 'in', tmp_path / 'out'
    source.mkdir()
    for index in range(60):
        pixels = np.full((8, 8, 3), index, np.uint8)
        Image.fromarray(pixels).save(source / f'{index}.png')
    arguments = [str(source), str(target), '--output', 'mask', '--backend', 'onnxruntime']
    if program is COMMAND:
        arguments.insert(0, 'remove')
    with started(repository, SLOW + program, *arguments) as process:
        deadline = time.monotonic() + 60
        while not list(target.glob('*.png')) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    assert process.returncode == CODE[number]
    assert lines_of(error).endswith(LINE[number])
    assert 'Traceback' not in error
    done = {path.name.removesuffix('.png') for path in target.glob('*.png')}
    assert 0 < len(done) < 60
    assert {record.path for record in Manifest(target).records()} == done
    assert {path.name for path in target.iterdir() if path.suffix != '.png'} == {'manifest.jsonl'}


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_second_signal_does_not_wait(repository: Path, number: signal.Signals) -> None:
    """Who cannot wait for the winding up signals again, and sees no traceback."""
    with started(repository, PROBE.replace('{wind_up}', '60')) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'works\n'
        process.send_signal(number)
        time.sleep(1.3)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=10)
    assert (process.returncode, out, error) == (CODE[number], '', LINE[number])


def test_same_signal_twice_is_one(repository: Path) -> None:
    """A parent that hands the terminal's Ctrl-C on does not cut the winding up short."""
    with started(repository, PROBE.replace('{wind_up}', '0.8')) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'works\n'
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=10)
    assert (process.returncode, out, error) == (130, 'wound up\n', LINE[signal.SIGINT])


def test_ignored_signals_stay_ignored(repository: Path) -> None:
    """A job of `nohup` or of a shell's background, in which SIGINT is ignored, goes on."""
    ignore = 'import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)'
    code = ignore + START.format(package=repository / 'bgremoval_mm')
    code += 'import os; os.kill(os.getpid(), signal.SIGINT); print("alive")'
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=repository
    )
    assert done.stdout == 'ready\nalive\n'


def test_forked_workers_end_without_a_word(repository: Path) -> None:
    """A worker that was forked ends by the signal; only its parent has something to say."""
    code = START.format(package=repository / 'bgremoval_mm') + (
        'import os, time\n'
        'ready, told = os.pipe()\n'
        'worker = os.fork()\n'
        'if worker == 0:\n'
        '    os.write(told, b"1")\n'
        '    time.sleep(20)\n'
        '    os._exit(0)\n'
        'os.read(ready, 1)\n'
        'os.kill(worker, 15)\n'
        'print(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=repository
    )
    assert (done.stdout, done.stderr) == ('ready\n-15\n', '')


def test_interrupt_in_a_destructor_counts(repository: Path) -> None:
    """Python drops an exception in a ``__del__``; the interrupt is obeyed nevertheless."""
    code = START.format(package=repository / 'bgremoval_mm') + (
        'import os, time\n'
        'class Late:\n'
        '    def __del__(self): os.kill(os.getpid(), 2); time.sleep(1)\n'
        'with signals.raised():\n'
        '    Late()\n'
        '    time.sleep(1)\n'
        'print("went on")\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False, cwd=repository
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, 'ready\n', LINE[signal.SIGINT])


def test_called_from_python_no_handler_is_changed() -> None:
    """Whoever calls `main` with arguments keeps the signals of their own process."""
    from bgremoval_mm.cli.main import main

    before = [signal.getsignal(number) for number in CODE]
    assert main(['models']) == 0
    assert [signal.getsignal(number) for number in CODE] == before
