"""Photos and masks as the page shows them."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass

import numpy as np

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.tables import Upload
from bgremoval_mm.removal import masks
from bgremoval_mm.removal.images.reading import SourceImage, decode_image
from bgremoval_mm.removal.outputs.cutouts import encode_image
from bgremoval_mm.serving.orders import reduce

__all__ = ['Pictures', 'RawMask']

_PREVIEW = 1_500_000  # pixels
_AT_ONCE = 2  # photos that are decoded at a time, which bounds the memory
_KEPT = 64  # sizes of photos that are remembered


@dataclass(frozen=True)
class RawMask:
    """A mask of the photo's size, as its levels row by row.

    Attributes:
        zipped: The levels, in gzip's format.
        size: (width, height).
    """

    zipped: bytes
    size: tuple[int, int]


class Pictures:
    """Reads photos and masks, a bounded number at a time.

    Args:
        files: Where they are.
    """

    def __init__(self, files: PipelineFiles) -> None:
        self._files = files
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._sizes: dict[str, tuple[int, int]] = {}

    def photo(self, upload: Upload, full: bool) -> bytes:
        """Return a photo upright as JPEG, of 1.5 megapixels at most, or as large as it is.

        Raises:
            ImageError: If it cannot be decoded.
            OSError: If it cannot be read.
        """
        with self._places:
            source = self._decode(upload)
            shown = source if full else reduce(source, _PREVIEW)
            return encode_image(shown.rgb, 'jpeg', shown.icc_profile, shown.colour)

    def mask(self, upload: Upload) -> np.ndarray:
        """Return the network's mask at the photo's size, uint8 of shape (H, W).

        Raises:
            ImageError: If the photo cannot be decoded.
            OSError: If one of them cannot be read.
        """
        mask = self._files.mask(upload.sha256, upload.model)
        size = self._sizes.get(upload.sha256)
        with self._places:
            if size is None:
                size = self._decode(upload).size
            return masks.resize(mask, size)

    def raw_mask(self, upload: Upload) -> RawMask:
        """Return the same as its levels, which a browser does not have to decode."""
        mask = self.mask(upload)
        return RawMask(gzip.compress(mask.tobytes(), 1), (mask.shape[1], mask.shape[0]))

    def _decode(self, upload: Upload) -> SourceImage:
        source = decode_image(self._files.photo(upload.sha256), name=upload.name)
        while len(self._sizes) >= _KEPT:
            self._sizes.pop(next(iter(self._sizes)), None)
        self._sizes[upload.sha256] = source.size
        return source
