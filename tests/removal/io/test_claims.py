"""Claims on a folder: shared by one purpose, refused to others, released by whatever end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bgremoval_mm.removal.io.claims import ClaimedError, claim

HOLD = """
import sys
from pathlib import Path
from bgremoval_mm.removal.io.claims import claim
with claim(Path(sys.argv[1]), sys.argv[2]):
    print('held', flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder: Path, purpose: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder until this ends."""
    command = [sys.executable, '-c', HOLD, str(folder), purpose]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'held\n'
        yield process


def test_one_purpose_is_shared(tmp_path: Path) -> None:
    """Processes with one purpose hold a folder together; the last one leaves nothing behind."""
    with held(tmp_path / 'a', 'masks'):
        with claim(tmp_path / 'a', 'masks'):
            assert len(list((tmp_path / 'a').iterdir())) == 1
        # The other one still has it.
        with pytest.raises(ClaimedError), claim(tmp_path / 'a', 'cut-outs'):
            pass
    assert not (tmp_path / 'a').exists()


def test_another_purpose_is_refused(tmp_path: Path) -> None:
    """The message says what is made there; afterwards the folder is free."""
    with held(tmp_path, 'masks of u2net'):
        refused = pytest.raises(ClaimedError, match='another process makes masks of u2net in')
        with refused as caught, claim(tmp_path, 'cut-outs'):
            pytest.fail('not to be reached')
        assert caught.value.purpose == 'masks of u2net'
    with claim(tmp_path, 'cut-outs'):
        pass
    assert not list(tmp_path.iterdir())


def test_within_one_process(tmp_path: Path) -> None:
    """The same holds of two claims of one process."""
    a, again, b = (claim(tmp_path, purpose) for purpose in 'aab')
    with a, again, pytest.raises(ClaimedError), b:
        pass


def test_killed(tmp_path: Path) -> None:
    """A killed process holds nothing, and what it left is deleted."""
    with held(tmp_path, 'masks') as process:
        process.kill()
        process.wait()
        assert list(tmp_path.iterdir())
        with claim(tmp_path, 'cut-outs'):
            assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())


def test_many_at_once(tmp_path: Path) -> None:
    """However they meet, no two purposes ever hold the folder together."""
    inside: list[str] = []
    wrong: list[list[str]] = []
    entered = {'a': 0, 'b': 0}

    def work(purpose: str) -> None:
        for _ in range(300):
            try:
                with claim(tmp_path, purpose):
                    inside.append(purpose)
                    if len(now := set(inside)) > 1:
                        wrong.append(sorted(now))
                    entered[purpose] += 1
                    inside.remove(purpose)
            except ClaimedError:
                pass

    threads = [threading.Thread(target=work, args=(name,)) for name in 'abab']
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not wrong
    assert sum(entered.values()) > 0
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be written to, and a file system without locks, are not held."""
    (tmp_path / 'file').touch()
    with claim(tmp_path / 'file' / 'below', 'a'), claim(tmp_path / 'file' / 'below', 'b'):
        pass

    def refuse(*_: object) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr('fcntl.flock', refuse)
    with claim(tmp_path, 'a'), claim(tmp_path, 'b'):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_errors_pass_through(tmp_path: Path) -> None:
    """An error of the work is raised as it is, and the folder is released."""
    with pytest.raises(KeyError) as caught, claim(tmp_path, 'a'):
        raise KeyError
    assert caught.value.__context__ is None
    with claim(tmp_path, 'b'):
        pass


def test_folders_that_stay_empty(tmp_path: Path) -> None:
    """Folders that were made for nothing are deleted; what was there or got content stays."""
    with pytest.raises(KeyError), claim(tmp_path / 'a' / 'b', 'a'):
        raise KeyError
    assert not list(tmp_path.iterdir())
    with claim(tmp_path / 'a' / 'b', 'a'):
        (tmp_path / 'a' / 'file').touch()
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['file']
