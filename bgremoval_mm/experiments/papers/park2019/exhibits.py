"""The work's curves: top-k accuracy over k, beside the numbers that it prints."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bgremoval_mm.experiments.base import Exhibit
from bgremoval_mm.experiments.papers.park2019.published import TOPK, hit
from bgremoval_mm.experiments.report.groups import Cell, Group

__all__ = ['curve_exhibits']

#: Of the variants, in their order.
_DASHES = {'-': 'solid', '--': 'dashed', ':': 'dotted', '-.': 'dash-dotted'}
Points = dict[int, float]


def curve_exhibits(group: Group) -> Sequence[Exhibit]:
    """Return the curves of an item, as a table and as a picture.

    Args:
        group: Its results.
    """
    lines = list(_lines(group))
    dashes = ', '.join(
        f'{dash} {variant.title}'
        for variant, dash in zip(group.variants, _DASHES.values(), strict=False)
    )
    caption = (
        'Share of queries with a photo of their item among the first k, in percent, mean of seeds. '
    )
    table = Exhibit(
        name='curves',
        title='Top-k accuracy',
        caption=f'{caption}"as printed": what the work prints; its figures have no numbers.',
        rows=tuple(
            {
                'network': cell.experiment.title,
                'variant': variant,
                **{f'top-{k}': f'{points[k]:.2f}' if k in points else '—' for k in TOPK},
            }
            for cell, variant, points in lines
        ),
    )
    words = (
        f'{cell.experiment.title}, {variant}: '
        + ', '.join(f'{value:.2f} in the first {k}' for k, value in points.items())
        for cell, variant, points in lines
    )
    picture = Exhibit(
        name='curves_picture',
        title='Top-k accuracy by k',
        caption=f'{caption}A colour a network; {dashes}. Crosses: as printed.',
        picture=_draw(group),
        alt='Top-k accuracy by k. ' + '; '.join(words),
    )
    return [table, picture]


def _lines(group: Group) -> Iterator[tuple[Cell, str, Points]]:
    """Yield each network's curve in each variant that was run, then as printed."""
    for cell in group.cells:
        for variant in cell.experiment.variants:
            points = _means(cell, variant.name)
            if points:
                yield cell, variant.title, points
        printed = _printed(group, cell)
        if printed:
            yield cell, 'as printed', printed


def _means(cell: Cell, variant: str) -> Points:
    means = {k: cell.mean(hit(k), variant) for k in TOPK}
    return {k: mean.mean for k, mean in means.items() if mean is not None}


def _printed(group: Group, cell: Cell) -> Points:
    """Return the numbers that the work prints, which are of photos as they are."""
    keys = {hit(k): k for k in TOPK}
    found = {}
    for metric in group.metrics:
        number = group.work.number(cell.experiment, group.dataset, metric)
        if metric.key in keys and number is not None:
            found[keys[metric.key]] = number.values[cell.experiment.variants[0].name]
    return found


def _draw(group: Group) -> bytes:
    """Draw the curves as a PNG file."""
    figure = Figure(figsize=(7, 4.4), layout='constrained', dpi=110)
    axes = figure.subplots()
    for number, cell in enumerate(group.cells):
        colour, label = f'C{number % 10}', cell.experiment.title
        for variant, dash in zip(cell.experiment.variants, _DASHES, strict=False):
            points = _means(cell, variant.name)
            if points:
                axes.plot(*_pair(points), dash, color=colour, lw=1.4, label=label)
                label = ''  # once a network
        axes.plot(*_pair(_printed(group, cell)), 'x', color=colour, ms=6)
    axes.set_xlabel('k')
    axes.set_ylabel('top-k accuracy (percent)')
    axes.set_xticks(TOPK)
    axes.spines[['top', 'right']].set_visible(False)
    axes.grid(color='#d0d7de', lw=0.6)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, loc='lower right')
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content, metadata={'Software': None})
    return content.getvalue()


def _pair(points: Points) -> tuple[list[int], list[float]]:
    return list(points), list(points.values())
