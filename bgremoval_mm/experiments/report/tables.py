"""Tables of the report, as pandas frames in the paper's layout."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bgremoval_mm.evaluation.statistics import Estimate, holm
from bgremoval_mm.experiments.papers.liang2023.experiments import ARMS
from bgremoval_mm.experiments.report.results import METRICS_OF, Cell, Group, Metric

__all__ = ['class_table', 'misprints', 'provenance_table', 'result_table']

GAP = '—'


def result_table(group: Group) -> pd.DataFrame:
    """A line a network and metric: both arms, the difference and how sure it is, the paper's.

    Columns: network, metric, seeds, original, removed, difference, interval over seeds, interval
    over images, McNemar's test (classification), the paper's numbers (tables). Gaps are dashes.
    """
    metrics = METRICS_OF[group.place]
    rows = [(cell, metric) for cell in group.cells for metric in metrics]
    lines = [_line(cell, metric) for cell, metric in rows]
    if group.place.startswith('Fig.'):
        _add_mcnemar(lines, group.cells)
    if any(metric.paper for metric in metrics):
        for line, (cell, metric) in zip(lines, rows, strict=True):
            if group.is_papers or group.dataset == 'fashionpedia47':
                original, removed = getattr(cell.experiment, metric.paper)
                line['paper: original'] = f'{original:.{metric.digits}f}'
                line['paper: removed'] = f'{removed:.{metric.digits}f}'
                line['paper: difference'] = f'{removed - original:+.{metric.digits}f}'
    table = pd.DataFrame(lines)
    if len(metrics) == 1:
        table = table.drop(columns='metric')
    return table


def _line(cell: Cell, metric: Metric) -> dict[str, str]:
    digits = metric.digits
    seeds = sorted(cell.differences(metric.key))
    over_seeds, over_images = cell.difference(metric.key), cell.over_images(metric)
    line = {
        'network': cell.experiment.title,
        'metric': metric.title,
        'seeds': ' '.join(map(str, seeds)) or GAP,
    }
    for arm, name in zip(ARMS, ('original', 'removed'), strict=True):
        mean = cell.mean(metric.key, arm)
        line[name] = GAP if mean is None else f'{mean.mean:.{digits}f}'
    line['difference'] = GAP if over_seeds is None else f'{over_seeds.mean:+.{digits}f}'
    line['95 % over seeds'] = _interval(over_seeds, digits)
    line['95 % over images'] = _interval(over_images, digits)
    return line


def _interval(estimate: Estimate | None, digits: int) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return GAP
    return f'{estimate.low:+.{digits}f} to {estimate.high:+.{digits}f}'


def _add_mcnemar(lines: Sequence[dict[str, str]], cells: Sequence[Cell]) -> None:
    """Gained and lost images by seed, and the p values corrected for all cells and seeds."""
    tests = [(i, test) for i, cell in enumerate(cells) for test in cell.mcnemar().values()]
    corrected = holm([test.p for _, test in tests])
    for i, line in enumerate(lines):
        mine = [(test, p) for (j, test), p in zip(tests, corrected, strict=True) if i == j]
        line['images gained / lost'] = (
            ', '.join(f'{test.gained} / {test.lost}' for test, _ in mine) or GAP
        )
        line['McNemar p (Holm)'] = ', '.join(_p(p) for _, p in mine) or GAP


def _p(value: float) -> str:
    return '< 0.001' if value < 0.001 else f'{value:.3f}'


def class_table(cell: Cell) -> pd.DataFrame:
    """Difference of each class, with the interval over seeds."""
    digits = 3 if METRICS_OF[cell.experiment.place][-1].unit == 'fraction' else 1
    return pd.DataFrame(
        [
            {
                'class': name,
                'difference': f'{each.mean:+.{digits}f}',
                '95 % over seeds': _interval(each, digits),
            }
            for name, each in cell.class_differences().items()
        ]
    )


def misprints(group: Group) -> pd.DataFrame:
    """The paper's printed differences that are not those of its columns (Table I)."""
    printed = {('swin-t-p4-w7', 'mask mAP'): -0.020, ('pvt-s', 'box mAP'): -0.009}
    lines = []
    for cell in group.cells:
        for metric in METRICS_OF[group.place]:
            said = printed.get((cell.experiment.model, metric.title))
            if said is not None:
                original, removed = getattr(cell.experiment, metric.paper)
                lines.append(
                    {
                        'network': cell.experiment.title,
                        'metric': metric.title,
                        'paper: original': f'{original:.3f}',
                        'paper: removed': f'{removed:.3f}',
                        'difference printed': f'{said:+.3f}',
                        'difference of the columns': f'{removed - original:+.3f}',
                    }
                )
    return pd.DataFrame(lines)


def provenance_table(group: Group) -> pd.DataFrame:
    """Where each number comes from: config, seed, checkpoint, commit, machine."""
    return pd.DataFrame(
        [
            {
                'config': result.content['experiment']['config'],
                'seed': result.content['experiment']['seed'],
                'checkpoint': result.content.get('checkpoint', ''),
                'test images': result.content.get('images', ''),
                'commit': result.content['commit'] or 'not known',
                'device': result.content['device'],
                'finished': result.content.get('finished', ''),
                'started': len(result.content.get('starts', [])),
            }
            for result in group.results
        ]
    )
