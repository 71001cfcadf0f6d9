"""What becomes of an exception: a line and an exit code, or its traceback."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, Dataset

from bgremoval_mm.cli import errors
from bgremoval_mm.cli.errors import guarded
from bgremoval_mm.cli.main import main
from bgremoval_mm.cli.signals import Terminated
from bgremoval_mm.removal import get_model
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError


def fail_with(error: BaseException) -> Callable[[], int]:
    """Work that raises this."""

    def work() -> int:
        raise error

    return work


class Failing(Dataset):
    """A dataset of one sample, which cannot be had."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        error = FileNotFoundError('there is no a\x1b[2J.jpg')
        error.add_note('while Load was at work')
        raise error


def test_error_of_a_loaders_worker_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The message that torch makes of it holds a traceback, which `--debug` shows."""
    loader = DataLoader(Failing(), num_workers=1)
    assert guarded(lambda: len(list(loader))) == 1
    line = 'error: there is no a\\x1b[2J.jpg; while Load was at work\n'
    assert capsys.readouterr().err == line


class Unreadable(Failing):
    """A dataset whose photo mmcv cannot read, which it says by an assertion."""

    def __getitem__(self, index: int) -> None:
        from mmcv.transforms import Resize

        Resize()


def test_checks_of_a_loaders_worker(capsys: pytest.CaptureFixture[str]) -> None:
    """What a library of OpenMMLab refuses in a worker is told as in the command's process."""
    work = lambda: len(list(DataLoader(Unreadable(), num_workers=1)))  # noqa: E731
    assert guarded(work, checked_by=errors.OPENMMLAB) == 1
    assert capsys.readouterr().err.startswith('error: ')
    with pytest.raises(AssertionError):
        guarded(work)


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (BgremovalError('no GPU'), 'no GPU'),
        (ArgumentError('`shard` is 0/2'), '`shard` is 0/2'),
        (FileNotFoundError('there is no a.jpg'), 'there is no a.jpg'),
        (ModuleNotFoundError("No module named 'ray'", name='ray'), "No module named 'ray'"),
        (BgremovalError('a\nerror: b\x1b[2J\udcf1'), r'a\nerror: b\x1b[2J\xf1'),
        (BgremovalError(), 'BgremovalError'),
    ],
)
def test_expected_errors_are_one_line(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What explains itself ends a command with 1 and one line, whatever is in the message."""
    assert guarded(fail_with(error)) == 1
    assert capsys.readouterr().err == f'error: {line}\n'


@pytest.mark.parametrize(
    'error',
    [
        TypeError('t'),
        KeyError('k'),
        AttributeError('a'),
        AssertionError('a'),
        RuntimeError('r'),
        ValueError('raised outside of the package'),
        ImportError("cannot import name 'x'", name='bgremoval_mm.removal'),
        ModuleNotFoundError("No module named 'bgremoval_mm.x'", name='bgremoval_mm.x'),
    ],
)
def test_faults_of_the_program_are_raised(error: Exception) -> None:
    """Everything else goes through, so that its traceback is seen."""
    with pytest.raises(type(error)) as raised:
        guarded(fail_with(error))
    assert raised.value is error


def test_checks_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """A plain ValueError counts as expected where the package itself raises it."""

    def work() -> int:
        get_model('u3')
        return 0

    assert guarded(work) == 1
    assert "but got 'u3'" in capsys.readouterr().err
    with pytest.raises(json.JSONDecodeError):
        guarded(lambda: json.loads('{'))


def test_checks_of_the_readers_of_configs(capsys: pytest.CaptureFixture[str]) -> None:
    """What OpenMMLab refuses is expected where a command says that it reads users' configs."""
    mmengine = pytest.importorskip('mmengine')

    def work() -> int:
        mmengine.slice_list([1], [2])
        return 0

    with pytest.raises(ValueError, match='does not match'):
        guarded(work)
    assert guarded(work, checked_by=errors.OPENMMLAB) == 1
    assert capsys.readouterr().err.startswith('error: ')


def test_debug_lets_errors_through() -> None:
    """With --debug there is a traceback of expected errors too."""
    with pytest.raises(BgremovalError, match='no GPU'):
        guarded(fail_with(BgremovalError('no GPU')), debug=True)
    with pytest.raises(FileNotFoundError, match='there is no nowhere'):
        main(['remove', 'nowhere', 'out', '--debug'])


@pytest.mark.parametrize(
    ('error', 'code', 'word'),
    [
        (KeyboardInterrupt(), 130, 'Interrupted'),
        (Terminated(), 143, 'Terminated'),
        (SystemExit(15), 143, 'Terminated'),  # of Ray's handler
    ],
)
def test_interrupts(
    error: BaseException, code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit codes are those of a shell, and one line tells how to go on."""
    assert guarded(fail_with(error)) == code
    line = f'{word}. Run the same command again to go on.'
    assert capsys.readouterr().err.strip() == line


def test_interrupt_that_became_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library may turn KeyboardInterrupt into an error of its own: it is still an interrupt."""
    monkeypatch.setattr(errors.signals, 'received', lambda: 2)
    assert guarded(fail_with(ImportError('initialization failed'))) == 130
    assert capsys.readouterr().err.strip().startswith('Interrupted.')


def test_other_exits_are_kept() -> None:
    """The exit of a parser is no error."""
    with pytest.raises(SystemExit) as left:
        guarded(fail_with(SystemExit(2)))
    assert left.value.code == 2


def command(*arguments: str) -> list[str]:
    """The command in a process of its own."""
    return [sys.executable, '-m', 'bgremoval_mm.cli.main', *arguments]


def test_traceback_of_the_process_is_escaped(tmp_path: Path) -> None:
    """In a process of its own a fault shows its traceback, with nothing that a terminal obeys."""
    code = (
        'import sys\n'
        'from bgremoval_mm.cli import main, models\n'
        'def work(*_): raise KeyError("a\\x1b[2J")\n'
        'models.run_models = work\n'
        'sys.argv = ["bgremoval", "models"]\n'
        'sys.exit(main.main())\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith('Traceback (most recent call last):\n')
    assert done.stderr.endswith("KeyError: 'a\\x1b[2J'\n")


def test_reader_that_goes_away() -> None:
    """`bgremoval models | head -0` ends without a word."""
    shell = ' '.join(command('models')) + ' | true; exit ${PIPESTATUS[0]}'
    done = subprocess.run(['bash', '-c', shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (141, '', '')


NAMES = {
    b'Mu\xf1oz.jpg': r'Mu\xf1oz.jpg',
    b'a\nfailed: b.jpg': r'a\nfailed: b.jpg',
    b'esc\x1b[2J.jpg': r'esc\x1b[2J.jpg',
    '漢字.jpg'.encode(): '漢字.jpg',
}


@pytest.mark.parametrize('encoding', ['utf-8', 'ascii'])
def test_names_in_the_closing_lines(tmp_path: Path, encoding: str) -> None:
    """Any name is printed, on one line, also where standard output is strict or ASCII."""
    source = tmp_path / 'in'
    source.mkdir()
    for name in NAMES:
        Path(os.fsdecode(os.fsencode(source) + b'/' + name)).write_bytes(b'<html>')
    environment = {**os.environ, 'PYTHONIOENCODING': f'{encoding}:strict'}
    done = subprocess.run(
        command('remove', str(source), str(tmp_path / 'out'), '--model', 'u2netp'),
        env=environment,
        capture_output=True,
        check=False,
    )
    lines = done.stdout.decode(encoding).splitlines()
    assert done.returncode == 1, done.stderr
    assert lines[0].startswith('0 done, 0 done before, 4 failed; results and manifest.jsonl in ')
    shown = sorted(line.removeprefix('  failed: ').split(': not an image')[0] for line in lines[1:])
    names = [each.encode(encoding, 'backslashreplace').decode(encoding) for each in NAMES.values()]
    assert shown == sorted(names)


def test_name_in_the_error_of_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name of a single photo is escaped too, and so is what a parser repeats."""
    monkeypatch.chdir(tmp_path)
    name = 'a\nerror: b\x1b[2J.jpg'
    Path(name).write_bytes(b'<html>')
    assert main(['remove', name, 'cut.png', '--model', 'u2netp']) == 1
    assert capsys.readouterr().err.startswith(r'error: a\nerror: b\x1b[2J.jpg: not an image')
    with pytest.raises(SystemExit):
        main(['remove', name, 'cut.png', '--\x1b[2J'])
    assert r'\x1b[2J' in capsys.readouterr().err


def test_tools_have_it_too(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tool's expected error is one line; --debug shows where it comes from."""
    tool = runpy.run_path(str(repository / 'tools/mask_sheet.py'))['main']
    arguments = [str(tmp_path / 'a\x1b'), str(tmp_path), '--out', str(tmp_path / 'sheet.png')]
    assert tool(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert error.count('\n') == 1
    assert '\x1b' not in error
    with pytest.raises((OSError, ValueError)):
        tool([*arguments, '--debug'])
