"""`bgremoval remove --watch`: what it prints, and how it begins and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

import pytest

from bgremoval_mm.cli.main import main


class Watch:
    """A watch in a process of its own, with a standard output that takes no odd character."""

    def __init__(self, source: Path, target: Path) -> None:
        command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'remove', '--watch']
        self.process = subprocess.Popen(
            [*command, str(source), str(target), '--model', 'u2netp', '--device', 'cpu'],
            env={**os.environ, 'PYTHONIOENCODING': 'utf-8:strict'},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, start: str) -> str:
        """The next line that begins so; fails after half a minute without one."""
        while True:
            line = self.lines.get(timeout=30)
            if line.startswith(start):
                return line

    def end(self, number: signal.Signals) -> int:
        """The exit code after this signal."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.decode())


@pytest.fixture
def watch() -> Iterator[Callable[[Path, Path], Watch]]:
    """A function that starts a watch, which is killed in the end."""
    started = []

    def start(source: Path, target: Path) -> Watch:
        started.append(Watch(source, target))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.mark.slow
def test_names_do_not_end_it(watch: Callable[[Path, Path], Watch], tmp_path: Path) -> None:
    """A broken file with a name that is no UTF-8 is reported, and the watch goes on."""
    source = tmp_path / 'in'
    source.mkdir()
    running = watch(source, tmp_path / 'out')
    running.wait_for('Watching ')
    (source / os.fsdecode(b'Mu\xf1oz\n.jpg')).write_bytes(b'<html>')
    assert r'  failed: Mu\xf1oz\n.jpg: not an image' in running.wait_for('  failed: ')
    (source / 'later.jpg').write_bytes(b'')
    assert running.wait_for('  failed: later') == '  failed: later.jpg: the file is empty\n'
    assert running.end(signal.SIGINT) == 1  # because images have failed


@pytest.mark.slow
@pytest.mark.parametrize(('number', 'code'), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_end(
    watch: Callable[[Path, Path], Watch], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Ctrl-C ends it well, SIGTERM as it ends other jobs; an empty folder is no mistake."""
    source = tmp_path / 'in'
    source.mkdir()
    running = watch(source, tmp_path / 'out')
    running.wait_for('Watching ')
    assert running.end(number) == code


def test_wrong_target_is_told_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DST in SRC is refused now, not when the first photo arrives."""
    arguments = ['remove', str(tmp_path), str(tmp_path / 'out'), '--watch', '--model', 'u2netp']
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: the results would lie in')
    assert 'Watching' not in error


@pytest.mark.slow
def test_other_settings_while_it_waits(
    watch: Callable[[Path, Path], Watch], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job of other settings is refused between two photos, too, and the watch goes on."""
    source, target = tmp_path / 'in', tmp_path / 'out'
    source.mkdir()
    running = watch(source, target)
    running.wait_for('Watching ')
    other = [str(source), str(target), '--model', 'u2netp', '--device', 'cpu', '--output', 'rgb']
    assert main(['remove', *other]) == 1
    assert 'another process makes results of u2netp' in capsys.readouterr().err
    (source / 'later.jpg').write_bytes(b'')
    running.wait_for('  failed: later')
