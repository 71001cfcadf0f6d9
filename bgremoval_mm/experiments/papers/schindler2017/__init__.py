"""Schindler, Lidy, Karner, Hecker: categories, genders and persons in product catalogues."""

from bgremoval_mm.experiments.base import Dataset, Metric, Work
from bgremoval_mm.experiments.papers.schindler2017.claims import CLAIMS
from bgremoval_mm.experiments.papers.schindler2017.exhibits import product_exhibits
from bgremoval_mm.experiments.papers.schindler2017.experiments import (
    EXPERIMENTS,
    OPEN,
    PERSONS,
    TABLE,
)
from bgremoval_mm.experiments.papers.schindler2017.published import (
    BEST_IMAGE,
    BEST_PRODUCT,
    IMAGE,
    MISPRINTS,
    PRODUCT,
    PUBLISHED,
)

__all__ = ['WORK']

_PRODUCT = Metric(PRODUCT, 'accuracy per product', 'percent', over_images='products')
_IMAGE = Metric(IMAGE, 'accuracy per photo', 'percent', over_images='photos of products')

WORK = Work(
    name='schindler2017',
    title='Schindler et al. 2017',
    citation=(
        'Schindler, Lidy, Karner, Hecker: Fashion and Apparel Classification using Convolutional '
        'Neural Networks, FMT 2017'
    ),
    experiments=EXPERIMENTS,
    metrics={
        TABLE: (
            _PRODUCT,
            _IMAGE,
            Metric(BEST_PRODUCT, 'accuracy per product, best fold', 'percent'),
            Metric(BEST_IMAGE, 'accuracy per photo, best fold', 'percent'),
        ),
        PERSONS: (_PRODUCT, _IMAGE),
        OPEN: (_PRODUCT, _IMAGE),
    },
    datasets={
        'luma': Dataset('Luma, categories', is_own=False, prepare='luma'),
        'luma-gender': Dataset('Luma, genders', is_own=False, prepare='luma'),
        'luma-person': Dataset('Luma, persons', is_own=False, prepare='luma'),
    },
    published=PUBLISHED,
    misprints=MISPRINTS,
    claims=CLAIMS,
    exhibits=dict.fromkeys((TABLE, PERSONS, OPEN), product_exhibits),
)
