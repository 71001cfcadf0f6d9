"""Park et al.: fashion retrieval with four backbones and three losses."""

from collections.abc import Sequence

from bgremoval_mm.experiments.base import Dataset, Exhibit, Metric, Work
from bgremoval_mm.experiments.papers.park2019.claims import CLAIMS
from bgremoval_mm.experiments.papers.park2019.exhibits import curve_exhibits
from bgremoval_mm.experiments.papers.park2019.experiments import (
    CATEGORY_ITEM,
    CONSUMER_ITEM,
    EXPERIMENTS,
    IN_SHOP_ITEM,
    OPEN_ITEM,
    STREET_ITEM,
)
from bgremoval_mm.experiments.papers.park2019.published import (
    MISPRINTS,
    PUBLISHED,
    TOPK,
    hit,
)
from bgremoval_mm.experiments.papers.park2019.sheets import query_exhibits
from bgremoval_mm.experiments.report.groups import Group

__all__ = ['WORK']


def _of_queries(key: str, title: str) -> Metric:
    return Metric(
        key,
        title,
        'percent',
        over_images=f'{key.partition("/")[2]} of items',
        counted_by='retrieval/queries',
    )


def _exhibits(group: Group) -> Sequence[Exhibit]:
    return [*curve_exhibits(group), *query_exhibits(group)]


_RETRIEVAL = (
    *(_of_queries(hit(k), f'top-{k} accuracy') for k in TOPK),
    _of_queries('retrieval/MAP@R', 'MAP@R'),
)

WORK = Work(
    name='park2019',
    title='Park et al. 2019',
    citation=(
        'Park et al.: Study on Fashion Image Retrieval Methods for Efficient Fashion '
        'Visual Search, CVPR Workshops 2019'
    ),
    experiments=EXPERIMENTS,
    metrics={
        IN_SHOP_ITEM: _RETRIEVAL,
        CATEGORY_ITEM: (
            Metric('accuracy/top3', 'top-3 accuracy', 'percent'),
            Metric('accuracy/top5', 'top-5 accuracy', 'percent'),
        ),
        CONSUMER_ITEM: _RETRIEVAL,
        OPEN_ITEM: _RETRIEVAL,
        STREET_ITEM: _RETRIEVAL,
    },
    datasets={
        'inshop': Dataset('DeepFashion In-Shop', prepare='deepfashion-inshop'),
        'category': Dataset('DeepFashion Category', prepare='deepfashion-category'),
        'consumer2shop': Dataset(
            'DeepFashion Consumer-to-Shop', prepare='deepfashion-consumer2shop'
        ),
        'luma-items': Dataset('Luma', is_own=False, prepare='luma'),
        'groceries': Dataset('Grocery Store', is_own=False, prepare='grocerystore'),
        'luma-street': Dataset(
            'Luma, queries before other places',
            is_own=False,
            prepare='luma',
            made={
                'data/luma_street': (
                    'bgremoval replace data/luma_catalogue data/luma_street '
                    '--masks data/masks/luma_catalogue --bank data/background_bank/bank_b.txt '
                    '--scale 0.5 1'
                )
            },
        ),
    },
    published=PUBLISHED,
    misprints=MISPRINTS,
    claims=CLAIMS,
    exhibits=dict.fromkeys((IN_SHOP_ITEM, CONSUMER_ITEM, OPEN_ITEM, STREET_ITEM), _exhibits),
)
