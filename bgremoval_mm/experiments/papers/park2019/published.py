"""The numbers that the work prints, in Tables 1 and 2, and what it prints and cannot mean.

Fig. 3 and Fig. 4 are drawn without numbers. Table 1 has fractions, which are percent here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bgremoval_mm.experiments.base import Misprint, Published
from bgremoval_mm.experiments.papers.park2019.experiments import (
    CATEGORY_ITEM,
    IN_SHOP_ITEM,
)

__all__ = ['EARLIER_CATEGORY', 'EARLIER_IN_SHOP', 'HITS', 'MISPRINTS', 'PUBLISHED', 'TOPK', 'hit']

TOPK = (1, 5, 10, 20, 30, 40, 50)
"""The k of the work's curves."""


def hit(k: int) -> str:
    """Return the key of the metric that counts queries with their item among the `k` nearest."""
    return f'retrieval/hit@{k}'


HITS = tuple(hit(k) for k in TOPK)


def _table(
    item: str, dataset: str, metrics: tuple[str, str], factor: float, text: str
) -> Iterator[Published]:
    """Read a table: a network with its loss a line, and the two metrics of it."""
    for line in text.strip().splitlines():
        model, *cells = line.split()
        for metric, cell in zip(metrics, cells, strict=True):
            yield Published(
                item=item,
                model=model,
                metric=metric,
                values={'original': round(factor * float(cell), 2)},
                datasets=(dataset,),
            )


PUBLISHED: tuple[Published, ...] = (
    *_table(
        IN_SHOP_ITEM,
        'inshop',
        (hit(5), hit(20)),
        100,
        """
        resnet50_oc        .633 .766
        resnet50_oc-os     .569 .695
        resnet50_oc-is     .826 .905
        densenet121_oc     .768 .873
        densenet121_oc-os  .628 .749
        densenet121_oc-is  .823 .909
        """,
    ),
    *_table(
        CATEGORY_ITEM,
        'category',
        ('accuracy/top3', 'accuracy/top5'),
        1,
        """
        resnet50_oc     87.34 93.42
        densenet121_oc  87.58 93.39
        seresnet50_oc   87.58 93.58
        seresnext50_oc  88.42 93.93
        """,
    ),
)
"""In percent."""

EARLIER_IN_SHOP: Mapping[str, tuple[float, float]] = {
    'DeepFashion': (67.3, 76.4),
    'DARN': (54.7, 67.5),
}
"""Earlier work in Table 1: top-5 and top-20 accuracy in percent."""

EARLIER_CATEGORY: Mapping[str, tuple[float, float]] = {
    'WTBI': (43.73, 66.26),
    'DARN': (59.48, 79.58),
    'FashionNet+500': (57.44, 77.39),
    'FashionNet+Joints': (72.30, 81.52),
    'FashionNet+Poselets': (75.34, 84.87),
    'DeepFashion': (82.58, 90.17),
    'Lu et al. (VGG-16)': (86.72, 92.51),
    'Weakly': (86.30, 92.80),
}
"""Earlier work in Table 2: top-3 and top-5 accuracy in percent."""

MISPRINTS: tuple[Misprint, ...] = (
    Misprint(
        IN_SHOP_ITEM,
        'The work prints a minus before the triplet loss, with which it would be maximised, and '
        'weights (alpha, beta, delta) of (0, 0.1, 0.3), of which alpha = 0 leaves out the '
        'categories that all results have. Here the sign is plus and alpha is 1',
        (
            {'setting': 'sign of the triplet loss', 'as printed': '-', 'here': '+'},
            {'setting': 'alpha', 'as printed': '0', 'here': '1'},
            {'setting': 'beta', 'as printed': '0.1', 'here': '0.1'},
            {'setting': 'delta', 'as printed': '0.3', 'here': '0.3'},
        ),
    ),
    Misprint(
        CATEGORY_ITEM,
        'The work prints as many parameters for ResNet50 as for SEResNet50; the others are those '
        'of the usual networks with 1,000 classes, in millions',
        (
            {'network': 'ResNet50', 'as printed': '28.1', 'usual': '25.56'},
            {'network': 'SEResNet50', 'as printed': '28.1', 'usual': '28.09'},
        ),
    ),
)
