"""MaskStore, a folder of masks, each of which records what it was made from."""

from __future__ import annotations

import errno
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.source import SourceImage, SourceStamp
from bgremoval_mm.removal.io.manifest import Record, writing
from bgremoval_mm.removal.outputs.base import OutputFolder, join
from bgremoval_mm.removal.outputs.png import decode_plain, encode_png, text_chunk
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, get_model

__all__ = ['MaskStore', 'StoredMask', 'StoredMaskError', 'mask_problem', 'other_precision']

_TEXT_KEY = 'bgremoval_mm'
# A text of its own: versions of ours that do not know it read the mask nevertheless.
_PILLOW_KEY = 'bgremoval_mm pillow'
_KEPT = ('size', 'orientation', 'source', 'model_hash', 'params')  # of a record, in the text
# No file can have that name: it is too long, or leads through a file.
_NO_SUCH_NAME = frozenset((errno.ENAMETOOLONG, errno.ENOTDIR))


class StoredMaskError(BgremovalError, ValueError):
    """A file in a MaskStore is not a mask that a MaskStore wrote."""


@dataclass(frozen=True)
class StoredMask:
    """A mask as it lies in a store.

    Attributes:
        mask: uint8 array of shape (h, w), 255 = foreground: at the model's resolution, or at the
            source's, see `resize_masks`.
        size: (width, height) of the upright source image, in pixels.
        orientation: EXIF orientation of the source, 1 to 8.
        source: The bytes that it was made from.
        model_hash: Hash of the weights that made it.
        params: Everything else that it depends on.
        pillow: Version of Pillow that resized the image for the network, or nothing if an earlier
            version of ours made the mask. Masks of several Pillows may lie in one store.
    """

    mask: np.ndarray
    size: tuple[int, int]
    orientation: int
    source: SourceStamp
    model_hash: str
    params: dict[str, Any]
    pillow: str = ''

    def full_size(self, method: str = 'lanczos') -> np.ndarray:
        """Return the mask at the source's size, uint8 of shape (height, width), as rembg gives it.

        Args:
            method: See ``masks.resize``.
        """
        return masks.resize(self.mask, self.size, method)


class MaskStore(OutputFolder):
    """A folder of low-resolution masks that mirrors a folder of images.

    ``<root>/<model>/train/dress/a.jpg.png`` is the mask of ``train/dress/a.jpg``: an 8-bit
    PNG at the model's resolution (320 x 320 for U2-Net); ``full_size()`` resizes it with
    rembg's filter. The PNG itself carries what it was made from, so that it can be checked
    without the manifest; ``<root>/<model>/manifest.jsonl`` holds the same of all masks,
    with their quality figures and the images that failed. `resize_masks` brings masks to the size
    of their images, for trainings.

    Several processes may read and write one store. It can be pickled.

    Args:
        root: Folder of the store, a path or an address that fsspec opens (then only jobs can
            write to it); made when something is first put in.
        model: Name of the model, the path of its ONNX file, or a ModelSpec. The folder of a file's
            masks is named after the file and its hash.
        precision: Precision that the masks are computed with.

    Examples:
        >>> store = MaskStore('masks', 'u2net')
        >>> stored = store.get('train/dress/a.jpg')
        >>> mask = stored.full_size()
    """

    def __init__(
        self, root: str | Path, model: str | Path | ModelSpec = 'u2net', precision: str = 'fp32'
    ) -> None:
        spec = get_model(model)
        super().__init__(join(root, spec.name), spec, {'output': 'store', 'precision': precision})

    @property
    def needs_pixels(self) -> bool:
        """No: the mask is all."""
        return False

    def get(self, image: str) -> StoredMask | None:
        """Return the stored mask of an image, or None if there is none.

        Args:
            image: Path of the image below the image folder, with ``/``.

        Raises:
            StoredMaskError: If the file cannot be read, is damaged, or no MaskStore wrote it.
        """
        name = self.name(image)
        try:
            content = self.storage.read(name)
        except FileNotFoundError:
            return None
        except OSError as err:
            if err.errno in _NO_SUCH_NAME:
                return None
            msg = f'{self.storage.address_of(name)} cannot be read: {err.strerror or err}'
            raise StoredMaskError(msg) from err
        try:
            mask, texts = decode_plain(content) or _by_pillow(content)
            fields = json.loads(texts[_TEXT_KEY])
            pillow = str(texts.get(_PILLOW_KEY, ''))
            width, height = fields.pop('size')
            source = SourceStamp(**fields.pop('source'))
            return StoredMask(mask, (width, height), source=source, pillow=pillow, **fields)
        except Exception as err:
            # A damaged PNG makes PIL raise many kinds of errors.
            msg = (
                f'{self.storage.address_of(name)} is damaged or not a mask of a MaskStore '
                f'({err!r}). Delete it and run tools/remove_background.py again.'
            )
            raise StoredMaskError(msg) from err

    def is_current(self, stored: StoredMask, image_file: Path) -> bool:
        """Return whether a mask was made by this model from the file's present content.

        An image that is not a local file cannot be checked; its mask is taken as current.
        """
        if stored.model_hash != self.spec.hash or stored.params != self.params:
            return False
        return not image_file.is_file() or stored.source.matches(image_file)

    def encode(self, source: SourceImage, mask: np.ndarray, record: Record) -> tuple[bytes, str]:
        """Return the mask as a PNG that carries what it was made from, and no note."""
        return _encode(mask, record), ''

    def resize_to_source(self, image: str) -> bool:
        """Bring the stored mask of an image to the image's own size, in its file.

        `StoredMask.full_size` returns the same from then on, without resizing.

        Args:
            image: Path of the image below the image folder, with ``/``.

        Returns:
            Whether the file was written: not if the mask has that size already.

        Raises:
            StoredMaskError: If there is no mask, or it cannot be read.
            TargetWriteError: An OSError, if it cannot be written; the old file is left then.
        """
        stored = self.get(image)
        if stored is None:
            msg = f'there is no {self.storage.address_of(self.name(image))}'
            raise StoredMaskError(msg)
        full = stored.full_size()
        if full is stored.mask:
            return False
        with writing():
            self.storage.write(self.name(image), _encode(full, stored))
        return True


def _encode(mask: np.ndarray, made: Record | StoredMask) -> bytes:
    """Return a mask as a PNG that carries what it was made from."""
    kept = {name: getattr(made, name) for name in _KEPT}
    assert made.source is not None
    text = json.dumps(kept | {'source': asdict(made.source)})
    chunks = [text_chunk(_TEXT_KEY, text)]  # ASCII, as json.dumps gives it
    if made.pillow:
        chunks.append(text_chunk(_PILLOW_KEY, made.pillow))
    return encode_png(mask, chunks, plain=True)


def _by_pillow(content: bytes) -> tuple[np.ndarray, dict[Any, Any]]:
    """Return pixels and texts of a PNG by anybody, which may raise any error."""
    with Image.open(io.BytesIO(content), formats=('PNG',)) as picture:
        texts = dict(picture.info)
        return np.asarray(picture), texts


def other_precision(store: MaskStore, stored: StoredMask | None) -> str | None:
    """Return the precision of a stored mask if it is not the store's, else None."""
    if stored is None:
        return None
    found = str(stored.params.get('precision', 'fp32'))
    return None if found == store.params['precision'] else found


def mask_problem(store: MaskStore, stored: StoredMask | None, path: str | Path) -> str | None:
    """Return why a stored mask cannot serve for an image, None if it can.

    Args:
        store: The store, with the model and the precision that are asked for.
        stored: What it has for the image.
        path: The image.
    """
    if stored is None:
        return 'there is no mask'
    if store.is_current(stored, Path(path)):
        return None
    if stored.model_hash != store.spec.hash:
        return f'the mask was made by other weights than those of {store.spec.name}'
    precision = other_precision(store, stored)
    if precision is not None:
        return (
            f'the mask was made in another precision ({precision}, not {store.params["precision"]})'
        )
    if stored.params != store.params:
        return f'the mask was made with other settings ({stored.params}, not {store.params})'
    return 'the mask was made from other content than the file has now'
