"""Engine: orders in, cut-outs out, made in this process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.formats import (
    AVIF,
    BMP,
    GIF,
    HEAD,
    HEIC,
    JPEG,
    PNG,
    TIFF,
    WEBP,
    kind_of,
)
from bgremoval_mm.removal.images.reading import ImageError, SourceImage, decode_image
from bgremoval_mm.removal.options import EngineOptions
from bgremoval_mm.removal.options.choice import has_gpu_driver
from bgremoval_mm.removal.outputs.cutouts import encode_image
from bgremoval_mm.removal.outputs.rendering import render
from bgremoval_mm.removal.remover import BackgroundRemover
from bgremoval_mm.serving.batcher import Batcher, Mask
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.metrics import Metrics
from bgremoval_mm.serving.orders import Cutout, Order, check_result_size, locate, reduce
from bgremoval_mm.serving.service import Service
from bgremoval_mm.utils.cpu import usable_cores

__all__ = ['ACCEPTED', 'Engine', 'make_removers', 'read_picture']

logger = logging.getLogger(__name__)

_R = TypeVar('_R')

# What people upload. The other kinds that are read come from scanners and archives: they are left
# out, because every decoder is open to strangers here.
ACCEPTED = (JPEG, PNG, WEBP, AVIF, HEIC, GIF, BMP, TIFF)
_BATCH_ON_GPU = 8


def make_removers(
    models: list[str],
    options: EngineOptions,
    batch_size: int | None = None,
    run_here: bool = True,
) -> dict[str, BackgroundRemover]:
    """Return a remover for each model, by its name; nothing is loaded yet.

    Args:
        models: Models of the catalogue, or their files, the default one first. Requests choose
            among them by their names; where a file lies is not told.
        options: How they are run; its model and batch size do not count.
        batch_size: Images in one run of the network. None is 8 on a GPU, and 1 on a CPU, where more
            gain nothing.
        run_here: Whether this machine runs them, and not others, which may have GPUs.

    Raises:
        ArgumentError: If a model cannot be run in this way, or two have one name.
    """
    may_have_gpu = options.device != 'auto' or not run_here or has_gpu_driver()
    removers: dict[str, BackgroundRemover] = {}
    for name in models:
        chosen = replace(options, model=name, batch_size=batch_size or 1)
        remover = BackgroundRemover.from_options(chosen)
        if batch_size is None and may_have_gpu and remover.backend.uses_gpu:
            remover = BackgroundRemover.from_options(replace(chosen, batch_size=_BATCH_ON_GPU))
        if remover.spec.name in removers:
            msg = f'`models` must have different names, but two are called {remover.spec.name!r}'
            raise ArgumentError(msg)
        removers[remover.spec.name] = remover
    return removers


class Engine(Service):
    """Makes cut-outs: decodes and encodes in a pool of threads, runs the networks in a batcher.

    Args:
        removers: The networks by name, the default one first.
        limits: What is accepted.
        workers: Threads that decode and encode; 0 is one a core.
        metrics: Where it is counted.
        one_run: Keep one copy of each network and run one batch at a time, also on a CPU, where two
            runs are faster under load.
    """

    def __init__(
        self,
        removers: Mapping[str, BackgroundRemover],
        limits: Limits | None = None,
        workers: int = 0,
        metrics: Metrics | None = None,
        one_run: bool = False,
    ) -> None:
        super().__init__(list(removers), limits, metrics)
        self.removers = dict(removers)
        shared = {} if one_run else _sharing_cores(self.removers)
        self.batcher = Batcher(self.removers, self.observe_batch, shared)
        workers = workers or usable_cores()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix='pictures')
        # Pictures that are decoded at once: enough that each thread has one, and a batch waits.
        runs = 2 if shared else 1
        most = workers + 2 * runs * max(each.batch_size for each in self.removers.values())
        self._decoded = asyncio.Semaphore(most)

    @property
    def ready(self) -> Future[None]:
        """Done once the networks are loaded and have run."""
        return self.batcher.ready

    def start(self) -> None:
        """Begin to load the networks; returns at once."""
        self.ready.add_done_callback(lambda _: self.metrics.ready.set(self.is_ready))
        self.batcher.start()

    def close(self) -> None:
        """End the threads, once what they have begun is done."""
        # What is still being loaded is not waited for.
        self.batcher.close(self.limits.seconds if self.is_ready else 0)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.metrics.ready.set(0)

    async def _remove(self, order: Order) -> Cutout:
        async with self._decoded:
            source, inputs = await self._in_pool('decode', self._decode, order)
            mask = await asyncio.wrap_future(self.batcher.submit(order.model, inputs))
            return await self._in_pool('encode', self._finish, source, mask, order)

    async def _in_pool(self, stage: str, function: Callable[..., _R], *args: object) -> _R:
        def timed() -> _R:
            started = time.perf_counter()
            try:
                return function(*args)
            finally:
                self.observe_stage(stage, time.perf_counter() - started)

        return await asyncio.get_running_loop().run_in_executor(self._pool, timed)

    def _decode(self, order: Order) -> tuple[SourceImage, np.ndarray]:
        source = read_picture(order.content, self.limits.max_pixels)
        return source, self.removers[order.model].preprocess(source.pixels)

    def _finish(self, source: SourceImage, mask: Mask, order: Order) -> Cutout:
        photo_size = source.size
        source = reduce(source, order.most_pixels)
        check_result_size(mask[0], source.size, order.output, self.limits.max_pixels)
        box = locate(mask[0], source.size, order.output) if order.needs_object else None
        if order.needs_object and box is None:
            title = 'No foreground was found in the picture'
            raise RequestError(400, 'unknown_foreground', title)
        made = render(source, mask[0], order.output)
        file_format = order.output.file_format
        try:
            content = encode_image(made.pixels, file_format, made.icc_profile, made.colour)
        except OSError as err:
            title = f'The result cannot be written as {file_format}'
            raise RequestError(400, 'invalid_format', title, str(err)) from err
        size = (made.pixels.shape[1], made.pixels.shape[0])
        note = '; '.join(filter(None, (source.note, made.note)))
        return Cutout(content, f'image/{file_format}', size, photo_size, note, box)


def read_picture(content: bytes, max_pixels: int) -> SourceImage:
    """Decode a picture that a client has sent.

    Args:
        content: Its file.
        max_pixels: Larger ones are refused before they are decoded.

    Raises:
        RequestError: If it cannot be read, is too large, or is of a kind that is not accepted.
    """
    kind = kind_of(content[:HEAD])
    if kind is not None and kind.opener and kind not in ACCEPTED:
        names = ', '.join(each.name for each in ACCEPTED)
        detail = f'{kind.name} is not accepted; take one of {names}'
        raise RequestError(400, 'invalid_file_type', 'Not an accepted kind of file', detail)
    try:
        return decode_image(content, max_pixels=max_pixels)
    except ImageError as err:
        raise RequestError(
            400, 'failed_to_read_image', 'The picture cannot be read', str(err)
        ) from err


def _sharing_cores(removers: Mapping[str, BackgroundRemover]) -> dict[str, BackgroundRemover]:
    """Return the networks of which two runs can share the cores, set up for that."""
    shared = {name: each.for_throughput() for name, each in removers.items()}
    return {name: each for name, each in shared.items() if each.backend.streams > 1}
