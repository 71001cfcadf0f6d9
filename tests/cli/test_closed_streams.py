"""Standard streams that are closed or full, targets that cannot be written, and what is said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from bgremoval_mm.cli.main import main

COMMAND = [sys.executable, '-m', 'bgremoval_mm.cli.main']


@pytest.fixture
def photo(tiny_model, image_tree: Path) -> tuple[str, list[str]]:
    """A photo, and the options that all removals here are called with."""
    tiny_model('u2netp')
    return str(image_tree / 'dress/1.jpg'), ['--model', 'u2netp', '--device', 'cpu']


def run(closing: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a shell that closes or redirects streams."""
    script = ['sh', '-c', f'exec "$@" {closing}', 'sh', *COMMAND, *arguments]
    environment = {**os.environ, 'PYTHONUNBUFFERED': ''}
    return subprocess.run(script, input=b'', capture_output=True, check=False, env=environment)


@pytest.mark.parametrize(
    ('closing', 'code', 'said'),
    [
        ('<&-', 0, b''),
        ('2>&-', 0, b''),
        ('<&- 2>&-', 0, b''),
        ('>&-', 1, b'error: cannot write to standard output: Bad file descriptor'),
        ('>/dev/full', 1, b'error: cannot write to standard output: No space left on device'),
    ],
)
def test_closed_streams(tmp_path: Path, closing: str, code: int, said: bytes) -> None:
    """No traceback; what cannot be printed is an error only on standard output."""
    done = run(closing, 'models')
    assert done.returncode == code
    assert b'Traceback' not in done.stderr
    assert said in done.stderr


def test_nothing_comes_from_a_closed_standard_input() -> None:
    """It is an image of no bytes."""
    done = run('<&-', 'remove')
    assert done.returncode == 1
    assert done.stderr.strip() == b'error: standard input: the file is empty'


def test_the_result_of_a_closed_standard_output_is_not_lost_in_silence(u2netp, photos) -> None:
    """An image that can go nowhere is an error."""
    done = run('>&-', 'remove', str(photos[0]), '-', '--model', u2netp, '--device', 'cpu')
    assert done.returncode == 1
    assert done.stderr.strip() == b'error: cannot write to standard output: Bad file descriptor'


def test_a_folder_is_done_without_standard_error(u2netp, photos, tmp_path: Path) -> None:
    """Progress and messages go nowhere, and into no file."""
    options = ['--model', u2netp, '--device', 'cpu']
    done = run('2>&-', 'remove', str(photos[0]), str(tmp_path / 'out'), *options)
    assert done.returncode == 0
    assert b'1 done' in done.stdout


def test_a_target_that_cannot_be_written_is_named(photo, tmp_path: Path, capsys) -> None:
    """The message tells the target's name, not that of a temporary file, and the reason."""
    source, options = photo
    blocker = tmp_path / 'file'
    blocker.touch()
    assert main(['remove', source, str(blocker / 'cut.png'), *options]) == 1
    said = capsys.readouterr().err.strip()
    assert said == f'error: cannot write to {blocker}/cut.png: File exists'
    assert not list(tmp_path.rglob('.tmp-*'))


def test_notes_on_a_single_image_are_told(photo, tmp_path: Path, capsys) -> None:
    """What the summary of a folder would say of an image is said of a single one as well."""
    _, options = photo
    frames = [Image.new('RGB', (20, 20), colour) for colour in ('red', 'blue')]
    frames[0].save(tmp_path / 'a.gif', save_all=True, append_images=frames[1:])
    assert main(['remove', str(tmp_path / 'a.gif'), str(tmp_path / 'cut.png'), *options]) == 0
    assert 'note: animation: the first of 2 frames was used\n' in capsys.readouterr().err


@pytest.mark.parametrize('addresses', [('foo://shop', 'out'), ('photos', 'foo://shop')])
def test_unknown_kinds_of_address(photo, tmp_path: Path, capsys, addresses) -> None:
    """An address that nothing opens is told in one line."""
    source, options = photo
    src, dst = addresses
    src = str(Path(source).parent) if src == 'photos' else src
    dst = str(tmp_path / dst) if dst == 'out' else dst
    assert main(['remove', src, dst, *options]) == 1
    expected = 'error: foo://shop is not an address that fsspec opens: Protocol not known: foo'
    assert expected in capsys.readouterr().err
