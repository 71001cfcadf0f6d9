"""Images whose background was removed once and for all, loaded in place of the originals."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from bgremoval_mm.datasets.transforms import name_below
from bgremoval_mm.removal import Manifest
from bgremoval_mm.removal.images import SourceStamp
from bgremoval_mm.removal.options import FILE_FORMATS

__all__ = ['LoadImageFromRemoved', 'RemovedImages']


class RemovedImages:
    """A tree of removed images, as ``tools/remove_background.py --output rgb`` makes it.

    Args:
        image_dir: DST of that run.
        img_root: SRC of that run.

    Raises:
        ValueError: If `image_dir` is no such tree.
    """

    def __init__(self, image_dir: str, img_root: str) -> None:
        self.image_dir = image_dir
        self.img_root = img_root
        record = next(Manifest(Path(image_dir)).records(), None)
        output = record.params.get('output') if record else 'none at all'
        if record is None or output != 'rgb':
            msg = (
                '`image_dir` must be the DST of tools/remove_background.py --output rgb, but '
                f'{image_dir} holds results of output {output!r}'
            )
            raise ValueError(msg)
        self.suffix = FILE_FORMATS[record.params.get('format', 'png')]
        self._same: set[str] = set()

    def find(self, path: str) -> Path:
        """The removed image of an image.

        Raises:
            FileNotFoundError: If there is none, or it was made of other content.
            ValueError: If the image does not lie in `img_root`.
        """
        name = name_below(path, self.img_root)
        removed = Path(self.image_dir) / (name + self.suffix)
        try:
            made = removed.stat().st_mtime_ns
        except FileNotFoundError:
            what = 'there is no removed image'
        else:
            original = Path(path)
            if not original.is_file() or original.stat().st_mtime_ns <= made:
                return removed
            # A copied data set has new times: then the manifest's hashes decide.
            if name in self._same or self._is_same(name, original):
                self._same.add(name)
                return removed
            what = 'the image has changed since the removed one was made'
        msg = (
            f'{what} for {path} at {removed}. Make it: python tools/remove_background.py '
            f'{self.img_root} {self.image_dir} --output rgb'
        )
        raise FileNotFoundError(msg)

    @cached_property
    def _stamps(self) -> dict[str, SourceStamp | None]:
        records = Manifest(Path(self.image_dir)).read()
        return {path: record.source for path, record in records.items()}

    def _is_same(self, name: str, original: Path) -> bool:
        stamp = self._stamps.get(name)
        return stamp is not None and stamp.matches(original)


class LoadImageFromRemoved:
    """An image loader that loads the removed image, under the original's name.

    Args:
        loader: The loader of the pipeline.
        images: Where the removed images are.
    """

    def __init__(self, loader: Callable[[dict], dict | None], images: RemovedImages) -> None:
        self.loader = loader
        self.images = images

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Load; evaluation and error messages go by ``img_path``, which stays the original's."""
        path = results['img_path']
        removed = self.images.find(str(path))
        loaded = self.loader({**results, 'img_path': str(removed)})
        if loaded is not None:
            loaded['img_path'] = path
        return loaded

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.loader!r}, image_dir={self.images.image_dir!r})'
