"""PipelineFiles: what killed workers left, and volumes of their own."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.utils import atomic

DEAD = 2**22 + 1  # no process has this number


@pytest.fixture
def files(tmp_path: Path) -> PipelineFiles:
    """Those of an empty pipeline."""
    return PipelineFiles(tmp_path)


def test_leftovers_are_swept(files: PipelineFiles, monkeypatch) -> None:
    """Those of workers that were killed in a write, in whichever folder; whole files stay."""
    writes = (
        lambda: files.keep_photo(b'photo'),
        lambda: files.keep_mask('a' * 64, 'u2net', np.zeros((2, 2), np.uint8)),
        lambda: files.publish('x/a.png', b'result'),
    )

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, 'replace', killed)
        patched.setattr(Path, 'unlink', lambda *_, **__: None)
        patched.setattr(atomic.os, 'getpid', lambda: DEAD)
        for write in writes:
            with pytest.raises(KeyboardInterrupt):
                write()
    for write in writes:
        write()
    before = everything(files)
    left = {path for path in before if f'-{DEAD}-' in path.name}
    assert len(left) == len(before - left) == 3
    files.sweep()
    assert everything(files) == before - left


def test_a_photo_that_was_cut_off_is_stored_again(files: PipelineFiles) -> None:
    """As by a power failure of the past: the file is there, its bytes are not."""
    sha256 = files.keep_photo(b'photo')
    (path,) = everything(files)
    for cut in (b'', b'pho'):
        path.write_bytes(cut)
        assert files.keep_photo(b'photo') == sha256
        assert files.photo(sha256) == b'photo'
    before = path.stat().st_ino
    files.keep_photo(b'photo')
    assert path.stat().st_ino == before


def test_a_result_is_seen_once_it_is_put_in_its_place(files: PipelineFiles) -> None:
    """It is whole before that; without that, the former one stays, and nothing is left."""
    place = files.root / 'published/x/a.png'
    files.publish('x/a.png', b'former')
    with files.staged('x/a.png', b'result') as commit:
        (staged,) = everything(files) - {place}
        assert (staged.read_bytes(), place.read_bytes()) == (b'result', b'former')
        commit()
        assert everything(files) == {place}
    assert place.read_bytes() == b'result'
    with files.staged('x/a.png', b'dropped'):
        pass
    with pytest.raises(KeyError), files.staged('x/b.png', b'dropped'):
        raise KeyError
    assert everything(files) == {place}
    assert place.read_bytes() == b'result'


def test_a_start_does_not_look_at_all_files(files: PipelineFiles, monkeypatch) -> None:
    """Sweeping lists three folders, with a hundred results as with none."""
    for number in range(100):
        files.publish(f'{number}/a.png', b'result')
    listed: list[str] = []
    honest = os.listdir

    def listdir(path: Path) -> list[str]:
        listed.append(str(path))
        return honest(path)

    with monkeypatch.context() as patched:
        for name in ('rglob', 'glob', 'walk'):
            patched.setattr(Path, name, lambda *_: pytest.fail('walked'), raising=False)
        patched.setattr(os, 'listdir', listdir)
        files.sweep()
    folders = ('photos', 'masks', 'published')
    assert listed == [str(files.root / name / '.unfinished') for name in folders]


def test_a_volume_below_the_folder(files: PipelineFiles, monkeypatch) -> None:
    """Where a file cannot be moved to its place from elsewhere, it is written beside it."""
    honest = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if path.parent != target.parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return honest(path, target)

    monkeypatch.setattr(Path, 'replace', replace)
    files.publish('x/a.png', b'result')
    assert everything(files) == {files.root / 'published/x/a.png'}
    assert (files.root / 'published/x/a.png').read_bytes() == b'result'


def everything(files: PipelineFiles) -> set[Path]:
    """All files of a pipeline."""
    return {path for path in files.root.rglob('*') if path.is_file()}
