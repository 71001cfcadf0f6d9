"""`tools/doctor.py`: its verdicts on components that work, are broken or are not there."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def doctor(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool as a module."""
    path = repository / 'tools' / 'doctor.py'
    spec = importlib.util.spec_from_file_location('doctor_under_test', path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_component_that_works(doctor: ModuleType) -> None:
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
    doctor: ModuleType, code: str, detail: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error, a crash and an exit each become one fault with a remedy; the rest is examined."""
    broken = doctor.Check('broken', code, 'mend it')
    assert doctor.main([broken, doctor.Check('fine', 'print("9.9")')]) == 1
    said = capsys.readouterr().out
    assert f'broken  FAULT   {detail}' in said
    assert 'to mend it: mend it' in said
    assert 'fine    ok      9.9' in said
    assert '1 fault(s).' in said


def test_a_check_that_hangs(doctor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that gives no answer is a fault, not a doctor that hangs as well."""
    monkeypatch.setattr(doctor, 'TIMEOUT_SECONDS', 0.5)
    result = doctor.examine(doctor.Check('slow', 'import time; time.sleep(60)', 'mend it'))
    assert (result.state, result.remedy) == ('FAULT', 'mend it')
    assert 'no answer' in result.detail


@pytest.mark.parametrize(
    ('needed_by', 'state'),
    [(None, 'FAULT'), (('json',), 'FAULT'), (('no_such',), 'absent'), ((), 'absent')],
)
def test_what_is_not_installed(
    doctor: ModuleType, needed_by: tuple[str, ...] | None, state: str
) -> None:
    """Missing is a fault only for what is always needed, or needed by what is installed."""
    check = doctor.Check('thing', '', 'get it', module='no_such_module', needed_by=needed_by)
    assert doctor.examine(check) == doctor.Result('thing', 'not installed', state, 'get it')


def test_absent_parts_do_not_fail(doctor: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """With optional parts missing the exit code stays 0, and the way to get them is shown."""
    assert doctor.main([doctor.Check('extra', '', 'get it', 'no_such_module', ())]) == 0
    assert 'if wanted: get it' in capsys.readouterr().out


def test_two_flavours_are_a_fault(
    doctor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert 'uninstall -y onnxruntime onnxruntime-gpu && ' in result.remedy


@pytest.mark.parametrize(
    ('name', 'error', 'remedy'),
    [
        ('opencv', 'ImportError: libGL.so.1: cannot open shared object file', 'libgl1'),
        ('mmdet', 'ImportError: mmcv/_ext.so: undefined symbol: _ZN', '--no-binary mmcv'),
        ('mmseg', "ModuleNotFoundError: No module named 'ftfy'", '.[seg]'),
        ('onnxruntime', 'AssertionError: no session on CUDAExecutionProvider', 'ORT=cpu'),
    ],
)
def test_remedies_for_known_faults(doctor: ModuleType, name: str, error: str, remedy: str) -> None:
    """Known errors lead to what mends them, which is not always a new installation."""
    (check,) = [check for check in doctor.CHECKS if check.name == name]
    code = f'import sys; sys.exit({error!r})'
    result = doctor.examine(replace(check, code=code))
    assert result.state == 'FAULT'
    assert remedy in result.remedy


@pytest.mark.parametrize(
    ('arguments', 'code', 'said'),
    [
        (['--help'], 0, 'Show what is installed'),
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
    ('flags', 'said'),
    [
        ('fpu avx512_bf16 amx_bf16 amx_tile', 'bf16 by amx_bf16 and avx512_bf16'),
        ('fpu avx512_bf16', 'bf16 by avx512_bf16'),
        ('fpu avx2 avx512f amx_tile', 'no bf16'),
    ],
)
def test_what_the_cpu_computes_in(
    doctor: ModuleType, tmp_path: Path, flags: str, said: str
) -> None:
    """Either instruction set gives bf16; whole names count."""
    one = f'processor\t: 0\nmodel name\t: Fast CPU @ 2 GHz\nflags\t\t: {flags}\n\n'
    (tmp_path / 'cpuinfo').write_text(one * 2)
    result = doctor.examine_cpu(tmp_path / 'cpuinfo')
    cores = len(os.sched_getaffinity(0))
    assert result.detail == f'Fast CPU @ 2 GHz, {cores} cores, {said}'
    assert doctor.examine_cpu(tmp_path / 'none').detail.startswith('unknown')


def test_components_that_only_some_need(doctor: ModuleType) -> None:
    """Each optional one has its line, and the command that brings it; missing is no fault."""
    checks = {check.name: check for check in doctor.CHECKS}
    for name, remedy in [
        ('openvino', '.[openvino]'),
        ('nncf', '.[openvino]'),
        ('ray', '.[ray]'),
        ('pi-heif', '.[formats]'),
        ('openmim', '--no-deps openmim'),
        ('transformers', 'transformers>=4.28,<4.52'),
    ]:
        result = doctor.examine(replace(checks[name], module='no_such_module'))
        assert result.state == 'absent', name
        assert remedy in result.remedy


@pytest.mark.slow
def test_transformers_that_mmpretrain_cannot_use(
    doctor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_errors_cannot_write_to_the_terminal(doctor: ModuleType) -> None:
    """A file name in an error message is shown, not obeyed."""
    result = doctor.Result('thing', 'no file a\x1b[2J\udcffb.so', 'FAULT', 'mend it')
    assert 'no file a\\x1b[2J\\udcffb.so' in doctor.row(result, 8)


@pytest.mark.slow
def test_this_environment(doctor: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """What the tests need works here, as the doctor's own checks see it."""
    names = {'torch', 'torchvision', 'mmcv', 'opencv', 'onnxruntime', 'onnx', 'setuptools'}
    names |= {'openvino', 'ray'}
    assert doctor.main([check for check in doctor.CHECKS if check.name in names]) == 0
    said = capsys.readouterr().out
    assert said.count('(nms runs)') == 2
    assert 'runs on C' in said
    assert '(runs; fp32' in said
