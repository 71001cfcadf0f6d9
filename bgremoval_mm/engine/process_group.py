"""Several processes on CPUs, which stock mmengine 0.10 cannot start.

mmengine 0.10.7 gives each process of ``--launcher pytorch`` a CUDA device before it makes the
process group, and then DistributedDataParallel the number of that device. Where there is none, the
first call fails, and a model on the CPU refuses the second. So the group is made here, before the
Runner, which leaves a group that exists alone; the model's wrapper is set in
:mod:`bgremoval_mm.engine.run_config`. With an accelerator, or in one process, nothing is touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

from mmengine.config import Config

__all__ = ['process_group']


def process_group(cfg: Config) -> AbstractContextManager[None]:
    """Return a context to run in: on CPUs it makes the processes a gloo group, and ends it.

    What can be checked is checked now, not when the context is entered.

    Args:
        cfg: The config of the run. ``launcher`` says what started it;
            ``env_cfg.dist_cfg.timeout`` (seconds) is how long a process waits for the others.

    Returns:
        The context. It does nothing with an accelerator or without a launcher.

    Raises:
        ValueError: If the launcher did not start this process, or cannot on CPUs.
    """
    from mmengine.device import get_device

    launcher = cfg.get('launcher', 'none')
    if launcher == 'none':
        return nullcontext()
    if launcher == 'pytorch' and 'RANK' not in os.environ:
        msg = (
            '--launcher pytorch is for processes that torchrun starts, but there is no RANK in the '
            'environment; use tools/dist_train.sh or tools/dist_test.sh, or leave the option out'
        )
        raise ValueError(msg)
    if get_device() != 'cpu':
        return nullcontext()
    if launcher != 'pytorch':
        msg = (
            f'--launcher {launcher} needs an accelerator, but torch finds none; on CPUs take '
            '--launcher pytorch, as tools/dist_train.sh and tools/dist_test.sh do'
        )
        raise ValueError(msg)
    return _gloo_group(cfg)


@contextmanager
def _gloo_group(cfg: Config) -> Iterator[None]:
    """Make the group, and end it whatever happens in it."""
    from torch import distributed

    env = cfg.get('env_cfg') or {}
    seconds = (env.get('dist_cfg') or {}).get('timeout')
    timeout = None if seconds is None else timedelta(seconds=seconds)
    distributed.init_process_group('gloo', timeout=timeout)
    try:
        yield
        # All stay until the last is done. Without a common end gloo's threads may outlive the
        # interpreter, which then aborts.
        distributed.barrier()
    finally:
        # After an error this closes the connections: the others fail instead of waiting.
        distributed.destroy_process_group()
