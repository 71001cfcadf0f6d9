"""The demo's results: as a dictionary for report.json, and as text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from scipy.stats import binomtest

from bgremoval_mm.evaluation.statistics import mcnemar


@dataclass(frozen=True)
class Answer:
    """What both networks predicted for one test picture.

    Attributes:
        file: Picture, relative to the image folder.
        label: Its true class.
        original: Class predicted from the original.
        removed: Class predicted with the background removed.
        iou: IoU of the picture's mask with its true mask, fraction.
    """

    file: str
    label: str
    original: str
    removed: str
    iou: float

    @property
    def outcome(self) -> tuple[bool, bool]:
        """Whether the network on originals, and the one on removed backgrounds, is right."""
        return self.original == self.label, self.removed == self.label


def summarize(
    model: str,
    images: Sequence[Mapping[str, Any]],
    ious: Mapping[str, float],
    answers: Sequence[Answer],
) -> dict[str, Any]:
    """Work out the results.

    Args:
        model: Name of the background removal model.
        images: The entries of the dataset's index.
        ious: IoU of every picture's mask by file, fractions.
        answers: What both networks predicted for the test pictures; at least one.

    Returns:
        The part of report.json on the masks (fractions) and on both networks (percent).
    """
    original, removed = np.array([answer.outcome for answer in answers]).T
    by_background: dict[str, list[float]] = {}
    for entry in images:
        name = Path(entry['background']).stem
        by_background.setdefault(name, []).append(ious[entry['file']])
    means = {name: fmean(values) for name, values in by_background.items()}
    worst = min(ious, key=ious.__getitem__)
    tested = [entry for entry in images if entry['split'] == 'test']
    return {
        'model': model,
        'masks': {
            'pictures': len(ious),
            'mean': fmean(ious.values()),
            'median': median(ious.values()),
            'worst': ious[worst],
            'worst_file': worst,
            'mean_by_background': dict(sorted(means.items(), key=lambda item: item[1])),
        },
        'original': accuracy(original),
        'rembg': accuracy(removed),
        'comparison': compare(original, removed),
        'test_products': len({entry['product'] for entry in tested}),
        'test_backgrounds': len({entry['background'] for entry in tested}),
    }


def accuracy(right: np.ndarray) -> dict[str, float]:
    """Return the share of right answers with Wilson's 95 % interval, in percent.

    Args:
        right: bool of shape (N,).
    """
    count, total = int(right.sum()), len(right)
    interval = binomtest(count, total).proportion_ci(confidence_level=0.95, method='wilson')
    return {
        'right': count,
        'total': total,
        'percent': 100 * count / total,
        'low': 100 * interval.low,
        'high': 100 * interval.high,
    }


def compare(original: np.ndarray, removed: np.ndarray) -> dict[str, float]:
    """Compare which pictures each network has right.

    Args:
        original: bool of shape (N,), the network on originals.
        removed: The same of the network on removed backgrounds.

    Returns:
        ``diff``, the second accuracy minus the first, and ``error``, its standard error for paired
        answers, in percentage points; four counts; and the p value of McNemar's exact test.
    """
    test = mcnemar(original, removed)
    difference = removed.astype(float) - original
    return {
        'diff': 100 * (test.gained - test.lost) / len(difference),
        'error': 100 * float(difference.std() / len(difference) ** 0.5),
        'both': int((original & removed).sum()),
        'only_first': test.lost,
        'only_second': test.gained,
        'neither': int((~original & ~removed).sum()),
        'p_value': test.p,
    }


def format_results(results: Mapping[str, Any]) -> str:
    """Write the results of :func:`summarize` as text for a terminal, 100 columns wide."""
    masks, both = results['masks'], results['comparison']
    lowest = [f'{name} {iou:.2f}' for name, iou in masks['mean_by_background'].items()][:4]
    original, removed = (
        f'{each["percent"]:5.1f} %   ({each["right"]} of {each["total"]}; '
        f'95 % interval {each["low"]:.1f} to {each["high"]:.1f})'
        for each in (results['original'], results['rembg'])
    )
    return f"""\
Masks by {results['model']} against the exact outline, {masks['pictures']} pictures
  IoU                 mean {masks['mean']:.3f}, median {masks['median']:.3f}
  worst               {masks['worst']:.3f}  {masks['worst_file']}
  mean by background  {', '.join(lowest)}, ...

Top-1 accuracy on {results['original']['total']} test pictures
  original            {original}
  background removed  {removed}
  difference          {both['diff']:+5.1f} points (standard error {both['error']:.1f})
                      right only with the background removed: {both['only_second']}, only with the
                      original: {both['only_first']}; exact McNemar test: p = {both['p_value']:.2g}

The test pictures show {results['test_products']} products on {results['test_backgrounds']} \
backgrounds, and each network was trained once:
the figures hold for such pictures, and do not predict those of other products, networks or data."""
