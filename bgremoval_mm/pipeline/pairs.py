"""Pairs of photo and corrected mask, as `bgremoval pairs check` takes them, to train with."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bgremoval_mm.pipeline.corrections import Correction, corrections
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.verdicts import PEOPLE
from bgremoval_mm.removal import masks
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.formats import HEAD, IMAGE_SUFFIXES, kind_of, suffix_of
from bgremoval_mm.removal.outputs.cutouts import encode_image
from bgremoval_mm.utils.atomic import sweep_leftovers, write_atomically

__all__ = ['Exported', 'export_pairs', 'hard_mask']

_THRESHOLD = 127 / 255  # levels from 128 on are the object's
_STEM = 160  # bytes of a photo's name that are kept, of the 255 that a name may have


@dataclass
class Exported:
    """What came of an export.

    Attributes:
        new: Pairs that were written.
        known: Pairs that were there already.
        unreadable: Names of photos whose files could not be read, each with the reason.
    """

    new: int = 0
    known: int = 0
    unreadable: list[str] = field(default_factory=list)


def export_pairs(queue: UploadQueue, files: PipelineFiles, folder: Path) -> Exported:
    """Write every photo with a corrected mask into ``photos``, and its mask into ``masks``.

    Which those are is what `corrections` says, as for a retraining.

    The versions of a photo are pairs of their own; the same photo under two names is one. Masks
    are made hard, as the training wants them. ``list.csv`` has for each pair its ``item`` (the
    photo's name in the pipeline), so that versions of a photo stay in one split, and its
    ``cluster`` (the route). An export that was interrupted, or to which corrections have come
    since, goes on.

    Args:
        queue: The uploads.
        files: Their files.
        folder: Where to.

    Raises:
        ArgumentError: If the folder is the pipeline's or in it.
        OSError: If it cannot be written to.
    """
    if folder.resolve().is_relative_to(files.root.resolve()):
        msg = f'the pairs must lie outside the folder of the pipeline, but got {folder}'
        raise ArgumentError(msg)
    done, rows = Exported(), []
    for each in corrections(queue.engine):
        try:
            content = files.photo(each.sha256)
            photo, mask = _names(each, content)
            target, stamp = folder / 'masks' / mask, files.mask_time(each.sha256, PEOPLE)
            # A mask that was corrected again has another time.
            is_new = not target.exists() or target.stat().st_mtime_ns != stamp
            hard = hard_mask(files, each.sha256) if is_new else None
        except OSError as err:
            done.unreadable.append(f'{each.name}: {err.strerror or err}')
            continue
        is_new |= _write(folder / 'photos' / photo, content)
        if hard is not None:
            _write(target, hard, replace=True)
            os.utime(target, ns=(stamp, stamp))
        done.new, done.known = done.new + is_new, done.known + (not is_new)
        rows.append((photo, mask, each.name, each.cluster))
    if rows:
        write_atomically(folder / 'list.csv', _table(rows))
    return done


def hard_mask(files: PipelineFiles, sha256: str) -> bytes:
    """Return a photo's corrected mask as a PNG file of 0 and 255, as the training wants it.

    Raises:
        OSError: If it cannot be read.
    """
    return encode_image(masks.binarise(files.mask(sha256, PEOPLE), _THRESHOLD), 'png')


def _names(each: Correction, content: bytes) -> tuple[str, str]:
    """Return the paths of photo and mask: by a part of the hash, stems are unique."""
    path = PurePosixPath(each.name)
    suffix = suffix_of(each.name)
    if suffix not in IMAGE_SUFFIXES:
        kind = kind_of(content[:HEAD])
        suffix = '.jpg' if kind is None else f'.{kind.opener.lower()}'
    else:
        path = path.with_suffix('')
    stem = path.name.encode()[:_STEM].decode(errors='ignore')
    stem = f'{stem}.v{each.version}-{each.sha256[:12]}'
    return str(path.with_name(f'{stem}{suffix}')), str(path.with_name(f'{stem}.png'))


def _write(path: Path, content: bytes, replace: bool = False) -> bool:
    if path.exists() and not replace:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_leftovers(path.parent)
    write_atomically(path, content)
    return True


def _table(rows: list[tuple[str, str, str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(('image', 'mask', 'item', 'cluster'))
    writer.writerows(rows)
    return text.getvalue().encode()
