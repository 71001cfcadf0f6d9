"""BackgroundRemover: images in, masks out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.backends import BACKENDS, PRECISIONS, Backend, OnnxRuntimeBackend
from bgremoval_mm.removal.catalogue import ModelSpec, get_model


class BackgroundRemover:
    """Finds the foreground of photographs with one of the catalogue's models.

    Its masks equal those of ``rembg.remove(image, only_mask=True)`` with the same weights
    (within one level of 255). The model is loaded at the first call, once a process, and
    shared by every remover of the same settings; a remover can therefore be pickled, copied
    and used in forked or spawned workers.

    Args:
        model: Name of a model of ``CATALOGUE``, or a ModelSpec.
        backend: ``'onnxruntime'``, or ``'auto'`` for the best one installed.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:N'``, or ``'auto'`` for a GPU where there is
            one, which logs what it chose. A GPU that was named but is not there is an error.
        precision: ``'fp32'``.
        batch_size: Largest number of images in one run of the network.
        num_threads: CPU threads of one run; 0 takes all cores.
        accept_licence: Accept weights that are not for commercial use.

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
    ) -> None:
        for name, value, allowed in (
            ('backend', backend, BACKENDS),
            ('precision', precision, PRECISIONS),
        ):
            if value not in allowed:
                msg = f'`{name}` must be one of {", ".join(allowed)}, but got {value!r}'
                raise ValueError(msg)
        if not isinstance(batch_size, int) or batch_size < 1:
            msg = f'`batch_size` must be a positive int, but got {batch_size!r}'
            raise ValueError(msg)
        self.spec = get_model(model)
        self.batch_size = batch_size
        self.backend: Backend = OnnxRuntimeBackend(self.spec, device, num_threads, accept_licence)

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

        The image is resized to a square (LANCZOS, aspect not kept), divided by its *own*
        maximum and normalised (rembg/sessions/base.py).

        Args:
            image: uint8 array of shape (H, W, 3), RGB.

        Returns:
            float32 array of shape (3, size, size).
        """
        if (
            not isinstance(image, np.ndarray)
            or image.dtype != np.uint8
            or image.ndim != 3
            or image.shape[2] != 3
            or image.size == 0
        ):
            got = (
                f'{image.dtype} of shape {image.shape}'
                if isinstance(image, np.ndarray)
                else type(image).__name__
            )
            msg = f'each image must be a uint8 array of shape (H, W, 3), RGB, but got {got}'
            raise TypeError(msg)
        side = self.spec.size
        small = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
        pixels = np.asarray(small)
        # A pixel has only 256 values: a table in float64 gives rembg's figures to the bit
        # at a tenth of the cost of its float64 image.
        levels = np.arange(256) / max(pixels.max(), 1e-6)
        out = np.empty((3, side, side), np.float32)
        for channel in range(3):
            table = (levels - self.spec.mean[channel]) / self.spec.std[channel]
            out[channel] = table.astype(np.float32)[pixels[..., channel]]
        return out

    def infer(self, batch: np.ndarray) -> list[tuple[np.ndarray, bool]]:
        """Run the network on preprocessed images.

        Args:
            batch: float32 array of shape (N, 3, size, size).

        Returns:
            As ``low_resolution``.
        """
        return [self._to_mask(output) for output in self.backend.run(batch)]

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
