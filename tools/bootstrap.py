"""Makes `.venv` with the pinned stack, this package and two model files; `make setup` runs it.

Needs the standard library only. Each step leaves alone what is already right, so that a second run
takes seconds; what an interrupted run left half-written is found by pip's own records and replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import fcntl
import hashlib
import importlib.metadata
import itertools
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
PYTHON = VENV / 'bin' / 'python'
SITE = VENV / 'lib' / f'python{sys.version_info[0]}.{sys.version_info[1]}' / 'site-packages'
LOG = VENV / 'setup.log'
STAMP = VENV / 'setup.stamp'
TEMPORARY = (
    VENV / 'tmp'
)  # pip unpacks gigabytes; what a killed run leaves is found and deleted here
CONSTRAINTS = ROOT / 'constraints.txt'
NEEDED_PYTHON = (3, 11)  # constraints.txt was tested with it, and mmcv is built for it
NEEDED_GIGABYTES = 8
FLAVOURS = {'cpu': 'onnxruntime', 'gpu': 'onnxruntime-gpu'}  # they write the same files: never both

# What pip's output says when it fails, and what to do about it; the first that fits is told.
REMEDIES = {
    r'No space left on device|Disk quota exceeded': (
        f"The disk is full. {NEEDED_GIGABYTES} GB are needed here, and 3 GB where pip's cache lies "
        '(or set PIP_NO_CACHE_DIR=1).'
    ),
    r'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError'
    r'|Temporary failure in name|Connection (?:refused|reset)|IncompleteRead|SSLError'
    r'|Network is unreachable|Could not fetch URL|[Cc]onnection broken|from versions: none': (
        'The package index cannot be reached. Check the network, PIP_INDEX_URL and HTTPS_PROXY.'
    ),
    r'(?:gcc|g\+\+|cc1plus|c\+\+).*(?:not found|No such file)|Python\.h: No such file': (
        'mmcv needs a compiler: `sudo apt-get install build-essential python3.11-dev`.'
    ),
    r'Killed signal|internal compiler error|Cannot allocate memory': (
        'The memory ran out. Build with fewer jobs: `MAX_JOBS=1 make setup`.'
    ),
    r'No matching distribution|ResolutionImpossible': (
        'The package index lacks a pinned version for this machine (Linux x86_64 was tested).'
    ),
}
MMCV_CHECK = """
import torch
from mmcv.ops import nms
nms(torch.tensor([[0.0, 0.0, 9.0, 9.0]]), torch.tensor([1.0]), 0.5)
"""


class SetupError(Exception):
    """A fault whose message tells the user in one line what to do."""


class Progress:
    """One line that is rewritten on a terminal; elsewhere a new line every half minute."""

    def __init__(self) -> None:
        self.start = self.shown = time.monotonic()
        self.text = ''
        self.tty = sys.stdout.isatty()

    def read(self, line: str) -> None:
        """Takes what is worth showing from a line of pip's output."""
        if found := re.match(r'Progress (\d+) of (\d+)', line):
            done, total = (int(number) / 1e6 for number in found.groups())
            name = self.text.split(':')[0]
            self.text = f'{name}: {done:,.0f} of {total:,.0f} MB'
        elif found := re.match(r'\s*Downloading (?:\S*/)?([\w.]+-[\d.]+)\S* \(', line):
            self.text = f'downloading {found[1].rstrip(".")}'
        elif found := re.match(r'\s*\[(\d+)/(\d+)\] ', line):
            self.text = f'compiled {found[1]} of {found[2]} files'
        elif found := re.match(r'\s*(Installing collected packages|Building wheel for \S+)', line):
            self.text = found[1].lower()

    def show(self) -> None:
        """Writes the present state, if it is time to."""
        now = time.monotonic()
        if now - self.shown < (0.5 if self.tty else 30):
            return
        self.shown = now
        minutes, seconds = divmod(int(now - self.start), 60)
        line = f'      {minutes}:{seconds:02d}  {self.text}'
        print(f'\r\033[K{line}' if self.tty else line, end='' if self.tty else '\n', flush=True)

    def clear(self) -> None:
        """Takes the line off the terminal."""
        if self.tty:
            print('\r\033[K', end='', flush=True)


def environment() -> dict[str, str]:
    """The environment of every command: .venv first, and nothing that leads pip elsewhere."""
    strays = ('PYTHONHOME', 'PYTHONPATH', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_USER', 'PIP_ROOT')
    kept = {name: value for name, value in os.environ.items() if name not in strays}
    path = f'{VENV / "bin"}{os.pathsep}{os.environ.get("PATH", os.defpath)}'
    quiet = {'PIP_DISABLE_PIP_VERSION_CHECK': '1', 'PIP_NO_INPUT': '1'}
    places = {'PATH': path, 'VIRTUAL_ENV': str(VENV), 'TMPDIR': str(TEMPORARY)}
    return kept | quiet | places | {'MMCV_WITH_OPS': '1'}


def run(*command: str | Path) -> int:
    """Runs a command, its output going to the log and its progress to the screen."""
    progress = Progress()
    with LOG.open('ab') as log:
        log.write(f'\n$ {" ".join(map(str, command))}\n'.encode())
        # A session of its own, so that stopping it stops the compilers that it started as well.
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            rest = b''
            while True:
                if select.select([process.stdout], [], [], 0.5)[0]:
                    chunk = os.read(process.stdout.fileno(), 65536)
                    if not chunk:
                        break
                    log.write(chunk)
                    *lines, rest = (rest + chunk).split(b'\n')
                    for line in lines:
                        progress.read(line.decode(errors='replace'))
                progress.show()
            return process.wait()
        except BaseException:
            for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, stop)  # what has ended already does not mind
                    process.wait(timeout=10)
            raise
        finally:
            progress.clear()


def python_runs(code: str) -> bool:
    """Whether a snippet runs in .venv without an error."""
    return run(PYTHON, '-c', code) == 0


def pip(*arguments: str | Path, fail: bool = True) -> bool:
    """Runs pip in .venv. With `fail`, a failure is told with its remedy."""
    start = LOG.stat().st_size if LOG.exists() else 0
    if run(PYTHON, '-m', 'pip', *arguments) == 0:
        return True
    if fail:
        said = LOG.read_bytes()[start:].decode(errors='replace')
        told = (remedy for pattern, remedy in REMEDIES.items() if re.search(pattern, said))
        errors = re.findall(r'^\s*(?:ERROR|error): (.+)', said, re.MULTILINE) or ['pip failed']
        msg = f'{next(told, errors[-1])} Log: {LOG}'
        raise SetupError(msg)
    return False


def install(*arguments: str | Path, fail: bool = True) -> bool:
    """Runs `pip install` with the tested versions."""
    options = ('--progress-bar=raw', '--no-build-isolation', '--constraint', CONSTRAINTS)
    return pip('install', *options, *arguments, fail=fail)


def pinned(*names: str) -> list[str]:
    """The lines `name==version` of the constraints file."""
    lines = CONSTRAINTS.read_text(encoding='utf-8').splitlines()
    return [line for line in lines if line.partition('==')[0] in names]


def installed(name: str) -> bool:
    """Whether .venv holds a distribution."""
    return any(importlib.metadata.distributions(name=name, path=[str(SITE)]))


def damaged() -> Iterator[Path]:
    """Metadata folders of distributions of which files are missing or cut off."""
    records: dict[Path, list[list[str]]] = {}
    sizes: dict[
        str, set[str]
    ] = {}  # more than one where distributions overlap: any of them is right
    for folder in SITE.glob('*.dist-info'):
        try:
            with (folder / 'RECORD').open(encoding='utf-8', newline='') as file:
                # path, hash, size in bytes; the last two are empty for what changes, as caches do
                records[folder] = [row for row in csv.reader(file) if row[2]]
        except (OSError, ValueError, IndexError):
            yield folder
    for path, _, size in itertools.chain(*records.values()):
        sizes.setdefault(path, set()).add(size)
    for folder, rows in records.items():
        try:
            whole = all(str((SITE / path).stat().st_size) in sizes[path] for path, _, _ in rows)
        except OSError:
            whole = False
        if not whole:
            yield folder


def ask(*command: str | Path, timeout: float = 60) -> str:
    """What a command prints; nothing if it cannot be run, fails, or takes longer (seconds)."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=timeout
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ''


def usable() -> bool:
    """Whether .venv stands where it was made, with the right Python and a pip that runs."""
    return f' from {SITE}{os.sep}' in ask(VENV / 'bin' / 'pip', '--version')


def inputs(flavour: str) -> str:
    """A fingerprint of all that decides what .venv holds."""
    files = (CONSTRAINTS, ROOT / 'setup.py', ROOT / 'pyproject.toml', Path(__file__))
    parts = [sys.version.encode(), flavour.encode(), *(file.read_bytes() for file in files)]
    return hashlib.sha256(b'\0'.join(parts)).hexdigest()


def choose_flavour(wanted: str) -> str:
    """The ONNX Runtime to install: the one asked for, the one that is there, or by the hardware."""
    if wanted != 'auto':
        return wanted
    for flavour, name in FLAVOURS.items():
        if installed(name):
            return flavour
    return 'gpu' if 'GPU 0' in ask('nvidia-smi', '-L') else 'cpu'


def make_venv() -> None:
    """A fresh virtual environment in the place of none or of an unusable one."""
    if usable():
        return
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GIGABYTES:
        msg = f'{free:.1f} GB are free under {ROOT}, {NEEDED_GIGABYTES} GB are needed.'
        raise SetupError(msg)
    if VENV.exists():
        print(f'      {VENV} is unusable and is made anew')
        shutil.rmtree(VENV)
    # Seconds on a free machine; minutes on one that is busy with other jobs.
    ask(sys.executable, '-m', 'venv', VENV, timeout=900)
    if not usable():
        msg = 'Python cannot make virtual environments: `sudo apt-get install python3.11-venv`.'
        raise SetupError(msg)


def repair() -> None:
    """Drops pip's left-overs and the metadata of damaged distributions: pip then installs them."""
    for folder in (TEMPORARY, *SITE.glob('~*')):
        shutil.rmtree(folder, ignore_errors=True)
    TEMPORARY.mkdir()
    for folder in damaged():
        print(f'      {folder.stem} is incomplete and will be installed anew')
        STAMP.unlink(missing_ok=True)
        shutil.rmtree(folder)


def build_mmcv() -> None:
    """mmcv with its operators: from a wheel that pip finds, else (or if that fails) from source.

    pip's cache is not used: it does not tell apart wheels that were built for different torches.
    """
    options = ('--no-deps', '--no-cache-dir')
    if installed('mmcv') and python_runs(MMCV_CHECK):
        return
    wanted = pinned('mmcv')
    force = '--force-reinstall'
    if install(*options, force, '--only-binary=mmcv', *wanted, fail=False):
        if python_runs(MMCV_CHECK):
            return
        print('      the wheel of mmcv that was found does not fit this torch')
    if not shutil.which(os.environ.get('CXX', 'c++')):
        msg = 'mmcv needs a compiler: `sudo apt-get install build-essential python3.11-dev`.'
        raise SetupError(msg)
    print('      building mmcv from source; this takes about ten minutes on two cores')
    install(*options, force, '--no-binary=mmcv', '--verbose', *wanted)
    if not python_runs(MMCV_CHECK):
        msg = f'mmcv was built but its operators do not load. Log: {LOG}'
        raise SetupError(msg)


def install_package(flavour: str) -> None:
    """This package, editable, with all it can use and exactly one ONNX Runtime."""
    if all(installed(name) for name in FLAVOURS.values()) or not installed(FLAVOURS[flavour]):
        pip('uninstall', '--yes', *FLAVOURS.values())
    install('--editable', f'{ROOT}[all,tests,{flavour}]')


def fetch_weights() -> None:
    """The model files of the default and of the small model, verified."""
    tool = ROOT / 'tools' / 'download_weights.py'
    if run(PYTHON, tool, 'u2netp', 'u2net') != 0:
        again = f'{PYTHON.relative_to(ROOT)} {tool.relative_to(ROOT)} u2netp u2net'
        msg = f'The model files could not be fetched. Try `{again}`. Log: {LOG}'
        raise SetupError(msg)


def set_up(wanted: str) -> None:
    """All steps, in order."""
    if sys.version_info[:2] != NEEDED_PYTHON:
        msg = (
            f'Python 3.11 is needed, this is {sys.version.split()[0]} ({sys.executable}). '
            'Try `make setup PYTHON=/path/to/python3.11`.'
        )
        raise SetupError(msg)
    tools = pinned('pip', 'setuptools', 'wheel', 'ninja', 'packaging')
    stack = pinned('torch', 'torchvision', 'mmengine', 'opencv-python')
    print('[1/6] virtual environment', VENV, flush=True)
    make_venv()
    repair()
    flavour = choose_flavour(wanted)
    fingerprint = inputs(flavour)
    if not (STAMP.exists() and STAMP.read_text(encoding='utf-8') == fingerprint):
        STAMP.unlink(missing_ok=True)
        LOG.write_bytes(b'')
        steps: list[tuple[str, Callable[[], object]]] = [
            # The pip that comes with Python 3.11 knows no `--progress-bar=raw`.
            ('pip and build tools', lambda: pip('install', *tools)),
            ('torch, torchvision and mmengine (about 3 GB to download)', lambda: install(*stack)),
            ('mmcv with its operators', build_mmcv),
            (f'this package, ONNX Runtime for {flavour}, tests', lambda: install_package(flavour)),
        ]
        for number, (what, step) in enumerate(steps, start=2):
            print(f'[{number}/6] {what}', flush=True)
            step()
        STAMP.write_text(fingerprint, encoding='utf-8')
    else:
        print('[2-5/6] everything is installed already')
    print('[6/6] model files u2netp and u2net (180 MB)', flush=True)
    fetch_weights()
    print('Done. See whether all of it works: `.venv/bin/python tools/doctor.py`')


def main() -> int:
    """Parses the command line, sets up, and tells failures in one line."""
    parser = argparse.ArgumentParser(description='Makes .venv with everything that is needed.')
    help_text = 'ONNX Runtime to install; auto: gpu where nvidia-smi finds one'
    parser.add_argument('--ort', choices=('auto', *FLAVOURS), default='auto', help=help_text)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Path(__file__).open('rb') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second set-up of the same tree waits for its turn
            set_up(arguments.ort)
    except KeyboardInterrupt:
        print('\nInterrupted. `make setup` goes on from here.', file=sys.stderr)
        return 130
    except (SetupError, OSError) as error:
        print(f'Set-up failed: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
