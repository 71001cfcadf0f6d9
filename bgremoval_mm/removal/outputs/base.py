"""OutputFolder, the base of MaskStore and CutoutFolder: it mirrors a folder of images."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import PIL

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.io.addresses import is_url
from bgremoval_mm.removal.io.manifest import Manifest, Record, writing
from bgremoval_mm.removal.io.storage import open_storage
from bgremoval_mm.removal.zoo.catalogue import ModelSpec

__all__ = ['OutputFolder', 'join']


class OutputFolder(ABC):
    """A folder of results, named after their images by appending a suffix, and their manifest.

    ``train/a.jpg`` becomes ``train/a.jpg.png``: the suffix is never replaced, so that
    ``a.jpg`` and ``a.png`` have a result each.

    Args:
        folder: Where the results lie, a path or an address that fsspec opens; made when
            something is first put in.
        spec: The model.
        params: Everything besides image and model that the results depend on; how a model in a file
            of one's own is fed is added.
        suffix: What is appended, with its dot.
    """

    def __init__(
        self, folder: str | Path, spec: ModelSpec, params: dict[str, Any], suffix: str = '.png'
    ) -> None:
        self.storage = open_storage(folder)
        self.spec = spec
        self.params = params | spec.parameters
        self.suffix = suffix
        self.use_manifest()

    @property
    def folder(self) -> Path:
        """The folder, where it is one of this machine."""
        return Path(self.storage.address)

    @property
    def settings(self) -> str:
        """What the results depend on besides the images, in words."""
        options = ', '.join(f'{key} {value}' for key, value in sorted(self.params.items()))
        weights = self.spec.hash.rpartition(':')[2][:8]
        return f'results of {self.spec.name} ({weights}) with {options}'

    def use_manifest(self, part: str = '') -> None:
        """Record what is done in that part of the manifest (see Manifest)."""
        self.manifest = Manifest(self.storage, part)

    def name(self, image: str) -> str:
        """Return the name of an image's result, below the folder.

        Args:
            image: Path of the image below the image folder, with ``/``.

        Raises:
            ArgumentError: If the path is absolute or leads out of the folder.
        """
        parts = PurePosixPath(image)
        if parts.is_absolute() or '..' in parts.parts or not parts.name:
            msg = f'`image` must be a path below the image folder, but got {image!r}'
            raise ArgumentError(msg)
        return str(parts) + self.suffix

    def path(self, image: str) -> Path:
        """Return where the result of an image lies, in a folder of this machine.

        Args:
            image: Path of the image below the image folder, with ``/``.

        Raises:
            ArgumentError: If the path is absolute or leads out of the folder.
        """
        return self.folder / self.name(image)

    @property
    def needs_pixels(self) -> bool:
        """Whether results are made of the image's own pixels, not only of its size and its mask."""
        return True

    def sweep(self, images: Iterable[str]) -> None:
        """Delete what killed processes left half-written beside the results of these images.

        Writing sweeps each folder too, but only those in which there is still something to do.
        """
        self.storage.sweep({'.', *(str(PurePosixPath(image).parent) for image in images)})

    def put(self, image: str, source: SourceImage, mask: np.ndarray, constant: bool) -> Record:
        """Write the result of an image and record it in the manifest; see `write`."""
        record = self.write(image, source, mask, constant)
        self.manifest.append(record)
        return record

    def write(
        self,
        image: str,
        source: SourceImage,
        mask: np.ndarray,
        constant: bool = False,
        second: tuple[str, np.ndarray] | None = None,
    ) -> Record:
        """Write the result of an image.

        Args:
            image: Path of the image below the image folder, with ``/``.
            source: The image.
            mask: Its mask, uint8 of shape (h, w), at the model's resolution.
            constant: Whether the saliency map had a single value.
            second: Another model's name and its mask of the image, to compare with.

        Returns:
            Its record.

        Raises:
            TargetWriteError: An OSError, if it cannot be written; no half-written file is left.
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
            quality=masks.quality(mask, constant, second[1] if second else None),
            note=source.note,
            time=_now(),
            second_model=second[0] if second else '',
            pillow=PIL.__version__,
        )
        with writing():
            content, said = self.encode(source, mask, record)
            self.storage.write(self.name(image), content)
        return replace(record, note='; '.join(filter(None, [record.note, said])))

    def failure(self, image: str, reason: str) -> Record:
        """Return the record of an image that has no result."""
        return Record(
            path=image,
            status='error',
            error=reason,
            model=self.spec.name,
            model_hash=self.spec.hash,
            params=self.params,
            time=_now(),
        )

    @abstractmethod
    def encode(self, source: SourceImage, mask: np.ndarray, record: Record) -> tuple[bytes, str]:
        """Return the content of the result's file, and what a user should know of it or nothing."""


def join(root: str | Path, name: str) -> str | Path:
    """Return a folder below a folder, be it a path or an address."""
    return f'{str(root).rstrip("/")}/{name}' if is_url(root) else Path(root) / name


def _now() -> float:
    return round(time.time(), 3)
