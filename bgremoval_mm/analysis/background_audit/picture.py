"""The picture of an audit: photos under each condition, and how much of the score is retained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from bgremoval_mm.analysis.background_audit.evaluate import Auditor
from bgremoval_mm.analysis.background_audit.summary import Audit
from bgremoval_mm.analysis.background_audit.text import retained_text, score_text
from bgremoval_mm.datasets.transforms.change_background import Condition
from bgremoval_mm.engine.comparison import unit
from bgremoval_mm.utils.sampling import evenly_spaced
from bgremoval_mm.visualization.canvas import FAINT, INK, new_figure, render
from bgremoval_mm.visualization.contact_sheet import Tile, draw_tiles, shrink

__all__ = ['draw_audit', 'example_photos']

_BAR = '#0969da'


def example_photos(
    auditor: Auditor, conditions: Sequence[Condition], number: int = 3
) -> list[tuple[str, list[np.ndarray]]]:
    """Return some test photos under each condition, before resizing and cropping.

    Returns:
        Path, and for each condition a uint8 array of shape (H, W, 3), RGB.
    """
    examples = []
    for index in evenly_spaced(range(len(auditor)), number):
        pictures = [auditor.photo(index, condition) for condition in conditions]
        examples.append((auditor.paths[index], pictures))
    return examples


def draw_audit(audit: Audit, examples: Sequence[tuple[str, list[np.ndarray]]]) -> Image.Image:
    """Draw the photos above the chart."""
    names = [name.replace('_', ' ') for name in audit.outcomes]
    tiles = [Tile([shrink(each) for each in pictures]) for _, pictures in examples]
    metric = audit.metrics[0]
    heading = ('What survives without the background', f'{metric}, {audit.images} test photos')
    sheet = draw_tiles(tiles, names, heading, columns=1, side=1.7)
    chart = _chart(audit, metric, sheet.width)
    whole = Image.new('RGB', (sheet.width, sheet.height + chart.height), 'white')
    whole.paste(sheet)
    whole.paste(chart, (0, sheet.height))
    return whole


def _chart(audit: Audit, metric: str, width: int) -> Image.Image:
    figure = new_figure(width / 150, 0.34 * len(audit.outcomes) + 0.95)
    figure.set_layout_engine('constrained')
    axes = figure.subplots()
    names = list(audit.outcomes)
    known = audit.uncertainty
    for row, name in enumerate(reversed(names)):
        mean = audit.outcomes[name].mean(metric)
        if mean is None:
            continue
        colour = _BAR if name == audit.reference else '#8c959f'
        axes.barh(row, mean, 0.7, color=colour)
        end = mean
        estimate = None if known is None else known.scores.get(name)
        if estimate is not None and estimate.low is not None and estimate.high is not None:
            # Where photos of rare classes are few, all draws may lie on one side of the score.
            middle, reach = (estimate.low + estimate.high) / 2, (estimate.high - estimate.low) / 2
            axes.errorbar(middle, row, xerr=reach, fmt='none', ecolor=INK, lw=1, capsize=3)
            end = max(mean, estimate.high)
        retained = retained_text(audit, name, metric)
        score = score_text(mean, unit(metric))
        label = f' {score}' + ('' if retained == '-' else f'  ({retained})')
        # On white, so that the line of chance does not cross it out.
        plate = {'facecolor': 'white', 'edgecolor': 'none', 'pad': 1}
        axes.text(end, row, label, va='center', size=9, color=INK, bbox=plate)
    axes.set_yticks(range(len(names)), [name.replace('_', ' ') for name in reversed(names)], size=9)
    axes.set_xlabel(_caption(audit, metric), size=8, color=FAINT, loc='left')
    if known is not None and known.chance is not None:
        axes.axvline(known.chance, color=INK, lw=1, ls='--')
    axes.margins(x=0.2)
    axes.set_xlim(left=0)
    axes.spines[['top', 'right']].set_visible(False)
    return render(figure)


def _caption(audit: Audit, metric: str) -> str:
    """Say what bars, whiskers and brackets are."""
    in_unit = unit(metric)
    text = f'{metric}{"" if in_unit is None else f", {in_unit}"}; in brackets: of {audit.reference}'
    if audit.uncertainty is None:
        return text
    chance = audit.uncertainty.chance
    dashed = '' if chance is None else f'; dashed: chance, {score_text(chance, in_unit)}'
    return (
        f'{text}{dashed}\n'
        f'whiskers: 95 % interval over {audit.images} photos; differences are surer, as they are '
        'paired: see the table'
    )
