"""The work's Table I as it is laid out, and its Fig. 4, from per-image results with products."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bgremoval_mm.evaluation.cross_validation import right_products
from bgremoval_mm.evaluation.products import (
    confusion_matrix,
    merge_classes,
    parents_of,
    predict_products,
)
from bgremoval_mm.evaluation.statistics import Estimate
from bgremoval_mm.experiments.base import BEST_FOLD, Exhibit
from bgremoval_mm.experiments.papers.schindler2017.published import IMAGE, PRODUCT, ROWS, Row
from bgremoval_mm.experiments.report.folds import AnyResult
from bgremoval_mm.experiments.report.groups import Cell, Group
from bgremoval_mm.experiments.report.over_images import over_products
from bgremoval_mm.experiments.report.words import GAP

__all__ = ['PARENTS', 'pooled_confusion', 'product_exhibits', 'table_rows']


PARENTS: Mapping[str, str] = {
    'Bags': 'Gear',
    'Bras & Tanks': 'Tops',
    'Fitness Equipment': 'Gear',
    'Hoodies & Sweatshirts': 'Tops',
    'Jackets': 'Tops',
    'Pants': 'Bottoms',
    'Shorts': 'Bottoms',
    'Tanks': 'Tops',
    'Tees': 'Tops',
    'Watches': 'Gear',
}
"""The categories of Luma, below those of its shop's menu."""

_COLUMNS = {
    'photo, best fold': BEST_FOLD + IMAGE,
    'product, best fold': BEST_FOLD + PRODUCT,
    'photo, mean': IMAGE,
    'product, mean': PRODUCT,
    'product by largest, mean': 'accuracy/product/max',
    'product by vote, mean': 'accuracy/product/vote',
}


def product_exhibits(group: Group) -> list[Exhibit]:
    """Return the table in the work's layout, and the confusions of each network's products."""
    caption = (
        'Accuracy in percent, by photo and by product. Of each seed the best fold and the mean of '
        'the folds; here their means over seeds. The class of a product is that with the largest '
        'sum of probabilities over its photos, with the largest one, or that of most photos. The '
        'interval, of the mean by sum, is over products: a bootstrap within the folds.'
    )
    if any(_row_of(cell, group) for cell in group.cells):
        caption += " The numbers of the work are those of its own photos, so that ours can't match."
    table = Exhibit(
        name='layout',
        title=f'{group.item}, as the work lays it out',
        caption=caption,
        rows=tuple(table_rows(group)),
    )
    return [table, *_confusions(group)]


def _row_of(cell: Cell, group: Group) -> Row | None:
    wanted = (cell.experiment.model, group.dataset)
    found = (row for row in ROWS if (row.model, row.dataset) == wanted)
    return next(found, None) if cell.experiment.item == 'Table I' else None


def table_rows(group: Group) -> Iterator[dict[str, str]]:
    """Yield a row for each network and kind of background that was run.

    The numbers of the work stand in the rows of the originals.
    """
    has_numbers = any(_row_of(cell, group) for cell in group.cells)
    for cell in group.cells:
        for variant in cell.experiment.variants:
            results = list(cell.results.get(variant.name, {}).values())
            if not results:
                continue
            published = _row_of(cell, group)
            is_baseline = variant == cell.experiment.variants[0]
            line = {'row': f'{published.number}' if published else GAP} if has_numbers else {}
            line |= {
                'network': cell.experiment.title,
                'variant': variant.title,
                'seeds': f'{len(results)}',
                'runs': f'{sum(len(each.runs) for each in results)}',
            }
            for column, key in _COLUMNS.items():
                mean = cell.mean(key, variant.name)
                line[column] = GAP if mean is None else f'{mean.mean:.2f}'
                if key == PRODUCT:
                    line['95 % over products'] = _interval(_accuracy(results))
            if has_numbers:
                line |= _of_work(published if is_baseline else None)
            yield line


def _of_work(row: Row | None) -> dict[str, str]:
    """Return the work's numbers in percent, or gaps."""
    shares = (None, None, None) if row is None else (row.image, row.product, row.mean)
    names = ('photo, best fold', 'product, best fold', 'product, mean')
    return {
        f'paper: {name}': GAP if share is None else f'{100 * share:.1f}'
        for name, share in zip(names, shares, strict=True)
    }


def _accuracy(results: Sequence[AnyResult]) -> Estimate | None:
    return over_products([[each] for each in results], right_products, (1,))


def _interval(estimate: Estimate | None) -> str:
    if estimate is None or estimate.low is None:  # a bootstrap over one product has none
        return GAP
    return f'{estimate.low:.2f} to {estimate.high:.2f}'


def pooled_confusion(results: Sequence[AnyResult]) -> tuple[list[str], np.ndarray] | None:
    """Count the products of all folds and seeds by true and predicted class.

    Args:
        results: Of one network and kind of background, a result a seed.

    Returns:
        Names of the classes, and int64 of shape (C, C), true classes in rows; None where a run has
        no per-image results with products.
    """
    names: list[str] = []
    matrix = np.zeros((0, 0), np.int64)
    for run in (run for each in results for run in each.runs):
        if not run.has_per_image or 'products' not in run.per_image:
            return None
        arrays = run.per_image
        _, first, index = np.unique(arrays['products'], return_index=True, return_inverse=True)
        predicted = predict_products(arrays['scores'], index)
        names = names or [str(name) for name in arrays['classes']]
        counts = confusion_matrix(arrays['labels'][first], predicted, len(names))
        matrix = counts if matrix.size == 0 else matrix + counts
    return (names, matrix) if names else None


def _confusions(group: Group) -> Iterator[Exhibit]:
    """Yield the confusion matrices of each network's baseline: of classes, and of their parents."""
    for cell in group.cells:
        variant = cell.experiment.variants[0]
        results = list(cell.results.get(variant.name, {}).values())
        found = pooled_confusion(results) if results else None
        if found is None:
            continue
        names, matrix = found
        yield _matrix(cell, 'confusion', 'classes (as Fig. 4)', names, matrix)
        if set(names) <= set(PARENTS) and len({PARENTS[name] for name in names}) > 1:
            parents, index = parents_of(names, PARENTS)
            merged = merge_classes(matrix, index, len(parents))
            yield _matrix(cell, 'confusion_parents', 'their parents', parents, merged)


def _matrix(cell: Cell, kind: str, title: str, names: Sequence[str], matrix: np.ndarray) -> Exhibit:
    from bgremoval_mm.visualization.confusion import draw_confusion

    network = cell.experiment.title
    content = io.BytesIO()
    draw_confusion(names, matrix, network).save(content, 'PNG')
    right, total = int(np.trace(matrix)), int(matrix.sum())
    shares = np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1)
    listed = ', '.join(
        f'{names[number]} {100 * shares[number]:.0f} %' for number in np.argsort(-shares)
    )
    return Exhibit(
        name=f'{cell.experiment.model}_{kind}',
        title=f'{network}: confusion of {title}',
        caption=(
            'Products of all folds and seeds, photos as they are: a product counts once a seed. '
            f'Right, best first: {listed}.'
        ),
        picture=content.getvalue(),
        alt=f'{network}, confusion of {title}: {right:,} of {total:,} right',
    )
