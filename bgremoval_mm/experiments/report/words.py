"""Sentences of the report: captions of its figures and tables, and what a reduced run changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bgremoval_mm.experiments.base import Metric
from bgremoval_mm.experiments.report.groups import Cell, Group, Pair
from bgremoval_mm.experiments.runner.runs import networks_of

__all__ = [
    'GAP',
    'bar_caption',
    'class_caption',
    'curve_caption',
    'describe_options',
    'difference_caption',
    'is_reduced',
    'real_minus',
    'table_caption',
]

GAP = '—'
"""In a cell of a table for which there is nothing."""

_MINUS = re.compile(r'(?<![\w.-])-(?=\.?\d)')
_HOW_DRAWN = {
    'images': 'The number of test images is that of the interval over images.',
    'products': (
        'Intervals over products draw whole products, with all their photos, within their folds.'
    ),
    'items': (
        'Intervals over items draw whole items, with all their queries; queries without a photo of '
        'their item in the gallery do not count.'
    ),
}
# What an option changes, by its key; {} is its value.
_MEANINGS = (
    (r'train_cfg\.max_epochs', '{} epochs'),
    (r'train_cfg\.max_iters', '{} iterations'),
    (r'train_dataloader\.dataset\.pipeline\.\d+\.(?:scale|crop_size)', 'photos of {} pixels'),
    (r'train_dataset\.every', 'one in {} training photos'),
    (r'train_dataset\.indices', 'some of the training photos'),
    (r'(?:val|test)_dataset\.(?:indices|every)', 'some of the test photos'),
    (r'train_dataloader\.batch_size', 'batches of {}'),
    (r'removal\.model', 'masks by {}'),
    (r'removal\.precision', 'masks in {}'),
    (r'removal\.mask_dir', 'masks in {}'),
)


def real_minus(text: object) -> str:
    """Return a text with the sign of negative numbers as a minus, where a hyphen stands for it.

    >>> real_minus('VGG-11: -2.5 to -0.1, 2026-01-01')
    'VGG-11: \N{MINUS SIGN}2.5 to \N{MINUS SIGN}0.1, 2026-01-01'
    """
    return _MINUS.sub('\N{MINUS SIGN}', str(text))


def describe_options(options: Sequence[str]) -> str:
    """Describe the settings that runs changed, in a phrase.

    Args:
        options: ``KEY=VALUE`` each.

    Returns:
        Such as '20 epochs, photos of 32 pixels, 3 settings of the network and 4 others'.
    """
    parts: list[str] = []
    network = others = 0
    # Of two with the same key the last one holds.
    for each in {option.partition('=')[0]: option for option in options}.values():
        networks, option = networks_of(each)
        key, _, value = option.partition('=')
        meaning = next((text for pattern, text in _MEANINGS if re.fullmatch(pattern, key)), None)
        if meaning is not None:
            some = '' if networks == '*' else f' ({networks})'
            parts.append(meaning.format(value.strip('"\'')) + some)
        elif key.startswith('model.'):
            network += 1
        else:
            others += 1
    parts = list(dict.fromkeys(parts))
    if network:
        parts.append(f'{_count(network, "setting")} of the network')
    if others:
        parts.append(f'{_count(others, "other setting")}')
    return _joined(parts)


def is_reduced(options: Iterable[str]) -> bool:
    """Tell whether options change more than which masks are used."""
    return any(not networks_of(option)[1].startswith('removal.') for option in options)


def table_caption(group: Group) -> str:
    """Say what the numbers of a group's main table are."""
    texts = []
    units = {metric.unit for metric in group.metrics}
    names = _joined([metric.title for metric in group.metrics])
    names = names[0].upper() + names[1:]
    values = {'percent': 'in percent, differences in percentage points', 'fraction': 'as fractions'}
    if len(units) == 1:
        texts.append(f'{names} {values[units.pop()]}.')
    else:
        texts.append(f'{names}; differences of percentages are in percentage points.')
    if group.results:
        texts.append(
            'Values are means over seeds; "seeds" are those that both runs of a pair have, and '
            'their number is the n of the interval over seeds.'
        )
        if group.has_folds:
            texts.append(
                'The value of a seed is the mean of its folds, which are no repetitions of each '
                'other: an interval over seeds counts seeds, not folds.'
            )
        texts.append(_HOW_DRAWN[group.drawn])
    return ' '.join(texts)


def bar_caption(group: Group, metric: Metric) -> str:
    """Say what the bars of a metric are."""
    numbers = (
        len(cell.values(metric.key, variant.name))
        for cell in group.cells
        for variant in group.variants
    )
    return (
        f'{metric.title[0].upper()}{metric.title[1:]} ({metric.unit}). Bars: mean over '
        f'{_seeds(numbers)}; dots: single seeds{_means_of_folds(group)}'
        f'{_images(group, metric)}. Runs of a seed are pairs: how sure a difference is stands in '
        'the next figure, not in the heights of bars.'
    )


def difference_caption(group: Group, metric: Metric) -> str:
    """Say what the marks and whiskers of the differences are."""
    unit = 'percentage points' if metric.unit == 'percent' else 'a fraction'
    has_images = any(pair.over_images(metric) for cell in group.cells for pair in cell.pairs)
    images = (
        f' Thin grey whiskers: 95 % interval over test {metric.drawn} (paired '
        f'bootstrap{_drawn(group, metric)}).'
        if has_images
        else ''
    )
    numbers = (len(pair.differences(metric.key)) for cell in group.cells for pair in cell.pairs)
    return (
        f'Difference in {metric.title} ({unit}), variant minus {group.variants[0].title} of the '
        'same seed. '
        f'Diamonds: mean over {_seeds(numbers)}; dots: single seeds'
        f"{_means_of_folds(group)}. Thick whiskers: 95 % interval over seeds (Student's t), none "
        f'with one seed.{images} An interval that crosses 0 leaves the direction open.'
    )


def class_caption(pair: Pair) -> str:
    """Say what the bars by class are."""
    number = len(pair.matched)
    whiskers = "whiskers: 95 % interval over seeds (Student's t)"
    if number == 1:
        whiskers = 'one seed, so that no interval is known'
    return (
        f'Difference by class, {pair.variant.column} minus {pair.experiment.variants[0].column}. '
        f'Bars: mean over {_count(number, "seed")}; {whiskers}. A class has fewer test images than '
        'the whole, so that its difference is less sure.'
    )


def curve_caption(cell: Cell, metric: Metric) -> str:
    """Say what the lines of a training are."""
    numbers = {
        variant.title: sum(len(e.runs) for e in cell.results.get(variant.name, {}).values())
        for variant in cell.experiment.variants
    }
    counts = ', '.join(f'{title} {number}' for title, number in numbers.items())
    line = 'seed and fold' if cell.experiment.folds else 'seed'
    return (
        f'Training loss, and {metric.title} of the validation photos ({metric.unit}). A line a '
        f'{line} ({counts}).'
    )


def _means_of_folds(group: Group) -> str:
    """Return what the value of a seed is where there are folds, else nothing."""
    return ', each the mean of its folds' if group.has_folds else ''


def _drawn(group: Group, metric: Metric) -> str:
    """Return ', n = 372 images', products or items, or nothing where the number is not known."""
    if metric.drawn == 'images':
        return _images(group, metric)
    pairs = (pair.over_images(metric) for cell in group.cells for pair in cell.pairs)
    numbers = {estimate.count for estimate in pairs if estimate is not None}
    return f', n = {numbers.pop():,} {metric.drawn}' if len(numbers) == 1 else ''


def _seeds(numbers: Iterable[int]) -> str:
    """Return numbers of seeds in words, as '3 seeds' or '1 to 3 seeds'; 0 does not count."""
    found = sorted({*numbers} - {0})
    if not found:
        return 'seeds'
    if len(found) == 1:
        return _count(found[0], 'seed')
    return f'{found[0]} to {found[-1]} seeds'


def _images(group: Group, metric: Metric) -> str:
    """Return ', n = 372 images', or nothing where the number differs or is not known."""
    found = (each for cell in group.cells for each in cell.results.values())
    numbers = {result.images(metric) for by_seed in found for result in by_seed.values()}
    number = numbers.pop() if len(numbers) == 1 else None
    return f', n = {number:,} images' if number else ''


def _count(number: int, what: str) -> str:
    return f'{number} {what}' + ('' if number == 1 else 's')


def _joined(parts: Sequence[str]) -> str:
    return ' and '.join([', '.join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
