"""`bgremoval doctor`: its verdicts on components that work, are broken or are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bgremoval_mm.cli import doctor


def test_a_component_that_works() -> None:
    """The last line that the check prints is shown."""
    result = doctor.examine(doctor.Check('thing', 'print("noise"); print("1.2.3")'))
    assert result == doctor.Result('thing', '1.2.3', 'ok')


@pytest.mark.parametrize(
    ('code', 'detail'),
    [
        ('raise OSError("libthing.so: cannot open")', 'OSError: libthing.so: cannot open'),
        ('import os, signal; os.kill(os.getpid(), signal.SIGSEGV)', 'crashes (SIGSEGV)'),
        ('import sys; sys.exit(7)', 'ends with code 7'),
    ],
)
def test_broken_components_do_not_end_the_table(
    code: str, detail: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error, a crash and an exit each become one fault with a fix; the rest is examined."""
    broken = doctor.Check('broken', code, 'repair it')
    assert doctor.run_doctor([broken, doctor.Check('fine', 'print("9.9")')]) == 1
    said = capsys.readouterr().out
    assert f'broken  FAULT   {detail}' in said
    assert 'fix: repair it' in said
    assert 'fine    ok      9.9' in said
    assert '1 fault(s).' in said


def test_a_check_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that gives no answer is a fault, not a doctor that hangs as well."""
    monkeypatch.setattr(doctor, 'TIMEOUT_SECONDS', 0.5)
    result = doctor.examine(doctor.Check('slow', 'import time; time.sleep(60)', 'repair it'))
    assert (result.state, result.fix) == ('FAULT', 'repair it')
    assert 'no answer' in result.detail


@pytest.mark.parametrize(
    ('needed_by', 'state'),
    [(None, 'FAULT'), (('json',), 'FAULT'), (('no_such',), 'absent'), ((), 'absent')],
)
def test_what_is_not_installed(needed_by: tuple[str, ...] | None, state: str) -> None:
    """Missing is a fault only for what is always needed, or needed by what is installed."""
    check = doctor.Check('thing', '', 'get it', module='no_such_module', needed_by=needed_by)
    assert doctor.examine(check) == doctor.Result('thing', 'not installed', state, 'get it')


def test_absent_parts_do_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    """With optional parts missing the exit code stays 0, and the way to get them is shown."""
    assert doctor.run_doctor([doctor.Check('extra', '', 'get it', 'no_such_module', ())]) == 0
    assert 'optional: get it' in capsys.readouterr().out


def test_two_flavours_are_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions that overwrite each other are named, with the commands that leave one."""
    for name in ('onnxruntime', 'onnxruntime-gpu'):
        folder = tmp_path / f'{name.replace("-", "_")}-1.0.dist-info'
        folder.mkdir()
        (folder / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n')
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    (check,) = [check for check in doctor.CHECKS if check.name == 'onnxruntime']
    result = doctor.examine(check)
    assert result.state == 'FAULT'
    assert 'onnxruntime and onnxruntime-gpu overwrite each other' in result.detail
    assert 'uninstall -y onnxruntime onnxruntime-gpu && ' in result.fix


@pytest.mark.parametrize(
    ('name', 'error', 'fix'),
    [
        ('opencv', 'ImportError: libGL.so.1: cannot open shared object file', 'libgl1'),
        ('mmdet', 'ImportError: mmcv/_ext.so: undefined symbol: _ZN', '--no-binary mmcv'),
        ('mmseg', "ModuleNotFoundError: No module named 'ftfy'", '.[seg]'),
        ('onnxruntime', 'AssertionError: no session on CUDAExecutionProvider', 'ORT=cpu'),
    ],
)
def test_fixes_for_known_faults(name: str, error: str, fix: str) -> None:
    """Known errors lead to what fixes them, which is not always a new installation."""
    (check,) = [check for check in doctor.CHECKS if check.name == name]
    code = f'import sys; sys.exit({error!r})'
    result = doctor.examine(replace(check, code=code))
    assert result.state == 'FAULT'
    assert fix in result.fix


@pytest.mark.parametrize(
    ('arguments', 'code', 'said'),
    [
        (['--help'], 0, 'Check the installed stack'),
        (['--no-such'], 2, 'unrecognized arguments: --no-such'),
        (['torch'], 2, 'unrecognized arguments: torch'),
    ],
)
def test_arguments(repository: Path, arguments: list[str], code: int, said: str) -> None:
    """``--help`` explains and runs nothing; what it does not know it refuses."""
    command = [sys.executable, str(repository / 'tools' / 'doctor.py'), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
    assert 'setuptools' not in done.stdout


@pytest.mark.parametrize(
    ('bf16', 'amx', 'said'),
    [(True, True, 'bf16 with AMX'), (True, False, 'bf16'), (False, False, 'no bf16')],
)
def test_what_the_cpu_computes_in(
    monkeypatch: pytest.MonkeyPatch, bf16: bool, amx: bool, said: str
) -> None:
    """The line on the processor says whether OpenVINO can compute in bf16."""
    monkeypatch.setattr(doctor, 'computes_in_bf16', lambda: bf16)
    monkeypatch.setattr(doctor, 'has_amx', lambda: amx)
    cores = len(os.sched_getaffinity(0))
    assert doctor.describe_cpu().detail.endswith(f', {cores} cores, {said}')


def test_package_that_is_not_installed(repository: Path, tmp_path: Path) -> None:
    """The tool says what to do where not even this package can be imported."""
    tool = tmp_path / 'doctor.py'
    tool.write_text((repository / 'tools' / 'doctor.py').read_text())
    command = [sys.executable, '-I', '-S', str(tool)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: No module named 'bgremoval_mm'; fix: make setup\n"


def test_components_that_only_some_need() -> None:
    """Each optional one has its line, and the command that brings it; missing is no fault."""
    checks = {check.name: check for check in doctor.CHECKS}
    for name, fix in [
        ('openvino', '.[openvino]'),
        ('nncf', '.[openvino]'),
        ('ray', '.[ray]'),
        ('pi-heif', '.[formats]'),
        ('faiss-cpu', '.[metric]'),
        ('openmim', '--no-deps openmim'),
        ('transformers', 'transformers>=4.28,<4.52'),
    ]:
        result = doctor.examine(replace(checks[name], module='no_such_module'))
        assert result.state == 'absent', name
        assert fix in result.fix


@pytest.mark.slow
def test_transformers_that_mmpretrain_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clash is said in one line, and is no fault: mmpretrain works without."""
    pytest.importorskip('mmpretrain')
    (tmp_path / 'transformers').mkdir()
    (tmp_path / 'transformers' / '__init__.py').touch()
    (tmp_path / 'transformers-5.1.0.dist-info').mkdir()
    metadata = 'Metadata-Version: 2.1\nName: transformers\nVersion: 5.1.0\n'
    (tmp_path / 'transformers-5.1.0.dist-info' / 'METADATA').write_text(metadata)
    root = Path(__file__).resolve().parents[2]
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}{os.pathsep}{root}')
    monkeypatch.syspath_prepend(str(tmp_path))
    checks = {check.name: check for check in doctor.CHECKS}
    result = doctor.examine(checks['transformers'])
    assert (result.state, result.detail) == (
        'ok',
        '5.1.0 (mmpretrain cannot use it and goes without: no multimodal models)',
    )
    assert doctor.examine(checks['mmpretrain']).state == 'ok'


def test_errors_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A file name in an error message is shown, not obeyed."""
    code = r'import sys; sys.exit("no file a\x1b[2J.so")'
    assert doctor.run_doctor([doctor.Check('thing', code)]) == 1
    assert 'no file a\\x1b[2J.so' in capsys.readouterr().out


@pytest.mark.slow
def test_this_environment(capsys: pytest.CaptureFixture[str]) -> None:
    """What the tests need works here, as the doctor's own checks see it."""
    names = {'torch', 'torchvision', 'mmcv', 'opencv', 'onnxruntime', 'onnx', 'setuptools'}
    names |= {'openvino', 'ray'}
    assert doctor.run_doctor([check for check in doctor.CHECKS if check.name in names]) == 0
    said = capsys.readouterr().out
    assert said.count('(nms runs)') == 2
    assert 'runs on C' in said
    assert '(runs; fp32' in said
