"""Several processes on CPUs, which stock mmengine 0.10 cannot start.

mmengine 0.10.7 gives each process of ``--launcher pytorch`` a CUDA device before it makes the
process group, and then DistributedDataParallel the number of that device. Where there is none, the
first call fails, and a model on the CPU refuses the second. So the group is made here, before the
Runner, which leaves a group that exists alone; the model's wrapper is set in
its config. With an accelerator, or in one process, nothing is touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

from mmengine.config import Config, ConfigDict

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['process_group', 'wrap_for_cpus']


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
        raise ArgumentError(msg)
    if get_device() != 'cpu':
        return nullcontext()
    if launcher != 'pytorch':
        msg = (
            f'--launcher {launcher} needs an accelerator, but torch finds none; on CPUs take '
            '--launcher pytorch, as tools/dist_train.sh and tools/dist_test.sh do'
        )
        raise ArgumentError(msg)
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


def wrap_for_cpus(cfg: Config) -> None:
    """Let DistributedDataParallel take a model on the CPU, which has no device number.

    Nothing changes with an accelerator, or where torchrun did not start the run.

    Without a ``model_wrapper_cfg`` the Runner's own settings are written down; one in the config
    keeps its word, but for the devices that the Runner would put in.
    """
    if not _runs_on_cpus(cfg):
        return
    wrapper = cfg.get('model_wrapper_cfg')
    if wrapper is None:
        wrapper = ConfigDict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
    if _is_data_parallel(wrapper.get('type', 'MMDistributedDataParallel')):
        wrapper.device_ids = None
    cfg.model_wrapper_cfg = wrapper


def _runs_on_cpus(cfg: Config) -> bool:
    """Tell whether torchrun starts the processes of a run and they have no device but the CPU."""
    from mmengine.device import get_device

    return bool(cfg.get('launcher') == 'pytorch' and get_device() == 'cpu')


def _is_data_parallel(kind: str | type) -> bool:
    """Tell whether a model wrapper takes ``device_ids``, as the Runner decides."""
    from mmengine.registry import MODEL_WRAPPERS
    from torch.nn.parallel import DistributedDataParallel

    wrapper = MODEL_WRAPPERS.get(kind) if isinstance(kind, str) else kind
    return wrapper is not None and issubclass(wrapper, DistributedDataParallel)
