"""Charts of the report, as SVG: they stay sharp on paper and on a phone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bgremoval_mm.engine.work_dir import read_run
from bgremoval_mm.evaluation.statistics import Estimate
from bgremoval_mm.experiments.base import Metric
from bgremoval_mm.experiments.report.groups import Cell, Group, Pair

__all__ = ['alt_text', 'bar_chart', 'class_chart', 'curve_chart', 'read_curves']

# The baseline's, then those of the other variants.
COLOURS = ('#57606a', '#0969da', '#bf8700', '#8250df')
WORSE = '#cf222e'
Curve = tuple[Sequence[float], Sequence[float]]


def bar_chart(group: Group, metric: Metric) -> str:
    """Draw a bar a variant of each network, with the interval over seeds, and each seed a dot."""
    variants = group.variants
    cells = [cell for cell in group.cells if any(cell.values(metric.key, v.name) for v in variants)]
    figure = Figure(figsize=(max(4.5, 1.0 * len(cells) + 1.5), 3.4), layout='constrained')
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
            _error_bar(axes, (i + offset, mean.mean), mean, vertical=True)
            values = list(cell.values(metric.key, variant.name).values())
            axes.plot([i + offset] * len(values), values, '.', color='black', ms=3)
    axes.set_xticks(
        range(len(cells)), [cell.experiment.title for cell in cells], rotation=30, ha='right'
    )
    axes.set_ylabel(f'{metric.title} ({metric.unit})')
    axes.set_ylim(bottom=0)
    _finish(axes)
    return _svg(figure)


def _error_bar(
    axes: Axes, at: tuple[float, float], estimate: Estimate, vertical: bool = False
) -> None:
    if estimate.low is None or estimate.high is None:
        return
    reach = [[estimate.mean - estimate.low], [estimate.high - estimate.mean]]
    if vertical:
        axes.errorbar(*at, yerr=reach, color='black', capsize=3, lw=1)
    else:
        axes.errorbar(*at, xerr=reach, color='black', capsize=2, lw=1)


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
    """Draw training loss and validation of all variants, a line a seed."""
    figure = Figure(figsize=(8, 2.8), layout='constrained')
    loss, score = figure.subplots(1, 2)
    for number, variant in enumerate(cell.experiment.variants):
        for i, result in enumerate(cell.results.get(variant.name, {}).values()):
            curves = read_curves(result.folder, metric.key)
            label = variant.title if i == 0 else None
            colour = COLOURS[number % len(COLOURS)]
            for axes, (steps, values) in zip((loss, score), curves, strict=True):
                axes.plot(steps, values, color=colour, lw=1, alpha=0.8, label=label)
    loss.set_ylabel('training loss')
    score.set_ylabel(f'{metric.title}, validation')
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
