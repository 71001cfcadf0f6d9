"""Images whose background was removed once and for all, loaded in place of the originals."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bgremoval_mm.datasets.transforms.mask_fit import is_upright, which_loaders_turn
from bgremoval_mm.removal import Manifest
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import SourceStamp
from bgremoval_mm.removal.io.manifest import FILE_NAME, Record
from bgremoval_mm.removal.io.paths import path_below
from bgremoval_mm.removal.outputs.results import (
    FRAMING,
    describe_settings,
    settings_of,
    suffix_of,
)
from bgremoval_mm.utils.text import printable

__all__ = ['LoadImageFromRemoved', 'RemovedImages']


class _Made(NamedTuple):
    """The record of one image in the manifest."""

    suffix: str
    stamp: SourceStamp | None
    error: str  # the reason, where there is no removed image
    orientation: int  # EXIF's, which the removed image has been turned by


class RemovedImages:
    """A tree of removed images, as ``tools/remove_background.py --output rgb`` makes it.

    Several runs may have written to it: of each image, the last record in the manifest counts. All
    images must have been removed in the same way, or a network would learn the difference. The
    manifest is read when this is made, once a process, so that forked workers share it.

    Args:
        image_dir: DST of that run.
        img_root: SRC of that run.

    Attributes:
        settings: What all images were made with: model, precision, fill...

    Raises:
        ArgumentError: If `image_dir` is no such tree, or its images were removed in several ways.
    """

    def __init__(self, image_dir: str, img_root: str) -> None:
        self.image_dir = image_dir
        self.img_root = img_root
        folder = Path(image_dir)
        self._made, self._command, self.settings = _read(
            str(folder), str(Path(img_root)), _state_of(folder)
        )
        self._same: set[str] = set()

    def find(self, path: str) -> Path:
        """Return the removed image of an image.

        Raises:
            FileNotFoundError: If there is none, or it was made of other content.
            ValueError: If the image does not lie in `img_root`.
        """
        name = path_below(path, self.img_root)
        made = self._made.get(name)
        if made is None:
            raise self._missing(path, f'the manifest of {printable(self.image_dir)} has no record')
        if made.error:
            raise self._missing(path, f'the background could not be removed ({made.error})')
        removed = Path(self.image_dir) / (name + made.suffix)
        try:
            time = removed.stat().st_mtime_ns
        except FileNotFoundError:
            what = f'there is no removed image {printable(removed)}'
            raise self._missing(path, what) from None
        if not self._is_same(name, Path(path), made.stamp, time):
            what = f'the image has changed since the removed one was made ({printable(removed)})'
            raise self._missing(path, what)
        return removed

    def orientation_of(self, path: str) -> int:
        """Return the EXIF orientation of an image that has a removed one, which is upright."""
        return self._made[path_below(path, self.img_root)].orientation

    def _is_same(
        self, name: str, original: Path, stamp: SourceStamp | None, removed_at: int
    ) -> bool:
        """Tell whether an image is still the one that was removed; hash it once where in doubt."""
        if name in self._same or not original.is_file():
            return True
        status = original.stat()
        # A copied dataset has new times: then the manifest's hash decides.
        if status.st_mtime_ns <= removed_at and (stamp is None or stamp.bytes == status.st_size):
            return True
        if stamp is None or not stamp.matches(original):
            return False
        self._same.add(name)
        return True

    def _missing(self, path: str, what: str) -> FileNotFoundError:
        return FileNotFoundError(f'{what} for {printable(path)}. Make it: {self._command}')


def _state_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return names, sizes and times of the manifest's files: it is read again when they change."""
    files = sorted(folder.glob(FILE_NAME.replace('.', '*.')))
    states = ((path.name, path.stat()) for path in files)
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)


@lru_cache(maxsize=8)
def _read(
    image_dir: str, img_root: str, state: object
) -> tuple[Mapping[str, _Made], str, Mapping[str, Any]]:
    """Read and check a manifest; datasets for training, validation and testing share it.

    Args:
        image_dir: Folder of the removed images.
        img_root: Folder of the originals.
        state: Of the manifest's files; a change makes it be read again.

    Returns:
        Path below `img_root` to what became of the image, the command that makes images alike, and
        the settings that they were made with.
    """
    records = Manifest(Path(image_dir)).read()
    example = _check(image_dir, img_root, records)
    made = {
        path: _Made('', None, printable(record.error) or 'no reason was recorded', 1)
        if record.status != 'ok'
        else _Made(suffix_of(record), record.source, '', record.orientation)
        for path, record in records.items()
    }
    return made, _command(img_root, image_dir, example), settings_of(example)


def _check(image_dir: str, img_root: str, records: Mapping[str, Record]) -> Record:
    """Refuse a manifest of something else than images removed in one way; return a record."""
    kinds = _kinds(records.values())
    if len(kinds) > 1:
        # Photos that are gone keep their record, but they cannot be trained on, nor done again.
        there = (each for each in records.values() if (Path(img_root) / each.path).is_file())
        kinds = _kinds(there) or kinds
    outputs = {record.params.get('output') for record in kinds.values()}
    if not outputs or outputs.isdisjoint({'rgb'}):
        found = ' and '.join(sorted(map(repr, outputs))) or repr('none at all')
        msg = (
            '`image_dir` must be the DST of tools/remove_background.py --output rgb, but '
            f'{printable(image_dir)} holds results of output {found}'
        )
        raise ArgumentError(msg)
    framed = sorted(
        {key for record in kinds.values() for key in FRAMING.intersection(record.params)}
    )
    if framed:
        msg = (
            f'`image_dir` must hold images with the frames of the originals, which the annotations '
            f'are of, but those in {printable(image_dir)} were made with --{", --".join(framed)}'
        )
        raise ArgumentError(msg)
    if len(kinds) > 1:
        first, *_, last = sorted(kinds.values(), key=lambda record: record.time)
        wanted = next(each for each in (last, first) if each.params.get('output') == 'rgb')
        msg = (
            f'`image_dir` must hold images that were removed in one way, but in '
            f'{printable(image_dir)} {printable(first.path)} was made with '
            f'{describe_settings(first)}, and {printable(last.path)} with '
            f'{describe_settings(last)}. Make all of them alike: '
            f'{_command(img_root, image_dir, wanted)}'
        )
        raise ArgumentError(msg)
    return next(iter(kinds.values()))


def _kinds(records: Any) -> dict[str, Record]:
    """Return one record, the newest, of each way in which images were removed."""
    kinds: dict[str, Record] = {}
    for record in records:
        if record.status == 'ok':
            key = repr(sorted(settings_of(record).items()))
            if key not in kinds or record.time >= kinds[key].time:
                kinds[key] = record
    return kinds


def _command(img_root: str, image_dir: str, record: Record) -> str:
    """Return the command that removes the images in the way that a record has."""
    words = ['python', 'tools/remove_background.py', img_root, image_dir, '--output', 'rgb']
    words += ['--model', record.model]
    if 'fill' in record.params:
        words += ['--fill', ','.join(f'{level:g}' for level in record.params['fill'])]
    for option, default in (('precision', 'fp32'), ('format', 'png')):
        if record.params.get(option, default) != default:
            words += [f'--{option}', record.params[option]]
    for option in ('edges', 'matting', 'threshold', 'shadow', 'convert_srgb'):
        if option in record.params:
            value = record.params[option]
            words += [f'--{option.replace("_", "-")}', *([] if value is True else [str(value)])]
    return printable(shlex.join(words))


class LoadImageFromRemoved:
    """An image loader that loads the removed image, under the original's name.

    Args:
        loader: The loader of the pipeline.
        images: Where the removed images are.
    """

    def __init__(
        self, loader: Callable[[dict[str, Any]], dict[str, Any] | None], images: RemovedImages
    ) -> None:
        self.loader = loader
        self.images = images
        self._turned: set[tuple[str, int]] = set()

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Load; evaluation and error messages use ``img_path``, which stays the original's.

        Raises:
            ArgumentError: If the loader does not turn originals by their EXIF orientation: the
                removed image is upright, and would not lie as the annotations do.
            FileNotFoundError, ValueError: See RemovedImages.
        """
        path = results['img_path']
        removed = self.images.find(str(path))
        self._check_upright(results, str(path))
        loaded = self.loader({**results, 'img_path': str(removed)})
        if loaded is not None:
            loaded['img_path'] = path
        return loaded

    def _check_upright(self, results: dict[str, Any], path: str) -> None:
        """Load the first original of each suffix and orientation, to see whether it is turned."""
        orientation = self.images.orientation_of(path)
        file = Path(path)
        kind = (file.suffix, orientation)
        if orientation == 1 or kind in self._turned or not file.is_file():
            return
        original = self.loader(dict(results))
        if original is not None and not is_upright(np.atleast_3d(original['img']), file):
            msg = (
                f'the removed image of {printable(path)} is upright, but the loader does not apply '
                f"the original's EXIF orientation ({orientation}), so that annotations may not fit "
                f'it. {which_loaders_turn(path)}'
            )
            raise ArgumentError(msg)
        self._turned.add(kind)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.loader!r}, image_dir={self.images.image_dir!r})'
