"""Tests of how many cores a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bgremoval_mm.removal.backends.onnx_runtime import OnnxRuntimeBackend
from bgremoval_mm.removal.options import EngineOptions
from bgremoval_mm.utils import cpu


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process that may run on four of eight cores, with no quota and no environment."""
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(os, 'cpu_count', lambda: 8)
    monkeypatch.setattr(cpu, '_quota', lambda _: None)
    return monkeypatch


@pytest.mark.parametrize(
    ('variable', 'quota', 'cores'),
    [
        (None, None, 4),
        (None, 0.5, 1),
        (None, 2.5, 3),
        (None, 64.0, 4),
        ('1', None, 1),
        ('6', 2.0, 6),
        ('2,4', None, 2),
        ('', None, 4),
        ('0', None, 4),
        ('many', None, 4),
    ],
)
def test_available_cores(
    variable: str | None, quota: float | None, cores: int, four_cores: pytest.MonkeyPatch
) -> None:
    """OMP_NUM_THREADS, else the affinity up to the quota, a part of a core counting as one."""
    if variable is not None:
        four_cores.setenv('OMP_NUM_THREADS', variable)
    four_cores.setattr(cpu, '_quota', lambda _: quota)
    assert cpu.available_cores() == cores


@pytest.mark.parametrize(
    ('cgroup', 'files', 'quota'),
    [
        ('0::/', {'cpu.max': '50000 100000'}, 0.5),
        ('0::/', {'cpu.max': 'max 100000'}, None),
        ('0::/', {}, None),
        ('0::/a/b', {'a/cpu.max': '150000 100000', 'a/b/cpu.max': '400000 100000'}, 1.5),
        (
            '3:cpu,cpuacct:/docker/x\n2:memory:/docker/x',
            {'cpu/cpu.cfs_quota_us': '200000', 'cpu/cpu.cfs_period_us': '100000'},
            2.0,
        ),
        (
            '3:cpu,cpuacct:/x',
            {'cpu/x/cpu.cfs_quota_us': '-1', 'cpu/x/cpu.cfs_period_us': '100000'},
            None,
        ),
    ],
)
def test_quota_of_control_groups(
    cgroup: str, files: dict[str, str], quota: float | None, tmp_path: Path
) -> None:
    """The smallest quota of the process's group and of those above it, of either version."""
    (tmp_path / 'proc/self').mkdir(parents=True)
    (tmp_path / 'proc/self/cgroup').write_text(cgroup + '\n')
    for name, content in files.items():
        path = tmp_path / 'sys/fs/cgroup' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + '\n')
    assert cpu._quota(tmp_path) == quota


def test_machine_without_control_groups(tmp_path: Path) -> None:
    """There is no quota where there is no such file."""
    assert cpu._quota(tmp_path) is None


@pytest.mark.parametrize(
    ('num_threads', 'streams', 'cores', 'threads'),
    [
        (0, 1, 8, 0),  # all cores of the machine: the runtime's own choice
        (0, 1, 3, 3),
        (0, 2, 8, 4),
        (0, 2, 3, 1),
        (5, 1, 8, 5),
        (5, 2, 8, 2),
        (1, 2, 8, 1),
    ],
)
def test_threads_of_a_run(
    num_threads: int, streams: int, cores: int, threads: int, four_cores: pytest.MonkeyPatch
) -> None:
    """Runs share the threads that were asked for, or the cores that may be used."""
    four_cores.setenv('OMP_NUM_THREADS', str(cores))
    options = EngineOptions('u2netp', num_threads=num_threads)
    assert OnnxRuntimeBackend(options, streams).threads_per_stream() == threads
