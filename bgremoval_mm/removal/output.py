"""A folder of results that mirrors a folder of images: what MaskStore and CutoutFolder share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.catalogue import ModelSpec
from bgremoval_mm.removal.files import sweep_leftovers, write_atomically
from bgremoval_mm.removal.images import SourceImage
from bgremoval_mm.removal.manifest import Manifest, Record


class OutputFolder(ABC):
    """Results named after their images by appending ``.png``, and the manifest of them all.

    ``train/a.jpg`` becomes ``train/a.jpg.png``: the suffix is never replaced, so that
    ``a.jpg`` and ``a.png`` have a result each.

    Args:
        folder: Where the results lie; made when something is first put in.
        spec: The model.
        params: Everything besides image and model that the results depend on.
    """

    def __init__(self, folder: Path, spec: ModelSpec, params: dict[str, Any]) -> None:
        self.folder = folder
        self.spec = spec
        self.params = params
        self.manifest = Manifest(folder)
        self._prepared: set[Path] = set()

    def path(self, image: str) -> Path:
        """Where the result of an image lies.

        Args:
            image: Path of the image below the image folder, with ``/``.

        Raises:
            ValueError: If the path is absolute or leads out of the folder.
        """
        parts = PurePosixPath(image)
        if parts.is_absolute() or '..' in parts.parts or not parts.name:
            msg = f'`image` must be a path below the image folder, but got {image!r}'
            raise ValueError(msg)
        return self.folder / parts.with_name(parts.name + '.png')

    def sweep(self, images: Iterable[str]) -> None:
        """Delete what killed processes left half-written beside the results of these images.

        Writing sweeps each folder too, but only those in which there is still something to do.
        """
        for folder in {self.path(image).parent for image in images}:
            sweep_leftovers(folder)

    def put(self, image: str, source: SourceImage, mask: np.ndarray, constant: bool) -> Record:
        """Write the result of an image and record it.

        Args:
            image: Path of the image below the image folder, with ``/``.
            source: The image.
            mask: Its mask, uint8 of shape (h, w), at the model's resolution.
            constant: Whether the saliency map had a single value.

        Returns:
            The record that was added to the manifest.

        Raises:
            OSError: If it cannot be written; no half-written file is left.
        """
        record = Record(
            path=image,
            status='ok',
            source=source.stamp,
            size=source.size,
            orientation=source.orientation,
            model=self.spec.name,
            model_hash=self.spec.hash,
            params=self.params,
            quality=masks.quality(mask, constant),
            note=source.note,
        )
        target = self.path(image)
        self._prepare(target.parent)
        write_atomically(target, self.encode(source, mask, record))
        self.manifest.append(record)
        return record

    def put_error(self, image: str, reason: str) -> Record:
        """Record that an image has no result, and why."""
        record = Record(
            path=image,
            status='error',
            error=reason,
            model=self.spec.name,
            model_hash=self.spec.hash,
            params=self.params,
        )
        self._prepare(self.folder)
        self.manifest.append(record)
        return record

    @abstractmethod
    def encode(self, source: SourceImage, mask: np.ndarray, record: Record) -> bytes:
        """Content of the result's file."""

    def _prepare(self, folder: Path) -> None:
        if folder not in self._prepared:
            folder.mkdir(parents=True, exist_ok=True)
            sweep_leftovers(folder)
            self._prepared.add(folder)
