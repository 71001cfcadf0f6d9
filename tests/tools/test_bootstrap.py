"""`make setup`: what it recognises, repairs and says. Nothing is downloaded here."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest


@pytest.fixture
def bootstrap(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool as a module, its `.venv` being an empty folder of the test."""
    path = repository / 'tools' / 'bootstrap.py'
    spec = importlib.util.spec_from_file_location('bootstrap_under_test', path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    venv = tmp_path / '.venv'
    (venv / 'bin').mkdir(parents=True)
    (venv / 'lib').mkdir()
    for name, value in {
        'VENV': venv,
        'BIN': venv / 'bin',
        'SITE': venv / 'lib',
        'LOG': venv / 'setup.log',
        'TEMPORARY': venv / 'tmp',
        'NEEDED_GIGABYTES': 0,
    }.items():
        monkeypatch.setattr(module, name, value)
    return module


@pytest.fixture
def commands(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that the tool runs; each one is only written down, and succeeds."""
    ran: list[str] = []
    monkeypatch.setattr(
        bootstrap, 'run', lambda *words, quiet=False: ran.append(' '.join(map(str, words))) or True
    )
    return ran


def distribution(site: Path, name: str, *, complete: bool = True) -> Path:
    """Install a distribution by hand, as pip does it."""
    folder = site / f'{name.replace("-", "_")}-1.0.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
    if complete:
        (folder / 'INSTALLER').write_text('pip\n')
    return folder


def test_repair_forgets_what_pip_had_not_finished(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half-written distributions are forgotten, so that pip installs them; so are leftovers."""
    whole = distribution(bootstrap.SITE, 'whole')
    broken = distribution(bootstrap.SITE, 'broken', complete=False)
    for leftover in (bootstrap.SITE / '~roken', bootstrap.TEMPORARY / 'pip-unpack-x'):
        leftover.mkdir(parents=True)
    bootstrap.repair()
    assert whole.exists()
    assert not broken.exists()
    assert not list(bootstrap.SITE.glob('~*'))
    assert not list(bootstrap.TEMPORARY.iterdir())
    assert 'broken-1.0 is incomplete' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('wanted', 'there', 'hardware', 'installed', 'uninstalled'),
    [
        ('auto', [], 'GPU 0: NVIDIA H200', 'gpu', False),
        ('auto', [], '', 'cpu', False),
        ('auto', ['onnxruntime-gpu'], '', 'gpu', False),
        ('auto', ['onnxruntime', 'onnxruntime-gpu'], 'GPU 0', 'cpu', True),
        ('cpu', ['onnxruntime'], 'GPU 0', 'cpu', False),
        ('cpu', ['onnxruntime-gpu'], 'GPU 0', 'cpu', True),
    ],
)
def test_one_onnx_runtime(
    bootstrap: ModuleType,
    commands: list[str],
    monkeypatch: pytest.MonkeyPatch,
    wanted: str,
    there: list[str],
    hardware: str,
    installed: str,
    uninstalled: bool,
) -> None:
    """What was asked for, else what is installed, else what suits the hardware; never two."""
    monkeypatch.setattr(bootstrap, 'ask', lambda *command: hardware)
    for name in there:
        distribution(bootstrap.SITE, name)
    bootstrap.install_package(wanted)
    assert commands[-2].endswith(f'--editable .[all,tests,{installed}]')
    assert commands[-1].endswith('--no-deps pysodmetrics')
    assert ('uninstall' in commands[0]) == uninstalled


def test_failure_of_pip(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip has said what is wrong; one line more says where the log is and how to go on."""
    monkeypatch.setattr(bootstrap, 'run', lambda *command, quiet: False)
    with pytest.raises(SystemExit, match='`make setup` resumes here') as caught:
        bootstrap.install('torch')
    assert str(bootstrap.LOG) in str(caught.value)


def test_mmcv_that_works_is_left_alone(bootstrap: ModuleType, commands: list[str]) -> None:
    """Only the check runs."""
    bootstrap.install_mmcv()
    assert len(commands) == 1
    assert 'nms' in commands[0]


def test_a_wheel_for_another_torch_is_replaced_by_a_build(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a wheel's operators do not load, mmcv is built from source, without pip's cache."""
    calls: list[tuple[str, ...]] = []
    checks = iter([False, False, True])  # at first, after the wheel, and after the build

    def run(*command: str, quiet: bool = False) -> bool:
        if '-c' in command:
            return next(checks)
        calls.append(command)
        return True

    monkeypatch.setattr(bootstrap, 'run', run)
    bootstrap.install_mmcv()
    wheel, build = calls
    assert '--only-binary=mmcv' in wheel
    assert '--no-binary=mmcv' in build
    for call in calls:
        assert {'--no-cache-dir', '--force-reinstall', '--constraint', 'mmcv'} <= set(call)


def test_no_compiler(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a wheel of mmcv and without a compiler the missing package is named."""
    monkeypatch.setenv('CXX', 'no-such-compiler')
    monkeypatch.setattr(bootstrap, 'run', lambda *command, quiet: False)
    with pytest.raises(SystemExit, match='build-essential'):
        bootstrap.install_mmcv()


def test_too_little_disk_space(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made or deleted, the free space is compared with what is needed."""
    monkeypatch.setattr(bootstrap.shutil, 'disk_usage', lambda path: SimpleNamespace(free=3e9))
    monkeypatch.setattr(bootstrap, 'NEEDED_GIGABYTES', 8)
    (bootstrap.VENV / 'pyvenv.cfg').touch()
    with pytest.raises(SystemExit, match=r'3\.0 GB are free .* 8 GB are needed'):
        bootstrap.make_venv()
    assert bootstrap.SITE.exists()


def test_venv_that_does_not_work_is_made_again(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of an earlier one is deleted; one that works is left alone."""
    (bootstrap.VENV / 'pyvenv.cfg').touch()
    (bootstrap.BIN / 'pip').touch()
    made = []
    monkeypatch.setattr(bootstrap, 'run', lambda *command: made.append(command) or True)
    monkeypatch.setattr(
        bootstrap, 'ask', lambda *command: f'pip 26.3 from {bootstrap.SITE}/pip' if made else ''
    )
    bootstrap.make_venv()
    bootstrap.make_venv()
    assert made == [(sys.executable, '-m', 'venv', bootstrap.VENV)]
    assert not bootstrap.BIN.exists()


@pytest.mark.parametrize('kind', ['folder', 'file', 'link', 'link to nothing'])
def test_nothing_else_is_deleted(bootstrap: ModuleType, tmp_path: Path, kind: str) -> None:
    """A `.venv` that is not a virtual environment, or is somebody else's, stays as it is."""
    other = bootstrap.VENV.rename(tmp_path / 'other')
    (other / 'precious').touch()
    if kind == 'folder':
        other.rename(bootstrap.VENV)
    elif kind == 'file':
        bootstrap.VENV.touch()
    else:
        (other / 'pyvenv.cfg').touch()
        bootstrap.VENV.symlink_to(other if kind == 'link' else tmp_path / 'nowhere')
    with pytest.raises(SystemExit, match=rf'{bootstrap.VENV} is not a virtual environment made'):
        bootstrap.make_venv()
    assert os.path.lexists(bootstrap.VENV)
    assert list(tmp_path.rglob('precious'))


def test_wrong_python(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Python than the tested ones is refused with the way to choose one."""
    monkeypatch.setattr(bootstrap, 'PYTHONS', ((3, 98), (3, 99)))
    with pytest.raises(SystemExit, match=r'3\.98 or 3\.99 is needed.*make setup PYTHON='):
        bootstrap.set_up('auto')


def test_the_package_names_the_pythons_of_the_set_up(
    bootstrap: ModuleType, repository: Path
) -> None:
    """The metadata's lowest version and classifiers are what `make setup` takes."""
    project = tomllib.loads((repository / 'pyproject.toml').read_text())['project']
    pythons = ['{}.{}'.format(*version) for version in bootstrap.PYTHONS]
    prefix = 'Programming Language :: Python :: '
    named = [text for text in project['classifiers'] if text.startswith(prefix)]
    assert named == [f'{prefix}{version}' for version in pythons]
    assert project['requires-python'] == f'>={pythons[0]}'
    assert sys.version_info[:2] in bootstrap.PYTHONS


def test_a_venv_of_another_python_is_kept(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A working `.venv` of another Python stays, and the error names both ways on."""
    (bootstrap.VENV / 'pyvenv.cfg').touch()
    monkeypatch.setattr(bootstrap, 'SITE', bootstrap.VENV / 'lib' / bootstrap.PYTHON)
    other = f'pip 26.3 from {bootstrap.VENV}/lib/python3.98/site-packages/pip (python 3.98)'
    monkeypatch.setattr(bootstrap, 'ask', lambda *command: other)
    ways = rf'PYTHON=/path/to/python3\.98`.*`rm -r {bootstrap.VENV}`.*3\.{sys.version_info[1]}'
    with pytest.raises(SystemExit, match=ways):
        bootstrap.make_venv()
    assert (bootstrap.VENV / 'pyvenv.cfg').exists()


@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGTERM])
def test_stopping_ends_all_processes_without_a_traceback(
    repository: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    """Ctrl-C gives one clear line, and what the set-up had started is gone."""
    child = tmp_path / 'child.pid'
    # The shell stands for pip, its `sleep` for a compiler that pip has started.
    script = f"""
import sys, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {str(repository / 'tools')!r})
import bootstrap
bootstrap.set_up = lambda runtime: bootstrap.run('sh', '-c', 'sleep 60 & echo $! > {child}; wait')
sys.argv = ['bootstrap.py']
sys.exit(bootstrap.main())
"""
    process = subprocess.Popen(
        [sys.executable, '-c', script], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (child.exists() and child.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == 'Interrupted. `make setup` resumes here.'
    state = Path(f'/proc/{int(child.read_text())}/stat')
    for _ in range(100):  # an orphan is reaped by init, in its own time
        if not state.exists() or state.read_text().split()[2] == 'Z':
            break
        time.sleep(0.05)
    else:
        os.kill(int(child.read_text()), signal.SIGKILL)
        pytest.fail('the child of the stopped command still runs')
