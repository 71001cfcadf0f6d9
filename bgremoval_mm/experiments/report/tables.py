"""Tables of the report, as pandas frames in the layout of the work."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import pandas as pd

from bgremoval_mm.evaluation.statistics import Estimate, holm
from bgremoval_mm.experiments.base import Metric
from bgremoval_mm.experiments.report.groups import Cell, Group, Pair
from bgremoval_mm.experiments.report.words import GAP

__all__ = ['class_table', 'finished_rows', 'provenance_table', 'result_table']


def result_table(group: Group) -> pd.DataFrame:
    """Return a line a network, variant and metric: both values, the difference and its intervals.

    Columns: network, variant (if there are several beside the baseline), metric (if there are
    several), unit, test images, seeds, folds (of a cross-validation), baseline, variant,
    difference, interval over seeds, interval over images or products, McNemar's test
    (classification), the numbers of the work (where it prints some). Gaps are dashes.
    """
    several = len(group.variants) > 2
    rows = [
        (cell, pair, metric)
        for cell in group.cells
        for pair in cell.pairs
        for metric in group.metrics
    ]
    lines = [_line(cell, pair, metric, several, group.drawn) for cell, pair, metric in rows]
    if any(metric.over_images == 'accuracy' for metric in group.metrics):
        _add_mcnemar(lines, [(pair, metric) for _, pair, metric in rows])
    if group.has_numbers:
        for line, (_, pair, metric) in zip(lines, rows, strict=True):
            line |= _published(group, pair, metric, several)
    table = pd.DataFrame(lines)
    unneeded = {
        'variant': not several,
        'metric': len(group.metrics) == 1,
        'folds': not group.has_folds,
    }
    names = [name for name, drop in unneeded.items() if drop]
    return table.drop(columns=names, errors='ignore')


def _columns(pair: Pair, several: bool) -> tuple[str, str]:
    """Return the heads of the columns with the baseline's and the variant's values."""
    return pair.experiment.variants[0].column, 'changed' if several else pair.variant.column


def _line(cell: Cell, pair: Pair, metric: Metric, several: bool, drawn: str) -> dict[str, str]:
    digits = metric.digits
    over_seeds, over_images = pair.difference(metric.key), pair.over_images(metric)
    line = {
        'network': cell.experiment.title,
        'variant': pair.variant.title,
        'metric': metric.title,
        'unit': metric.unit,
        'test images': _images(pair, metric),
        'seeds': ' '.join(map(str, pair.differences(metric.key))) or GAP,
        'folds': _folds(pair),
    }
    names = (cell.experiment.variants[0].name, pair.variant.name)
    for index, (column, name) in enumerate(zip(_columns(pair, several), names, strict=True)):
        values = cell.values(metric.key, name)
        # Of a seed that both have, the folds that both have: so the difference is that of these.
        matched = {seed: both[index].metrics.get(metric.key) for seed, both in pair.matched.items()}
        values |= {seed: value for seed, value in matched.items() if value is not None}
        line[column] = f'{fmean(values.values()):.{digits}f}' if values else GAP
    line['difference'] = GAP if over_seeds is None else f'{over_seeds.mean:+.{digits}f}'
    line['95 % over seeds'] = _interval(over_seeds, digits)
    line[f'95 % over {drawn}'] = _interval(over_images, digits)
    return line


def _folds(pair: Pair) -> str:
    """Return the folds that a pair's results are means of, seed by seed where they differ."""
    by_seed = {
        seed: ' '.join(str(run.fold) for run in first.runs if run.fold is not None)
        for seed, (first, _) in pair.matched.items()
    }
    if len(set(by_seed.values())) > 1:
        return '; '.join(f'seed {seed}: {folds}' for seed, folds in by_seed.items())
    return next(iter(by_seed.values()), '') or GAP


def _images(pair: Pair, metric: Metric) -> str:
    """Return the number of test images that a metric of a pair's runs was measured on."""
    matched = [each for both in pair.matched.values() for each in both]
    results = matched or [*pair.baseline.values(), *pair.changed.values()]
    numbers = {result.images(metric) for result in results} - {None}
    return ', '.join(sorted(map(str, numbers))) or GAP


def finished_rows(group: Group, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out the lines of a result table that hold neither a result nor a number of the work.

    The unit goes, too, where all lines have the same: it stands in the table's caption. So do
    columns of gaps.

    Returns:
        The others, and the titles of the networks of which every line was left out.
    """
    told = ('network', 'variant', 'metric', 'unit')
    cells = table.drop(columns=[name for name in told if name in table])
    kept = table[(cells != GAP).any(axis=1)]
    if len({metric.unit for metric in group.metrics}) == 1:
        kept = kept.drop(columns='unit')
    if len(kept):
        kept = kept.loc[:, (kept != GAP).any(axis=0)]
    titles = (cell.experiment.title for cell in group.cells)
    return kept, [title for title in titles if title not in set(kept['network'])]


def _interval(estimate: Estimate | None, digits: int) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return GAP
    return f'{estimate.low:+.{digits}f} to {estimate.high:+.{digits}f}'


def _add_mcnemar(lines: Sequence[dict[str, str]], rows: Sequence[tuple[Pair, Metric]]) -> None:
    """Add gained and lost images by seed, and the p values corrected for all lines and seeds."""
    tests = [
        (i, test)
        for i, (pair, metric) in enumerate(rows)
        if metric.over_images == 'accuracy'
        for test in pair.mcnemar().values()
    ]
    corrected = holm([test.p for _, test in tests])
    for i, line in enumerate(lines):
        mine = [(test, p) for (j, test), p in zip(tests, corrected, strict=True) if i == j]
        line['images gained / lost'] = (
            ', '.join(f'{test.gained} / {test.lost}' for test, _ in mine) or GAP
        )
        line['McNemar p (Holm)'] = ', '.join(_p(p) for _, p in mine) or GAP


def _p(value: float) -> str:
    return '< 0.001' if value < 0.001 else f'{value:.3f}'


def _published(group: Group, pair: Pair, metric: Metric, several: bool) -> dict[str, str]:
    """Return the numbers of the work, the difference that of its columns."""
    number = group.work.number(pair.experiment, group.dataset, metric)
    values = number.values if number else {}
    names = (pair.experiment.variants[0].name, pair.variant.name)
    first, second = (values.get(name) for name in names)
    difference = None if first is None or second is None else second - first
    shown = {}
    for column, name in zip(_columns(pair, several), names, strict=True):
        value = GAP if values.get(name) is None else f'{values[name]:.{metric.digits}f}'
        if number and name in number.deviations:
            value += f' ± {number.deviations[name]:.{metric.digits}f}'
        shown[f'paper: {column}'] = value
    shown['paper: difference'] = GAP if difference is None else f'{difference:+.{metric.digits}f}'
    return shown


def class_table(pair: Pair, digits: int) -> pd.DataFrame:
    """Return the difference of each class, with the interval over seeds."""
    return pd.DataFrame(
        [
            {
                'class': name,
                'difference': f'{each.mean:+.{digits}f}',
                '95 % over seeds': _interval(each, digits),
            }
            for name, each in pair.class_differences().items()
        ]
    )


def provenance_table(group: Group) -> pd.DataFrame:
    """Return where each number comes from: config, fold, seed, checkpoint, commit, machine."""
    table = pd.DataFrame(
        [
            {
                'config': result.content['experiment']['config'],
                'fold': result.fold,
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
    return table if group.has_folds else table.drop(columns='fold', errors='ignore')
