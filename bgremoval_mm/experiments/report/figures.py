"""Charts of the report, as SVG: they stay sharp on paper and on a phone."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bgremoval_mm.engine.work_dir import read_run
from bgremoval_mm.evaluation.statistics import Estimate
from bgremoval_mm.experiments.base import Metric
from bgremoval_mm.experiments.report.groups import Cell, Group, Pair

__all__ = [
    'alt_text',
    'bar_chart',
    'class_chart',
    'curve_chart',
    'difference_chart',
    'read_curves',
]

# The baseline's, then those of the other variants.
COLOURS = ('#57606a', '#0969da', '#bf8700', '#8250df', '#1a7f37', '#e16f24', '#bf3989')
WORSE = '#cf222e'
Curve = tuple[Sequence[float], Sequence[float]]


def bar_chart(group: Group, metric: Metric) -> str:
    """Draw a bar a variant of each network, and each seed a dot.

    Without intervals: of pairs, those of the two variants may overlap though the difference is
    sure. They are in :func:`difference_chart`.
    """
    variants = group.variants
    cells = [cell for cell in group.cells if any(cell.values(metric.key, v.name) for v in variants)]
    width = max(1.0, 0.22 * len(variants)) * len(cells) + 1.5
    figure = Figure(figsize=(max(4.5, width), 3.4), layout='constrained')
    axes = figure.subplots()
    step = 0.8 / len(variants)
    for number, variant in enumerate(variants):
        label: str | None = variant.title
        offset = (number - (len(variants) - 1) / 2) * step
        for i, cell in enumerate(cells):
            mean = cell.mean(metric.key, variant.name)
            if mean is None:
                continue
            colour = COLOURS[number % len(COLOURS)]
            axes.bar(i + offset, mean.mean, step - 0.02, color=colour, label=label)
            label = None  # once a variant
            values = list(cell.values(metric.key, variant.name).values())
            axes.plot([i + offset] * len(values), values, '.', color='black', ms=3)
    axes.set_xticks(
        range(len(cells)), [cell.experiment.title for cell in cells], rotation=30, ha='right'
    )
    axes.set_ylabel(textwrap.fill(f'{metric.title} ({metric.unit})', 28))
    axes.set_ylim(bottom=0)
    _finish(axes)
    return _svg(figure)


def difference_chart(group: Group, metric: Metric) -> str:
    """Draw the paired difference of each network and variant with its intervals.

    Thick whiskers are over seeds, thin ones over images or products.
    """
    rows = [
        (cell, pair, difference)
        for cell in group.cells
        for pair in cell.pairs
        if (difference := pair.difference(metric.key)) is not None
    ]
    several = len(group.variants) > 2
    figure = Figure(figsize=(5.5, 0.42 * len(rows) + 1.0), layout='constrained')
    axes = figure.subplots()
    names = []
    for i, (cell, pair, difference) in enumerate(reversed(rows)):
        title = cell.experiment.title
        names.append(f'{title}, {pair.variant.column}' if several else title)
        colour = COLOURS[(1 + cell.pairs.index(pair)) % len(COLOURS)]
        over_images = pair.over_images(metric)
        if over_images is not None:
            _error_bar(axes, (over_images.mean, i - 0.22), over_images, color='#8c959f', lw=1.2)
        _error_bar(axes, (difference.mean, i), difference, color=colour, lw=2.6)
        values = list(pair.differences(metric.key).values())
        axes.plot(values, [i + 0.2] * len(values), '.', color='black', ms=4)
        axes.plot(difference.mean, i, 'D', color=colour, ms=6, mec='white', mew=0.8)
    axes.axvline(0, color='black', lw=0.8)
    axes.set_ylim(-0.7, len(rows) - 0.4)
    axes.set_yticks(range(len(names)), names)
    points = 'percentage points' if metric.unit == 'percent' else 'a fraction'
    changed = 'variant' if several else group.variants[-1].column
    axes.set_xlabel(f'{changed} minus {group.variants[0].column}, {points}')
    _finish(axes, legend=False)
    return _svg(figure)


def _error_bar(axes: Axes, at: tuple[float, float], estimate: Estimate, **style: Any) -> None:
    """Draw an interval from left to right; none, where it is not known."""
    if estimate.low is None or estimate.high is None:
        return
    reach = [[estimate.mean - estimate.low], [estimate.high - estimate.mean]]
    axes.errorbar(
        *at, xerr=reach, **{'color': 'black', 'capsize': 2, 'lw': 1, 'fmt': 'none', **style}
    )


def class_chart(pair: Pair, unit: str) -> str:
    """Draw the differences by class, with intervals over seeds, the largest on top."""
    found = sorted(pair.class_differences().items(), key=lambda item: item[1].mean)
    figure = Figure(figsize=(5.5, 0.27 * len(found) + 0.9), layout='constrained')
    axes = figure.subplots()
    for i, (_, each) in enumerate(found):
        axes.barh(i, each.mean, color=COLOURS[1] if each.mean >= 0 else WORSE)
        _error_bar(axes, (each.mean, i), each)
    axes.axvline(0, color='black', lw=0.8)
    axes.set_yticks(range(len(found)), [name for name, _ in found])
    points = 'percentage points' if unit == 'percent' else 'a fraction'
    baseline = pair.experiment.variants[0]
    axes.set_xlabel(f'{pair.variant.column} minus {baseline.column}, {points}')
    _finish(axes, legend=False)
    return _svg(figure)


def curve_chart(cell: Cell, metric: Metric) -> str:
    """Draw training loss and validation of all variants, a line a run."""
    figure = Figure(figsize=(8, 2.8), layout='constrained')
    loss, score = figure.subplots(1, 2)
    for number, variant in enumerate(cell.experiment.variants):
        found = cell.results.get(variant.name, {}).values()
        for i, result in enumerate(run for each in found for run in each.runs):
            curves = read_curves(result.folder, metric.key)
            label = variant.title if i == 0 else None
            colour = COLOURS[number % len(COLOURS)]
            for axes, (steps, values) in zip((loss, score), curves, strict=True):
                axes.plot(steps, values, color=colour, lw=1, alpha=0.8, label=label)
    loss.set_ylabel('training loss')
    score.set_ylabel(textwrap.fill(f'{metric.title}, validation ({metric.unit})', 24))
    for axes in (loss, score):
        axes.set_xlabel('epoch or iteration')
        _finish(axes)
    return _svg(figure)


def read_curves(work_dir: Path, metric: str) -> tuple[Curve, Curve]:
    """Return the loss by epoch (its mean) or iteration, and a metric by validation."""
    history = read_run(work_dir)
    scores = {step: found[metric] for step, found in history.val.items() if metric in found}
    loss = history.loss
    return (list(loss), list(loss.values())), (list(scores), list(scores.values()))


def _finish(axes: Axes, legend: bool = True) -> None:
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(axis='y' if legend else 'x', color='#d0d7de', lw=0.6)
    axes.set_axisbelow(True)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(
            frameon=False,
            fontsize=8,
            ncols=2,
            loc='lower left',
            bbox_to_anchor=(0, 1),
            borderpad=0.2,
        )


def _svg(figure: Figure) -> str:
    buffer = io.BytesIO()
    # Equal results give equal files: by default the names inside are random.
    with matplotlib.rc_context({'svg.hashsalt': 'bgremoval_mm'}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={'Date': None})
    return buffer.getvalue().decode()


def alt_text(group: Group, metric: Metric) -> str:
    """Describe a bar chart in words."""
    parts = []
    for cell in group.cells:
        shown = []
        for variant in cell.experiment.variants:
            mean = cell.mean(metric.key, variant.name)
            if mean is not None:
                shown.append(f'{variant.title} {mean.mean:.{metric.digits}f}')
        if shown:
            parts.append(f'{cell.experiment.title}: {", ".join(shown)}')
    return f'{metric.title} by network. ' + '; '.join(parts)
