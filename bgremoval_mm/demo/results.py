"""The demo's results: as a dictionary for report.json, and as text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from bgremoval_mm.evaluation.statistics import (
    Estimate,
    clustered_accuracy,
    clustered_accuracy_difference,
)


@dataclass(frozen=True)
class Answer:
    """What the networks of all seeds predicted for one test picture.

    Attributes:
        file: Picture, relative to the image folder.
        label: Its true class.
        product: The product that it shows.
        original: Class predicted from the original, by each seed.
        removed: Class predicted with the background removed, by each seed.
        iou: IoU of the picture's mask with its true mask, fraction.
    """

    file: str
    label: str
    product: str
    original: tuple[str, ...]
    removed: tuple[str, ...]
    iou: float

    @property
    def outcome(self) -> tuple[bool, bool]:
        """Whether the first seed's networks are right: on originals, and without background."""
        return self.original[0] == self.label, self.removed[0] == self.label


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
        answers: What the networks predicted for the test pictures; at least one.

    Returns:
        The part of report.json on the masks (fractions) and on the networks (percent, and
        percentage points), with 95 % intervals over products.
    """
    labels = np.array([answer.label for answer in answers])
    products = np.array([answer.product for answer in answers])
    original = labels == np.array([answer.original for answer in answers]).T
    removed = labels == np.array([answer.removed for answer in answers]).T
    by_background: dict[str, list[float]] = {}
    for entry in images:
        name = Path(entry['background']).stem
        by_background.setdefault(name, []).append(ious[entry['file']])
    means = {name: fmean(values) for name, values in by_background.items()}
    worst = min(ious, key=ious.__getitem__)
    tested = [entry for entry in images if entry['split'] == 'test']
    difference = clustered_accuracy_difference(original, removed, products)
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
        'original': _score(clustered_accuracy(original, products), original),
        'rembg': _score(clustered_accuracy(removed, products), removed),
        'diff': _score(difference, removed.astype(float) - original),
        'test_pictures': len(answers),
        'test_products': len(set(products.tolist())),
        'test_backgrounds': len({entry['background'] for entry in tested}),
        'classes': len({entry['label'] for entry in images}),
    }


def _score(estimate: Estimate, values: np.ndarray) -> dict[str, Any]:
    """Add each seed's own mean, from values of shape (S, N), to what all have in common."""
    return {key: value for key, value in asdict(estimate).items() if key != 'count'} | {
        'each': (100 * values.mean(axis=1)).tolist()
    }


def format_results(results: Mapping[str, Any]) -> str:
    """Write the results of :func:`summarize` as text for a terminal, 100 columns wide."""
    masks = results['masks']
    lowest = [f'{name} {iou:.2f}' for name, iou in masks['mean_by_background'].items()][:4]
    original, removed = (
        f'{each["mean"]:5.1f} %  {each["low"]:9.1f} to {each["high"]:5.1f}      '
        + ', '.join(f'{value:.1f}' for value in each['each'])
        for each in (results['original'], results['rembg'])
    )
    diff = results['diff']
    difference = f'{diff["mean"]:+5.1f}    {diff["low"]:+9.1f} to {diff["high"]:+5.1f}      ' + (
        ', '.join(f'{value:+.1f}' for value in diff['each'])
    )
    return f"""\
Masks by {results['model']} against the exact outline, {masks['pictures']} pictures
  IoU                 mean {masks['mean']:.3f}, median {masks['median']:.3f}
  worst               {masks['worst']:.3f}  {masks['worst_file']}
  mean by background  {', '.join(lowest)}, ...

Top-1 accuracy on {results['test_pictures']} test pictures; guessing: \
{100 / results['classes']:.1f} %
                        mean    95 % interval       each training
  original            {original}
  background removed  {removed}
  difference          {difference}

Intervals are over the {results['test_products']} test products: a bootstrap draws products with \
all their pictures.
The test pictures have {results['test_backgrounds']} backgrounds. The figures hold for such \
pictures, and do not predict
those of other products, networks or data."""
