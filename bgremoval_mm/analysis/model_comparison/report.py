"""A comparison of models as CSV, JSON and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bgremoval_mm.analysis.model_comparison.compare import ALL, ModelComparison
from bgremoval_mm.analysis.model_comparison.differences import Difference
from bgremoval_mm.utils.tables import csv_bytes
from bgremoval_mm.utils.text import printable

__all__ = ['KEYS', 'as_csv', 'as_json', 'as_markdown', 'main_score', 'verdict_of']

KEYS = ('models', 'scores', 'differences', 'left_out')
"""Keys of every JSON file."""

_MAIN = ('IoU', 'wF', 'S', 'maxF', 'relaxF', 'MAE')
_NAMED = 5


def main_score(comparison: ModelComparison) -> str:
    """Return the score that clusters, the sheet and the verdict are about: IoU, if it is there."""
    there = comparison.scores[0][0].values
    return next((name for name in _MAIN if name in there), next(iter(there)))


def verdict_of(comparison: ModelComparison, found: Mapping[str, Mapping[str, Difference]]) -> str:
    """Return in one line which models are better than the first."""
    score = main_score(comparison)
    parts = [f'{model}: {each[score].verdict}' for model, each in found.items()]
    return f'{score}, beside {comparison.models[0]}: ' + '; '.join(parts)


def as_csv(comparison: ModelComparison) -> bytes:
    """Return the scores of each model on each photo, a row each."""
    names = list(comparison.scores[0][0].values)
    rows = [
        {'image': pair.name, 'cluster': pair.cluster, 'item': pair.item, 'model': model}
        | {name: f'{scores[index].values[name]:.6f}' for name in names}
        for index, pair in enumerate(comparison.pairs)
        for model, scores in zip(comparison.models, comparison.scores, strict=True)
    ]
    return csv_bytes(['image', 'cluster', 'item', 'model', *names], rows)


def as_json(comparison: ModelComparison) -> dict[str, Any]:
    """Return all figures but those of single photos, for a JSON file."""
    scopes = [ALL, *comparison.clusters]
    found = {scope: comparison.differences(scope) for scope in scopes}
    return {
        'models': {
            spec.name: {'model': spec.argument, 'hash': spec.hash, 'licence': spec.licence}
            for spec in comparison.specs
        },
        'precision': comparison.precision,
        'photos': {scope: len(comparison.members(scope)) for scope in scopes},
        'scores': {scope: comparison.means(scope) for scope in scopes},
        'differences': {
            scope: {
                model: {name: _as_dict(each) for name, each in by_score.items()}
                for model, by_score in by_model.items()
            }
            for scope, by_model in found.items()
        },
        'photos_per_second': comparison.speed,
        'left_out': comparison.left_out,
    }


def as_markdown(comparison: ModelComparison) -> str:
    """Return the tables of a comparison: overall, differences, clusters, speed."""
    score, first = main_score(comparison), comparison.models[0]
    means, found = comparison.means(), comparison.differences()
    names = list(means[first])
    photos = f'{len(comparison.pairs):,} photos, {comparison.precision}'
    has_speed = bool(comparison.speed)
    rows = [['model', *names, *(['photos/s'] if has_speed else [])]]
    for model, values in means.items():
        row = [model, *(f'{values[name]:.4f}' for name in names)]
        rows.append([*row, *([f'{comparison.speed[model]:.2f}'] if has_speed else [])])
    parts = ['# Comparison of removal models', f'{photos}. Lower is better for MAE.', _table(rows)]
    for model, by_score in found.items():
        rows = [['score', 'difference', '95 % interval', 'verdict']]
        rows += [[name, *_cells(each)] for name, each in by_score.items()]
        parts += [f'## {model}, minus {first}', _table(rows)]
    if comparison.clusters:
        parts += [f'## {score} by cluster', _table(_cluster_rows(comparison, score))]
    if comparison.left_out:
        shown = [
            f'- {printable(name)}: {printable(reason)}'
            for name, reason in list(comparison.left_out.items())[:_NAMED]
        ]
        more = len(comparison.left_out) - len(shown)
        shown += [f'- and {more:,} more'] if more else []
        parts += [f'## Left out: {len(comparison.left_out):,}', '\n'.join(shown)]
    parts.append(f'{verdict_of(comparison, found)}')
    return '\n\n'.join(parts) + '\n'


def _cluster_rows(comparison: ModelComparison, score: str) -> list[list[str]]:
    rows = [['cluster', 'photos', 'model', score, 'difference', '95 % interval', 'verdict']]
    for cluster in comparison.clusters:
        means, found = comparison.means(cluster), comparison.differences(cluster)
        for model, values in means.items():
            cells = _cells(found[model][score]) if model in found else ['', '', '']
            count = str(len(comparison.members(cluster)))
            rows.append([cluster, count, model, f'{values[score]:.4f}', *cells])
    return rows


def _cells(difference: Difference) -> list[str]:
    estimate = difference.estimate
    interval = 'too few'
    if estimate.low is not None and estimate.high is not None:
        interval = f'{estimate.low:+.4f} to {estimate.high:+.4f}'
    return [f'{estimate.mean:+.4f}', interval, difference.verdict]


def _as_dict(difference: Difference) -> dict[str, Any]:
    estimate = difference.estimate
    return {
        'mean': estimate.mean,
        'low': estimate.low,
        'high': estimate.high,
        'units': estimate.count,
        'verdict': difference.verdict,
    }


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned, so that it can be read as it is."""
    cells = [[printable(cell).replace('|', '\\|') for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        '| '
        + ' | '.join(f'{cell:<{width}}' for cell, width in zip(row, widths, strict=True))
        + ' |'
        for row in cells
    ]
    lines.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
    return '\n'.join(lines)
