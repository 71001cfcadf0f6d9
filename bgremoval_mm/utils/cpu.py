"""The part of the CPU that this process may use: cores, and arithmetic."""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path, PurePosixPath

__all__ = ['available_cores', 'computes_in_bf16', 'has_amx', 'usable_cores']


def available_cores() -> int:
    """Return how many threads this process should compute with, at least 1.

    ``OMP_NUM_THREADS`` where it is set, else `usable_cores`.
    """
    wanted = os.environ.get('OMP_NUM_THREADS', '').partition(',')[0].strip()
    return int(wanted) if wanted.isdigit() and int(wanted) > 0 else usable_cores()


def usable_cores() -> int:
    """Return on how many cores this process may run, at least 1.

    Those of its affinity (``taskset``, cpusets), but no more than the quota of its control group
    pays for (containers, systemd).
    """
    cores = len(os.sched_getaffinity(0))
    quota = _quota(Path('/'))
    return max(1, min(cores, math.ceil(quota) if quota else cores))


def _quota(root: Path) -> float | None:
    """Return the cores that the control group may use, the smallest of all levels, or None.

    Args:
        root: Where ``/proc`` and ``/sys`` lie.
    """
    try:
        lines = (root / 'proc/self/cgroup').read_text().splitlines()
    except OSError:
        return None
    found = []
    for line in lines:
        _, controllers, group = line.split(':', 2)
        if controllers == '':  # version 2
            mount, read = root / 'sys/fs/cgroup', _read_v2
        elif 'cpu' in controllers.split(','):
            mount, read = root / 'sys/fs/cgroup/cpu', _read_v1
        else:
            continue
        # A container sees its own group at the top, under whatever name its host has for it.
        levels = [PurePosixPath(group), *PurePosixPath(group).parents]
        found += [read(mount / str(level).lstrip('/')) for level in levels]
    quotas = [each for each in found if each is not None]
    return min(quotas) if quotas else None


def _read_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / 'cpu.max').read_text().split()
        return None if quota == 'max' else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _read_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / 'cpu.cfs_quota_us').read_text())
        return None if quota <= 0 else quota / int((folder / 'cpu.cfs_period_us').read_text())
    except (OSError, ValueError):
        return None


def computes_in_bf16() -> bool:
    """Return whether the CPU has instructions for bfloat16, by its flags alone.

    The flags are those by which OpenVINO decides, but no runtime is loaded for it: one that a
    parent process has loaded cannot be used in forked workers.
    """
    return bool(_flags() & {'avx512_bf16', 'amx_bf16'})


def has_amx() -> bool:
    """Return whether the CPU multiplies matrices in bfloat16 tiles (AMX), not only vectors."""
    return 'amx_bf16' in _flags()


@cache
def _flags() -> frozenset[str]:
    try:
        text = Path('/proc/cpuinfo').read_text()
    except OSError:
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith('flags')), '')
    return frozenset(line.split())
