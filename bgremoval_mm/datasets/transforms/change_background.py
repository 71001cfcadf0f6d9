"""A transform that gives photos other backgrounds: for audits, and as an augmentation."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

import mmcv
import numpy as np

from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank
from bgremoval_mm.datasets.transforms.remove_background import RemoveBackground
from bgremoval_mm.registry import TRANSFORMS
from bgremoval_mm.removal import ImageError, read_image
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.images.reading import check_header
from bgremoval_mm.removal.io.addresses import is_url
from bgremoval_mm.removal.io.paths import path_below
from bgremoval_mm.removal.io.scan import scan_tree
from bgremoval_mm.removal.masks.backgrounds import (
    blend,
    blur_background,
    fill_foreground,
    resize_and_center_crop,
)
from bgremoval_mm.utils.text import printable

__all__ = ['ChangeBackground', 'Condition']

Condition = Literal['original', 'removed', 'replaced', 'blurred', 'background_only']


class DonorError(BgremovalError, OSError):
    """A photo, whose background another one is to get, cannot be read."""


@TRANSFORMS.register_module(force=True)
class ChangeBackground(RemoveBackground):
    """Replace the background of an image by another one.

    Stands where RemoveBackground stands, finds masks as it does, and has its keys.

    Args:
        condition: ``'original'``: nothing is done. ``'removed'``: a plain colour. ``'replaced'``:
            the background of another photo, whose own foreground is filled in, or a photo of
            `bank`. ``'blurred'``:
            the photo's own, blurred. ``'background_only'``: the foreground is filled in.
        donors: Files whose backgrounds are taken for ``'replaced'``, or a folder of them, in which
            hidden files and those that are not images are ignored. Which one a photo gets
            depends on `seed` and on its path below `img_root`, or without that on its name alone,
            not on the order or the number of workers; arrays that were never a file all get the
            same one.
        seed: Another one gives other backgrounds.
        bank: Instead of `donors`, photos without a foreground, see BackgroundBank.
        **removal: What RemoveBackground takes; `fill` for ``'removed'`` only, or where that may be
            set later.

    Raises:
        ValueError: If `condition` is none of these, or has no use for a `fill` that is given;
            ``'replaced'`` has neither donors nor a bank, both are given, or a donor cannot be
            opened as an image, or does not lie in `img_root` where that is needed; as
            BackgroundBank does.
    """

    def __init__(
        self,
        condition: Condition = 'replaced',
        donors: Sequence[str] | str | os.PathLike[str] = (),
        seed: int = 0,
        bank: Any = None,
        **removal: Any,
    ) -> None:
        super().__init__(**removal)
        # An audit makes 'original' ones, and sets 'removed' later.
        if 'fill' in removal and condition not in ('original', 'removed'):
            msg = f"`fill` must be given with `condition`='removed' only, but got {condition!r}"
            raise ArgumentError(msg)
        self.donors = list_donors(donors)
        self.bank = None if bank is None else BackgroundBank.of(bank)
        if self.bank is not None and self.donors:
            msg = '`donors` must not be given with `bank`: a background comes from one of them'
            raise ArgumentError(msg)
        self.set(condition, seed)
        # Now, not in the middle of a training.
        for donor in self.donors:
            check_donor(donor)
            if self.mask_dir is not None and self.img_root is not None:
                path_below(donor, self.img_root)

    def set(self, condition: Condition, seed: int = 0) -> None:
        """Change what is done, from the next image on."""
        if condition not in get_args(Condition):
            allowed = ', '.join(get_args(Condition))
            msg = f'`condition` must be one of {allowed}, but got {condition!r}'
            raise ArgumentError(msg)
        if condition == 'replaced' and self.bank is None and len(self.donors) < 2:
            msg = f'`donors` must be at least 2 files, but got {len(self.donors)}'
            raise ArgumentError(msg)
        self.condition = condition
        self.seed = seed

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change the background of ``results['img']``."""
        return results if self.condition == 'original' else super().transform(results)

    def _change(self, image: np.ndarray, mask: np.ndarray, results: dict[str, Any]) -> np.ndarray:
        if self.condition == 'removed':
            return super()._change(image, mask, results)
        if self.condition == 'blurred':
            return blur_background(image, mask)
        if self.condition == 'background_only':
            return fill_foreground(image, mask)
        background = self._borrow(str(results.get('img_path')))
        background = resize_and_center_crop(background, (image.shape[1], image.shape[0]))
        return blend(image, background.astype(image.dtype), mask)

    def donor_of(self, path: str) -> str:
        """Return the file whose background a photo gets; never its own."""
        start = self._pick(path, len(self.donors))
        chosen = self.donors[start]
        same = Path(chosen).resolve() == Path(path).resolve()
        return self.donors[(start + 1) % len(self.donors)] if same else chosen

    def _pick(self, path: str, count: int) -> int:
        """Return a number below `count` that depends on the photo's name and the seed alone."""
        name = f'{self.seed}:{self._name(path)}'
        digest = hashlib.sha256(name.encode(errors='surrogateescape')).digest()
        return int.from_bytes(digest[:8], 'big') % count

    def _name(self, path: str) -> str:
        """Return a photo's path below `img_root`; its name, where it does not lie there."""
        with suppress(ArgumentError):
            if self.img_root is not None:
                return path_below(path, self.img_root)
        return Path(path).name

    def _borrow(self, path: str) -> np.ndarray:
        """Return a photo of the bank, or the background of another photo, BGR."""
        if self.bank is not None:
            return self.bank.photo(self._pick(path, len(self.bank)))
        donor = self.donor_of(path)
        image = mmcv.imread(donor)
        if image is None:
            image = _read(donor, path)
        return fill_foreground(image, self.masks.mask(image, donor, self.resize))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(condition={self.condition!r}, seed={self.seed!r}, '
            f'donors={len(self.donors)} files, bank={self.bank!r}, model={self.model!r}, '
            f'mask_dir={self.mask_dir!r}, img_root={self.img_root!r}, fill={self.fill!r})'
        )


def list_donors(donors: Sequence[str] | str | os.PathLike[str]) -> list[str]:
    """Return the files that donors stand for.

    Raises:
        ArgumentError: If there is no such folder, or something in it cannot be read.
    """
    if not isinstance(donors, str | os.PathLike):
        return [str(donor) for donor in donors]
    root = Path(donors)
    if not root.is_dir():
        msg = f"`donors` must be a folder or a list of files, but got '{printable(donors)}'"
        raise ArgumentError(msg)
    scan = scan_tree(root)
    for name, reason in scan.unreadable.items():
        msg = f'`donors` must be readable, but {printable(root / name)} is not: {reason}'
        raise ArgumentError(msg)
    # Sorted as whole paths: a photo's donor depends on the order.
    return sorted(str(root / name) for name in scan.images)


def check_donor(donor: str) -> None:
    """Open an image without decoding it; what mmcv fetches from elsewhere is not opened.

    Raises:
        ArgumentError: If it cannot be a donor.
    """
    name = printable(donor)
    if is_url(donor):
        return
    try:
        check_header(Path(donor))
    except FileNotFoundError as err:
        msg = f'`donors` must be images, but there is no file {name}'
        raise ArgumentError(msg) from err
    except (ImageError, OSError) as err:
        msg = f'`donors` must be images, but {name} is none: {printable(err)}'
        raise ArgumentError(msg) from err


def _read(donor: str, path: str) -> np.ndarray:
    """Return a photo that OpenCV cannot decode, BGR."""
    try:
        return np.ascontiguousarray(read_image(Path(donor)).rgb[..., ::-1])
    except (ImageError, OSError) as err:
        msg = (
            f'{printable(donor)}, whose background {printable(path)} is to get, cannot be read: '
            f'{printable(err)}'
        )
        raise DonorError(msg) from err
