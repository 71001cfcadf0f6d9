"""BackgroundRemover: images in, masks out."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.backends import make_backend
from bgremoval_mm.removal.networks.preprocessing import normalise, shrink
from bgremoval_mm.removal.options import EngineOptions
from bgremoval_mm.removal.zoo.catalogue import ModelSpec

__all__ = ['BackgroundRemover']

logger = logging.getLogger(__name__)

# Words of PyTorch, of ONNX Runtime, and of the libraries that they pass on. cuDNN finds no engine
# where the memory does not suffice for any.
_OUT_OF_MEMORY = (
    'out of memory',
    'failed to allocate memory',
    "can't allocate memory",
    'cuda_error_out_of_memory',
    'alloc_failed',
    'allocation_failed',
    'unable to find an engine',
)


class BackgroundRemover:
    """Network that finds the foreground of photographs: images in, masks out.

    Its masks equal those of ``rembg.remove(image, only_mask=True)`` with the same weights
    (within one level of 255). The model is loaded at the first call, once a process, and
    shared by every remover of the same settings; a remover can therefore be pickled, copied
    and used in forked or spawned workers.

    Args:
        model: Name of a model of ``CATALOGUE``, the path of an ONNX file, or a ModelSpec.
        backend, device, precision, batch_size: How the network is run, see EngineOptions.
        num_threads, accept_licence, calibration: See there, too.

    Raises:
        ArgumentError: If an argument is not one of the above. It is a ValueError.
        DeviceError: At the first call, if the device is not there.
        WeightsError: At the first call, if the weights cannot be downloaded or are corrupt.

    Examples:
        >>> remover = BackgroundRemover('u2netp')
        >>> mask, = remover([np.asarray(Image.open('shoe.jpg').convert('RGB'))])
        >>> mask.shape, mask.dtype
        ((533, 400), dtype('uint8'))
    """

    def __init__(
        self,
        model: str | Path | ModelSpec = 'u2net',
        backend: str = 'auto',
        device: str = 'auto',
        precision: str = 'fp32',
        batch_size: int = 1,
        *,
        num_threads: int = 0,
        accept_licence: bool = False,
        calibration: str | None = None,
    ) -> None:
        self.options = EngineOptions(
            model=model,
            backend=backend,
            device=device,
            precision=precision,
            batch_size=batch_size,
            num_threads=num_threads,
            accept_licence=accept_licence,
            calibration=calibration,
        ).resolved
        self.backend = make_backend(self.options)

    @classmethod
    def from_options(cls, options: EngineOptions) -> Self:
        """Return a remover of these options."""
        resolved = options.resolved
        return cls(**{each.name: getattr(resolved, each.name) for each in fields(resolved)})

    @property
    def spec(self) -> ModelSpec:
        """The model's entry in the catalogue."""
        return self.options.spec

    @property
    def precision(self) -> str:
        """What the network computes in; ``'auto'`` has been decided."""
        return self.options.precision

    @property
    def batch_size(self) -> int:
        """Largest number of images in one run of the network."""
        return self.options.batch_size

    def for_throughput(self, num_threads: int = 0) -> BackgroundRemover:
        """Return the same remover, for jobs that call `infer` from several threads at once.

        Two runs share the cores: where one thread of a run is kept from its core by decoding or
        encoding, its other threads would wait for it; those of the other run do not. So a job comes
        nearer to the rate of the bare network (docs/performance.md).

        Args:
            num_threads: CPU threads in all; 0 takes the remover's own number, or all cores.
        """
        shared = copy.copy(self)
        shared.backend = self.backend.with_threads(num_threads or self.options.num_threads)
        return shared

    def __call__(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return masks of the images' own sizes.

        Args:
            images: uint8 arrays of shape (H, W, 3), RGB; the sizes may differ.

        Returns:
            One mask per image: uint8 of shape (H, W), 255 = foreground.

        Raises:
            TypeError: If the images are not a list of such arrays.
        """
        return [
            masks.resize(mask, (image.shape[1], image.shape[0]))
            for image, (mask, _) in zip(images, self.low_resolution(images), strict=True)
        ]

    def low_resolution(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, bool]]:
        """Return masks at the model's resolution, as a MaskStore keeps them.

        Args:
            images: uint8 arrays of shape (H, W, 3), RGB; the sizes may differ.

        Returns:
            For each image the mask, uint8 of shape (size, size), and whether the saliency
            map was constant, so that the mask is empty: nothing stands out.
        """
        if not isinstance(images, (list, tuple)):
            got = getattr(images, 'shape', type(images).__name__)
            msg = f'`images` must be a list of H x W x 3 arrays, but got {got}'
            raise TypeError(msg)
        found: list[tuple[np.ndarray, bool]] = []
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            found += self.infer(np.stack([self.preprocess(image) for image in batch]))
        return found

    def preprocess(self, image: np.ndarray | Image.Image) -> np.ndarray:
        """Return what `infer` takes of one image: exactly the network's input that rembg computes.

        Args:
            image: uint8 array of shape (H, W, 3), RGB, or a picture of Pillow's mode RGB.

        Returns:
            float32 array of shape (3, size, size); for backends that normalise on their device
            (`Backend.takes_pixels`), the resized photo, uint8 of shape (size, size, 3).
        """
        pixels = shrink(image, self.spec)
        return pixels if self.backend.takes_pixels else normalise(pixels, self.spec)

    def infer(self, batch: np.ndarray) -> list[tuple[np.ndarray, bool]]:
        """Run the network on preprocessed images.

        Args:
            batch: N of what `preprocess` returns, stacked.

        Returns:
            As ``low_resolution``.
        """
        if self.backend.takes_pixels:
            # A mask that is not empty has been stretched, so that it is 255 somewhere.
            may_be_empty = self.spec.activation == 'argmax'
            return [(mask, not may_be_empty and not mask.any()) for mask in self._run(batch)]
        return [self._to_mask(output) for output in self._run(batch)]

    def _run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network, in halves where the device's memory is too small for the batch."""
        try:
            return self.backend.run(batch)
        except Exception as err:
            # ONNX Runtime's exceptions have no class in common but this one, and torch's
            # OutOfMemoryError is not raised on CPUs: they are known by their words only.
            short = any(words in str(err).lower() for words in _OUT_OF_MEMORY)
            if not short or len(batch) == 1:
                raise
            logger.warning('a batch of %d does not fit into memory: run in halves', len(batch))
        half = len(batch) // 2
        return np.concatenate([self._run(batch[:half]), self._run(batch[half:])])

    def _to_mask(self, output: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return the mask of one image from its network output (C, h, w)."""
        if self.spec.activation == 'argmax':
            classes = output.argmax(axis=0)
            return np.where(classes > 0, np.uint8(255), np.uint8(0)), False
        saliency = output[0]
        if self.spec.activation == 'sigmoid-minmax':
            saliency = 1 / (1 + np.exp(-saliency))
        return masks.stretch(saliency)

    def __repr__(self) -> str:
        return (
            f'BackgroundRemover(model={self.spec.name!r}, backend={self.backend!r}, '
            f'batch_size={self.batch_size})'
        )
