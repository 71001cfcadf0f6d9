"""The picture of learning curves: scores, and what a variant changes, by training photos."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from PIL import Image

from bgremoval_mm.experiments.report.figures import COLOURS
from bgremoval_mm.experiments.report.learning_curve import LearningCurves
from bgremoval_mm.visualization.canvas import FAINT, INK, new_figure, render

__all__ = ['draw_curves']

_STYLES: tuple[tuple[Any, str], ...] = (
    ('-', 'o'),
    ('--', 's'),
    (':', '^'),
    ('-.', 'D'),
    ((0, (1, 3)), 'v'),
    ((0, (5, 4)), 'P'),
)
"""Line and mark of each network: told apart in print, too."""


def draw_curves(curves: LearningCurves, title: str) -> Image.Image:
    """Draw scores on the left and paired differences on the right, over photos on a log axis.

    A colour is a variant, a line style a network. Shaded is the range of the seeds; bars on the
    right are 95 % intervals over seeds.

    Args:
        curves: What is drawn.
        title: Heading.
    """
    figure = new_figure(10.5, 4.6)
    figure.set_layout_engine('constrained')
    figure.suptitle(title, fontsize=10, color=INK)
    left, right = figure.subplots(1, 2)
    baseline = curves.variants[0]
    for number, (model, experiment) in enumerate(curves.experiments.items()):
        line, mark = _STYLES[number % len(_STYLES)]
        for index, variant in enumerate(curves.variants):
            style: dict[str, Any] = {
                'color': COLOURS[index % len(COLOURS)],
                'linestyle': line,
                'marker': mark,
                'markersize': 4,
                'label': f'{experiment.title}, {variant.column}',
            }
            points = curves.points(model, variant.name)
            means = [sum(scores.values()) / len(scores) for scores in points.values()]
            left.plot(list(points), means, **style)
            left.fill_between(
                list(points),
                [min(scores.values()) for scores in points.values()],
                [max(scores.values()) for scores in points.values()],
                color=style['color'],
                alpha=0.15,
                linewidth=0,
            )
            if variant != baseline:
                # Side by side, so that the bars of several networks can be told apart.
                shift = 1.04 ** (number - (len(curves.experiments) - 1) / 2)
                gaps = curves.differences(model, variant)
                at = [size * shift for size in gaps]
                right.plot(at, [each.mean for each in gaps.values()], **style)
                for x, gap in zip(at, gaps.values(), strict=True):
                    if gap.low is not None and gap.high is not None:
                        reach = [[gap.mean - gap.low], [gap.high - gap.mean]]
                        right.errorbar(
                            x, gap.mean, reach, color=style['color'], capsize=3, lw=1, fmt='none'
                        )
    points_of = 'percentage points' if curves.metric.unit == 'percent' else 'a fraction'
    left.set_ylabel(f'{curves.metric.title} ({curves.metric.unit})')
    left.set_title('shaded: least to most of the seeds', fontsize=8, color=FAINT)
    right.axhline(0, color='black', lw=0.8)
    right.set_ylabel(f'minus {baseline.column}, {points_of}')
    right.set_title('bars: 95 % interval over seeds', fontsize=8, color=FAINT)
    for axes in (left, right):
        _finish(axes, curves.sizes)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower center', ncols=2, frameon=False, fontsize=8)
    return render(figure)


def _finish(axes: Axes, sizes: list[int]) -> None:
    axes.set_xscale('log')
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sizes, [f'{size:,}' for size in sizes])
    axes.set_xlabel('training photos')
    axes.grid(color='#d0d7de', lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
