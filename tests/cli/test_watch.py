"""Watching a folder: files are done when they are complete, once, and again when they change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bgremoval_mm.cli import watch
from bgremoval_mm.cli.watch import Watcher
from bgremoval_mm.removal import TreeSummary


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The watcher's clock, set by the test."""
    now = [0.0]
    monkeypatch.setattr(watch.time, 'monotonic', lambda: now[0])
    return now


def test_waits_until_a_file_is_complete(tmp_path: Path, clock: list[float]) -> None:
    """A file that grows is left alone; two seconds after its last change it is taken, once."""
    watcher = Watcher(tmp_path, settle=2)
    assert watcher.take() == set()
    upload = tmp_path / 'new' / 'a.jpg'
    upload.parent.mkdir()
    for size in range(1, 4):
        upload.write_bytes(b'x' * size)
        assert watcher.take() == set()
        clock[0] += 1.5
    assert watcher.take() == set()  # 1.5 s after the last change
    clock[0] += 1
    assert watcher.take() == {'new/a.jpg'}
    clock[0] += 10
    assert watcher.take() == set()


def test_changed_and_deleted_files(tmp_path: Path, clock: list[float]) -> None:
    """A file that is written anew is taken again, one that went is forgotten."""
    path = tmp_path / 'a.jpg'
    path.write_bytes(b'one')
    watcher = Watcher(tmp_path, settle=1)
    watcher.take()
    clock[0] += 2
    assert watcher.take() == {'a.jpg'}
    path.write_bytes(b'other')
    assert watcher.take() == set()
    clock[0] += 2
    assert watcher.take() == {'a.jpg'}
    path.unlink()
    clock[0] += 2
    assert watcher.take() == set()


def test_broken_entries_are_handed_out_once(tmp_path: Path, clock: list[float]) -> None:
    """So that each is reported; and again when it changes. None is opened, none ends the watch."""
    (tmp_path / 'gone.jpg').symlink_to('nowhere')
    (tmp_path / 'me').symlink_to('me')
    (tmp_path / os.fsdecode(b'Mu\xf1oz.jpg')).write_bytes(b'<html>')
    os.mkfifo(tmp_path / 'fifo.jpg')
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / '._a.jpg').touch()
    watcher = Watcher(tmp_path, settle=1)
    watcher.take()
    clock[0] += 2
    assert watcher.take() == {'gone.jpg', 'me', os.fsdecode(b'Mu\xf1oz.jpg'), 'fifo.jpg'}
    clock[0] += 2
    assert watcher.take() == set()
    (tmp_path / 'nowhere').write_bytes(b'now there')
    watcher.take()
    clock[0] += 2
    assert watcher.take() == {'gone.jpg', 'nowhere'}


def test_link_loops(tmp_path: Path, clock: list[float]) -> None:
    """Links to the own folder, and folders that link to each other, are walked through once."""
    (tmp_path / 'a.jpg').touch()
    for name in 'xyz':
        (tmp_path / name).symlink_to('.')
    for one in range(9):
        (tmp_path / f'f{one}').mkdir()
        for other in range(9):
            (tmp_path / f'f{one}/to{other}').symlink_to(f'../f{other}')
    watcher = Watcher(tmp_path, settle=1)
    watcher.take()
    clock[0] += 2
    found = watcher.take()
    assert {'a.jpg', 'x', 'y', 'z'} <= found
    assert not [path for path in found if path.startswith('x/')]


def test_folder_that_goes_away(tmp_path: Path, clock: list[float], monkeypatch) -> None:
    """The watch waits; what comes back is tried again, because its reading may have failed."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    (folder / 'a.jpg').touch()
    watcher = Watcher(folder, settle=1)
    calls: list[set[str]] = []

    def remove(new: set[str]) -> TreeSummary:
        calls.append(new)
        if len(calls) == 1:  # it goes between the look and the job
            folder.rename(tmp_path / 'off')
            msg = 'no such folder'
            raise FileNotFoundError(msg)
        return TreeSummary(tmp_path)

    def sleep(_: float) -> None:
        clock[0] += 2
        if clock[0] == 20:
            (tmp_path / 'off').rename(folder)

    monkeypatch.setattr(watch.time, 'sleep', sleep)
    assert next(watcher.run(remove)) == TreeSummary(tmp_path)
    assert calls == [{'a.jpg'}, {'a.jpg'}]


def test_missing_file_that_is_no_matter_of_the_folder(
    tmp_path: Path, clock: list[float], monkeypatch
) -> None:
    """A mask store that is not there ends the watch: waiting would not help."""
    (tmp_path / 'a.jpg').touch()

    def remove(_: set[str]) -> TreeSummary:
        msg = 'there is no store'
        raise FileNotFoundError(msg)

    monkeypatch.setattr(watch.time, 'sleep', lambda _: clock.__setitem__(0, clock[0] + 2))
    with pytest.raises(FileNotFoundError, match='there is no store'):
        next(Watcher(tmp_path, settle=1).run(remove))


@pytest.mark.real
@pytest.mark.slow
def test_real_folder(u2netp: str, photos: list[Path], tmp_path: Path) -> None:
    """A photo that arrives in two halves has its whole cut-out; Ctrl-C ends the watch with 0."""
    src, dst = tmp_path / 'in', tmp_path / 'out'
    src.mkdir()
    command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'remove', str(src), str(dst)]
    job = subprocess.Popen(
        [*command, '--watch', '--model', u2netp, '--device', 'cpu'],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        content = photos[0].read_bytes()
        with (src / 'a.jpg').open('wb') as file:
            file.write(content[: len(content) // 2])
            file.flush()
            time.sleep(1.5)
            assert not list(tmp_path.rglob('*.png'))
            file.write(content[len(content) // 2 :])
        deadline = time.monotonic() + 60
        while not (dst / 'a.jpg.png').is_file() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.3)
        os.kill(job.pid, signal.SIGINT)
        out, err = job.communicate(timeout=30)
    finally:
        job.kill()
    assert job.returncode == 0, err
    assert '1 done' in out
    assert (dst / 'a.jpg.png').is_file()
