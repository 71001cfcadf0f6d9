"""What the work says in words, held against results.

The work has one training a cell, so that the claims are about directions. How they are judged is in
``report.judging``.
"""

from __future__ import annotations

from collections.abc import Mapping

from bgremoval_mm.evaluation.statistics import Estimate, seed_interval
from bgremoval_mm.experiments.base import ORIGINAL, REMBG, REMBG_QUERIES, Claim, Verdict
from bgremoval_mm.experiments.papers.park2019.experiments import (
    CATEGORY_ITEM,
    CONSUMER_ITEM,
    IN_SHOP_ITEM,
    OPEN_ITEM,
    STREET_ITEM,
)
from bgremoval_mm.experiments.papers.park2019.published import (
    EARLIER_CATEGORY,
    EARLIER_IN_SHOP,
    hit,
)
from bgremoval_mm.experiments.report.groups import Group, OtherImagesError, Pair
from bgremoval_mm.experiments.report.judging import Others, judge_signs, show

__all__ = ['CLAIMS']
Gap = tuple[Estimate, Estimate | None]
"""A difference over seeds, and over items where there are results of each query."""
_ORIGINAL = ORIGINAL.name


def _gap(group: Group, better: str, worse: str, key: str) -> Gap | None:
    """Compare the originals of two networks: the first minus the second.

    Returns:
        Over the seeds that both have, and over the items of the queries; None if nothing was run.
    """
    first, second = group.cell(better), group.cell(worse)
    if first is None or second is None:
        return None
    results = [cell.results.get(_ORIGINAL, {}) for cell in (second, first)]
    pair = Pair(first.experiment, ORIGINAL, *results)
    over_seeds = pair.difference(key)
    if over_seeds is None:
        return None
    (metric,) = (each for each in group.metrics if each.key == key)
    try:
        return over_seeds, pair.over_images(metric)
    except OtherImagesError:
        return over_seeds, None


def _above(group: Group, model: str, metric: str, bound: float) -> Gap | None:
    """Return a metric of a network minus a number, over seeds."""
    cell = group.cell(model)
    values = {} if cell is None else cell.values(metric, _ORIGINAL)
    return (seed_interval([value - bound for value in values.values()]), None) if values else None


def _networks(group: Group) -> list[str]:
    """Return the networks that the group has in all three losses."""
    models = [cell.experiment.model for cell in group.cells]
    names = dict.fromkeys(model.partition('_')[0] for model in models)
    return [name for name in names if f'{name}_oc-os' in models]


def _sign(gap: Gap | None) -> int | None:
    """Return the side of 0 on which both intervals lie, 0 if they do not lie on the same."""
    if gap is None:
        return None
    signs = {each.sign for each in gap if each is not None}
    return signs.pop() if len(signs) == 1 else 0


def _shown(gap: Gap | None) -> str:
    if gap is None or gap[1] is None:
        return show(gap and gap[0])
    return f'{show(gap[0])}, over items {show(gap[1])}'


def _judged(gaps: Mapping[str, Gap | None], wanted: int = 1) -> Verdict:
    figures = '; '.join(f'{name} {_shown(gap)}' for name, gap in gaps.items())
    return Verdict(judge_signs(map(_sign, gaps.values()), wanted), figures)


def _items_over_categories(group: Group, _: Others) -> Verdict:
    pairs = {name: (f'{name}_oc-is', f'{name}_oc') for name in _networks(group)}
    return _judged({name: _gap(group, *pair, hit(5)) for name, pair in pairs.items()})


def _triplets_of_categories(group: Group, _: Others) -> Verdict:
    pairs = {name: (f'{name}_oc', f'{name}_oc-os') for name in _networks(group)}
    return _judged({name: _gap(group, *pair, hit(5)) for name, pair in pairs.items()})


def _over_earlier_retrieval(group: Group, _: Others) -> Verdict:
    """Judge OC+IS of each network against the best earlier work of Table 1, at both k."""
    gaps = {}
    for cell in group.cells:
        if cell.experiment.model.endswith('_oc-is'):
            for k, place in ((5, 0), (20, 1)):
                best = max(values[place] for values in EARLIER_IN_SHOP.values())
                title = f'{cell.experiment.title}, top-{k}'
                gaps[title] = _above(group, cell.experiment.model, hit(k), best)
    return _judged(gaps)


def _over_earlier_categories(group: Group, _: Others) -> Verdict:
    gaps = {}
    for cell in group.cells:
        for k, place in ((3, 0), (5, 1)):
            best = max(values[place] for values in EARLIER_CATEGORY.values())
            title = f'{cell.experiment.title}, top-{k}'
            gaps[title] = _above(group, cell.experiment.model, f'accuracy/top{k}', best)
    return _judged(gaps)


def _dense_on_consumers(group: Group, _: Others) -> Verdict:
    others = [cell for cell in group.cells if cell.experiment.model != 'densenet121_oc-is']
    return _judged(
        {
            f'minus {cell.experiment.title}': _gap(
                group, 'densenet121_oc-is', cell.experiment.model, hit(20)
            )
            for cell in others
        }
    )


def _removal(group: Group, _: Others) -> Verdict:
    """Show what removing backgrounds changes; the work does not remove any."""
    (metric,) = (each for each in group.metrics if each.key == hit(5))
    parts = []
    for cell in group.cells:
        for name in (REMBG.name, REMBG_QUERIES.name):
            pair = cell.pair(name)
            over_seeds = pair.difference(metric.key)
            gap = None if over_seeds is None else (over_seeds, pair.over_images(metric))
            parts.append(f'{cell.experiment.title}, {pair.variant.title} {_shown(gap)}')
    return Verdict('undecided', '; '.join(parts))


_POSITIVE = (
    'All intervals of these differences of top-5 accuracy above 0, over seeds and over items.'
)

CLAIMS: tuple[Claim, ...] = (
    *(
        claim
        for item, prefix in ((IN_SHOP_ITEM, 'T1'), (OPEN_ITEM, 'O'))
        for claim in (
            Claim(
                f'{prefix}-a',
                item,
                'Triplets of items beside the categories (OC+IS) find more than the categories '
                'alone (OC): for ResNet50 82.6 instead of 63.3 %, for DenseNet121 82.3 instead of '
                '76.8 %.',
                _POSITIVE,
                _items_over_categories,
            ),
            Claim(
                f'{prefix}-b',
                item,
                'Triplets of categories (OC+OS) find less than the categories alone: for ResNet50 '
                '56.9 instead of 63.3 %, for DenseNet121 62.8 instead of 76.8 %.',
                _POSITIVE,
                _triplets_of_categories,
            ),
        )
    ),
    Claim(
        'T1-c',
        IN_SHOP_ITEM,
        'With OC+IS, simple networks without boxes and landmarks find more than earlier work '
        '(67.3 % in the first 5, 76.4 % in the first 20).',
        'All intervals of top-5 and top-20 accuracy minus the best earlier number above 0.',
        _over_earlier_retrieval,
    ),
    Claim(
        'T2',
        CATEGORY_ITEM,
        'All four networks are better at categories than earlier work (86.72 % top-3 and 92.80 % '
        'top-5).',
        'All intervals of top-3 and top-5 accuracy minus the best earlier number above 0.',
        _over_earlier_categories,
    ),
    Claim(
        'F4',
        CONSUMER_ITEM,
        'DenseNet121 with OC+IS finds most on Consumer-to-Shop.',
        'All intervals of its top-20 accuracy minus that of another network above 0.',
        _dense_on_consumers,
    ),
    Claim(
        'O-c',
        OPEN_ITEM,
        'Whether removing the background helps to find a garment, on both sides or in the queries '
        'alone, is not asked by the work; no direction known.',
        'None.',
        _removal,
    ),
    Claim(
        'S-a',
        STREET_ITEM,
        'What removing the background gives back to garments that were laid before other places, a '
        'simulation of photos from the street, is not asked by the work; no direction known.',
        'None.',
        _removal,
    ),
)
