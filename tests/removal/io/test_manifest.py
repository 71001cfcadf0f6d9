"""The manifest: one line a record whatever the names, and what can be saved of torn ones."""

from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bgremoval_mm.removal import Manifest, Record
from bgremoval_mm.removal.io.manifest import TargetWriteError, latest
from bgremoval_mm.utils.atomic import write_atomically

NAMES = [
    'line\u2028paragraph\u2029next\x85.jpg',
    'a\nb\r.jpg',
    'esc\x1b[2J.jpg',
    os.fsdecode(b'Mu\xf1oz.jpg'),
    'lone \ud800.jpg',
    'x' * 251 + '.jpg',
    'e\u0301.jpg',
    '\u00e9.jpg',
    '{"path":"forged","status":"ok"}.jpg',
]


def record(path: str, **fields: object) -> Record:
    """A minimal failure, whose reason holds the name as messages do."""
    return Record(
        path=path, status='error', error=f'{path}: no', model='u2netp', model_hash='x', **fields
    )


def test_names_of_any_kind_survive(tmp_path: Path) -> None:
    """Each record is one line of valid UTF-8, by Python's widest idea of a line as well."""
    written = Manifest(tmp_path)
    for name in NAMES:
        written.append(record(name))
    assert list(Manifest(tmp_path).read()) == NAMES
    lines = written.path.read_bytes().decode('utf-8').splitlines()
    assert [json.loads(line)['path'] for line in lines] == NAMES


def test_last_line_of_a_file_holds_whatever_the_clock_said(tmp_path: Path) -> None:
    """One that was written while the clock was ahead does not outlive the next."""
    written = Manifest(tmp_path)
    for time in (9.0, 3.0):
        written.append(record('a', time=time))
    read = Manifest(tmp_path).read()
    assert read == {'a': record('a', time=3.0)}
    # Wrapped as a job does it.
    stripped = (replace(each, note='') for each in Manifest(tmp_path).records())
    assert latest(stripped)['a'].time == 3.0
    written.append(read['a'])  # a record does not take along where it was read
    assert written.path.read_text().splitlines()[-1] == record('a', time=3.0).to_json()


@pytest.mark.parametrize(('times', 'part'), [((9.0, 3.0), 5.0), ((9.0, 7.0), 7.0)])
def test_newest_of_several_files_holds(tmp_path: Path, times, part: float) -> None:
    """Each file's own last line is compared, whichever file is read first."""
    for time in times:
        Manifest(tmp_path).append(record('a', time=time))
        Manifest(tmp_path, 'z').append(record('b', time=time))
    Manifest(tmp_path, 'z').append(record('a', time=5.0))
    Manifest(tmp_path).append(record('b', time=5.0))
    read = Manifest(tmp_path).read()
    assert (read['a'].time, read['b'].time) == (part, part)


def test_names_of_any_kind_survive_at_addresses() -> None:
    """The same where the manifest is read whole, also one that an earlier version wrote."""
    fsspec = pytest.importorskip('fsspec')
    fsspec.filesystem('memory').store.clear()
    written = Manifest('memory://out')
    for name in NAMES:
        written.append(record(name))
    written.flush()
    assert list(Manifest('memory://out').read()) == NAMES
    old = json.dumps({'path': NAMES[0], 'status': 'ok', 'model': 'm', 'model_hash': 'x'})
    raw = json.dumps(json.loads(old), ensure_ascii=False).encode()
    assert b'\xe2\x80\xa8' in raw
    fsspec.filesystem('memory').pipe_file('/old/manifest-1-000000.jsonl', raw + b'\n' + raw)
    assert list(Manifest('memory://old').read()) == [NAMES[0]]
    fsspec.filesystem('memory').store.clear()


def test_bytes_that_an_earlier_version_wrote(tmp_path: Path) -> None:
    """A name that is no UTF-8 stood in the file as it is."""
    line = b'{"path":"Mu\xf1oz.jpg","status":"ok","model":"m","model_hash":"x"}\n'
    (tmp_path / 'manifest.jsonl').write_bytes(line)
    assert list(Manifest(tmp_path).read()) == [os.fsdecode(b'Mu\xf1oz.jpg')]


def test_record_behind_a_torn_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of a torn line that another process went on with, the whole record is kept."""
    Manifest(tmp_path).append(record('a'))
    path = tmp_path / 'manifest.jsonl'
    line = path.read_bytes()
    path.write_bytes(line[:25] + line.replace(b'"a"', b'"b"') + b'[1]\nnull\n')
    assert list(Manifest(tmp_path).read()) == ['b']
    assert '3 damaged line(s) skipped' in caplog.text


def test_special_files_are_no_manifest(tmp_path: Path) -> None:
    """A FIFO of that name is not opened, which would wait for ever."""
    os.mkfifo(tmp_path / 'manifest-old.jsonl')
    assert not Manifest(tmp_path).exists()
    assert Manifest(tmp_path).read() == {}


def test_target_that_cannot_be_written_to(tmp_path: Path) -> None:
    """The error is one of the target, tells the file, and keeps the system's number."""
    (tmp_path / 'file').touch()
    with pytest.raises(TargetWriteError, match=r'Not a directory|File exists') as caught:
        Manifest(tmp_path / 'file/below').append(record('a'))
    assert caught.value.errno in (errno.ENOTDIR, errno.EEXIST)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.errno) == (TargetWriteError, caught.value.errno)
    assert isinstance(again, OSError)


def test_partly_written_line_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a full disk that took half a line, the next record begins a line of its own."""
    written = Manifest(tmp_path)
    written.append(record('a'))
    real = os.write
    monkeypatch.setattr(os, 'write', lambda handle, line: real(handle, line[:20]))
    with pytest.raises(TargetWriteError, match='No space left'):
        written.append(record('b'))
    monkeypatch.setattr(os, 'write', real)
    written.append(record('c'))
    assert list(Manifest(tmp_path).read()) == ['a', 'c']


def test_files_obey_the_umask_which_importing_leaves_alone(tmp_path: Path) -> None:
    """No import sets it, as another thread would see; a file has what it leaves, at any time."""
    code = (
        'import os, stat, sys; from pathlib import Path; real = os.umask\n'
        'os.umask = lambda mask: sys.exit("set the umask")\n'
        'from bgremoval_mm.utils.atomic import write_atomically\n'
        'for mask in (0o077, 0o002):\n'
        '    real(mask); path = Path(sys.argv[1], str(mask)); write_atomically(path, b"x")\n'
        '    print(oct(stat.S_IMODE(path.stat().st_mode)))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout.split(), done.stderr) == (['0o600', '0o664'], '')


def test_temporary_name_fits_every_name(tmp_path: Path) -> None:
    """A result of 255 bytes is written as any other."""
    write_atomically(tmp_path / ('x' * 255), b'content')
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]
