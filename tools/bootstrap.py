"""Make `.venv`: the pinned stack, this package, two model files. `make setup` runs it.

Needs the standard library only. pip does the work, and leaves alone what is installed; added here
are the order, an mmcv for the torch that is installed, and repair after an interruption.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
BIN = VENV / 'bin'
PYTHON = 'python{}.{}'.format(*sys.version_info)
SITE = VENV / 'lib' / PYTHON / 'site-packages'
LOG = VENV / 'setup.log'
TEMPORARY = VENV / 'tmp'  # pip unpacks gigabytes; what a killed run left is deleted here
PYTHONS = ((3, 11), (3, 12))  # those that constraints.txt was tested with
NEEDED_GIGABYTES = 8
RUNTIMES = {'cpu': 'onnxruntime', 'gpu': 'onnxruntime-gpu'}  # they write the same files: never both
MMCV_CHECK = """
import mmcv, torch
from mmcv.ops import nms
nms(torch.tensor([[0.0, 0.0, 9.0, 9.0]]), torch.tensor([1.0]), 0.5)
assert f'mmcv=={mmcv.__version__}' in open('constraints.txt').read().split()
"""


def fail(message: str) -> NoReturn:
    """End with exit code 1."""
    sys.exit(f'Set-up failed: {message}')


def run(*command: str | Path, quiet: bool = False) -> bool:
    """Run a command; return whether it succeeded."""
    output = subprocess.DEVNULL if quiet else None
    # A session of its own, so that stopping it also stops the compilers that it started.
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
    ) as process:
        try:
            return process.wait() == 0
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGTERM)
            raise


def ask(*command: str | Path) -> str:
    """Return what a command prints; nothing if it fails or takes minutes."""
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        return ''


def install(*arguments: str, quiet: bool = False) -> bool:
    """Install the tested versions of what is missing; if `quiet`, return whether that succeeded."""
    options = ('--no-build-isolation', '--constraint', 'constraints.txt')
    done = run(BIN / 'python', '-m', 'pip', 'install', *options, *arguments, quiet=quiet)
    if not done and not quiet:
        fail(f'pip says why, above and in {LOG}. Afterwards, `make setup` resumes here.')
    return done


def make_venv() -> None:
    """Make the virtual environment, unless there is one that works in this folder."""

    def works() -> bool:
        return f' from {SITE}{os.sep}' in ask(BIN / 'pip', '--version')

    if works():
        return
    # Gigabytes that work are not thrown away because PYTHON= was forgotten.
    if other := re.search(
        rf' from {re.escape(str(VENV))}/lib/(python[\d.]+)/', ask(BIN / 'pip', '--version')
    ):
        fail(
            f'{VENV} is of {other[1]}, this is {PYTHON}: `make setup PYTHON=/path/to/{other[1]}` '
            f'goes on with it, `rm -r {VENV}` makes room for one of {PYTHON}.'
        )
    ours = (VENV / 'pyvenv.cfg').is_file() and not VENV.is_symlink()
    if os.path.lexists(VENV) and not ours:
        fail(f'{VENV} is not a virtual environment made here. Move it away and try again.')
    if (free := shutil.disk_usage(ROOT).free / 1e9) < NEEDED_GIGABYTES:
        fail(f'{free:.1f} GB are free under {ROOT}, {NEEDED_GIGABYTES} GB are needed.')
    if ours:
        print(f'      {VENV} does not work and is made again')
        shutil.rmtree(VENV)
    if not (run(sys.executable, '-m', 'venv', VENV) and works()):
        fail(f'Python cannot make virtual environments: `sudo apt-get install {PYTHON}-venv`.')


def repair() -> None:
    """Delete what an interrupted pip left, so that it installs those distributions again."""
    for folder in (TEMPORARY, *SITE.glob('~*')):
        shutil.rmtree(folder, ignore_errors=True)
    TEMPORARY.mkdir()
    for folder in SITE.glob('*.dist-info'):
        if not (folder / 'INSTALLER').exists():  # pip writes it after all other files
            print(f'      {folder.stem} is incomplete and will be installed again')
            shutil.rmtree(folder)


def install_mmcv() -> None:
    """Install mmcv with its operators: a wheel that pip finds, or else a build from source.

    Never let pip reuse an mmcv wheel from its cache, which may be built for another torch.
    """

    def works() -> bool:
        return run(BIN / 'python', '-c', MMCV_CHECK, quiet=True)

    if works():
        return
    options = ('--no-deps', '--no-cache-dir', '--force-reinstall', 'mmcv')
    if install('--only-binary=mmcv', *options, quiet=True):
        if works():
            return
        print('      the wheel that pip found does not fit this torch')
    if not shutil.which(os.environ.get('CXX', 'c++')):
        fail(f'mmcv needs a compiler: `sudo apt-get install build-essential {PYTHON}-dev`.')
    print(f'      building from source, ten minutes on two cores: `tail -f {LOG}`')
    print('      if that ends for want of memory: `MAX_JOBS=1 make setup`')
    install('--no-binary=mmcv', *options)
    if not works():
        fail(f'mmcv was built but its operators do not load. Log: {LOG}')


def install_package(wanted: str) -> None:
    """Install this package, editable, with all extras and exactly one ONNX Runtime."""
    names = {dist.name for dist in importlib.metadata.distributions(path=[str(SITE)])}
    there = [runtime for runtime, name in RUNTIMES.items() if name in names]
    if wanted == 'auto':
        on_gpu = not there and 'GPU 0' in ask('nvidia-smi', '-L')
        wanted = 'gpu' if on_gpu else [*there, 'cpu'][0]
    if there not in ([], [wanted]):
        run(BIN / 'python', '-m', 'pip', 'uninstall', '--yes', *RUNTIMES.values())
    print(f'      with ONNX Runtime for {wanted}')
    install('--editable', f'.[all,tests,{wanted}]')
    # The metrics of saliency. It asks for an older numpy and OpenCV, but works with these.
    install('--no-deps', 'pysodmetrics')


def set_up(runtime: str) -> None:
    """Do all steps in order, each only as far as it is needed."""
    if sys.version_info[:2] not in PYTHONS:
        needed = ' or '.join('{}.{}'.format(*version) for version in PYTHONS)
        version = f'{sys.version.split()[0]} ({sys.executable})'
        way = '`make setup PYTHON=/path/to/python3.11`'
        fail(f'Python {needed} is needed, this is {version}: {way}.')
    print('[1/6] virtual environment', VENV)
    make_venv()
    repair()
    LOG.unlink(missing_ok=True)
    print('[2/6] pip and build tools')
    install('pip', 'setuptools', 'wheel', 'ninja', 'packaging')
    print('[3/6] torch, torchvision and mmengine (about 3 GB to download)')
    install('torch', 'torchvision', 'mmengine')
    print('[4/6] mmcv with its operators')
    install_mmcv()
    print('[5/6] this package with all extras, ONNX Runtime, tests')
    install_package(runtime)
    print('[6/6] model files u2netp and u2net (180 MB)')
    if not run(BIN / 'bgremoval', 'models', 'u2netp', 'u2net'):
        fail('the model files could not be fetched. Try `.venv/bin/bgremoval models u2netp u2net`.')
    print('Done. Check whether all of it works: `make doctor`')


def main() -> int:
    """Set up; return 0, or 1 after a failure and 130 after an interruption."""
    parser = argparse.ArgumentParser(description='Make .venv with everything that is needed.')
    help_text = 'ONNX Runtime to install; auto: gpu where nvidia-smi finds one'
    parser.add_argument('--ort', choices=('auto', *RUNTIMES), default='auto', help=help_text)
    runtime = parser.parse_args().ort
    os.chdir(ROOT)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in ('PYTHONHOME', 'PYTHONPATH', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_USER', 'PIP_ROOT'):
        os.environ.pop(name, None)  # they would lead pip elsewhere
    os.environ |= {
        'PATH': f'{BIN}{os.pathsep}{os.environ.get("PATH", os.defpath)}',  # ninja, for mmcv
        'TMPDIR': str(TEMPORARY),
        'PIP_LOG': str(LOG),
        'PIP_DISABLE_PIP_VERSION_CHECK': '1',
        'MMCV_WITH_OPS': '1',
    }
    try:
        with Path(__file__).open('rb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second set-up of the same tree waits for its turn
            set_up(runtime)
    except KeyboardInterrupt:
        print('\nInterrupted. `make setup` resumes here.', file=sys.stderr)
        return 130
    except OSError as error:
        fail(str(error))
    return 0


if __name__ == '__main__':
    sys.exit(main())
