"""Tables of the work's own: rankings, IoU by cluster, what it states, the six sets of U2-Net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bgremoval_mm.experiments.base import Exhibit
from bgremoval_mm.experiments.papers.levi9.published import IOU, MEASURES, SETS, STATED, TABLES
from bgremoval_mm.experiments.report.groups import Cell, Group
from bgremoval_mm.experiments.report.words import GAP

__all__ = ['network_exhibits', 'ranked', 'set_exhibits', 'trial_exhibits']


def ranked(cell: Cell, metric: str) -> list[tuple[str, float, int]]:
    """Return the variants of an experiment that were run, the one with the best mean first.

    Args:
        cell: The experiment's results.
        metric: Key of the metric, of which more is better.

    Returns:
        Name of the variant, its mean over seeds, the number of seeds.
    """
    found = []
    for variant in cell.experiment.variants:
        mean = cell.mean(metric, variant.name)
        if mean is not None:
            found.append((variant.name, mean.mean, len(cell.values(metric, variant.name))))
    return sorted(found, key=lambda each: -each[1])


def trial_exhibits(group: Group) -> Sequence[Exhibit]:
    """Rank the augmentations, and show IoU by cluster."""
    return [_ranking(group, 'Augmentations, the best first'), *_by_cluster(group)]


def network_exhibits(group: Group) -> Sequence[Exhibit]:
    """Rank the networks, show IoU by cluster, and what the work states of its own training."""
    stated = Exhibit(
        name='stated',
        title='What the work states',
        caption='Of its own training and photos, which are not public.',
        rows=tuple({'what': what, 'value': value} for what, value in STATED.items()),
    )
    return [_ranking(group, 'Networks, the best first'), *_by_cluster(group), stated]


def _ranking(group: Group, title: str) -> Exhibit:
    rows = [
        {
            'network': cell.experiment.title,
            'rank': str(rank),
            'variant': cell.experiment.variant(name).title,
            'IoU': f'{mean:.4f}',
            'behind the best': f'{mean - ranked(cell, IOU)[0][1]:+.4f}' if rank > 1 else GAP,
            'seeds': str(seeds),
        }
        for cell in group.cells
        for rank, (name, mean, seeds) in enumerate(ranked(cell, IOU), 1)
    ]
    caption = (
        'By IoU, a fraction: mean over seeds of the best epoch. Whether a difference is more than '
        'chance is in the intervals over seeds above.'
    )
    return Exhibit(name='ranking', title=title, caption=caption, rows=tuple(rows))


def _by_cluster(group: Group) -> Iterator[Exhibit]:
    """Show the IoU of each cluster, where the pairs have clusters."""
    rows = []
    for cell in group.cells:
        for variant in cell.experiment.variants:
            means = _means(cell, variant.name, f'{IOU}/')
            if means:
                row = {'network': cell.experiment.title, 'variant': variant.title}
                rows.append(row | {name: f'{mean:.4f}' for name, mean in means.items()})
    if rows:
        names = sorted({name for row in rows for name in row} - {'network', 'variant'})
        columns = ('network', 'variant', *names)
        yield Exhibit(
            name='clusters',
            title='By cluster',
            caption='IoU of the photos of each cluster, a fraction: mean over seeds.',
            rows=tuple({name: row.get(name, GAP) for name in columns} for row in rows),
        )


def _means(cell: Cell, variant: str, prefix: str) -> Mapping[str, float]:
    """Return the mean over seeds of the metrics whose keys begin so, without the beginning."""
    results = cell.results.get(variant, {}).values()
    keys = dict.fromkeys(key for each in results for key in each.metrics if key.startswith(prefix))
    means = {key.removeprefix(prefix): cell.mean(key, variant) for key in sorted(keys)}
    return {name: mean.mean for name, mean in means.items() if mean is not None}


def set_exhibits(group: Group) -> Sequence[Exhibit]:
    """Show all measures on the six sets beside those of the paper."""
    rows = []
    for cell in group.cells:
        for variant in cell.experiment.variants:
            for name in SETS:
                row = {'network': variant.title, 'set': name}
                for measure in MEASURES:
                    mean = cell.mean(f'saliency/{measure}/{name}', variant.name)
                    row[measure] = GAP if mean is None else f'{mean.mean:.3f}'
                    row[f'paper: {measure}'] = f'{TABLES[name][variant.name][measure]:.3f}'
                rows.append(row)
    caption = (
        'Tables 3 and 4 of the paper and ours, as fractions. MAE is better if it is smaller, the '
        'others if they are larger.'
    )
    return [Exhibit(name='layout', title='All measures', caption=caption, rows=tuple(rows))]
