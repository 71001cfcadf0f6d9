"""Ray itself: a cluster that runs, or one on this machine for the time of the run."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ['start_ray']

logger = logging.getLogger(__name__)


def start_ray() -> bool:
    """Connect to the cluster that runs, or start one; return whether whoever calls has to end it.

    A cluster that runs is used: ``RAY_ADDRESS``, or the one of this machine.
    """
    import ray

    if ray.is_initialized():
        return False
    log = Path(tempfile.gettempdir(), f'bgremoval-ray-{os.getpid()}.log')
    logger.info('starting Ray, which takes some seconds; what it says meanwhile is in %s', log)
    # Its native part calls the restart of an actor, which is what we want, an error. What ends
    # a job is raised.
    os.environ.setdefault('RAY_BACKEND_LOG_LEVEL', 'fatal')
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # a shop's machine tells nobody
    with _errors_to(log):
        ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.WARNING)
    return True


@contextmanager
def _errors_to(log: Path) -> Iterator[None]:
    """Append what is written to standard error, by native code too, to a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with log.open('ab') as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
