"""SourceImage, an image that was read, and SourceStamp, which says from which bytes."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from bgremoval_mm.removal.images.colour import Chunks

__all__ = ['SourceImage', 'SourceStamp']


@dataclass(frozen=True, slots=True)
class SourceStamp:
    """The bytes that something was computed from: their hash, size and time.

    Attributes:
        sha256: Hash of the file's content.
        bytes: Size of the file.
        mtime_ns: Its time of modification in nanoseconds.
    """

    sha256: str
    bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, content: builtins.bytes, mtime_ns: int) -> SourceStamp:
        """Return the stamp of a file's content."""
        return cls(hashlib.sha256(content).hexdigest(), len(content), mtime_ns)

    def matches(self, path: Path, always_hash: bool = False) -> bool:
        """Return whether the file still has this content.

        Equal size and time of modification are taken for equal content, as git and rsync
        do; where the time differs (a copied dataset), the content is hashed.
        """
        status = path.stat()
        return self.is_of(status.st_size, status.st_mtime_ns, path.read_bytes, always_hash)

    def is_of(
        self,
        size: int | None,
        mtime_ns: int,
        read: Callable[[], builtins.bytes],
        always_hash: bool = False,
    ) -> bool:
        """Return the same for a file of that size and time, which `read` reads if need be.

        A size of None and a time of 0 are not known: the content decides then.
        """
        if size is not None and size != self.bytes:
            return False
        if not always_hash and size is not None and mtime_ns == self.mtime_ns != 0:
            return True
        return hashlib.sha256(read()).hexdigest() == self.sha256


@dataclass(frozen=True)
class SourceImage:
    """An image as a viewer shows it.

    It is kept as it was decoded. Its array is made when it is asked for, as that takes as long as a
    fifth of the decoding, and many jobs only need what Pillow makes of the image.

    Network and result get the same pixels. So a CMYK or grey picture with a colour profile of its
    own is converted through it, as browsers do, though OpenCV and rembg pass the profile over:
    the colours of the cut-out must be right, and the mask hardly depends on them.

    Attributes:
        pixels: Picture of Pillow's mode RGB, upright, transparent parts laid on white; or the same
            as a uint8 array of shape (H, W, 3).
        size: (width, height) in pixels.
        alpha: uint8 array of shape (H, W), or None if every pixel is opaque.
        orientation: EXIF orientation that was undone, 1 to 8; 1 is upright.
        icc_profile: Embedded colour profile that the pixels are to be read with, or None.
        note: What a user should know, e.g. that an animation was reduced to one frame, or that
            the file is damaged; several things are joined by ``; ``.
        stamp: Which bytes this is.
        colour: A PNG's colour description besides a profile, as its chunks.
    """

    pixels: np.ndarray | Image.Image
    size: tuple[int, int]
    alpha: np.ndarray | None
    orientation: int
    icc_profile: bytes | None
    note: str
    stamp: SourceStamp
    colour: Chunks = ()

    @cached_property
    def rgb(self) -> np.ndarray:
        """The pixels as a uint8 array of shape (H, W, 3)."""
        return np.asarray(self.pixels)

    def as_array(self) -> SourceImage:
        """Return the same with an array alone, which takes less memory than Pillow's picture."""
        return replace(self, pixels=self.rgb)

    def without_pixels(self) -> SourceImage:
        """Return the same without its pixels, for when only the rest is still needed."""
        return replace(self, pixels=np.empty((0, 0, 3), np.uint8), alpha=None)
