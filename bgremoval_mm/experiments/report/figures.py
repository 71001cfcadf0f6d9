"""Charts of the report, as SVG: they stay sharp on paper and on a phone."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bgremoval_mm.experiments.papers.liang2023.experiments import ARMS
from bgremoval_mm.experiments.report.results import METRICS_OF, Cell, Group, Metric

__all__ = ['alt_text', 'bar_chart', 'class_chart', 'curve_chart', 'read_curves']

COLOURS = {'original': '#57606a', 'rembg': '#0969da'}
_LABELS = {'original': 'original', 'rembg': 'background removed'}
# So that equal results give equal files.
_METADATA = {'Date': None}


def bar_chart(group: Group, metric: Metric) -> str:
    """Fig. 5 and 6: a pair of bars a network, with the interval over seeds, and each seed a dot."""
    cells = [cell for cell in group.cells if any(cell.values(metric.key, arm) for arm in ARMS)]
    figure = Figure(figsize=(max(4.5, 1.0 * len(cells) + 1.5), 3.4), layout='constrained')
    axes = figure.subplots()
    for offset, arm in ((-0.2, ARMS[0]), (0.2, ARMS[1])):
        for i, cell in enumerate(cells):
            mean = cell.mean(metric.key, arm)
            if mean is None:
                continue
            label = _LABELS[arm] if i == 0 else None
            axes.bar(i + offset, mean.mean, 0.38, color=COLOURS[arm], label=label)
            if mean.low is not None and mean.high is not None:
                reach = [[mean.mean - mean.low], [mean.high - mean.mean]]
                axes.errorbar(i + offset, mean.mean, reach, color='black', capsize=3, lw=1)
            values = list(cell.values(metric.key, arm).values())
            axes.plot([i + offset] * len(values), values, '.', color='black', ms=3)
    axes.set_xticks(
        range(len(cells)), [cell.experiment.title for cell in cells], rotation=30, ha='right'
    )
    axes.set_ylabel(f'{metric.title} ({metric.unit})')
    axes.set_ylim(bottom=0)
    _finish(axes)
    return _svg(figure)


def class_chart(cell: Cell) -> str:
    """Differences by class, with intervals over seeds, the largest first."""
    found = sorted(cell.class_differences().items(), key=lambda item: item[1].mean)
    figure = Figure(figsize=(5.5, 0.27 * len(found) + 0.9), layout='constrained')
    axes = figure.subplots()
    for i, (_, each) in enumerate(found):
        axes.barh(i, each.mean, color=COLOURS['rembg'] if each.mean >= 0 else '#cf222e')
        if each.low is not None and each.high is not None:
            reach = [[each.mean - each.low], [each.high - each.mean]]
            axes.errorbar(each.mean, i, xerr=reach, color='black', capsize=2, lw=1)
    axes.axvline(0, color='black', lw=0.8)
    axes.set_yticks(range(len(found)), [name for name, _ in found])
    unit = METRICS_OF[cell.experiment.place][-1].unit
    points = 'percentage points' if unit == 'percent' else 'a fraction'
    axes.set_xlabel(f'removed minus original, {points}')
    _finish(axes, legend=False)
    return _svg(figure)


def curve_chart(cell: Cell, metric: Metric) -> str:
    """Training loss and validation of both arms, a line a seed."""
    figure = Figure(figsize=(8, 2.8), layout='constrained')
    loss, score = figure.subplots(1, 2)
    for arm in ARMS:
        for i, result in enumerate(cell.arms.get(arm, {}).values()):
            curves = read_curves(result.folder, metric.key)
            label = _LABELS[arm] if i == 0 else None
            for axes, (steps, values) in zip((loss, score), curves, strict=True):
                axes.plot(steps, values, color=COLOURS[arm], lw=1, alpha=0.8, label=label)
    loss.set_ylabel('training loss')
    score.set_ylabel(f'{metric.title}, validation')
    for axes in (loss, score):
        axes.set_xlabel('epoch or iteration')
        _finish(axes)
    return _svg(figure)


def read_curves(
    work_dir: Path, metric: str
) -> tuple[tuple[Sequence[float], Sequence[float]], tuple[Sequence[float], Sequence[float]]]:
    """Loss by epoch (its mean) or iteration, and a metric by validation, over all resumptions."""
    losses: dict[float, list[float]] = {}
    scores: dict[float, float] = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        fresh: set[float] = set()
        for line in file.read_text(encoding='utf-8', errors='replace').splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if 'loss' in record:
                step = record.get('epoch', record.get('step'))
                if step not in fresh:  # a resumed run does this epoch again
                    losses[step] = []
                    fresh.add(step)
                losses[step].append(record['loss'])
            elif metric in record:
                scores[record['step']] = record[metric]
    steps = sorted(losses)
    return (
        (steps, [float(np.mean(losses[step])) for step in steps]),
        (sorted(scores), [scores[step] for step in sorted(scores)]),
    )


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
    FigureCanvasSVG(figure).print_svg(buffer, metadata=dict(_METADATA))
    return buffer.getvalue().decode()


def alt_text(group: Group, metric: Metric) -> str:
    """What a bar chart shows, in words."""
    parts = []
    for cell in group.cells:
        shown = []
        for arm in ARMS:
            mean = cell.mean(metric.key, arm)
            if mean is not None:
                shown.append(f'{_LABELS[arm]} {mean.mean:.{metric.digits}f}')
        if shown:
            parts.append(f'{cell.experiment.title}: {", ".join(shown)}')
    return f'{metric.title} by network. ' + '; '.join(parts)
