"""replace_tree: the photos of a folder, written again before other backgrounds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank
from bgremoval_mm.datasets.transforms.replace_background import (
    BackgroundDraw,
    check_crops,
    crop_background,
    draw_of,
)
from bgremoval_mm.removal import masks
from bgremoval_mm.removal.images.colour import to_srgb
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.io.manifest import Record, TargetWriteError
from bgremoval_mm.removal.jobs.apart import TargetError
from bgremoval_mm.removal.jobs.given_masks import open_masks
from bgremoval_mm.removal.jobs.pipeline import Job
from bgremoval_mm.removal.jobs.run import TreeSummary, run_work
from bgremoval_mm.removal.jobs.source import open_source
from bgremoval_mm.removal.masks.backgrounds import blend
from bgremoval_mm.removal.options import EDGES, JobOptions
from bgremoval_mm.removal.options.values import PRECISIONS, check_choice, check_number
from bgremoval_mm.removal.outputs.base import OutputFolder
from bgremoval_mm.removal.outputs.cutouts import encode_image
from bgremoval_mm.removal.outputs.foreground import estimate_foreground
from bgremoval_mm.removal.outputs.mask_store import StoredMaskError
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, get_model
from bgremoval_mm.utils.text import printable

__all__ = ['ReplacedFolder', 'replace_tree']

FORMATS = {'.jpg': 'jpeg', '.jpeg': 'jpeg', '.png': 'png', '.webp': 'webp'}
"""End of a photo's name, in small letters, to the format that it is written in."""

SHORT_SIDE = 2048
"""Pixels of the shorter side at which photos of the bank are kept: results have their full size."""

_OF_PHOTO = ('mask', 'background')  # parameters of a record that are not those of all


class ReplacedFolder(OutputFolder):
    """A folder of photos with other backgrounds, which have the names of their originals.

    A result is ``m * photo + (1 - m) * background`` with the soft mask m. Which photo of the bank,
    and which crop of it, depends on the seed and on the photo's path alone.

    Args:
        root: Folder of the results; made when something is first put in.
        bank: The backgrounds.
        model: Whose masks they are: name of the model, or a ModelSpec.
        precision: What the masks were computed in.
        seed: Of the backgrounds.
        scale, flip_prob: How crops are drawn, see ReplaceBackground.
        edges: ``'clean'``: soft edges get the foreground's own colours, as estimated by
            ``estimate_foreground``; ``'straight'``: the photo's, in which its old background is
            mixed.

    Raises:
        ArgumentError: If an argument is none of these.
    """

    def __init__(
        self,
        root: str | Path,
        bank: BackgroundBank,
        model: str | Path | ModelSpec = 'u2net',
        precision: str = 'fp32',
        seed: int = 0,
        scale: Sequence[float] = (0.16, 1.0),
        flip_prob: float = 0.5,
        edges: str = 'clean',
    ) -> None:
        check_number('seed', seed, 0, 'an int of 0 or more')
        check_crops(scale, flip_prob)
        check_choice('edges', edges, EDGES)
        self.bank, self.seed, self.edges = bank, seed, edges
        self.scale, self.flip_prob = (float(scale[0]), float(scale[1])), float(flip_prob)
        params = {
            'output': 'replaced',
            'precision': precision,
            'bank': hashlib.sha256(''.join(bank.sha256).encode()).hexdigest(),
            'seed': seed,
            'scale': list(self.scale),
            'flip_prob': self.flip_prob,
            'edges': edges,
        }
        super().__init__(root, get_model(model), params, suffix='')

    def draw(self, image: str) -> BackgroundDraw:
        """Return which background a photo gets.

        Args:
            image: Its path below the image folder, with ``/``.
        """
        key = f'{self.seed}/{image}'.encode(errors='surrogateescape')
        # Neither the order of the photos nor what was drawn for others counts.
        entropy = int.from_bytes(hashlib.sha256(key).digest())
        numbers = np.random.default_rng(entropy).random(5).tolist()
        return draw_of(numbers, len(self.bank), self.scale, self.flip_prob)

    def made_of(self, image: str, mask: np.ndarray) -> dict[str, str]:
        """Return what a photo's record tells of its mask and its background."""
        return {
            'mask': hashlib.sha256(mask.tobytes()).hexdigest(),
            'background': Path(self.bank.files[self.draw(image).photo]).name,
        }

    def write(
        self,
        image: str,
        source: SourceImage,
        mask: np.ndarray,
        constant: bool = False,
        second: tuple[str, np.ndarray] | None = None,
    ) -> Record:
        """Write a photo before its background; see OutputFolder."""
        record = super().write(image, source, mask, constant, second)
        return replace(record, params=record.params | self.made_of(image, mask))

    def encode(self, source: SourceImage, mask: np.ndarray, record: Record) -> tuple[bytes, str]:
        """Return the photo before its background as an image file in sRGB, and a note or nothing.

        Raises:
            OSError: If the photo's name ends like no format that is written.
        """
        suffix = PurePosixPath(record.path).suffix
        file_format = FORMATS.get(suffix.lower())
        if file_format is None:
            msg = f'its name must end in {", ".join(FORMATS)}, but ends in {printable(suffix)!r}'
            raise OSError(msg)
        photo, note = to_srgb(source.rgb, source.icc_profile, source.colour)
        full = masks.resize(mask, source.size)
        if source.alpha is not None:
            full = masks.multiply_alpha(full, source.alpha)
        if self.edges == 'clean':
            photo = estimate_foreground(photo, full)
        draw = self.draw(record.path)
        background = crop_background(self.bank.photo(draw.photo), full.shape, draw)
        mixed = blend(photo, np.ascontiguousarray(background[..., ::-1]), full)
        return encode_image(mixed, file_format), note


@dataclass(frozen=True)
class _ReplaceJob(Job):
    """A job whose results depend on the content of stored masks."""

    def is_done(self, path: str, record: Record | None, checksum: bool = False) -> bool:
        """Return whether a photo's result is there and still right, by its present mask, too."""
        if record is None or self.store is None or not isinstance(self.target, ReplacedFolder):
            return False
        try:
            stored = self.store.get(path)
        except StoredMaskError:
            return False
        if stored is None or (stored.model_hash, stored.params) != (
            self.store.spec.hash,
            self.store.params,
        ):
            return False
        made_of = {name: record.params.get(name) for name in _OF_PHOTO}
        if made_of != self.target.made_of(path, stored.mask):
            return False
        rest = {name: value for name, value in record.params.items() if name not in _OF_PHOTO}
        return super().is_done(path, replace(record, params=rest), checksum)


def replace_tree(
    src: str | Path,
    dst: str | Path,
    mask_dir: str | Path,
    bank: Any,
    model: str | Path | ModelSpec = 'u2net',
    *,
    precision: str = 'fp32',
    seed: int = 0,
    scale: Sequence[float] = (0.16, 1.0),
    flip_prob: float = 0.5,
    edges: str = 'clean',
    job: JobOptions | None = None,
) -> TreeSummary:
    """Write every photo below a folder again, with another background behind its foreground.

    Results have the paths of their photos, so that tables of these fit; JPEG files are written in
    quality 95, PNG and WebP files without loss. Masks are those of a store; a photo without one
    fails, with the command that makes it. Runs are resumed, and broken photos recorded, as by
    ``remove_tree``: what was made with another seed, bank or mask is made again.

    Args:
        src: Folder of photos, or one photo.
        dst: Folder for the results, and ``manifest.jsonl``, which also says which photo of the bank
            is behind each.
        mask_dir: Root of a MaskStore of these photos.
        bank: Where the backgrounds come from, as for ReplaceBackground.
        model: Whose masks are taken.
        precision: What they were computed in.
        seed: Of the backgrounds: which photo of the bank, and which crop of it, depends on the seed
            and on the photo's path below `src` alone.
        scale: Area of the crops, see ReplaceBackground.
        flip_prob: Share of the crops that are mirrored.
        edges: See ReplacedFolder.
        job: Which photos are done, and how; not on Ray.

    Returns:
        What was done.

    Raises:
        FileNotFoundError: If `src` or the store does not exist.
        TargetError: If `dst` lies in `src`, holds something else, or cannot be written to.
        ArgumentError: If an argument is not one of the above, or the store's masks are of another
            model or precision.
    """
    job = job or JobOptions()
    check_choice('engine', job.engine, ('local',))
    check_choice('precision', precision, [each for each in PRECISIONS if each != 'auto'])
    if not isinstance(bank, BackgroundBank):
        given = bank if isinstance(bank, dict) else {'paths': bank}
        bank = BackgroundBank(**({'short_side': SHORT_SIDE} | given))
    target = ReplacedFolder(dst, bank, model, precision, seed, scale, flip_prob, edges)
    source, scan = open_source(src, dst, target)
    store = open_masks(mask_dir, target.spec, precision, 'the photos of these will fail')
    _check_own(target, scan.images)
    work = _ReplaceJob(source, target, None, None, store, job.max_pixels, job.max_bytes)
    return run_work(work, scan, job)


def _check_own(target: ReplacedFolder, images: Sequence[str]) -> None:
    """Refuse a folder of something else: results have the names of photos and would replace them.

    A manifest is begun, so that what a killed run wrote is known as its own.
    """
    others = {
        str(record.params.get('output'))
        for record in target.manifest.records()
        if record.params.get('output') != target.params['output']
    }
    where = printable(target.storage.address)
    if others:
        msg = f'`dst` must be a folder of its own, but {where} has results of {", ".join(others)}'
        raise TargetError(msg)
    if target.manifest.exists():
        return
    there = next((image for image in images if target.storage.exists(image)), None)
    if there is not None:
        msg = (
            f'`dst` must not hold other photos, which would be replaced, but {where} has '
            f'{printable(there)} and no manifest.jsonl'
        )
        raise TargetError(msg)
    try:
        target.manifest.begin()
    except TargetWriteError as err:
        msg = f'cannot write to {where}: {err}'
        raise TargetError(msg) from err
