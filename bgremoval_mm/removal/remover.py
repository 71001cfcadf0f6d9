"""BackgroundRemover: images in, masks out."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence

import numpy as np

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.backends import make_backend
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.networks.preprocessing import preprocess
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, get_model

logger = logging.getLogger(__name__)

_OUT_OF_MEMORY = ('out of memory', 'failed to allocate memory', 'cuda_error_out_of_memory')


class BackgroundRemover:
    """Finds the foreground of photographs with one of the catalogue's models.

    Its masks equal those of ``rembg.remove(image, only_mask=True)`` with the same weights
    (within one level of 255). The model is loaded at the first call, once a process, and
    shared by every remover of the same settings; a remover can therefore be pickled, copied
    and used in forked or spawned workers.

    Args:
        model: Name of a model of ``CATALOGUE``, or a ModelSpec.
        backend: ``'onnxruntime'``, ``'openvino'``, ``'torch'`` or ``'auto'`` (see
            ``backends.make_backend``).
        device: ``'cpu'``, ``'cuda'``, ``'cuda:N'``, or ``'auto'`` for a GPU where there is
            one, which logs what it chose. A GPU that was named but is not there is an error.
        precision: ``'fp32'``, whose masks are rembg's; ``'bf16'``, ``'fp16'``, ``'int8'`` where the
            backend and the device have it; or ``'auto'``.
        batch_size: Largest number of images in one run of the network.
        num_threads: CPU threads; 0 takes all cores that the process may use: as many as
            ``OMP_NUM_THREADS`` says, or its affinity and its control group's quota allow.
        accept_licence: Accept weights that are not for commercial use.
        calibration: Folder of photos that int8 is calibrated with, once.

    Raises:
        ValueError: If an argument is not one of the above.
        DeviceError: At the first call, if the device is not there.
        WeightsError: At the first call, if the weights cannot be had or are damaged.

    Examples:
        >>> remover = BackgroundRemover('u2netp')
        >>> mask, = remover([np.asarray(Image.open('shoe.jpg').convert('RGB'))])
        >>> mask.shape, mask.dtype
        ((533, 400), dtype('uint8'))
    """

    def __init__(
        self,
        model: str | ModelSpec = 'u2net',
        backend: str = 'auto',
        device: str = 'auto',
        precision: str = 'fp32',
        batch_size: int = 1,
        num_threads: int = 0,
        accept_licence: bool = False,
        calibration: str | None = None,
    ) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            msg = f'`batch_size` must be a positive int, but got {batch_size!r}'
            raise ArgumentError(msg)
        if not isinstance(num_threads, int) or num_threads < 0:
            allowed = 'a number of CPU threads, 0 for all'
            msg = f'`num_threads` must be {allowed}, but got {num_threads!r}'
            raise ArgumentError(msg)
        self.spec = get_model(model)
        self.batch_size = batch_size
        self.backend = make_backend(
            self.spec,
            backend,
            device,
            precision,
            num_threads,
            accept_licence,
            calibration,
            batched=batch_size > 1,
        )

    @property
    def precision(self) -> str:
        """What the network computes in; ``'auto'`` has been decided."""
        return self.backend.precision

    def for_throughput(self, num_threads: int = 0) -> BackgroundRemover:
        """The same remover, for jobs that call `infer` from several threads at once.

        Two runs share the cores: where one thread of a run is kept from its core by decoding or
        encoding, its other threads would wait for it; those of the other run do not. So a job comes
        nearer to the rate of the bare network (docs/performance.md).

        Args:
            num_threads: CPU threads in all; 0 takes the remover's own number, or all cores.
        """
        twin = copy.copy(self)
        twin.backend = self.backend.with_threads(num_threads or self.backend.num_threads)
        return twin

    def __call__(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Masks of the images' own sizes.

        Args:
            images: uint8 arrays of shape (H, W, 3), RGB; the sizes may differ.

        Returns:
            One mask an image: uint8 of shape (H, W), 255 = foreground.

        Raises:
            TypeError: If the images are not a list of such arrays.
        """
        return [
            masks.resize(mask, (image.shape[1], image.shape[0]))
            for image, (mask, _) in zip(images, self.low_resolution(images), strict=True)
        ]

    def low_resolution(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, bool]]:
        """Masks at the model's resolution, as a MaskStore keeps them.

        Args:
            images: uint8 arrays of shape (H, W, 3), RGB; the sizes may differ.

        Returns:
            For each image the mask, uint8 of shape (size, size), and whether the saliency
            map was constant, so that the mask is empty for want of any evidence.
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

    def preprocess(self, image: np.ndarray) -> np.ndarray:
        """Network input of one image, exactly as rembg computes it.

        Args:
            image: uint8 array of shape (H, W, 3), RGB.

        Returns:
            float32 array of shape (3, size, size).
        """
        return preprocess(image, self.spec)

    def infer(self, batch: np.ndarray) -> list[tuple[np.ndarray, bool]]:
        """Run the network on preprocessed images.

        Args:
            batch: float32 array of shape (N, 3, size, size).

        Returns:
            As ``low_resolution``.
        """
        return [self._to_mask(output) for output in self._run(batch)]

    def _run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network, in halves where the device's memory is too small for the batch."""
        try:
            return self.backend.run(batch)
        except RuntimeError as err:
            # torch.OutOfMemoryError and ONNX Runtime's exceptions are told by their words only.
            short = any(words in str(err).lower() for words in _OUT_OF_MEMORY)
            if not short or len(batch) == 1:
                raise
            logger.warning('a batch of %d does not fit into memory: run in halves', len(batch))
        half = len(batch) // 2
        return np.concatenate([self._run(batch[:half]), self._run(batch[half:])])

    def _to_mask(self, output: np.ndarray) -> tuple[np.ndarray, bool]:
        """The mask of one image from its network output (C, h, w)."""
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
