"""The masks of a MaskStore, ranked by how little they can be trusted."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.removal import MaskStore
from bgremoval_mm.removal.io.manifest import FILE_NAME, Record
from bgremoval_mm.removal.masks.quality import MaskQuality, flags_of
from bgremoval_mm.utils.text import printable

__all__ = [
    'COLUMNS',
    'EARLIER_COLUMNS',
    'Ranking',
    'quality_of',
    'rank',
    'read_ranking',
    'what_is_in',
]

# Of the table.
COLUMNS = ('path', 'confidence', 'foreground', 'border', 'flags', 'error', 'suspicion')
EARLIER_COLUMNS = COLUMNS[:-1]


@dataclass(frozen=True)
class Ranking:
    """The images of a manifest.

    Attributes:
        masks: Records of the images that have a mask, the least trustworthy mask first.
        failed: Records of the images that have none, by path.
    """

    masks: list[Record]
    failed: list[Record]

    @property
    def flagged(self) -> int:
        """Number of masks with a flag (see MaskQuality)."""
        return sum(bool(quality_of(record).flags) for record in self.masks)

    @property
    def doubtful(self) -> list[str]:
        """Paths of the images whose mask has a flag, and of those that have none."""
        flagged = (record.path for record in self.masks if quality_of(record).flags)
        return sorted([*flagged, *(record.path for record in self.failed)])

    @property
    def precision(self) -> str:
        """The precision that most of the masks were computed in."""
        found = Counter(str(record.params.get('precision', 'fp32')) for record in self.masks)
        return max(found, key=found.__getitem__, default='fp32')

    def confidence(self, percent: float) -> float:
        """Return the confidence below which ``percent`` of the masks lie; NaN without masks."""
        values = [quality_of(record).confidence for record in self.masks]
        return float(np.percentile(values, percent)) if values else float('nan')

    def heading(self) -> str:
        """Return one line: how many masks there are, and how many are flagged or failed."""
        return f'{len(self.masks):,} masks, {self.flagged:,} flagged, {len(self.failed):,} failed'

    def confidence_line(self) -> str:
        """Return one line: how the confidence is distributed."""
        return (
            f'confidence: 5 % of the masks lie below {self.confidence(5):.3f}, '
            f'half of them below {self.confidence(50):.3f}'
        )

    def as_text(self, number: int) -> str:
        """Return the ``number`` least trustworthy masks, and as many of the failed, as a table.

        Returns:
            Lines without a trailing newline; foreground in percent, the others as they are.
        """
        lines = [self.heading(), self.confidence_line()] if self.masks else [self.heading()]
        if shown := self.masks[:number]:
            lines += ['', 'suspicion  confidence  foreground  flags     path']
        for record in shown:
            quality = quality_of(record)
            lines.append(
                f'{quality.suspicion:9.2f}  {quality.confidence:10.3f}  '
                f'{quality.foreground:10.1%}  {",".join(quality.flags) or "-":8}  '
                f'{printable(record.path)}'
            )
        lines += [
            f'failed: {printable(record.path)}: {printable(record.error)}'
            for record in self.failed[:number]
        ]
        if len(self.failed) > number:
            lines.append(f'failed: and {len(self.failed) - number} more, see {FILE_NAME}')
        return '\n'.join(lines)

    def as_csv(self) -> str:
        """Return all masks in order, then the failed images, as a CSV table with a head.

        Columns: path, confidence, foreground and border (fractions), flags (joined by a space),
        error (the reason why there is no mask), suspicion (see MaskQuality). A path is exact:
        bytes that are not UTF-8 are surrogates, which ``errors='surrogateescape'`` writes, and
        reads, as the bytes they are.
        """
        rows: list[list[Any]] = []
        for record in self.masks:
            each = quality_of(record)
            figures = (each.confidence, each.foreground, each.border)
            flags = ' '.join(each.flags)
            rows.append([record.path, *figures, flags, '', round(each.suspicion, 3)])
        rows += [[each.path, '', '', '', '', printable(each.error), ''] for each in self.failed]
        text = io.StringIO()
        plain = csv.writer(text, lineterminator='\n')
        # csv leaves a carriage return bare, which a reader takes for the end of the line.
        quoted = csv.writer(text, lineterminator='\n', quoting=csv.QUOTE_ALL)
        plain.writerow(COLUMNS)
        for row in rows:
            (quoted if '\r' in row[0] else plain).writerow(row)
        return text.getvalue()


def rank(records: Iterable[Record]) -> Ranking:
    """Order masks by how little they can be trusted.

    The most suspicious come first (see MaskQuality); of equal ones those of lower confidence,
    then the first by path.
    """
    by_path = sorted(records, key=lambda record: record.path)
    masks = [record for record in by_path if record.status == 'ok']
    failed = [record for record in by_path if record.status != 'ok']
    return Ranking(sorted(masks, key=_distrust), failed)


def read_ranking(root: str | Path, model: str | Path = 'u2net') -> Ranking:
    """Rank the masks of a store.

    Args:
        root: Root of a MaskStore: the DST of tools/remove_background.py.
        model: Name of the model, or the path of its ONNX file.

    Raises:
        FileNotFoundError: There are no masks of that model; the message names what there is.
        ValueError: There is no such model.
    """
    store = MaskStore(root, model)
    if store.manifest.exists():
        return rank(store.manifest.read().values())
    msg = f'there is no {printable(store.manifest.address)}: {what_is_in(Path(root))}'
    raise FileNotFoundError(msg)


def what_is_in(root: Path) -> str:
    """Return what to tell somebody who took this for the root of a store with a model's masks."""
    if not root.is_dir():
        return f'there is no folder {printable(root)}'
    if (root / FILE_NAME).is_file():
        return (
            f'{printable(root)} is the folder of one model. Give the folder above it: '
            f'{printable(root.parent)}'
        )
    if models := sorted(path.parent.name for path in root.glob(f'*/{FILE_NAME}')):
        return f'{printable(root)} has masks of: {", ".join(models)}. Choose with --model'
    return f'{printable(root)} has masks of no model: is it DST of tools/remove_background.py?'


def _distrust(record: Record) -> tuple[float, float]:
    quality = quality_of(record)
    return -quality.suspicion, quality.confidence


def quality_of(record: Record) -> MaskQuality:
    """Return the record's figures, with the flags that hold by the present rule.

    A mask without any figures is trusted least.
    """
    if record.quality is None:
        return MaskQuality(0.0, 0.0, 0.0, ('no figures',))
    return replace(record.quality, flags=flags_of(record.quality))
