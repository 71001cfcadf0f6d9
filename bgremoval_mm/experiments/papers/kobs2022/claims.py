"""What the work's tables show, held against results.

The tables have one training a cell, so that the claims are about directions, and about sizes only
where the work's differ widely. How they are judged is in ``report.judging``. Where a claim is about
the losses one by one, each must go the way that the table shows; on data that are not the work's,
the way of most.
"""

from __future__ import annotations

from collections.abc import Callable

from bgremoval_mm.evaluation.statistics import Estimate
from bgremoval_mm.experiments.base import BGAUG, BGVAL, ORIGINAL, Claim, Verdict
from bgremoval_mm.experiments.papers.kobs2022.experiments import ITEM
from bgremoval_mm.experiments.papers.kobs2022.published import ATTENTION, CLEAN, REPLACED
from bgremoval_mm.experiments.report.groups import Cell, Group
from bgremoval_mm.experiments.report.judging import Others, judge_signs, metric_gap, show, sign_of

__all__ = ['CLAIMS', 'COST']

COST = 1.0  # percentage points: less is a small cost of the augmentation on photos as they are

_AS_SHOWN = (
    'Interval of each loss, replaced minus original, on the side of 0 where the table has it; '
    "above 0 on data that are not the work's."
)


def _printed(group: Group, cell: Cell, metric: str) -> float | None:
    """Return what the augmentation changes in the work's table, or None."""
    (column,) = (each for each in group.metrics if each.key == metric)
    number = group.work.number(cell.experiment, group.dataset, column)
    return None if number is None else number.values[BGAUG.name] - number.values[ORIGINAL.name]


def _gain(cell: Cell, metric: str) -> Estimate | None:
    return cell.pair(BGAUG.name).difference(metric)


def _listed(group: Group, estimates: list[Estimate | None], digits: int = 2) -> str:
    return '; '.join(
        f'{cell.experiment.title} {show(estimate, digits)}'
        for cell, estimate in zip(group.cells, estimates, strict=True)
    )


def _drop(group: Group, _: Others) -> Verdict:
    drops = [metric_gap(cell, ORIGINAL.name, REPLACED, CLEAN) for cell in group.cells]
    return Verdict(judge_signs(map(sign_of, drops), -1), _listed(group, drops))


def _gains(metric: str, digits: int) -> Callable[[Group, Others], Verdict]:
    """Judge whether each loss gains, or loses, as it does in the work's table."""

    def judge(group: Group, _: Others) -> Verdict:
        gains = [_gain(cell, metric) for cell in group.cells]
        printed = [_printed(group, cell, metric) for cell in group.cells]
        wanted = [-1 if each is not None and each < 0 else 1 for each in printed]
        return Verdict(judge_signs(map(sign_of, gains), wanted), _listed(group, gains, digits))

    return judge


def _cost(group: Group, _: Others) -> Verdict:
    """Judge on which side of ``-COST`` each loss's difference on photos as they are lies."""
    gains = [_gain(cell, CLEAN) for cell in group.cells]
    printed = [_printed(group, cell, CLEAN) for cell in group.cells]
    wanted = [-1 if each is not None and each < -COST else 1 for each in printed]
    signs = [sign_of(each, -COST) for each in gains]
    return Verdict(judge_signs(signs, wanted), _listed(group, gains))


def _selection(group: Group, _: Others) -> Verdict:
    """Show what selecting on replaced backgrounds alone changes, on replaced backgrounds."""
    changes = [cell.pair(BGVAL.name).difference(REPLACED) for cell in group.cells]
    return Verdict('undecided', f'{_listed(group, changes)}; the work has no numbers of it')


CLAIMS: tuple[Claim, ...] = (
    Claim(
        'T1-a',
        ITEM,
        'Networks trained on photos as they are find less on other backgrounds: MAP@R is lower by '
        '13 to 16 % on Cars196, 36 to 40 % on CUB-200-2011, 82 to 89 % on Stanford Online '
        'Products.',
        'Of the original variant, all intervals of MAP@R on replaced backgrounds minus MAP@R '
        'below 0.',
        _drop,
    ),
    Claim(
        'T1-b',
        ITEM,
        'Replacing the backgrounds in training raises MAP@R on replaced backgrounds, in 14 of 15 '
        'cells; Multi-Similarity loses on Cars196.',
        _AS_SHOWN,
        _gains(REPLACED, 2),
    ),
    Claim(
        'T1-c',
        ITEM,
        'On photos as they are, that costs less than a point of MAP@R on Cars196 and '
        'CUB-200-2011, but for Multi-Similarity on Cars196 (3.2); on Stanford Online Products it '
        'costs 6.5 to 18.3.',
        f'Intervals of replaced minus original above -{COST:g} point; below it where it costs '
        'more.',
        _cost,
        datasets=('cars196', 'cub200', 'sop'),
    ),
    Claim(
        'T1-d',
        ITEM,
        'Selecting a training on photos as they are by replaced backgrounds is an experiment of '
        "the work's code; no direction known.",
        'None.',
        _selection,
        datasets=('cars196',),
    ),
    Claim(
        'T2',
        ITEM,
        'Replacing the backgrounds in training raises the attention to the object, in 14 of 15 '
        'cells; Multi-Similarity loses on Cars196.',
        _AS_SHOWN,
        _gains(ATTENTION, 3),
    ),
)
