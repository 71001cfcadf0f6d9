"""What is wrong with a pair of photo and mask, and figures of one in which nothing is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.opening import ImageError
from bgremoval_mm.removal.images.orientation import is_nearer, turn_back
from bgremoval_mm.removal.images.reading import SourceImage, decode_image, read_stored
from bgremoval_mm.removal.images.regular_files import read_bytes
from bgremoval_mm.removal.masks.quality import quality

__all__ = ['BINARY_RULE', 'Inspection', 'PairError', 'binary_mask', 'inspect_pair']

_SOFT_SHARE = 0.05
_LEAST_SHARE = 0.001
BINARY_RULE = (
    'a mask is binary if its levels are 0 and 1, or if its highest is 128 or more and at most '
    f'{_SOFT_SHARE:.0%} of its pixels have one from 3 to 252 (soft edges); from 128 on a pixel '
    f'is foreground; it is empty below {_LEAST_SHARE:.1%} of foreground, and full below '
    f'{_LEAST_SHARE:.1%} of background'
)


class PairError(BgremovalError, ValueError):
    """A pair cannot be used: the message is a short name of the reason, a colon, and details."""


@dataclass(frozen=True)
class Inspection:
    """A pair in which nothing is wrong.

    Attributes:
        size: Width and height of the upright photo.
        image_sha256: Of the photo's file.
        mask_sha256: Of the mask's file.
        pixels: Hash of the photo's pixels, the same for copies with other metadata.
        foreground: Share of foreground, 0 to 1.
        figures: By which pairs are compared: the share of foreground, that of soft edges, that of
            the image's border which is foreground, the number of connected parts, and the distance
            between the mean colours of foreground and background.
    """

    size: tuple[int, int]
    image_sha256: str
    mask_sha256: str
    pixels: str
    foreground: float
    figures: dict[str, float]


def inspect_pair(paths: tuple[Path, Path]) -> Inspection:
    """Read a photo and its mask, and check them.

    A mask's levels are those that are stored, whatever colour profile is beside them: they are
    shares of pixels, and trainings take them so.

    Args:
        paths: Photo and mask.

    Raises:
        PairError: If they cannot be used; says why.
    """
    photo, image_sha256 = _read(paths[0], 'photo')
    mask, mask_sha256 = _read(paths[1], 'mask')
    _check_orientation(photo, mask)
    stored = read_stored(paths[1])
    levels = stored[..., 0]
    if mask.alpha is not None or (stored != levels[..., None]).any():
        what = 'is coloured' if mask.alpha is None else 'has transparency'
        msg = f'non-binary mask: it {what}, and must be grey'
        raise PairError(msg)
    foreground, soft = binary_mask(levels)
    found = quality(foreground.astype(np.uint8) * 255)
    inside, outside = photo.rgb[foreground].mean(axis=0), photo.rgb[~foreground].mean(axis=0)
    figures = {
        'foreground': float(foreground.mean()),
        'soft edges': soft,
        'border': found.border,
        'parts': float(found.components),
        'contrast': float(np.linalg.norm(inside - outside)),
    }
    pixels = hashlib.sha256(f'{photo.size}'.encode() + photo.rgb.tobytes()).hexdigest()
    return Inspection(
        photo.size, image_sha256, mask_sha256, pixels, float(foreground.mean()), figures
    )


def binary_mask(levels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the foreground of a mask, by `BINARY_RULE`, and the share of its soft edges.

    Args:
        levels: uint8 array of shape (H, W).

    Returns:
        bool array of that shape, and a fraction.

    Raises:
        PairError: If it is not binary, empty, or full.
    """
    counts = np.bincount(levels.ravel(), minlength=256)
    highest = int(levels.max())
    soft = float(counts[3:253].sum() / levels.size)
    if 1 < highest < 128:
        msg = f'non-binary mask: its highest level is {highest}, which is neither 1 nor 128 or more'
        raise PairError(msg)
    if soft > _SOFT_SHARE:
        msg = (
            f'non-binary mask: {soft:.1%} of its pixels have levels from 3 to 252, above '
            f'{_SOFT_SHARE:.0%}'
        )
        raise PairError(msg)
    foreground: np.ndarray = levels >= (1 if highest == 1 else 128)
    share = float(foreground.mean())
    if share < _LEAST_SHARE:
        msg = f'empty mask: {share:.2%} of it is foreground'
        raise PairError(msg)
    if share > 1 - _LEAST_SHARE:
        msg = f'full mask: {1 - share:.2%} of it is background'
        raise PairError(msg)
    return foreground, soft


def _read(path: Path, what: str) -> tuple[SourceImage, str]:
    try:
        content, mtime_ns = read_bytes(path)
        image = decode_image(content, mtime_ns, name=path.name)
    except (ImageError, OSError) as err:
        reason = err.strerror if isinstance(err, OSError) else None
        msg = f'unreadable {what}: {reason or err}'
        raise PairError(msg) from err
    if what == 'photo':
        _check_loader(content, image)
    return image, hashlib.sha256(content).hexdigest()


def _check_loader(content: bytes, photo: SourceImage) -> None:
    """Refuse what trainings cannot load: mmcv leaves photos to OpenCV, which knows fewer kinds.

    Nor does it turn every kind that it reads, such as AVIF: the mask would not lie upon the photo.
    """
    array = np.frombuffer(content, np.uint8)
    if cv2.imdecode(array, cv2.IMREAD_REDUCED_GRAYSCALE_8) is None:
        msg = (
            'unreadable photo: OpenCV, which loads photos in trainings, cannot read this kind of '
            'file; save it as JPEG or PNG'
        )
        raise PairError(msg)
    if photo.orientation == 1:
        return
    loaded = cv2.imdecode(array, cv2.IMREAD_COLOR)
    stored = np.asarray(turn_back(Image.fromarray(photo.rgb), photo.orientation))
    upright = (
        loaded is not None
        and loaded.shape == photo.rgb.shape
        and (stored.shape != loaded.shape or is_nearer(loaded, photo.rgb, stored))
    )
    if not upright:
        msg = (
            'orientation: OpenCV, which loads photos in trainings, does not turn this kind of file '
            f'upright (EXIF orientation {photo.orientation}); save it as JPEG or PNG'
        )
        raise PairError(msg)


def _check_orientation(photo: SourceImage, mask: SourceImage) -> None:
    """Refuse masks that do not lie upon the upright photo pixel by pixel."""
    if mask.orientation != 1:
        msg = (
            f'orientation: the mask has the EXIF orientation {mask.orientation}, which loaders of '
            'label maps do not heed; turn its pixels'
        )
        raise PairError(msg)
    if photo.size == mask.size:
        return
    kind = 'orientation' if photo.size == mask.size[::-1] else 'size'
    upright = f' upright (EXIF orientation {photo.orientation})' if photo.orientation > 1 else ''
    msg = (
        f'{kind}: the photo has {_times(photo.size)} pixels{upright}, the mask {_times(mask.size)}'
    )
    raise PairError(msg)


def _times(size: tuple[int, int]) -> str:
    return f'{size[0]} x {size[1]}'
