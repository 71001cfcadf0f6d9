"""The Ray engine: a removal job on a cluster, or on all cores of one machine, by Ray Data.

Each actor holds one network and does the images of a block as the local engine does, so the
results are the same bytes. Ray hands out blocks as actors become free, holds back where they are
not, restarts an actor that died, and gives its block to another. The manifest is written by the
driver alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.jobs.pipeline import Job
from bgremoval_mm.removal.jobs.pool import DaemonPool, result_within
from bgremoval_mm.removal.jobs.ray_cluster import start_ray
from bgremoval_mm.utils.allocator import keep_freed_memory

__all__ = ['run_with_ray']

logger = logging.getLogger(__name__)

# What a dead actor costs at most; and small enough that each actor gets several blocks.
BLOCK = 64
_BLOCKS_A_WORKER = 8  # of a small job, so that its progress is seen
_CPUS_A_WORKER = 4
STALL_LIMIT = 3600.0  # seconds


class Remover:
    """An actor: one network, many blocks."""

    def __init__(self, job: Job) -> None:
        keep_freed_memory()
        self.job = job

    def __call__(self, block: dict[str, Any]) -> dict[str, list[str]]:
        """Return a manifest line for each path."""
        # Bytes, because Arrow's text is UTF-8, while names of files need not be.
        paths = [os.fsdecode(path) for path in block['path']]
        return {'record': [record.to_json() for record in self.job.run(paths)]}


def run_with_ray(job: Job, paths: Iterable[str], workers: int = 0) -> Generator[Record]:
    """Do these images on a Ray cluster; yields records, in any order.

    A cluster that runs is used (``RAY_ADDRESS``, or the one of this machine); else one is started
    for the time of the run. Sources and target must be reachable from every node: on a shared
    file system, or at an address that fsspec opens.

    Args:
        job: The job.
        paths: Paths of images below the source.
        workers: Number of actors; 0 takes one per GPU, or one every four CPU cores of a machine,
            or every so many as the network has threads, if that was given; at least one a machine.

    Raises:
        ImportError: If Ray is not installed.
        OSError: If the target takes no more.
        StalledError: If Ray gave no result for an hour.
        RuntimeError: If an actor fails otherwise.
    """
    paths = list(paths)
    if not paths:
        return
    try:
        import ray
        from ray.exceptions import RayTaskError
    except ImportError as err:
        msg = 'engine=\'ray\' needs Ray: `pip install "bgremoval_mm[ray]"`'
        raise ImportError(msg) from err

    started_here = start_ray()
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.raise_original_map_exception = True
        logging.getLogger('ray.data').setLevel(logging.ERROR)
        nodes = [node['Resources'] for node in ray.nodes() if node['Alive']]
        count, resources = _resources(job, workers, nodes)
        job = job.with_threads(_threads(job) or int(resources.get('num_cpus', 0)))
        blocks = max(-(-len(paths) // BLOCK), min(_BLOCKS_A_WORKER * count, len(paths)))
        found = ray.data.from_items(
            [{'path': os.fsencode(path)} for path in paths], override_num_blocks=blocks
        ).map_batches(
            Remover,
            fn_constructor_args=(job,),
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=count),
            **resources,
        )
        actors = f'{count} actor' + ('' if count == 1 else 's')
        logger.info('Ray: %s, %d images in %d blocks', actors, len(paths), blocks)
        rows = iter(found.iter_rows())
        with DaemonPool(1) as pool:
            while (row := _next_row(pool, rows)) is not None:
                yield Record.from_json(row['record'])
    except RayTaskError as err:
        # The actor's own error, as the local engine raises it.
        raise err.cause if isinstance(err.cause, Exception) else err from None
    finally:
        if started_here:
            ray.shutdown()


def _next_row(pool: DaemonPool, rows: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the next result, None behind the last.

    A block of images is done as a whole, and a cluster may have to start machines first: the limit
    is a long one, but each minute without a result is reported.

    Raises:
        StalledError: If the cluster gave nothing within the limit.
    """
    future = pool.submit(next, rows, None)
    row: dict[str, Any] | None = result_within(
        future, STALL_LIMIT, lambda: 'a block of images from Ray', lambda: False
    )
    return row


def _resources(
    job: Job, workers: int, nodes: Sequence[Mapping[str, float]]
) -> tuple[int, dict[str, Any]]:
    """Return the number of actors, and the resources of each, which one machine must have.

    Args:
        job: The job.
        workers: Number of actors that was asked for, or 0.
        nodes: What each machine of the cluster has.
    """
    gpus = int(sum(node.get('GPU', 0) for node in nodes))
    if gpus and job.remover is not None and job.remover.backend.uses_gpu:
        return workers or gpus, {'num_gpus': min(1.0, gpus / (workers or gpus))}
    cores = [int(node['CPU']) for node in nodes if node.get('CPU', 0) >= 1]
    wanted = _threads(job) or _CPUS_A_WORKER
    count = workers or max(1, sum(max(1, each // wanted) for each in cores))
    share = max(1, sum(cores) // count)
    # An actor that no machine has room for would be waited for without end.
    while share > 1 and sum(each // share for each in cores) < count:
        share -= 1
    return count, {'num_cpus': share}


def _threads(job: Job) -> int:
    """Return the CPU threads that were asked for, 0 if none were."""
    return 0 if job.remover is None else job.remover.options.num_threads
