"""What the demo found: as a dictionary for report.json and as text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from bgremoval_mm.demo.sheet import Answer
from bgremoval_mm.demo.stats import Accuracy, Comparison


@dataclass(frozen=True)
class Report:
    """The demo's findings.

    Attributes:
        model: Name of the background removal model.
        masks: IoU of all masks, fractions: ``pictures``, ``mean``, ``median``, ``worst``,
            ``worst_file`` and ``mean_by_background``, the lowest first.
        original: Test accuracy of the arm on originals.
        rembg: Test accuracy of the arm on removed backgrounds.
        comparison: Second arm against the first.
        test_products: Number of products on the test pictures.
        test_backgrounds: Number of photographs behind them.
    """

    model: str
    masks: dict[str, Any]
    original: Accuracy
    rembg: Accuracy
    comparison: Comparison
    test_products: int
    test_backgrounds: int

    @classmethod
    def of(
        cls,
        model: str,
        images: Sequence[Mapping[str, Any]],
        ious: Mapping[str, float],
        answers: Sequence[Answer],
    ) -> Report:
        """Work out the findings.

        Args:
            model: Name of the background removal model.
            images: The entries of the data set's index.
            ious: IoU of every picture's mask by file.
            answers: What both arms said of the test pictures.
        """
        first = [answer.outcome[0] for answer in answers]
        second = [answer.outcome[1] for answer in answers]
        tested = [entry for entry in images if entry['split'] == 'test']
        return cls(
            model=model,
            masks=_mask_figures(images, ious),
            original=Accuracy.of(first),
            rembg=Accuracy.of(second),
            comparison=Comparison.of(first, second),
            test_products=len({entry['product'] for entry in tested}),
            test_backgrounds=len({entry['background'] for entry in tested}),
        )

    def as_dict(self) -> dict[str, Any]:
        """The findings for a JSON file; accuracies in percent."""
        return asdict(self)

    def __str__(self) -> str:
        masks, both = self.masks, self.comparison
        lowest = [f'{name} {iou:.2f}' for name, iou in masks['mean_by_background'].items()][:4]
        return f"""\
Masks by {self.model} against the exact outline, {masks['pictures']} pictures
  IoU                 mean {masks['mean']:.3f}, median {masks['median']:.3f}
  worst               {masks['worst']:.3f}  {masks['worst_file']}
  mean by background  {', '.join(lowest)}, ...

Top-1 accuracy on {self.original.total} test pictures
  original            {self.original}
  background removed  {self.rembg}
  difference          {both.diff:+5.1f} points (standard error {both.error:.1f})
                      right only with the background removed: {both.only_second}, only with the
                      original: {both.only_first}; exact McNemar test: p = {both.p_value:.2g}

The test pictures show {self.test_products} products on {self.test_backgrounds} backgrounds, and \
each arm was trained once:
the figures hold for such pictures and are no forecast for other products, networks or data."""


def _mask_figures(images: Sequence[Mapping[str, Any]], ious: Mapping[str, float]) -> dict[str, Any]:
    by_background: dict[str, list[float]] = {}
    for entry in images:
        name = Path(entry['background']).stem
        by_background.setdefault(name, []).append(ious[entry['file']])
    means = {name: fmean(values) for name, values in by_background.items()}
    worst = min(ious, key=ious.__getitem__)
    return {
        'pictures': len(ious),
        'mean': fmean(ious.values()),
        'median': median(ious.values()),
        'worst': ious[worst],
        'worst_file': worst,
        'mean_by_background': dict(sorted(means.items(), key=lambda item: item[1])),
    }
