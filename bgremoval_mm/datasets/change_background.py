"""A transform that gives photos other backgrounds: for audits, and as an augmentation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import mmcv
import numpy as np

from bgremoval_mm.datasets.background import blend, blur_background, cover, fill_foreground
from bgremoval_mm.datasets.transforms import RemoveBackground
from bgremoval_mm.registry import TRANSFORMS
from bgremoval_mm.removal.images import SUFFIXES

__all__ = ['ChangeBackground', 'Condition']

Condition = Literal['original', 'removed', 'replaced', 'blurred', 'background_only']


@TRANSFORMS.register_module(force=True)
class ChangeBackground(RemoveBackground):
    """Replace the background of an image by another one.

    Stands where RemoveBackground stands, finds masks as it does, and has its keys.

    Args:
        condition: ``'original'``: nothing is done. ``'removed'``: a plain colour. ``'replaced'``:
            the background of another photo, whose own foreground is filled in. ``'blurred'``:
            the photo's own, blurred. ``'background_only'``: the foreground is filled in.
        donors: Files whose backgrounds are taken for ``'replaced'``, or a folder of them. Which one
            a photo gets depends on its name and on `seed` alone, not on the order or the number of
            workers.
        seed: Another one gives other backgrounds.
        **removal: What RemoveBackground takes.

    Raises:
        ValueError: If `condition` is none of these, or ``'replaced'`` has no donors.
    """

    def __init__(
        self,
        condition: Condition = 'replaced',
        donors: Sequence[str] | str = (),
        seed: int = 0,
        **removal: Any,
    ) -> None:
        super().__init__(**removal)
        if isinstance(donors, str):
            found = (path for path in Path(donors).rglob('*') if path.suffix.lower() in SUFFIXES)
            donors = sorted(str(path) for path in found)
        self.donors = list(donors)
        self.set(condition, seed)

    def set(self, condition: Condition, seed: int = 0) -> None:
        """Change what is done, from the next image on."""
        if condition not in get_args(Condition):
            allowed = ', '.join(get_args(Condition))
            msg = f'`condition` must be one of {allowed}, but got {condition!r}'
            raise ValueError(msg)
        if condition == 'replaced' and len(self.donors) < 2:
            msg = f'`donors` must be at least 2 files, but got {len(self.donors)}'
            raise ValueError(msg)
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
        background = self._borrow(str(results['img_path']))
        background = cover(background, (image.shape[1], image.shape[0]))
        return blend(image, background.astype(image.dtype), mask)

    def donor_of(self, path: str) -> str:
        """The file whose background a photo gets; never its own."""
        name = Path(path).name
        digest = hashlib.sha256(f'{self.seed}:{name}'.encode(errors='surrogateescape')).digest()
        start = int.from_bytes(digest[:8], 'big') % len(self.donors)
        chosen = self.donors[start]
        same = Path(chosen).resolve() == Path(path).resolve()
        return self.donors[(start + 1) % len(self.donors)] if same else chosen

    def _borrow(self, path: str) -> np.ndarray:
        """The background of another photo, BGR."""
        donor = self.donor_of(path)
        image = mmcv.imread(donor)
        if image is None:
            msg = f'{donor}, whose background {path} is to get, cannot be read'
            raise OSError(msg)
        return fill_foreground(image, self._mask_of(image, {'img_path': donor}))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(condition={self.condition!r}, seed={self.seed!r}, '
            f'donors={len(self.donors)} files, model={self.model!r}, mask_dir={self.mask_dir!r}, '
            f'img_root={self.img_root!r}, fill={self.fill!r})'
        )
