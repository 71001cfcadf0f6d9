"""What the paper says in words, held against results.

Each claim is a function of a group of results that gives a verdict and the figures behind it. All
are about removed minus original. How a claim about a direction is judged is in ``report.judging``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scipy import stats

from bgremoval_mm.evaluation.statistics import Estimate, seed_interval
from bgremoval_mm.experiments.base import ORIGINAL, Claim, Verdict
from bgremoval_mm.experiments.papers.liang2023.differences import (
    TOP1,
    are_all_run,
    class_means,
    contrast_of,
    difference_of,
    listed,
    mean_by_seed,
    models_of,
    pair_of,
    signs_of,
)
from bgremoval_mm.experiments.report.groups import Cell, Group
from bgremoval_mm.experiments.report.judging import Others, judge_signs, show, sign_of

__all__ = ['CLAIMS', 'judge_all_worse', 'judge_classes', 'judge_gains']

_PLAIN = ('vgg11', 'vgg13', 'vgg16', 'vgg19')
_BN = tuple(f'{name}bn' for name in _PLAIN)
_RESNET = ('resnet50', 'resnet101')
MORE = 5.0  # percentage points by which the paper's VGG-16 improves at least
SIMILAR = 2.0  # percentage points within which two improvements count as similar
MUCH = 2.0  # percentage points that count as much worse


def _f5a(group: Group, _: Others) -> Verdict:
    label = judge_signs(signs_of(group, _PLAIN), 1)
    more = sign_of(difference_of(group, 'vgg16'), MORE)
    if more == -1:
        label = 'does not hold'
    elif label == 'holds' and more != 1:
        label = 'undecided'
    return Verdict(label, listed(group, _PLAIN))


def _f5b(group: Group, _: Others) -> Verdict:
    contrast = contrast_of(group, _PLAIN, _BN)
    means = list(mean_by_seed(group, _PLAIN).values())
    plain = seed_interval(means) if means else None
    figures = f'plain {show(plain)}; plain minus BN {show(contrast)}; {listed(group, _BN)}'
    # A smaller improvement needs an improvement.
    return Verdict(judge_signs(map(sign_of, (plain, contrast)), 1), figures)


def _f5c(group: Group, _: Others) -> Verdict:
    means = list(mean_by_seed(group, _RESNET).values())
    improvement = seed_interval(means) if means else None
    contrast = contrast_of(group, _RESNET, _BN)
    figures = f'ResNets: {show(improvement)}; minus VGG BN: {show(contrast)}'
    if improvement is None or contrast is None or contrast.low is None or contrast.high is None:
        return Verdict('undecided', figures)
    if improvement.sign < 0 or contrast.low > SIMILAR or contrast.high < -SIMILAR:
        return Verdict('does not hold', figures)
    similar = contrast.low > -SIMILAR and contrast.high < SIMILAR
    return Verdict('holds' if similar and improvement.sign > 0 else 'undecided', figures)


def _f5d(group: Group, _: Others) -> Verdict:
    first, difference = group.cell('resnest101'), difference_of(group, 'resnest101')
    leads = {cell.experiment.title: _lead(first, cell) for cell in group.cells if cell is not first}
    run = {title: lead.mean for title, lead in leads.items() if lead is not None}
    next_best = min(run, key=run.__getitem__) if run else None
    label = judge_signs(
        [*map(sign_of, leads.values()), sign_of(difference)], [1] * len(leads) + [-1]
    )
    lead = f'minus {next_best} {show(leads[next_best])}' if next_best else 'alone'
    return Verdict(label, f'ResNeSt-101 on originals {lead}; removed {show(difference)}')


def _lead(first: Cell | None, second: Cell | None) -> Estimate | None:
    """Return a network's accuracy on originals minus another's, over seeds that both have."""
    if first is None or second is None:
        return None
    minuend, subtrahend = (cell.values(TOP1, ORIGINAL.name) for cell in (first, second))
    leads = [minuend[seed] - subtrahend[seed] for seed in sorted(minuend.keys() & subtrahend)]
    return seed_interval(leads) if leads else None


def _f5e(group: Group, _: Others) -> Verdict:
    """Judge the classes of the plain VGGs, each class's difference averaged over the networks."""
    classes = class_means(group, _PLAIN)
    figures = ', '.join(f'{name} {show(each)}' for name, each in classes.items()) or 'not run'
    if not are_all_run(group, _PLAIN):
        return Verdict('undecided', figures)
    return Verdict(judge_signs([each.sign for each in classes.values()], 1), figures)


def _f5f(group: Group, _: Others) -> Verdict:
    difference = show(difference_of(group, 'swin-tiny'))
    return Verdict('undecided', f'Swin-T {difference}; the paper names no direction')


def judge_all_worse(group: Group, _: Others) -> Verdict:
    """Judge whether every network is worse on removed images."""
    models = models_of(group)
    return Verdict(judge_signs(signs_of(group, models), -1), listed(group, models))


def _f6b(group: Group, others: Others) -> Verdict:
    scratch = others.get('Fig. 5')
    pairs = [
        (cell, None if scratch is None else scratch.cell(cell.experiment.model))
        for cell in group.cells
    ]
    # The paper has no ViT from scratch.
    return judge_gains(
        (cell, other) for cell, other in pairs if other or cell.experiment.model != 'vit-base-p16'
    )


def judge_gains(pairs: Iterable[tuple[Cell, Cell | None]]) -> Verdict:
    """Judge whether networks beat those from scratch on original images.

    Args:
        pairs: A pre-trained network, and the same one from scratch if there is any.
    """
    signs: list[int | None] = []
    figures = []
    for cell, other in pairs:
        gain = _lead(cell, other)
        signs.append(sign_of(gain))
        figures.append(f'{cell.experiment.title} {show(gain)}')
    return Verdict(judge_signs(signs, 1), '; '.join(figures))


def _f6c(group: Group, _: Others) -> Verdict:
    difference = difference_of(group, 'resnest101')
    figures = f'ResNeSt-101 {show(difference)}'
    return Verdict(judge_signs([sign_of(difference, -MUCH)], -1), figures)


def judge_classes(group: Group, _: Others) -> Verdict:
    """Judge whether most classes are worse, averaged over the networks."""
    models = models_of(group)
    classes = class_means(group, models)
    worse = sum(each.mean < 0 for each in classes.values())
    better = sum(each.mean > 0 for each in classes.values())
    if not are_all_run(group, models) or not worse + better:
        return Verdict('undecided', f'{worse} classes worse, {better} better so far')
    p = float(stats.binomtest(worse, worse + better).pvalue)
    figures = f'{worse} classes worse, {better} better; sign test p = {p:.3f}'
    seeds = min((each.count for each in classes.values()), default=0)
    if p >= 0.05 or seeds < 2:
        return Verdict('undecided', figures)
    return Verdict('holds' if worse > better else 'does not hold', figures)


def _worse(metrics: tuple[str, ...]) -> Callable[[Group, Others], Verdict]:
    def judge(group: Group, _: Others) -> Verdict:
        signs: list[int | None] = []
        figures = []
        for cell in group.cells:
            for metric in metrics:
                difference = pair_of(cell).difference(metric)
                signs.append(sign_of(difference))
                value = 'not run' if difference is None else f'{difference.mean:+.3f}'
                figures.append(f'{cell.experiment.title} {metric} {value}')
        return Verdict(judge_signs(signs, -1), '; '.join(figures))

    return judge


CLAIMS: tuple[Claim, ...] = (
    Claim(
        'F5-a',
        'Fig. 5',
        'Removal significantly improves the VGG series, VGG-16 without BN by over 5 %.',
        f'All four intervals above 0, and that of VGG-16 above {MORE:g} points.',
        _f5a,
    ),
    Claim(
        'F5-b',
        'Fig. 5',
        'With batch normalisation the improvement is much smaller.',
        'Mean of plain VGGs, and its difference from VGGs with BN, above 0.',
        _f5b,
    ),
    Claim(
        'F5-c',
        'Fig. 5',
        'In ResNet-50 and 101 it still exists and is similar to VGG with BN.',
        f'Mean above 0, and its difference from VGG BN within {SIMILAR:g} points.',
        _f5c,
    ),
    Claim(
        'F5-d',
        'Fig. 5',
        'ResNeSt-101 is best of all, and slightly worse with removed images.',
        'Intervals of its accuracy on originals minus that of each other network above 0, and that '
        'of its difference below 0.',
        _f5d,
    ),
    Claim(
        'F5-e',
        'Fig. 5',
        'The effect involves all classes rather than a specific one.',
        'Interval of each class above 0, averaged over the plain VGGs.',
        _f5e,
    ),
    Claim('F5-f', 'Fig. 5', 'Swin-T from scratch is trained; no direction stated.', 'None.', _f5f),
    Claim(
        'F6-a',
        'Fig. 6',
        'Every pre-trained network is worse on removed images.',
        'All intervals below 0.',
        judge_all_worse,
    ),
    Claim(
        'F6-b',
        'Fig. 6',
        'Pre-trained networks beat those from scratch.',
        'Intervals of (pre-trained) - (from scratch) on originals above 0.',
        _f6b,
    ),
    Claim(
        'F6-c',
        'Fig. 6',
        'Pre-trained ResNeSt-101 is much worse on removed images.',
        f'Interval below -{MUCH:g} points.',
        _f6c,
    ),
    Claim(
        'F6-d',
        'Fig. 6',
        'Removal lowers the accuracy of most categories.',
        'More classes worse than better, averaged over all networks; sign test below 0.05.',
        judge_classes,
    ),
    Claim(
        'T1',
        'Table I',
        'Every backbone is worse on removed images, in boxes and masks.',
        'All intervals below 0.',
        _worse(('coco/bbox_mAP', 'coco/segm_mAP')),
    ),
    Claim(
        'T2',
        'Table II',
        'Swin-B is worse on removed images.',
        'Both intervals below 0.',
        _worse(('mIoU', 'mAcc')),
    ),
)
