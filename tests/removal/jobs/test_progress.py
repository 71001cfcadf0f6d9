"""Progress: a bar on a terminal, lines in a log."""

from __future__ import annotations

import io

import pytest
from tqdm import tqdm

from bgremoval_mm.removal.jobs import progress
from bgremoval_mm.removal.jobs.progress import progress_bar


class Terminal(io.StringIO):
    """A stream that passes for a terminal."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock, set by the test."""
    now = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    return now


def test_lines_in_a_log(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """Every 30 seconds a line with what is done, the rate and what failed; no carriage return."""
    with progress_bar(200, 'u2net') as bar:
        for index in range(90):
            clock[0] += 1
            bar.set_postfix(failed=int(index >= 50), refresh=False)
            bar.update()
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.split('\n') == [
        'u2net: 30/200 images, 1.00 images/s',
        'u2net: 60/200 images, 1.00 images/s, 1 failed',
        'u2net: 90/200 images, 1.00 images/s, 1 failed',
        '',
    ]


def test_short_job_writes_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """What ends before the first line is due leaves the log as it is."""
    with progress_bar(3) as bar:
        for _ in range(3):
            clock[0] += 9
            bar.update()
    assert capsys.readouterr() == ('', '')


def test_slow_work_in_a_log(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """What takes minutes is counted by the hour; a text stands behind it."""
    with progress_bar(4, unit=' runs') as bar:
        for name in ('a', 'b'):
            bar.set_postfix_str(f'0 failed; {name}', refresh=False)
            clock[0] += 600
            bar.update()
    assert capsys.readouterr().err.split('\n') == [
        '1/4 runs, 6.00 runs/h, 0 failed; a',
        '2/4 runs, 6.00 runs/h, 0 failed; b',
        '',
    ]


def test_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal it is tqdm's bar."""
    monkeypatch.setattr('sys.stderr', Terminal())
    with progress_bar(2, 'u2net', ' photos') as bar:
        assert isinstance(bar, tqdm)
        assert (bar.total, bar.desc, bar.unit) == (2, 'u2net', ' photos')


@pytest.mark.parametrize('stream', [io.StringIO, Terminal])
def test_disabled(monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]) -> None:
    """Nothing is shown where nothing is to be shown, terminal or not."""
    error = stream()
    monkeypatch.setattr('sys.stderr', error)
    monkeypatch.setattr(progress, '_INTERVAL', -1.0)
    with progress_bar(1, disable=True) as bar:
        bar.set_postfix(failed=1)
        bar.update()
    assert error.getvalue() == ''
