"""`make setup`: what it recognises, repairs and says. Nothing is downloaded here."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
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
    site = venv / 'lib' / 'site-packages'
    site.mkdir(parents=True)
    for name, value in {
        'VENV': venv,
        'SITE': site,
        'PYTHON': Path(sys.executable),
        'LOG': venv / 'setup.log',
        'STAMP': venv / 'setup.stamp',
        'TEMPORARY': venv / 'tmp',
    }.items():
        monkeypatch.setattr(module, name, value)
    return module


def distribution(site: Path, name: str, files: dict[str, str]) -> Path:
    """Installs a distribution by hand: files, and metadata that lists them with their sizes."""
    for file, text in files.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text(text)
    folder = site / f'{name}-1.0.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
    rows = [f'{file},sha256=x,{len(text)}' for file, text in files.items()]
    (folder / 'RECORD').write_text('\n'.join([*rows, f'{folder.name}/RECORD,,', 'a/b.pyc,,']))
    return folder


def test_whole_distributions_are_left_alone(bootstrap: ModuleType) -> None:
    """Files of the recorded size, and what has no size, are in order."""
    folder = distribution(bootstrap.SITE, 'whole', {'whole/a.py': 'a = 1\n'})
    bootstrap.STAMP.write_text('fingerprint')
    bootstrap.repair()
    assert folder.exists()
    assert bootstrap.STAMP.read_text() == 'fingerprint'


@pytest.mark.parametrize('damage', ['missing', 'cut off', 'no record', 'half a record'])
def test_repair_forgets_damaged_distributions(
    bootstrap: ModuleType, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A half-written distribution is forgotten, so that pip installs it; so is pip's left-over."""
    distribution(bootstrap.SITE, 'whole', {'whole/a.py': 'a = 1\n'})
    folder = distribution(bootstrap.SITE, 'broken', {'broken/a.py': 'a = 1\n', 'broken/b.py': ''})
    (bootstrap.SITE / '~roken').mkdir()
    bootstrap.STAMP.write_text('fingerprint')
    if damage == 'missing':
        (bootstrap.SITE / 'broken' / 'b.py').unlink()
    elif damage == 'cut off':
        (bootstrap.SITE / 'broken' / 'a.py').write_text('a =')
    elif damage == 'no record':
        (folder / 'RECORD').unlink()
    else:
        (folder / 'RECORD').write_text('broken/a.py,sha')
    bootstrap.repair()
    assert [path.name for path in bootstrap.SITE.glob('*.dist-info')] == ['whole-1.0.dist-info']
    assert not list(bootstrap.SITE.glob('~*'))
    assert not bootstrap.STAMP.exists()
    assert 'broken-1.0 is incomplete' in capsys.readouterr().out


def test_distributions_that_overlap_are_not_damaged(bootstrap: ModuleType) -> None:
    """Two distributions that write one file (modelindex and model-index do) are both in order."""
    distribution(bootstrap.SITE, 'one', {'shared.py': 'short'})
    distribution(bootstrap.SITE, 'two', {'shared.py': 'longer text'})
    assert list(bootstrap.damaged()) == []


def test_flavour(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for, else what is installed, else what the hardware suggests."""
    monkeypatch.setattr(bootstrap, 'ask', lambda *command: 'GPU 0: NVIDIA H200')
    assert bootstrap.choose_flavour('auto') == 'gpu'
    monkeypatch.setattr(bootstrap, 'ask', lambda *command: '')
    assert bootstrap.choose_flavour('auto') == 'cpu'
    distribution(bootstrap.SITE, 'onnxruntime_gpu', {'onnxruntime/a.py': ''})
    assert bootstrap.choose_flavour('auto') == 'gpu'
    assert bootstrap.choose_flavour('cpu') == 'cpu'


def test_the_fingerprint_follows_the_inputs(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another ONNX Runtime or another pin asks for a new installation; nothing else does."""
    before = bootstrap.inputs('cpu')
    assert bootstrap.inputs('cpu') == before
    assert bootstrap.inputs('gpu') != before
    changed = tmp_path / 'constraints.txt'
    changed.write_text(bootstrap.CONSTRAINTS.read_text() + 'more==1.0\n')
    monkeypatch.setattr(bootstrap, 'CONSTRAINTS', changed)
    assert bootstrap.inputs('cpu') != before


@pytest.mark.parametrize(
    ('said', 'advice'),
    [
        ('OSError: [Errno 28] No space left on device', 'disk is full'),
        ('NewConnectionError: Failed to establish a new connection', 'Check the network'),
        ('ERROR: Could not find a version (from versions: none)', 'Check the network'),
        ('error: command g++ failed: No such file or directory', 'build-essential'),
        ('c++: fatal error: Killed signal terminated program cc1plus', 'MAX_JOBS=1'),
        ('ERROR: No matching distribution found for torch==2.11.0', 'lacks a pinned version'),
        ('ERROR: something that was never seen before', 'something that was never seen before'),
    ],
)
def test_failures_of_pip_come_with_a_remedy(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, said: str, advice: str
) -> None:
    """What pip wrote is turned into one line that says what to do and where the log is."""

    def fail(*command: object) -> int:
        bootstrap.LOG.write_text(said)
        return 1

    monkeypatch.setattr(bootstrap, 'run', fail)
    with pytest.raises(bootstrap.SetupError, match=advice) as caught:
        bootstrap.pip('install', 'torch')
    assert str(bootstrap.LOG) in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('line', 'shown'),
    [
        (
            '  Downloading torch-2.11.0-cp311-cp311-manylinux.whl (530.6 MB)',
            'downloading torch-2.11.0',
        ),
        ('  [12/77] c++ -MMD -MF active_rotated_filter.o.d', 'compiled 12 of 77 files'),
        ('Installing collected packages: torch', 'installing collected packages'),
        ('  Using cached torch-2.11.0-cp311-cp311-manylinux.whl', ''),
    ],
)
def test_progress(bootstrap: ModuleType, line: str, shown: str) -> None:
    """What pip and ninja print becomes a word on the state of things."""
    progress = bootstrap.Progress()
    progress.read(line)
    assert progress.text == shown


def test_progress_of_a_download(bootstrap: ModuleType) -> None:
    """pip's raw counts are told in megabytes, under the name of the file."""
    progress = bootstrap.Progress()
    progress.read('  Downloading torch-2.11.0-cp311.whl (530.6 MB)')
    progress.read('Progress 100000000 of 530600000')
    progress.read('Progress 200000000 of 530600000')
    assert progress.text == 'downloading torch-2.11.0: 200 of 531 MB'


def test_a_command_is_logged_with_its_result(bootstrap: ModuleType) -> None:
    """Output of both streams goes to the log; the exit status comes back."""
    code = 'import sys; print("to out"); print("to err", file=sys.stderr); sys.exit(3)'
    assert bootstrap.run(sys.executable, '-c', code) == 3
    log = bootstrap.LOG.read_text()
    assert 'to out' in log
    assert 'to err' in log


def test_too_little_disk_space(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made, the free space is told beside the needed one."""
    usage = type('Usage', (), {'free': 3e9})
    monkeypatch.setattr(bootstrap.shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(bootstrap.SetupError, match=r'3\.0 GB are free .* 8 GB are needed'):
        bootstrap.make_venv()


def test_no_compiler(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a wheel of mmcv and without a compiler the missing package is named."""
    monkeypatch.setenv('CXX', 'no-such-compiler')
    monkeypatch.setattr(bootstrap, 'install', lambda *arguments, fail=True: False)
    with pytest.raises(bootstrap.SetupError, match='build-essential'):
        bootstrap.build_mmcv()


def test_a_wheel_for_another_torch_is_replaced_by_a_build(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a wheel's operators do not load, mmcv is built from source, without pip's cache."""
    calls: list[tuple[object, ...]] = []
    answers = iter([False, True])  # of the check, after the wheel and after the build
    monkeypatch.setattr(bootstrap, 'python_runs', lambda code: next(answers))
    monkeypatch.setattr(
        bootstrap, 'install', lambda *arguments, fail=True: calls.append(arguments) or True
    )
    bootstrap.build_mmcv()
    wheel, build = calls
    assert '--only-binary=mmcv' in wheel
    assert '--no-binary=mmcv' in build
    assert all('--no-cache-dir' in call and 'mmcv==2.1.0' in call for call in calls)


def test_wrong_python(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Python than the tested one is refused with the way to choose one."""
    monkeypatch.setattr(bootstrap, 'NEEDED_PYTHON', (3, 99))
    with pytest.raises(bootstrap.SetupError, match='make setup PYTHON='):
        bootstrap.set_up('auto')


@pytest.mark.parametrize('sent', [signal.SIGINT, signal.SIGTERM])
def test_stopping_ends_all_processes_without_a_traceback(
    repository: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    """Ctrl-C gives one clear line, and what the set-up had started is gone."""
    child = tmp_path / 'child.pid'
    # The shell stands for pip, its `sleep` for a compiler that pip has started.
    script = f"""
import sys, signal
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {str(repository / 'tools')!r})
import bootstrap
bootstrap.LOG = Path({str(tmp_path / 'log')!r})
bootstrap.set_up = lambda wanted: bootstrap.run('sh', '-c', 'sleep 60 & echo $! > {child}; wait')
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
    assert errors.strip() == 'Interrupted. `make setup` goes on from here.'
    state = Path(f'/proc/{int(child.read_text())}/stat')
    for _ in range(100):  # an orphan is reaped by init, in its own time
        if not state.exists() or state.read_text().split()[2] == 'Z':
            break
        time.sleep(0.05)
    else:
        os.kill(int(child.read_text()), signal.SIGKILL)
        pytest.fail('the child of the stopped command still runs')


def test_a_busy_machine_gets_its_virtual_environment(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making it takes over a minute beside other jobs; that is not taken for a failure."""
    seconds = {'venv': 120, 'pip': 5}
    made = []

    def run(command: list[str], timeout: float, **_options: object) -> SimpleNamespace:
        what = 'venv' if 'venv' in command else 'pip'
        if seconds[what] > timeout:
            raise bootstrap.subprocess.TimeoutExpired(command, timeout)
        made.extend([what] if what == 'venv' else [])
        where = f'pip 26.3 from {bootstrap.SITE}/pip (python 3.11)' if made else ''
        return SimpleNamespace(stdout=where)

    monkeypatch.setattr(bootstrap.subprocess, 'run', run)
    monkeypatch.setattr(bootstrap, 'NEEDED_GIGABYTES', 0)
    bootstrap.make_venv()
    assert made == ['venv']
